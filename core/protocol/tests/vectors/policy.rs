//! Evaluation of policies (PROTOCOL §7).

use crate::common::world::*;
use crate::*;

pub(crate) fn cases() -> Vec<Value> {
    use imagxp::Code::{PolicyAgentDenied, PolicyPurposeDenied};
    let allow = || json!({ "outcome": "allow", "code": null, "http": 200 });
    let purposes = |rules: Value| json!({ "purposes": rules, "paths": [] });
    let embedding = |number| signed(number, |request| request.purpose = Purpose::Embedding);
    let rules: Vec<(&str, &str, Value, Signed, Value)> = vec![
        (
            "unlisted",
            "a purpose that no rule lists is denied",
            purposes(json!({})),
            signed(1, |_| ()),
            deny(PolicyPurposeDenied),
        ),
        (
            "embedding-follows-training",
            "EMBEDDING falls under CRAWL_TRAINING's rule",
            purposes(json!({"CRAWL_TRAINING": {"allow": true}})),
            embedding(2),
            allow(),
        ),
        (
            "embedding-listed",
            "unless it is listed",
            purposes(json!({"CRAWL_TRAINING": {"allow": true}, "EMBEDDING": {"allow": false}})),
            embedding(3),
            deny(PolicyPurposeDenied),
        ),
        (
            "agent-specific-wins",
            "the exact name is more specific than the wildcard",
            json!({"agents": [{"match": "*.example", "allow": false}, {"match": "agent.example"}]}),
            signed(4, |_| ()),
            allow(),
        ),
        (
            "agent-equal-deny-wins",
            "among equally specific rules deny wins",
            json!({"agents": [{"match": "agent.example"}, {"match": "agent.example", "allow": false}]}),
            signed(5, |_| ()),
            deny(PolicyAgentDenied),
        ),
        (
            "agent-purpose-added",
            "an agent's rule may allow what the document does not list",
            json!({"purposes": {}, "agents": [{"match": "agent.example", "purposes": {"RAG_RETRIEVAL": {"allow": true}}}]}),
            signed(6, |_| ()),
            allow(),
        ),
        (
            "agent-purpose-deny-wins",
            "it cannot allow what the document denies",
            json!({"purposes": {"RAG_RETRIEVAL": {"allow": false}}, "agents": [{"match": "agent.example", "purposes": {"RAG_RETRIEVAL": {"allow": true}}}]}),
            signed(7, |_| ()),
            deny(PolicyPurposeDenied),
        ),
        (
            "path-denies",
            "a path rule closes a part of the site",
            json!({"paths": [{"match": "/posts/*", "purposes": {"RAG_RETRIEVAL": {"allow": false}}}]}),
            signed(8, |_| ()),
            deny(PolicyPurposeDenied),
        ),
        (
            "path-elsewhere",
            "and leaves the rest alone",
            json!({"paths": [{"match": "/other/*", "purposes": {"RAG_RETRIEVAL": {"allow": false}}}]}),
            signed(9, |_| ()),
            allow(),
        ),
        (
            "path-disguised",
            "a percent-encoded path is matched as it is routed",
            json!({"paths": [{"match": "/posts/*", "purposes": {"RAG_RETRIEVAL": {"allow": false}}}]}),
            signed(10, |request| request.url = "https://pub.example/%70osts%2F1"),
            deny(PolicyPurposeDenied),
        ),
        (
            "free-path",
            "a price of zero frees a part of a priced site",
            json!({"price": {"amount": "1", "currency": "USD"}, "paths": [{"match": "/posts/*", "price": {"amount": "0", "currency": "USD"}}]}),
            signed(11, |_| ()),
            allow(),
        ),
        (
            "narrow-price",
            "the narrowest price counts",
            json!({"price": {"amount": "0", "currency": "USD"}, "paths": [{"match": "/posts/*", "price": {"amount": "1", "currency": "USD"}}]}),
            signed(12, |_| ()),
            deny(imagxp::Code::PaymentRequired),
        ),
        (
            "visa-required-without-price",
            "payment.required asks for a visa even where no price is set",
            json!({"payment": {"required": true, "brokers": [{"issuer": "https://broker.example", "jwks_uri": JWKS_URL}]}}),
            signed(13, |_| ()),
            deny(imagxp::Code::PaymentRequired),
        ),
    ];
    rules
        .into_iter()
        .map(|(id, why, change, signed, expect)| {
            verify_case(&format!("policy-{id}"), why, policy_with(change), &signed, expect)
        })
        .collect()
}
