//! Issuing visas: the primitive with which a broker makes one.

use crate::key::PrivateKey;
use crate::time::{self, Time};
use crate::{agent_id, boundary, errors, purpose};
use imagxp::amount::Amount;
use imagxp::crypto::Thumbprint;
use imagxp::policy::Money;
use imagxp::visa::{NewVisa, issue};
use pyo3::prelude::*;

/// Signs a visa with a broker's ES256 key; `kid` is the key's thumbprint. Whether it may be issued is for the broker's ledger.
///
/// `amount` is a decimal string, `jkt` the thumbprint of the agent's key, `purposes` what the visa is limited to (empty: any).
#[pyfunction]
#[pyo3(signature = (key, *, issuer, audience, agent_id, jti, amount, currency, jkt = None, purposes = Vec::new(), max_uses = 1,
    lifetime_s = 600, now = None, allow_loopback = false))]
#[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
pub(crate) fn issue_visa(
    py: Python<'_>,
    key: &PrivateKey,
    issuer: &str,
    audience: &str,
    agent_id: &str,
    jti: &str,
    amount: &str,
    currency: String,
    jkt: Option<&str>,
    purposes: Vec<String>,
    max_uses: u32,
    lifetime_s: u32,
    now: Option<Time>,
    allow_loopback: bool,
) -> PyResult<String> {
    let agent_id = agent_id::parse(py, agent_id, allow_loopback)?;
    let amount =
        Amount::parse(amount).ok_or_else(|| errors::argument(py, "the amount is not a decimal string"))?;
    let thumbprint =
        |text| Thumbprint::parse(text).ok_or_else(|| errors::argument(py, "jkt is not a thumbprint"));
    let jkt = jkt.map(thumbprint).transpose()?;
    let purposes = purposes.iter().map(|name| purpose::parse(py, name)).collect::<PyResult<Vec<_>>>()?;
    let paid = Money { amount, currency };
    let issued_at = time::or_now(now);
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
    boundary::call(py, || issue(&visa, &*key.0))
}
