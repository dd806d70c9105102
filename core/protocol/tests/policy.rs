//! Policy documents: what is refused and why, evaluation rule by rule, the public part, and the published JSON Schema.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]

mod common;

use common::world::POLICY;
use imagxp::discovery::PublicPolicy;
use imagxp::policy::{Question, Unsigned};
use imagxp::{AgentId, Code, Policy, Purpose};
use serde_json::{Value, json};

fn parse(value: &Value) -> imagxp::Result<Policy> {
    Policy::from_json(value.to_string().as_bytes())
}

fn with(changes: Value) -> Value {
    let mut policy: Value = serde_json::from_str(POLICY).unwrap();
    for (name, value) in changes.as_object().unwrap() {
        policy[name] = value.clone();
    }
    policy
}

#[test]
fn errors_name_the_member_and_the_reason() {
    for (changes, says) in [
        (json!({"version": 2}), "`version`"),
        (json!({"origins": []}), "`origins`"),
        (json!({"origins": ["http://pub.example"]}), "`origins[0]`: `http://pub.example`: only https"),
        (json!({"origins": ["https://pub.example/path"]}), "no path"),
        (json!({"origins": ["http://127.0.0.1:8000"]}), "allow_loopback"),
        (json!({"colour": "red"}), "unknown field `colour`"),
        (json!({"mode": "maybe"}), "`mode`"),
        (json!({"clock": {"past_s": 301}}), "`clock`"),
        (json!({"clock": {"future_s": 301}}), "`clock`"),
        (json!({"clock": {"past": 1}}), "unknown field `past`"),
        (json!({"methods": ["get"]}), "`methods`: `get`"),
        (json!({"purposes": {"READ": {"allow": true}}}), "READ"),
        (json!({"purposes": {"SUMMARY": {"allow": "yes"}}}), "`purposes.SUMMARY.allow`"),
        (
            json!({"purposes": {"SUMMARY": {"price": {"amount": "1e3", "currency": "USD"}}}}),
            "`purposes.SUMMARY.price.amount`",
        ),
        (json!({"price": {"amount": 0.1, "currency": "USD"}}), "`price.amount`"),
        (json!({"price": {"amount": "0.1", "currency": "usd"}}), "`price.currency`"),
        (json!({"agents": [{"match": "AGENT.example"}]}), "`agents[0].match`"),
        (json!({"agents": [{"match": "*"}]}), "`agents[0].match`"),
        (
            json!({"agents": [{"match": "a.example", "rate": {"requests": 0, "per_s": 1}}]}),
            "`agents[0].rate`",
        ),
        (json!({"rate": {"requests": 1, "per_s": 0}}), "`rate`"),
        (json!({"paths": [{"match": "premium"}]}), "`paths[0].match`"),
        (
            json!({"payment": {"brokers": [{"issuer": "broker", "jwks_uri": "https://b.example/j"}]}}),
            "issuer `broker`",
        ),
        (
            json!({"payment": {"brokers": [{"issuer": "https://b.example", "jwks_uri": "http://b.example/j"}]}}),
            "jwks_uri",
        ),
        (
            json!({"payment": {"ad_networks": [{"issuer": "https://b.example", "jwks_uri": "https://b.example/j", "audience": ""}]}}),
            "audience",
        ),
        (json!({"provenance": {"origin": "human"}}), "`provenance.origin`"),
    ] {
        let error = parse(&with(changes.clone())).unwrap_err();
        assert_eq!(error.code(), "usage.policy");
        assert!(error.message().contains(says), "{changes}: {}", error.message());
    }
    let twice = POLICY.replacen("\"version\":1", "\"version\":1,\n \"version\":1", 1);
    let error = Policy::from_json(twice.as_bytes()).unwrap_err();
    assert!(error.message().contains("a member occurs twice"), "{}", error.message());
    let broken = POLICY.replacen("\"paths\"", "\n\n\"paths\" oops", 1);
    let error = Policy::from_json(broken.as_bytes()).unwrap_err();
    assert!(error.message().starts_with("line 5:"), "{}", error.message());
    assert!(Policy::from_json(format!("{}{POLICY}", " ".repeat(300_000)).as_bytes()).is_err());
    for bytes in [&b""[..], b"[]", b"null", b"\xff", b"{}"] {
        assert_eq!(Policy::from_json(bytes).unwrap_err().code(), "usage.policy");
    }
}

