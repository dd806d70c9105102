//! Issuing: the primitive with which a broker makes a visa. The broker's ledger decides whether it may.

use super::{MAX_LIFETIME_S, MAX_USES, VISA_TYP};
use crate::agent_id::AgentId;
use crate::crypto::{Signer, Thumbprint, jws};
use crate::error::{Error, Result};
use crate::json::{self, Number, Object, Value};
use crate::policy::Money;
use crate::purpose::Purpose;
use crate::time::Timestamp;

/// What a new visa says.
#[derive(Clone, Debug)]
pub struct NewVisa<'a> {
    /// The broker's issuer URL.
    pub issuer: &'a str,
    /// The publisher's origin, `https://host`.
    pub audience: &'a str,
    /// The agent.
    pub agent_id: &'a AgentId,
    /// The agent's key, to which the visa is bound.
    pub key: Option<&'a Thumbprint>,
    /// The visa's name: 8 to 128 bytes; unique at the broker.
    pub jti: &'a str,
    /// When it is issued.
    pub issued_at: Timestamp,
    /// How long it lives, in seconds: 1 to 3600.
    pub lifetime_s: u32,
    /// What has been paid.
    pub paid: &'a Money,
    /// The purposes it is limited to; empty: any.
    pub purposes: &'a [Purpose],
    /// How often it may be used: 1 to 1 000 000.
    pub max_uses: u32,
}

/// Signs a visa with the broker's ES256 key; `kid` is the key's thumbprint.
///
/// Errors: `usage.argument` for a value out of range, `usage.signer` when the signer fails.
pub fn issue(visa: &NewVisa<'_>, signer: &dyn Signer) -> Result<String> {
    if !(8..=128).contains(&visa.jti.len()) {
        return Err(Error::argument("a jti has 8 to 128 bytes"));
    }
    if visa.lifetime_s == 0 || i64::from(visa.lifetime_s) > MAX_LIFETIME_S {
        return Err(Error::argument(format!("a visa lives 1 to {MAX_LIFETIME_S} seconds")));
    }
    if !(1..=MAX_USES).contains(&visa.max_uses) {
        return Err(Error::argument(format!("max_uses is 1 to {MAX_USES}")));
    }
    let seconds = |time: Timestamp| {
        Number::from_i64(time.as_secs())
            .map(Value::Number)
            .ok_or_else(|| Error::argument("the time is out of range"))
    };
    let mut claims = Object::new();
    claims.insert("iss", visa.issuer);
    claims.insert("aud", visa.audience);
    claims.insert("sub", visa.agent_id.as_str());
    claims.insert("iat", seconds(visa.issued_at)?);
    claims.insert("exp", seconds(visa.issued_at.saturating_add_secs(i64::from(visa.lifetime_s)))?);
    claims.insert("jti", visa.jti);
    claims.insert("amount", visa.paid.amount.to_string());
    claims.insert("currency", visa.paid.currency.as_str());
    claims.insert("payment_status", "paid");
    if let Some(key) = visa.key {
        let mut cnf = Object::new();
        cnf.insert("jkt", key.as_str());
        claims.insert("cnf", cnf);
    }
    if !visa.purposes.is_empty() {
        claims.insert(
            "purposes",
            visa.purposes.iter().map(|purpose| Value::from(purpose.as_str())).collect::<Vec<_>>(),
        );
    }
    if visa.max_uses > 1 {
        claims.insert("max_uses", visa.max_uses);
    }
    let mut header = Object::new();
    header.insert("typ", VISA_TYP);
    header.insert("kid", signer.public_key().thumbprint().as_str());
    jws::sign(&header, &json::object_to_canonical(&claims), signer)
}
