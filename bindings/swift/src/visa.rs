//! Issuing visas: the primitive with which a broker makes one.

use crate::error::ImagxpError;
use crate::key::PrivateKey;
use crate::{agent_id, boundary, time};
use imagxp::amount::Amount;
use imagxp::crypto::Thumbprint;
use imagxp::policy::Money;
use imagxp::visa::{NewVisa, issue};
use imagxp::{Error, Purpose, Timestamp};
use std::sync::Arc;

/// Signs a visa with a broker's ES256 key; `kid` is the key's thumbprint. Whether it may be issued is for the broker's ledger.
///
/// `amount` is a decimal string, `jkt` the thumbprint of the agent's key, `purposes` what the visa is limited to (empty: any),
/// `lifetimeS` seconds from `now` (at most 3600).
#[uniffi::export(default(jkt = None, purposes = [], max_uses = 1, lifetime_s = 600, now = None, allow_loopback = false))]
#[expect(clippy::too_many_arguments, reason = "labelled arguments of Swift")]
pub(crate) fn issue_visa(
    key: Arc<PrivateKey>,
    issuer: &str,
    audience: &str,
    agent_id: &str,
    jti: &str,
    amount: &str,
    currency: String,
    jkt: Option<String>,
    purposes: Vec<Purpose>,
    max_uses: u32,
    lifetime_s: u32,
    now: Option<Timestamp>,
    allow_loopback: bool,
) -> Result<String, ImagxpError> {
    let issued_at = time::or_now(now);
    boundary::call(|| {
        let agent_id = agent_id::parse(agent_id, allow_loopback)?;
        let amount =
            Amount::parse(amount).ok_or_else(|| Error::argument("the amount is not a decimal string"))?;
        let thumbprint =
            |text: &str| Thumbprint::parse(text).ok_or_else(|| Error::argument("jkt is not a thumbprint"));
        let jkt = jkt.as_deref().map(thumbprint).transpose()?;
        let paid = Money { amount, currency };
        let visa = NewVisa {
            issuer,
            audience,
            agent_id: &agent_id,
            key: jkt.as_ref(),
            jti,
            issued_at,
            lifetime_s,
            paid: &paid,
            purposes: &purposes,
            max_uses,
        };
        issue(&visa, &*key.0)
    })
}