#[test]
fn a_document_survives_being_written() {
    let policy = Policy::from_json(POLICY.as_bytes()).unwrap();
    let again = Policy::from_document(policy.document().clone()).unwrap();
    assert_eq!(policy.document(), again.document());
}

#[test]
fn every_rule_that_spoke_is_explained() {
    let policy = parse(&with(json!({
        "agents": [{"match": "*.example", "purposes": {"SUMMARY": {"allow": true}}}, {"match": "agent.example", "purposes": {"QUOTATION": {"allow": true}}}],
        "paths": [{"match": "*", "price": {"amount": "2", "currency": "USD"}}, {"match": "/a/*", "price": {"amount": "1", "currency": "USD"}},
                  {"match": "/a/b*", "purposes": {"RAG_RETRIEVAL": {"allow": false}}}]
    })))
    .unwrap();
    let agent = AgentId::parse("agent.example", false).unwrap();
    let ask = |purpose, path| {
        policy.explain(&Question {
            agent_id: &agent,
            domain_bound: true,
            purpose,
            paths: &[String::from(path)],
        })
    };
    let (decision, reasons) = ask(Purpose::RagRetrieval, "/a/x");
    assert_eq!(decision.refusal, None);
    assert_eq!(decision.price.unwrap().amount.to_string(), "1");
    let rules: Vec<String> =
        reasons.into_iter().map(|reason| format!("{}={}", reason.rule, reason.says)).collect();
    assert_eq!(rules, ["purposes.RAG_RETRIEVAL=allow", "agents[1]=allow", "price=1 USD"]);
    let (decision, reasons) = ask(Purpose::RagRetrieval, "/a/bc");
    assert_eq!(decision.refusal, Some(Code::PolicyPurposeDenied));
    assert!(
        reasons
            .iter()
            .any(|reason| reason.rule == "paths[2].purposes.RAG_RETRIEVAL" && reason.says == "deny")
    );
    // The wildcard's rule does not add to the more specific one.
    assert_eq!(ask(Purpose::Summary, "/").0.refusal, Some(Code::PolicyPurposeDenied));
    assert_eq!(ask(Purpose::Quotation, "/").0.refusal, None);
    let (_, reasons) = ask(Purpose::Summary, "/");
    assert!(reasons.iter().any(|reason| reason.says.contains("no rule lists it")));
}

#[test]
fn paths_only_tighten_what_unsigned_visitors_may_read() {
    let policy = parse(&with(json!({"unsigned": "browsers", "paths": [
        {"match": "/members/*", "unsigned": "deny"}, {"match": "/members/open/*", "unsigned": "allow"}]})))
    .unwrap();
    assert_eq!(policy.unsigned_at(&["/x".into()]), Unsigned::Browsers);
    assert_eq!(policy.unsigned_at(&["/members/x".into()]), Unsigned::Deny);
    assert_eq!(policy.unsigned_at(&["/members/open/x".into()]), Unsigned::Deny);
    assert_eq!(policy.unsigned_strictest(), Unsigned::Deny);
    // The slash at the end is the router's to fold, whether the request or the rule has it.
    let at = |rule: &str, path: &str| {
        let paths = json!([{"match": rule, "unsigned": "deny"}]);
        let policy = parse(&with(json!({"unsigned": "allow", "paths": paths}))).unwrap();
        policy.unsigned_at(&[path.into()])
    };
    for rule in ["/members/", "/Members", "/members/*", "/*/"] {
        for path in ["/members", "/members/", "/MEMBERS"] {
            assert_eq!(at(rule, path), Unsigned::Deny, "{rule} {path}");
        }
    }
    for path in ["/member", "/members2", "/", "/x/members2"] {
        assert_eq!(at("/members/", path), Unsigned::Allow, "{path}");
        assert_eq!(at("/members/*", path), Unsigned::Allow, "{path}");
    }
    assert!(policy.remarks().iter().any(|remark| remark.contains("paths[1].unsigned")));
}

