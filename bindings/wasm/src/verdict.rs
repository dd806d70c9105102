//! The result of a verification: the fixed structure of PROTOCOL §6.

use crate::errors::{self, Thrown};
use crate::{agent_id, json};
use imagxp::Code;
use imagxp::crypto::Thumbprint;
use imagxp::json::{Object, Value};
use imagxp::publisher::{Need, NeedKind, Outcome, PaymentState, Verdict, Visitor};
use js_sys::{Array, Object as JsObject, Reflect};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;

/// A plain, frozen object: nothing of it lives in the module, so it may be kept, sent and forgotten.
pub(crate) fn to_js(verdict: &Verdict) -> Result<JsValue, Thrown> {
    let object = json::object(&to_object(verdict))?;
    let object: JsObject = object.unchecked_into();
    Ok(JsObject::freeze(&object).into())
}

/// The verdict on the request that carried feedback, as far as the core asks about it; nothing unless it verified an agent.
pub(crate) fn carrier(value: &JsValue) -> Result<Option<Verdict>, Thrown> {
    let text = |name: &str| Ok::<_, Thrown>(Reflect::get(value, &name.into())?.as_string());
    if text("visitor")?.as_deref() != Some(Visitor::VerifiedAgent.as_str()) {
        return Ok(None);
    }
    let agent_id = text("agentId")?.map(|name| agent_id::parse(&name, true)).transpose()?;
    let key_id = text("keyId")?.as_deref().and_then(Thumbprint::parse);
    Ok(agent_id.map(|agent_id| Verdict::on_agent(agent_id, key_id)))
}

/// The verdict on a request with a visa, as far as the core asks about it to show the request to a broker; only a verified agent pays with one.
pub(crate) fn with_visa(value: &JsValue) -> Result<Verdict, Thrown> {
    let wrong = || errors::argument("the verdict takes no visa, and waits for no broker");
    let member = |value: &JsValue, name: &str| Reflect::get(value, &name.into()).map_err(|_| wrong());
    let text = |value: &JsValue, name: &str| member(value, name)?.as_string().ok_or_else(wrong);
    let mut verdict = carrier(value).ok().flatten().ok_or_else(wrong)?;
    verdict.outcome = Outcome::from_name(&text(value, "outcome")?).ok_or_else(wrong)?;
    let state = text(&member(value, "payment")?, "state")?;
    verdict.payment.state = PaymentState::from_name(&state).ok_or_else(wrong)?;
    for need in member(value, "needs")?.dyn_ref::<Array>().ok_or_else(wrong)?.iter() {
        let kind = NeedKind::from_name(&text(&need, "kind")?).ok_or_else(wrong)?;
        verdict.needs.push(Need { kind, url: text(&need, "url")? });
    }
    Ok(verdict)
}

fn to_object(verdict: &Verdict) -> Object<'static> {
    let text = |text: Option<String>| text.map_or(Value::Null, Value::from);
    let mut payment = Object::new();
    payment.insert("state", verdict.payment.state.as_str());
    payment.insert("jti", text(verdict.payment.jti.clone()));
    payment.insert("issuer", text(verdict.payment.issuer.clone()));
    payment.insert("amount", text(verdict.payment.amount.map(|amount| amount.to_string())));
    payment.insert("currency", text(verdict.payment.currency.clone()));
    let needs = verdict.needs.iter().map(|need| {
        let mut object = Object::new();
        object.insert("kind", need.kind.as_str());
        object.insert("url", need.url.clone());
        Value::Object(object)
    });
    let headers = verdict
        .response_headers
        .iter()
        .map(|(name, value)| Value::Array(vec![(*name).into(), value.clone().into()]));
    let warnings = verdict.warnings.iter().map(|warning| Value::from(warning.as_str()));
    let mut object = Object::new();
    object.insert("isAllowed", verdict.is_allowed());
    object.insert("outcome", verdict.outcome.as_str());
    object.insert("code", verdict.code.map_or(Value::Null, |code: Code| code.as_str().into()));
    object.insert("http", u32::from(verdict.http));
    object.insert("message", verdict.message);
    object.insert("hint", text(verdict.hint.as_ref().map(ToString::to_string)));
    object.insert("detail", text(verdict.detail.as_ref().map(ToString::to_string)));
    object.insert("retry", verdict.retry.to_string());
    object.insert("visitor", verdict.visitor.as_str());
    object.insert("wouldDeny", verdict.would_deny);
    object.insert("agentId", text(verdict.agent_id.as_ref().map(ToString::to_string)));
    object.insert("keyId", text(verdict.key_id.as_ref().map(|id| id.as_str().to_owned())));
    object.insert("purpose", verdict.purpose.map_or(Value::Null, |purpose| purpose.as_str().into()));
    object.insert("resource", text(verdict.resource.clone()));
    object.insert("binding", verdict.binding.as_str());
    object.insert("payment", payment);
    object.insert("warnings", warnings.collect::<Vec<_>>());
    object.insert("needs", needs.collect::<Vec<_>>());
    object.insert("responseHeaders", headers.collect::<Vec<_>>());
    object.insert("offer", verdict.offer.clone().map_or(Value::Null, Value::Object));
    object.insert("traceId", verdict.trace_id.clone());
    // Nobody answers an allowed request with it.
    let body = (verdict.http != 200).then(|| json::text(verdict.body()));
    object.insert("body", text(body));
    object
}
