//! What a broker is shown of a request (BROKER §2), before it is decided or after.

use super::{NeedKind, PaymentState, Pending, Publisher, Verdict};
use crate::directory::State;
use crate::headers::HeaderLine;
use crate::time::Timestamp;
use crate::visa::Presented;
use crate::{Error, Result};

impl Publisher {
    /// The visa and the signed request of a verification (its two halves) that waits for a broker ([`NeedKind::Redeem`]), with the key that signed, which
    /// [`crate::visa::redeem_body`] sends.
    ///
    /// `usage.argument` when it waits for none, or when the manifest that lists the key is not at hand any more.
    pub fn presented(&self, verdict: &Verdict, pending: &Pending, now: Timestamp) -> Result<Presented> {
        pending.with_request(|request| self.presented_of(verdict, request.headers, now))
    }

    /// The same of a request by its header lines: also one that was let in with a visa, which is redeemed later. A request need not bring its key
    /// (PROTOCOL §1); then it is the one of the agent's manifest that the verdict names.
    ///
    /// `usage.argument` when the verdict neither waits for a broker nor lets a visa in, when there is no visa among the lines, or when the manifest
    /// that lists the key is not at hand any more.
    pub fn presented_of(
        &self,
        verdict: &Verdict,
        headers: &[HeaderLine<'_>],
        now: Timestamp,
    ) -> Result<Presented> {
        let waits = verdict.needs.iter().any(|need| need.kind == NeedKind::Redeem);
        let shown = waits || (verdict.is_allowed() && verdict.payment.state == PaymentState::Visa);
        if !shown {
            return Err(Error::argument("the verdict takes no visa, and waits for no broker"));
        }
        let presented = Presented::of_request(headers)?;
        if !presented.lacks_key() {
            return Ok(presented);
        }
        let known = verdict.agent_id.as_ref().map(|agent| self.directory().look_up(agent, now));
        let Some(State::Fresh(manifest) | State::Stale(manifest)) = known else {
            return Err(Error::argument("the agent's manifest is not at hand any more"));
        };
        // Also one that ended a moment ago: it was there when the request came.
        let key =
            manifest.keys().iter().find(|entry| verdict.key_id.as_ref() == Some(entry.key.thumbprint()));
        key.map(|entry| presented.with_key(&entry.key))
            .ok_or_else(|| Error::argument("the agent's manifest does not list the key any more"))
    }
}