#[test]
fn a_lax_router_opens_no_path() {
    let allow = json!({"SUMMARY": {"allow": true}});
    let rules = json!([
        {"match": "/closed/*", "purposes": {"SUMMARY": {"allow": false}}},
        {"match": "/priced", "price": {"amount": "0.5", "currency": "USD"}},
        {"match": "/Desk", "unsigned": "deny"},
        {"match": "/EXTRA", "purposes": {"QUOTATION": {"allow": true}}},
    ]);
    let policy = parse(&with(json!({"purposes": allow, "paths": rules, "unsigned": "allow"}))).unwrap();
    let agent = AgentId::parse("agent.example", false).unwrap();
    let decide = |purpose, path: &str| {
        let paths = imagxp::resource::path_readings(path).unwrap();
        let question = Question { agent_id: &agent, domain_bound: true, purpose, paths: &paths };
        let decision = policy.evaluate(&question);
        let advised = PublicPolicy::parse(&policy.public_json()).unwrap();
        let terms = advised.terms(purpose, &format!("https://pub.example{path}"));
        assert_eq!(terms.allow, decision.refusal.is_none(), "{path}");
        assert_eq!(terms.price, decision.price, "{path}");
        (decision.refusal, decision.price.is_some())
    };
    for path in ["/closed/a", "/CLOSED/a", "/Closed/a/", "/%43losed/a"] {
        assert_eq!(decide(Purpose::Summary, path).0, Some(Code::PolicyPurposeDenied), "{path}");
    }
    for (path, priced) in [("/priced", true), ("/priced/", true), ("/PRICED", true), ("/priced/a", false)] {
        assert_eq!(decide(Purpose::Summary, path), (None, priced), "{path}");
    }
    for (path, unsigned) in
        [("/desk", Unsigned::Deny), ("/Desk/", Unsigned::Deny), ("/desks", Unsigned::Allow)]
    {
        assert_eq!(policy.unsigned_at(&[path.to_owned()]), unsigned, "{path}");
    }
    // Only what is written so is allowed.
    assert_eq!(decide(Purpose::Quotation, "/EXTRA").0, None);
    assert_eq!(decide(Purpose::Quotation, "/extra").0, Some(Code::PolicyPurposeDenied));
}

/// Patterns are written decoded: what they name can be allowed and sold, however a URL has to spell it.
#[test]
fn a_path_that_a_url_has_to_escape_is_one_path() {
    let usd = |amount: &str| json!({"amount": amount, "currency": "USD"});
    let policy =
        parse(&with(json!({"purposes": {"QUOTATION": {"allow": true}}, "price": usd("2"), "paths": [
            {"match": "/café/*", "purposes": {"SUMMARY": {"allow": true}}},
            {"match": "/my files/*", "price": usd("1")},
        ]})))
        .unwrap();
    let agent = AgentId::parse("agent.example", false).unwrap();
    let decide = |purpose, path: &str| {
        let paths = imagxp::resource::path_readings(path).unwrap();
        let decision =
            policy.evaluate(&Question { agent_id: &agent, domain_bound: true, purpose, paths: &paths });
        let advised = PublicPolicy::parse(&policy.public_json()).unwrap();
        let terms = advised.terms(purpose, &format!("https://pub.example{path}"));
        assert_eq!((terms.allow, &terms.price), (decision.refusal.is_none(), &decision.price), "{path}");
        (decision.refusal, decision.price.map(|price| price.amount.to_string()))
    };
    for path in ["/caf%C3%A9/x", "/caf%c3%a9/x", "/café/x"] {
        assert_eq!(decide(Purpose::Summary, path).0, None, "{path}");
    }
    assert_eq!(decide(Purpose::Quotation, "/my%20files/x"), (None, Some("1".into())));
    // A slash that is escaped is a choice, and some servers take it for none.
    for path in ["/caf%C3%A9%2Fx", "/caf%E9/x"] {
        assert_eq!(decide(Purpose::Summary, path).0, Some(Code::PolicyPurposeDenied), "{path}");
    }
    assert_eq!(decide(Purpose::Quotation, "/my%20files%2Fx"), (None, Some("2".into())));
}

