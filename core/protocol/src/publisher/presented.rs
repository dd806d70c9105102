//! What a broker is shown of a verification that waits for its word (BROKER §2).

use super::{NeedKind, Pending, Publisher, Verdict};
use crate::directory::State;
use crate::time::Timestamp;
use crate::visa::Presented;
use crate::{Error, Result};

impl Publisher {
    /// The visa and the signed request of a verification (its two halves) that waits for a broker ([`NeedKind::Redeem`]), with the key that signed, which
    /// [`crate::visa::redeem_body`] sends.
    ///
    /// `usage.argument` when it waits for none, or when the manifest that lists the key is not at hand any more.
    pub fn presented(&self, verdict: &Verdict, pending: &Pending, now: Timestamp) -> Result<Presented> {
        if !verdict.needs.iter().any(|need| need.kind == NeedKind::Redeem) {
            return Err(Error::argument("the verification waits for no broker"));
        }
        let presented = pending.with_request(|request| Presented::of_request(request.headers))?;
        if !presented.lacks_key() {
            return Ok(presented);
        }
        let known = verdict.agent_id.as_ref().map(|agent| self.directory().look_up(agent, now));
        let Some(State::Fresh(manifest) | State::Stale(manifest)) = known else {
            return Err(Error::argument("the agent's manifest is not at hand any more"));
        };
        let key = manifest.keys_at(now).find(|key| verdict.key_id.as_ref() == Some(key.thumbprint()));
        key.map(|key| presented.with_key(key))
            .ok_or_else(|| Error::argument("the agent's manifest does not list the key any more"))
    }
}
