//! The operations `offer`, `spend` and `assertion`.

use crate::answer::{Answer, Failure, json, optional, text, time};
use crate::operations::object;
use imagxp::agent::offer::{Offer, TrustedBroker};
use imagxp::agent::spend::{Caps, Purchase, Reserved, Settlement, Spend};
use imagxp::agent::{Identity, assertion};
use imagxp::amount::Amount;
use imagxp::crypto::PrivateKey;
use imagxp::policy::Money;
use imagxp::{AgentId, Manifest, Purpose};
use serde_json::{Value, json};

pub(crate) fn offer(case: &Value) -> Answer {
    let offer = match Offer::parse(text(case, "body")?.as_bytes(), false) {
        Ok(offer) => offer,
        Err(error) => return Ok(json!({ "code": error.code() })),
    };
    let trusted = case.get("trusted").and_then(Value::as_array).into_iter().flatten();
    let trusted: Vec<TrustedBroker> = trusted
        .filter_map(Value::as_str)
        .map(|issuer| TrustedBroker::new(issuer, false))
        .collect::<Result<_, _>>()?;
    let purposes: Vec<&str> = offer.purposes.iter().map(|purpose| purpose.as_str()).collect();
    let mut answer = json!({
        "code": null, "price": offer.price.amount.to_string(), "currency": offer.price.currency, "purposes": purposes,
        "brokers": offer.brokers.iter().map(|broker| broker.issuer.as_str()).collect::<Vec<_>>(),
    });
    if case.get("trusted").is_some() {
        let chosen = offer.choose(&trusted);
        let chosen = chosen.map_or_else(|error| error.code().to_owned(), |broker| broker.token_endpoint);
        if let Some(members) = answer.as_object_mut() {
            members.insert("chosen".to_owned(), json!(chosen));
        }
    }
    Ok(answer)
}

pub(crate) fn spend(case: &Value) -> Answer {
    let caps = case.get("caps").ok_or_else(|| Failure::Case("`caps` is missing".into()))?;
    let mut read = Caps::new(text(caps, "currency")?, text(caps, "per_request")?)?;
    if let Some(amount) = optional(caps, "per_host") {
        read = read.with_per_host(amount)?;
    }
    if let Some(amount) = optional(caps, "per_day") {
        read = read.with_per_day(amount)?;
    }
    if let Some(amount) = optional(caps, "total") {
        read = read.with_total(amount)?;
    }
    let mut spend = Spend::new([read]);
    let steps = case.get("steps").and_then(Value::as_array).into_iter().flatten();
    let results = steps.map(|step| {
        let id = text(step, "id")?;
        if let Some(end) = optional(step, "settle") {
            let end = match end {
                "spent" => Settlement::Spent,
                "released" => Settlement::Released,
                _ => Settlement::Unknown,
            };
            spend.settle(id, end);
            return Ok(json!({ "spent": spend.spent(text(caps, "currency")?).to_string() }));
        }
        let amount = Amount::parse(text(step, "amount")?);
        let purchase = Purchase {
            id: id.to_owned(),
            agent_id: agent(step)?,
            issuer: text(step, "issuer")?.to_owned(),
            audience: text(step, "audience")?.to_owned(),
            purpose: Purpose::Summary,
            price: Money {
                amount: amount.ok_or_else(|| Failure::Case("bad amount".into()))?,
                currency: text(step, "currency")?.to_owned(),
            },
        };
        Ok(match spend.reserve(&purchase, time(step, "now")?) {
            Ok(Reserved::New) => json!({ "code": null, "again": null }),
            Ok(Reserved::Again(earlier)) => json!({ "code": null, "again": earlier.id }),
            Err(error) => json!({ "code": error.code(), "again": null }),
        })
    });
    Ok(json!({ "results": results.collect::<Result<Vec<_>, Failure>>()? }))
}

pub(crate) fn assertion(case: &Value) -> Answer {
    let now = time(case, "now")?;
    let endpoint = text(case, "token_endpoint")?;
    if case.get("key").is_some() {
        let identity = Identity::new(agent(case)?, PrivateKey::from_jwk(&object(case, "key")?)?);
        return Ok(json!({ "assertion": identity.assert_client(endpoint, text(case, "jti")?, now)? }));
    }
    let manifest = Manifest::parse(&json(case, "manifest")?, &agent(case)?, 16 * 1024)?;
    Ok(match assertion::verify(text(case, "assertion")?.as_bytes(), &manifest, endpoint, now) {
        Ok(found) => json!({ "code": null, "jti": found.jti, "key_id": found.key_id.as_str() }),
        Err(error) => json!({ "code": error.code(), "jti": null, "key_id": null }),
    })
}

fn agent(case: &Value) -> Result<AgentId, Failure> {
    AgentId::parse(text(case, "agent_id")?, true).ok_or_else(|| Failure::Case("bad agent_id".into()))
}