/// 500 JPY is not more than 5 USD, and nobody here knows a rate: the narrower rule names the price.
#[test]
fn amounts_of_two_currencies_are_not_compared() {
    let policy = parse(&with(json!({
        "purposes": {"SUMMARY": {"allow": true}},
        "price": {"amount": "500", "currency": "JPY"},
        "paths": [
            {"match": "/premium/*", "price": {"amount": "5", "currency": "USD"}},
            {"match": "/premium/b*", "price": {"amount": "4", "currency": "USD"}},
            {"match": "/x/*", "price": {"amount": "1", "currency": "USD"}},
            {"match": "/?/x", "price": {"amount": "2", "currency": "USD"}},
            {"match": "/*/x", "price": {"amount": "900", "currency": "JPY"}},
        ]
    })))
    .unwrap();
    let agent = AgentId::parse("agent.example", false).unwrap();
    for (path, price) in [
        ("/y", "500 JPY"),
        ("/premium/a", "5 USD"),
        // A router that folds case serves the same.
        ("/PREMIUM/a", "5 USD"),
        ("/free//../premium/a", "5 USD"),
        ("/premium/b", "4 USD"),
        // Equally narrow: dearer within a currency, and else the first.
        ("/x/x", "2 USD"),
    ] {
        let paths = imagxp::resource::path_readings(path).unwrap();
        let question =
            Question { agent_id: &agent, domain_bound: true, purpose: Purpose::Summary, paths: &paths };
        let text = |price: Option<imagxp::policy::Money>| {
            price.map(|price| format!("{} {}", price.amount, price.currency))
        };
        assert_eq!(text(policy.evaluate(&question).price).as_deref(), Some(price), "{path}");
        let advised = PublicPolicy::parse(&policy.public_json()).unwrap();
        let terms = advised.terms(Purpose::Summary, &format!("https://pub.example{path}"));
        assert_eq!(text(terms.price).as_deref(), Some(price), "{path}");
    }
}

#[test]
fn the_public_part_has_no_agent_lists() {
    let policy = parse(&with(
        json!({"agents": [{"match": "secret.example", "allow": false}], "rate": {"requests": 7, "per_s": 1}}),
    ))
    .unwrap();
    let public: Value = serde_json::from_slice(&policy.public_json()).unwrap();
    assert!(
        !public.to_string().contains("secret")
            && public.get("agents").is_none()
            && public.get("rate").is_none()
    );
    assert_eq!(public["purposes"]["RAG_RETRIEVAL"]["allow"], true);
    assert_eq!(public["paths"][0]["price"]["amount"], "0.01");
    assert_eq!(public["payment"]["brokers"][0]["token_endpoint"], "https://broker.example/oauth/token");
}

