//! The public part of a policy, and remarks about what is hardly meant.

use super::{Document, Policy, Price, Unsigned, policy_error, policy_refused};
use crate::error::Result;
use crate::json::{self, Object, Value};
use crate::purpose::Purpose;
use std::collections::BTreeMap;

/// Where the public policy is served.
pub const WELL_KNOWN_PATH: &str = "/.well-known/imagxp-policy.json";

/// The most elements of each list of a public policy, for who writes one and for who reads it.
pub(crate) const MAX_LIST: usize = 1024;

/// Refuses what no agent could read: each would take the site for one that has no policy.
pub(super) fn readable(policy: &Policy) -> Result<()> {
    let document = policy.document();
    let lists = [
        ("origins", policy.origins().len()),
        ("methods", document.methods.len()),
        ("paths", told(document).count()),
        ("payment.brokers", document.payment.brokers.len()),
    ];
    if let Some((name, _)) = lists.into_iter().find(|(_, length)| *length > MAX_LIST) {
        return Err(policy_refused(format_args!(
            "no agent could read it: `{name}` has more than 1024 elements"
        )));
    }
    if to_json(policy).len() > json::Limits::POLICY.max_bytes {
        return Err(policy_error("no agent could read it: its public part is longer than 256 KiB"));
    }
    Ok(())
}

/// The rules for paths that are told: those about visitors without a signature are not.
fn told(document: &Document) -> impl Iterator<Item = &super::PathRule> {
    document.paths.iter().filter(|rule| rule.price.is_some() || !rule.purposes.is_empty())
}

#[cold]
pub(super) fn to_json(policy: &Policy) -> Vec<u8> {
    let document = policy.document();
    let mut object = Object::new();
    object.insert("version", 1);
    object.insert(
        "origins",
        policy.origins().iter().map(|origin| Value::from(origin.to_string())).collect::<Vec<_>>(),
    );
    object.insert(
        "identity",
        if document.identity == super::IdentityMode::Bound { "bound" } else { "key_only" },
    );
    object.insert(
        "unsigned",
        match document.unsigned {
            Unsigned::Allow => "allow",
            Unsigned::Browsers => "browsers",
            Unsigned::Deny => "deny",
        },
    );
    object.insert(
        "methods",
        document.methods.iter().map(|method| Value::from(method.clone())).collect::<Vec<_>>(),
    );
    object.insert("purposes", purposes(&document.purposes));
    if let Some(price) = &document.price {
        object.insert("price", price_object(price));
    }
    let paths = told(document).map(|rule| {
        let mut member = Object::new();
        member.insert("match", rule.matches.clone());
        member.insert("purposes", purposes(&rule.purposes));
        if let Some(price) = &rule.price {
            member.insert("price", price_object(price));
        }
        Value::Object(member)
    });
    object.insert("paths", paths.collect::<Vec<_>>());
    object.insert("payment", payment(document));
    if let Some(provenance) = document.provenance {
        let mut member = Object::new();
        member.insert("origin", provenance.origin.as_str());
        member.insert("attribution_required", provenance.attribution_required);
        object.insert("provenance", member);
    }
    json::object_to_canonical(&object)
}

#[cold]
fn purposes(rules: &BTreeMap<Purpose, super::PurposeRule>) -> Object<'static> {
    let mut object = Object::new();
    for (purpose, rule) in rules {
        let mut member = Object::new();
        member.insert("allow", rule.allow);
        if let Some(price) = &rule.price {
            member.insert("price", price_object(price));
        }
        object.insert(purpose.as_str(), member);
    }
    object
}

pub(crate) fn price_object(price: &Price) -> Object<'static> {
    let mut object = Object::new();
    object.insert("amount", price.amount.clone());
    object.insert("currency", price.currency.clone());
    object
}

#[cold]
fn payment(document: &Document) -> Object<'static> {
    let mut object = Object::new();
    object.insert("required", document.payment.required);
    object.insert("accept_ads", document.payment.accept_ads);
    object.insert("brokers", brokers(document));
    object
}

/// The brokers as agents need them: issuer and token endpoint (PROTOCOL §8, BROKER §3).
pub(crate) fn brokers(document: &Document) -> Vec<Value<'static>> {
    let member = |broker: &super::Broker| {
        let mut member = Object::new();
        member.insert("issuer", broker.issuer.clone());
        member.insert("token_endpoint", format!("{}/oauth/token", broker.issuer.trim_end_matches('/')));
        Value::Object(member)
    };
    document.payment.brokers.iter().map(member).collect()
}

/// Whether something is allowed, perhaps not everywhere, that no rule prices.
fn allows_without_price(document: &Document) -> bool {
    let own = |purpose: &Purpose| document.purposes.get(purpose).and_then(|rule| rule.price.as_ref());
    let allows = |rules: &BTreeMap<Purpose, super::PurposeRule>| {
        rules.iter().any(|(purpose, rule)| rule.allow && rule.price.is_none() && own(purpose).is_none())
    };
    document.price.is_none()
        && (allows(&document.purposes)
            || document.agents.iter().any(|agent| allows(&agent.purposes))
            || document.paths.iter().any(|path| path.price.is_none() && allows(&path.purposes)))
}

pub(super) fn remarks(policy: &Policy) -> Vec<String> {
    let document = policy.document();
    let mut remarks = Vec::new();
    let priced = document.price.is_some()
        || document.purposes.values().any(|rule| rule.price.is_some())
        || document.agents.iter().any(|agent| agent.purposes.values().any(|rule| rule.price.is_some()))
        || document
            .paths
            .iter()
            .any(|path| path.price.is_some() || path.purposes.values().any(|rule| rule.price.is_some()));
    let payable = !document.payment.brokers.is_empty()
        || (document.payment.accept_ads && !document.payment.ad_networks.is_empty());
    if (priced || document.payment.required) && !payable {
        remarks
            .push("a payment is asked for, but no broker or ad network is accepted: nobody can pay".into());
    }
    if document.payment.required && allows_without_price(document) {
        remarks.push(
            "a payment is required where no rule names a price: offers name none, and an agent cannot know what to buy"
                .into(),
        );
    }
    if document.payment.accept_ads && document.payment.ad_networks.is_empty() {
        remarks.push("`accept_ads` is set, but `ad_networks` is empty: no proof will be accepted".into());
    }
    if document.purposes.is_empty() && document.agents.is_empty() && document.paths.is_empty() {
        remarks.push("no purpose is listed: every agent is refused".into());
    }
    if document.resource_match != super::ResourceMatch::Strict {
        remarks.push(
            "`resource_match` is not strict: a request signed for another site or page may be accepted, and no broker pays for it"
                .into(),
        );
    }
    if !document.require_resource {
        remarks.push(
            "`require_resource` is false: a claim without a resource is good for every page, and no broker pays for it"
                .into(),
        );
    }
    if document.identity == super::IdentityMode::KeyOnly {
        remarks.push("`identity: key_only` proves a key, not a domain: agents are whoever they say".into());
    }
    if document.allow_loopback {
        remarks.push("`allow_loopback` is for development only".into());
    }
    if document.unsigned == Unsigned::Browsers {
        remarks.push("`unsigned: browsers` is a guess: a browser can be imitated".into());
    }
    for (index, path) in document.paths.iter().enumerate() {
        if path.unsigned.is_some_and(|unsigned| unsigned < document.unsigned) {
            remarks.push(format!(
                "`paths[{index}].unsigned` cannot loosen the document's `unsigned` and has no effect"
            ));
        }
    }
    remarks
}
