//! Issuing visas: the primitive with which a broker makes one.

use crate::js::{ClassInstance, JsBoolean, JsNumber, JsString, List};
use crate::key::PrivateKey;
use crate::options::options;
use crate::time::{self, Time};
use crate::{agent_id, boundary, errors, purpose};
use imagxp::amount::Amount;
use imagxp::crypto::Thumbprint;
use imagxp::policy::Money;
use imagxp::visa::{NewVisa, issue};
use napi::Result;
use napi_derive::napi;

options! {
    /// What a visa says.
    VisaTerms {
        /// The broker's URL.
        issuer: JsString,
        /// The publisher's origin.
        audience: JsString,
        /// Who may use it.
        agent_id: JsString,
        /// Its name, 8 to 128 bytes.
        jti: JsString,
        /// What it pays, as a decimal string.
        amount: JsString,
        /// In which currency.
        currency: JsString,
        /// The thumbprint of the agent's key.
        jkt: Option<JsString>,
        /// What it is limited to; anything unless given.
        #[napi(ts_type = "readonly Purpose[]")]
        purposes: Option<List<JsString>>,
        /// How often it may be used; once unless given.
        max_uses: Option<JsNumber>,
        /// Seconds until it expires; 600 unless given.
        lifetime_s: Option<JsNumber>,
        /// The clock's time unless given.
        now: Option<Time>,
        /// Also admits agents on `localhost` and `127.0.0.1`: for development.
        allow_loopback: Option<JsBoolean>,
    }
}

/// Signs a visa with a broker's ES256 key; `kid` is the key's thumbprint. Whether it may be issued is for the broker's ledger.
#[napi]
pub fn issue_visa(key: ClassInstance<PrivateKey>, terms: VisaTerms) -> Result<String> {
    let agent_id = agent_id::parse(&terms.agent_id, terms.allow_loopback.is_some_and(|flag| flag.0))?;
    let amount =
        Amount::parse(&terms.amount).ok_or_else(|| errors::argument("the amount is not a decimal string"))?;
    let thumbprint =
        |text: JsString| Thumbprint::parse(&text).ok_or_else(|| errors::argument("jkt is not a thumbprint"));
    let jkt = terms.jkt.map(thumbprint).transpose()?;
    let purposes = terms.purposes.unwrap_or_default().0;
    let purposes = purposes.iter().map(|name| purpose::parse(name)).collect::<Result<Vec<_>>>()?;
    let paid = Money { amount, currency: terms.currency.0 };
    let visa = NewVisa {
        issuer: &terms.issuer,
        audience: &terms.audience,
        agent_id: &agent_id,
        key: jkt.as_ref(),
        jti: &terms.jti,
        issued_at: time::or_now(terms.now),
        lifetime_s: terms.lifetime_s.unwrap_or(JsNumber(600.0)).whole("lifetimeS")?,
        paid: &paid,
        purposes: &purposes,
        max_uses: terms.max_uses.unwrap_or(JsNumber(1.0)).whole("maxUses")?,
    };
    boundary::call(|| issue(&visa, &*key.0))
}