#[test]
fn remarks_point_out_what_nobody_means() {
    let remark = |changes: Value| parse(&with(changes)).unwrap().remarks().join("; ");
    assert!(remark(json!({"payment": {}})).contains("nobody can pay"));
    assert!(remark(json!({"payment": {"accept_ads": true}})).contains("ad_networks"));
    let broker = json!({"issuer": "https://broker.example", "jwks_uri": "https://broker.example/jwks.json"});
    let payment = json!({"required": true, "brokers": [broker]});
    let price = json!({"amount": "1", "currency": "USD"});
    let free = json!({"SUMMARY": {}, "QUOTATION": {"allow": false}});
    let sold = json!({"SUMMARY": {"price": price}});
    for (changes, unpriced) in [
        (json!({}), true),
        (json!({"price": price}), false),
        (json!({"purposes": sold}), false),
        (json!({"purposes": sold, "agents": [{"match": "a.example", "purposes": free}]}), false),
        (json!({"purposes": {}, "agents": [{"match": "a.example", "purposes": free}]}), true),
        (json!({"purposes": {}, "paths": [{"match": "/a", "purposes": free}]}), true),
        (json!({"purposes": {}, "paths": [{"match": "/a", "purposes": free, "price": price}]}), false),
    ] {
        let mut changes = changes;
        changes["payment"] = payment.clone();
        assert_eq!(remark(changes.clone()).contains("cannot know what to buy"), unpriced, "{changes}");
    }
    assert!(remark(json!({"purposes": {}, "paths": []})).contains("every agent is refused"));
    assert!(remark(json!({"allow_loopback": true})).contains("development"));
    assert!(remark(json!({"unsigned": "browsers"})).contains("imitated"));
    assert_eq!(remark(json!({})), "");
}

#[test]
fn the_published_schema_is_the_types_schema() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/policy.schema.json");
    let schema = Policy::schema() + "\n";
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(file, &schema).unwrap();
    }
    let found = std::fs::read_to_string(file).unwrap_or_default();
    assert_eq!(found, schema, "docs/policy.schema.json is out of date: run with UPDATE=1");
    let schema: Value = serde_json::from_str(&schema).unwrap();
    assert_eq!(schema["additionalProperties"], false);
    for purposes in ["/properties", "/$defs/AgentRule/properties", "/$defs/PathRule/properties"] {
        let names = schema.pointer(&format!("{purposes}/purposes/propertyNames/enum")).unwrap();
        assert_eq!(names, &json!(Purpose::ALL.map(Purpose::as_str)));
    }
    // Every member of the contract is a property of the schema.
    for member in [
        "version",
        "origins",
        "mode",
        "unsigned",
        "identity",
        "require_resource",
        "resource_match",
        "require_user_agent",
        "methods",
        "clock",
        "purposes",
        "agents",
        "paths",
        "payment",
        "price",
        "rate",
        "provenance",
        "allow_loopback",
    ] {
        assert!(schema["properties"].get(member).is_some(), "{member}");
    }
}

/// A policy that no agent could read would be taken for none.
#[test]
fn what_a_policy_says_in_public_can_be_read() {
    let of = |rules: usize, rule: &dyn Fn(usize) -> Value| {
        parse(&with(json!({ "paths": (0..rules).map(rule).collect::<Vec<_>>() })))
    };
    let priced = |number: usize| json!({ "match": format!("/{number}/*"), "price": { "amount": "0.01", "currency": "USD" } });
    let most = of(1024, &priced).unwrap();
    assert_eq!(PublicPolicy::parse(&most.public_json()).unwrap().paths.len(), 1024);
    for rules in [1025, 3000] {
        let error = of(rules, &priced).unwrap_err();
        assert_eq!(error.code(), "usage.policy");
        assert!(error.message().contains("`paths` has more than 1024 elements"), "{error}");
    }
    // Rules for visitors without a signature are not told.
    let unsigned = |number: usize| json!({ "match": format!("/{number}/*"), "unsigned": "deny" });
    assert!(of(3000, &unsigned).is_ok());
    // What is told is longer than what was written.
    let long = |number: usize| {
        let purposes = json!({ "SUMMARY": {}, "QUOTATION": {}, "EMBEDDING": {} });
        json!({ "match": format!("/{number}/{}", "a".repeat(180)), "purposes": purposes })
    };
    assert!(of(850, &long).is_ok());
    let error = of(1000, &long).unwrap_err();
    assert!(error.message().contains("no agent could read it"), "{error}");
}
