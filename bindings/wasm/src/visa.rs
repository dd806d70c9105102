//! Issuing visas: the primitive with which a broker makes one.

use crate::errors::{self, Thrown, raise};
use crate::key::PrivateKey;
use crate::options::Options;
use crate::{agent_id, purpose};
use imagxp::amount::Amount;
use imagxp::crypto::Thumbprint;
use imagxp::policy::Money;
use imagxp::visa::{NewVisa, issue};
use wasm_bindgen::prelude::*;

/// Signs a visa with a broker's ES256 key; `kid` is the key's thumbprint. Whether it may be issued is for the broker's ledger.
#[wasm_bindgen(js_name = issueVisa)]
pub fn issue_visa(
    key: &PrivateKey,
    #[wasm_bindgen(unchecked_param_type = "VisaOptions")] options: JsValue,
) -> Result<String, Thrown> {
    let names = [
        "issuer",
        "audience",
        "agentId",
        "jti",
        "amount",
        "currency",
        "jkt",
        "purposes",
        "maxUses",
        "lifetimeS",
        "now",
        "allowLoopback",
    ];
    let options = Options::new(options, &names)?;
    let agent_id = agent_id::parse(&options.required("agentId")?, options.flag("allowLoopback")?)?;
    let amount = Amount::parse(&options.required("amount")?)
        .ok_or_else(|| errors::argument("the amount is not a decimal string"))?;
    let thumbprint =
        |text: String| Thumbprint::parse(&text).ok_or_else(|| errors::argument("jkt is not a thumbprint"));
    let jkt = options.text("jkt")?.map(thumbprint).transpose()?;
    let purposes =
        options.texts("purposes")?.iter().map(|name| purpose::parse(name)).collect::<Result<Vec<_>, _>>()?;
    let visa = NewVisa {
        issuer: &options.required("issuer")?,
        audience: &options.required("audience")?,
        agent_id: &agent_id,
        key: jkt.as_ref(),
        jti: &options.required("jti")?,
        issued_at: options.now()?,
        lifetime_s: options.whole("lifetimeS")?.unwrap_or(600),
        paid: &Money { amount, currency: options.required("currency")? },
        purposes: &purposes,
        max_uses: options.whole("maxUses")?.unwrap_or(1),
    };
    issue(&visa, &*key.0).map_err(raise)
}
