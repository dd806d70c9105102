//! The project's own vectors, `tests/vectors/*.json`: made by the core, read by every language.
//!
//! Each file is `{"about", "cases": [conformance case with its `expect`]}`. The test compares the files with what the core makes now;
//! `UPDATE=1 cargo test -p imagxp --test vectors` rewrites them. What the core answers is not taken on trust: each case states its
//! outcome here, and the runners of all languages check it.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]

mod common;

use common::world::*;
use imagxp::agent::{Identity, SignRequest};
use imagxp::crypto::{Algorithm, PrivateKey};
use imagxp::json::{Limits, canonicalize};
use imagxp::{Purpose, Timestamp};
use serde_json::{Value, json};
use std::path::Path;

/// The private key of a seed as a JWK: these keys are public test data.
fn private_jwk(seed: u8, algorithm: Algorithm) -> Value {
    let key = key(seed, algorithm);
    let mut jwk: Value = from_core(&imagxp::json::object_to_canonical(&key.public_key().to_jwk()));
    // The secret half is the PKCS#8 form's only variable part; take it from there rather than repeat the generator's rule.
    let der = key.to_pkcs8_der();
    let secret = match algorithm {
        Algorithm::EdDsa => &der[16..48],
        _ => &der[36..68],
    };
    jwk["d"] = json!(imagxp::encoding::base64url_encode(secret));
    let check = imagxp::json::parse_object(jwk.to_string().as_bytes(), &Limits::CLAIM).unwrap().into_owned();
    assert_eq!(PrivateKey::from_jwk(&check).unwrap().public_key(), key.public_key());
    jwk
}

fn from_core(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

const TIME: &str = "2026-03-01T12:00:00.000Z";

/// A policy as an object, with members replaced.
fn policy_with(changes: Value) -> Value {
    let mut policy: Value = serde_json::from_str(POLICY).unwrap();
    for (name, value) in changes.as_object().unwrap() {
        policy[name] = value.clone();
    }
    policy
}

fn request(signed: &Signed) -> Value {
    let headers: Vec<Value> = signed
        .headers
        .iter()
        .map(|(name, value)| json!([name, String::from_utf8(value.clone()).unwrap()]))
        .collect();
    let mut request = json!({ "method": signed.method, "url": signed.url, "headers": headers });
    if let Some(digest) = &signed.body_digest {
        request["body_digest"] = json!(digest);
    }
    request
}

fn verify_case(id: &str, why: &str, policy: Value, signed: &Signed, expect: Value) -> Value {
    json!({
        "id": id, "why": why, "op": "verify", "now": TIME, "policy": policy,
        "manifests": { MANIFEST_URL: from_core(&manifest(&[1])) }, "jwks": { JWKS_URL: from_core(&jwks()) },
        "request": request(signed), "expect": expect,
    })
}

fn deny(code: imagxp::Code) -> Value {
    let outcome = if code.is_undecided() { "undecided" } else { "deny" };
    json!({ "outcome": outcome, "code": code.as_str(), "http": code.http() })
}

fn signed(number: u32, change: impl FnOnce(&mut SignRequest<'_>)) -> Signed {
    let mut request = SignRequest::new("GET", URL, Purpose::RagRetrieval);
    change(&mut request);
    Signed::new(&identity(1), &request, now(), &format!("vector-{number:012}"))
}

fn sign_vectors() -> Vec<Value> {
    let mut cases = Vec::new();
    for (id, algorithm) in [("es256", Algorithm::Es256), ("eddsa", Algorithm::EdDsa)] {
        for (part, context, payment, compatible) in [
            ("plain", None, None, false),
            ("context", Some(r#"{"ads_displayed":true,"é":[1.5,"\u0001",null]}"#), None, false),
            ("payment", None, Some("a.b.c"), false),
            ("compatible", None, Some("a.b.c"), true),
        ] {
            let identity = Identity::new(imagxp::AgentId::parse(AGENT, false).unwrap(), key(5, algorithm));
            let mut request = SignRequest::new("GET", "https://pub.example/café?q=1", Purpose::Quotation);
            (request.context, request.payment, request.compatible) = (context, payment, compatible);
            let headers = identity.sign(&request, now(), "00000000-0000-4000-8000-000000000001").unwrap();
            let headers: Vec<Value> = headers.iter().map(|(name, value)| json!([name, value])).collect();
            let mut case = json!({
                "id": format!("sign-{id}-{part}"), "why": "deterministic signatures: the same bytes in every language", "op": "sign",
                "key": private_jwk(5, algorithm), "agent_id": AGENT, "method": "GET", "url": request.url,
                "purpose": "QUOTATION", "now": TIME, "nonce": "00000000-0000-4000-8000-000000000001",
                "expect": { "headers": headers },
            });
            if let Some(context) = context {
                case["context"] = serde_json::from_str(context).unwrap();
            }
            if let Some(payment) = payment {
                case["payment"] = json!(payment);
                case["compatible"] = json!(compatible);
            }
            cases.push(case);
        }
    }
    cases
}

fn policy_vectors() -> Vec<Value> {
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

fn visa_vectors() -> Vec<Value> {
    use imagxp::Code::*;
    let paid = |number: u32, token: &str| {
        signed(number, |request| {
            request.url = "https://pub.example/premium/1";
            request.payment = Some(Box::leak(token.to_owned().into_boxed_str()));
        })
    };
    let jti = |number: u32| format!("vector-jti-{number:04}");
    let later = |seconds: i64| now().saturating_add_secs(seconds);
    let allow = json!({ "outcome": "allow", "payment": { "state": "visa", "issuer": "https://broker.example", "amount": "0.01", "currency": "USD" } });
    let cases: Vec<(&str, &str, String, Value)> = vec![
        ("good", "amount equals the price", visa(&jti(1), |_| ()), allow.clone()),
        ("bare-host", "aud as a bare host", visa(&jti(2), |v| v.audience = "pub.example"), allow.clone()),
        (
            "uppercase-host",
            "nothing else matches",
            visa(&jti(3), |v| v.audience = "https://PUB.example"),
            deny(PaymentWrongAudience),
        ),
        (
            "purpose",
            "limited to the claim's purpose",
            visa(&jti(4), |v| v.purposes = &[Purpose::RagRetrieval]),
            allow,
        ),
        (
            "expired",
            "6 s after its end",
            visa(&jti(5), |v| (v.issued_at, v.lifetime_s) = (later(-606), 600)),
            deny(PaymentExpired),
        ),
        (
            "other-issuer",
            "an issuer that the policy does not name",
            visa(&jti(6), |v| v.issuer = "https://other.example"),
            deny(PaymentInvalidToken),
        ),
        (
            "other-key",
            "bound to another key of the same agent",
            visa(&jti(7), |v| {
                v.key = Some(Box::leak(Box::new(*key(2, Algorithm::Es256).public_key().thumbprint())))
            }),
            deny(PaymentWrongHolder),
        ),
    ];
    let policy = || policy_with(json!({}));
    let mut all: Vec<Value> = cases
        .into_iter()
        .zip(100..)
        .map(|((id, why, token, expect), number)| {
            verify_case(&format!("visa-{id}"), why, policy(), &paid(number, &token), expect)
        })
        .collect();
    // The rest of the signed claims cannot be reached through the issuing primitive: it refuses to make them.
    let twice = visa(&jti(20), |_| ());
    let steps = [200, 201].map(|number| json!({ "now": TIME, "request": request(&paid(number, &twice)) }));
    all.push(json!({
        "id": "visa-used-twice", "why": "one use unless the visa grants more", "op": "sequence", "policy": policy(),
        "manifests": { MANIFEST_URL: from_core(&manifest(&[1])) }, "jwks": { JWKS_URL: from_core(&jwks()) },
        "steps": steps, "expect": [{ "outcome": "allow" }, deny(PaymentAlreadyUsed)],
    }));
    all.push(json!({
        "id": "visa-issue", "why": "issuing is deterministic", "op": "visa", "key": private_jwk(9, Algorithm::Es256), "issuer": "https://broker.example",
        "audience": "https://pub.example", "agent_id": AGENT, "jkt": key(1, Algorithm::Es256).public_key().thumbprint().as_str(), "jti": jti(30),
        "now": TIME, "lifetime_s": 600, "amount": "0.01", "currency": "USD", "expect": { "token": visa(&jti(30), |_| ()) },
    }));
    all
}

fn json_vectors() -> Vec<Value> {
    let mut cases = Vec::new();
    for (id, text) in [
        ("empty", "{}"),
        ("order", r#"{"b":1,"a":2,"\ud83d\ude00":3,"\ufb33":4}"#),
        ("escapes", r#"{"a":"\u0000\u001f\"\\\/\b\f\n\r\t\u007f\u2028é"}"#),
        ("numbers", "[0,-0,1.0,1e21,1E-7,0.1,123456789012345,9007199254740991,5e-324]"),
        ("double-integer", "[1e20,9007199254740993.0]"),
    ] {
        let canonical =
            String::from_utf8(canonicalize(text.as_bytes(), &Limits::INTERCHANGE).unwrap()).unwrap();
        cases.push(json!({ "id": format!("json-{id}"), "op": "canonicalize", "json": text, "expect": { "canonical": canonical } }));
    }
    for (id, text, code) in [
        ("duplicate", r#"{"a":1,"\u0061":2}"#, "json.duplicate_key"),
        ("trailing", "{}x", "json.malformed"),
        ("safe-integer", "[9007199254740992]", "json.number_range"),
        ("overflow", "[1e309]", "json.number_range"),
        ("surrogate", r#"["\ud800"]"#, "json.invalid_unicode"),
    ] {
        cases.push(json!({ "id": format!("json-{id}"), "op": "canonicalize", "json": text, "expect": { "code": code } }));
    }
    cases
}

fn manifest_vectors() -> Vec<Value> {
    let document = from_core(&manifest(&[1, 2]));
    let thumbprint = |seed: u8| json!(key(seed, Algorithm::Es256).public_key().thumbprint().as_str());
    let mut dated = document.clone();
    dated["keys"][0]["not_after"] = json!("2026-02-28T23:59:59Z");
    let mut lies = document.clone();
    lies["keys"][1]["kid"] = thumbprint(1);
    let mut no_key = document.clone();
    no_key.as_object_mut().unwrap().retain(|name, _| name == "agent_id");
    let bad = json!({ "valid": false, "code": "identity.manifest_invalid", "keys": [] });
    [
        ("two-keys", "the current key first", document, json!({ "valid": true, "code": null, "keys": [thumbprint(1), thumbprint(2)] })),
        ("dated", "outside its dates a key does not exist", dated, json!({ "valid": true, "keys": [thumbprint(2)] })),
        ("kid-lies", "kid must be the thumbprint", lies, bad.clone()),
        ("no-key", "neither public_key nor keys", no_key, bad),
    ]
    .into_iter()
    .map(|(id, why, manifest, expect)| {
        json!({ "id": format!("manifest-{id}"), "why": why, "op": "manifest", "agent_id": AGENT, "manifest": manifest, "now": TIME, "expect": expect })
    })
    .collect()
}

/// The publisher's key has the seed 20.
fn site_manifest() -> Value {
    let site = Identity::parse("pub.example", key(20, Algorithm::Es256), false).unwrap();
    from_core(&site.manifest(None, &[]).unwrap().to_json())
}

fn provenance_vectors() -> Vec<Value> {
    let hash = imagxp::digest::sha256(b"hello");
    let hex = imagxp::encoding::hex_encode(&hash);
    let receipt = imagxp::provenance::Receipt {
        agent_id: imagxp::AgentId::parse(AGENT, false),
        content_sha256: hash,
        origin: imagxp::policy::ContentOrigin::Human,
        trace_id: "0123456789abcdef".into(),
        ts: now(),
        url: URL.into(),
    };
    let headers = |receipt: &imagxp::provenance::Receipt, seed| -> Value {
        let headers = receipt.sign(&key(seed, Algorithm::Es256)).unwrap();
        headers.iter().map(|(name, value)| json!([name, value])).collect()
    };
    let good = headers(&receipt, 20);
    let mut cases = vec![json!({
        "id": "provenance-sign", "why": "deterministic: the same bytes in every language", "op": "provenance", "key": private_jwk(20, Algorithm::Es256),
        "url": URL, "content_sha256": hex, "origin": "HUMAN", "trace_id": "0123456789abcdef", "agent_id": AGENT, "now": TIME,
        "expect": { "headers": good },
    })];
    let base = json!({
        "op": "provenance", "headers": good, "manifest": site_manifest(), "url": URL, "content_sha256": hex, "agent_id": AGENT, "now": TIME,
    });
    let mut one_less = good.clone();
    one_less.as_array_mut().unwrap().pop();
    let mut high_s = good.clone();
    high_s[1][1] = json!(high_s[1][1].as_str().unwrap().to_uppercase());
    let mut forged = good.clone();
    forged[1][1] = json!("0".repeat(127) + "1");
    let mut other_domain = site_manifest();
    other_domain["agent_id"] = json!("other.example");
    let open = imagxp::provenance::Receipt { agent_id: None, ..receipt.clone() };
    for (id, why, change, code) in [
        ("good", "what arrived is what was signed", json!({}), None),
        (
            "same-url",
            "URLs are compared after normalisation",
            json!({ "url": "https://PUB.example:443/x/../posts/1" }),
            None,
        ),
        ("upper-case-signature", "hex digits have either case", json!({ "headers": high_s }), None),
        (
            "for-anyone",
            "a receipt without agent_id fits any reader",
            json!({ "headers": headers(&open, 20) }),
            None,
        ),
        ("edge-of-window", "300 s are inclusive", json!({ "now": "2026-03-01T12:05:00.000Z" }), None),
        (
            "too-old",
            "a millisecond more",
            json!({ "now": "2026-03-01T12:05:00.001Z" }),
            Some("provenance.mismatch"),
        ),
        (
            "from-the-future",
            "more than 60 s ahead",
            json!({ "now": "2026-03-01T11:58:59.999Z" }),
            Some("provenance.mismatch"),
        ),
        (
            "other-url",
            "it does not speak of this URL",
            json!({ "url": "https://pub.example/posts/2" }),
            Some("provenance.mismatch"),
        ),
        (
            "other-body",
            "nor of this body",
            json!({ "content_sha256": "0".repeat(64) }),
            Some("provenance.mismatch"),
        ),
        (
            "other-reader",
            "nor of this reader",
            json!({ "agent_id": "other.example" }),
            Some("provenance.mismatch"),
        ),
        (
            "other-key",
            "the manifest lacks the key",
            json!({ "headers": headers(&receipt, 21) }),
            Some("identity.key_mismatch"),
        ),
        (
            "other-domain",
            "only the URL's own host vouches",
            json!({ "manifest": other_domain }),
            Some("identity.manifest_invalid"),
        ),
        ("forged", "the signature is another", json!({ "headers": forged }), Some("sig.invalid")),
        (
            "no-signature",
            "one header is not enough",
            json!({ "headers": one_less }),
            Some("provenance.missing"),
        ),
        ("none", "no receipt", json!({ "headers": [] }), Some("provenance.missing")),
        (
            "not-base64",
            "it cannot be read",
            json!({ "headers": [["x-imagxp-provenance", "!"], good[1]] }),
            Some("provenance.malformed"),
        ),
        (
            "not-a-receipt",
            "it lacks its members",
            json!({ "headers": [["x-imagxp-provenance", "e30="], good[1]] }),
            Some("provenance.malformed"),
        ),
    ] {
        let mut case = base.clone();
        for (name, value) in change.as_object().unwrap() {
            case[name] = value.clone();
        }
        case["id"] = json!(format!("provenance-{id}"));
        case["why"] = json!(why);
        case["expect"] = json!({ "valid": code.is_none(), "code": code });
        cases.push(case);
    }
    cases
}

fn feedback_vectors() -> Vec<Value> {
    use imagxp::feedback::{Feedback, Reason, Score, header_value};
    const NONCE: &str = "00000000-0000-4000-8000-000000000002";
    let feedback = Feedback {
        jti: Some("visa-0001".into()),
        content_sha256: Some(imagxp::digest::sha256(b"hello")),
        ..Feedback::new(URL, Score::from_millionths(123_450).unwrap(), Reason::LowQualitySpam)
    };
    let value =
        |feedback: &Feedback, seed| header_value(&feedback.sign(&identity(seed), now(), NONCE).unwrap());
    let hex = imagxp::encoding::hex_encode(&imagxp::digest::sha256(b"hello"));
    let good = value(&feedback, 1);
    let raw = String::from_utf8(imagxp::encoding::base64_decode(good.as_bytes()).unwrap()).unwrap();
    let mut cases = vec![json!({
        "id": "feedback-sign", "why": "deterministic: the same bytes in every language", "op": "feedback", "key": private_jwk(1, Algorithm::Es256),
        "agent_id": AGENT, "url": URL, "score_millionths": 123_450, "reason": "LOW_QUALITY_SPAM", "jti": "visa-0001", "content_sha256": hex, "now": TIME,
        "nonce": NONCE, "expect": { "value": good },
    })];
    let accepted = json!({ "outcome": "allow", "code": null, "http": 200, "agent_id": AGENT, "feedback": {
        "url": URL, "score_millionths": 123_450, "reason": "LOW_QUALITY_SPAM", "jti": "visa-0001", "content_sha256": hex,
    } });
    let refused = |code: imagxp::Code| {
        let mut expect = deny(code);
        expect["feedback"] = Value::Null;
        expect["agent_id"] = Value::Null;
        expect
    };
    let elsewhere = Feedback { url: "https://other.example/".into(), ..feedback.clone() };
    use imagxp::Code::{ClaimResourceMismatch, FeedbackMalformed, SigInvalid, TimeExpired, TimeFuture};
    for (id, why, value, at, expect) in [
        ("good", "base64, as the header has it", good.clone(), TIME, accepted.clone()),
        ("raw", "raw JSON means the same", raw.clone(), TIME, accepted),
        ("forged", "the score was raised", raw.replace("0.12345", "0.92345"), TIME, refused(SigInvalid)),
        ("other-key", "not a key of the agent", value(&feedback, 2), TIME, refused(SigInvalid)),
        ("elsewhere", "about another site", value(&elsewhere, 1), TIME, refused(ClaimResourceMismatch)),
        ("old", "301 s", good.clone(), "2026-03-01T12:05:01.000Z", refused(TimeExpired)),
        ("early", "61 s ahead", good, "2026-03-01T11:58:59.000Z", refused(TimeFuture)),
        (
            "seven-digits",
            "at most six digits",
            raw.replace("0.12345", "0.1234567"),
            TIME,
            refused(FeedbackMalformed),
        ),
        ("above-one", "at most 1", raw.replace("0.12345", "1.00001"), TIME, refused(FeedbackMalformed)),
        ("exponent", "no exponents", raw.replace("0.12345", "1e-1"), TIME, refused(FeedbackMalformed)),
        (
            "text",
            "a number, not a string",
            raw.replace("0.12345", "\"0.12345\""),
            TIME,
            refused(FeedbackMalformed),
        ),
        (
            "reason",
            "a closed list",
            raw.replace("LOW_QUALITY_SPAM", "low_quality_spam"),
            TIME,
            refused(FeedbackMalformed),
        ),
        (
            "nonce-without-ts",
            "ts and nonce belong together",
            raw.replace("\"ts\"", "\"tz\""),
            TIME,
            refused(FeedbackMalformed),
        ),
        ("not-json", "neither JSON nor base64", "?".to_owned(), TIME, refused(FeedbackMalformed)),
    ] {
        cases.push(json!({
            "id": format!("feedback-{id}"), "why": why, "op": "feedback", "policy": policy_with(json!({})),
            "manifests": { MANIFEST_URL: from_core(&manifest(&[1])) }, "value": value, "now": at, "expect": expect,
        }));
    }
    cases
}

fn address_vectors() -> Vec<Value> {
    [
        ("9.255.255.255", true, "next to 10.0.0.0/8"),
        ("10.0.0.0", false, "private use"),
        ("100.64.0.0", false, "CGNAT"),
        ("168.63.129.16", false, "a cloud's inner service"),
        ("192.0.0.170", false, "IETF protocol assignments"),
        ("192.31.196.1", false, "AS112"),
        ("198.18.0.1", false, "benchmarking"),
        ("224.0.0.251", false, "multicast"),
        ("240.0.0.1", false, "reserved"),
        ("255.255.255.255", false, "broadcast"),
        ("2003::1", true, "global unicast"),
        ("2001:0:808:808::1", false, "Teredo"),
        ("2001:20::1", false, "ORCHIDv2"),
        ("2002:808:808::1", false, "6to4"),
        ("3ffe::1", false, "the 6bone"),
        ("4000::1", false, "not allocated"),
        ("64:ff9b::8.8.8.8", true, "NAT64 of a public address"),
        ("64:ff9b::10.0.0.1", false, "NAT64 of a private one"),
        ("64:ff9b:1::8.8.8.8", false, "local NAT64"),
        ("::ffff:8.8.8.8", false, "mapped"),
        ("::8.8.8.8", false, "compatible"),
        ("2606:4700::5efe:808:808", false, "ISATAP"),
        ("fe80::1", false, "link-local"),
        ("fec0::1", false, "site-local"),
        ("fd00::1", false, "unique local"),
        ("ff02::1", false, "multicast"),
        ("fe80::1%eth0", false, "a zone is for this machine"),
        ("[2606:4700::1111]", false, "not an address but a part of a URL"),
        ("0177.0.0.1", false, "octal"),
        ("2130706433", false, "one number"),
        ("localhost", false, "a name"),
        ("", false, "nothing"),
    ]
    .into_iter()
    .enumerate()
    .map(|(number, (ip, allowed, why))| {
        assert_eq!(imagxp::address::is_public_text(ip), allowed, "{ip}");
        json!({ "id": format!("address-{number}"), "why": why, "op": "address", "ip": ip, "expect": { "allowed": allowed } })
    })
    .collect()
}

fn audit_vectors() -> Vec<Value> {
    let mut cases = Vec::new();
    for (name, algorithm) in [("ed25519", Algorithm::EdDsa), ("es256", Algorithm::Es256)] {
        let made = common::memory::evidence(algorithm);
        let spki = made.public_key.to_spki_base64();
        let stranger = key(6, algorithm).public_key().to_spki_base64();
        let evidence = from_core(&made.to_json().unwrap());
        let report = from_core(&imagxp::json::object_to_canonical(&made.verify(&[]).unwrap().to_json()));
        let known = {
            let mut report = report.clone();
            report["key_known"] = json!(true);
            json!({ "valid": true, "code": null, "report": report })
        };
        let bad = |code: &str| json!({ "valid": false, "code": code });
        let mut add = |id: &str, why: &str, spki: Option<&str>, evidence: Value, expect: Value| {
            let mut case = json!({ "id": format!("audit-{name}-{id}"), "why": why, "op": "audit", "evidence": evidence, "expect": expect });
            if let Some(spki) = spki {
                case["spki"] = json!(spki);
            }
            cases.push(case);
        };
        let changed = |change: &dyn Fn(&mut Value)| {
            let mut evidence = evidence.clone();
            change(&mut evidence);
            evidence
        };
        add("known-key", "the publisher's key is known", Some(&spki), evidence.clone(), known);
        let unknown = json!({ "valid": true, "code": null, "report": report });
        add("own-key", "only the key in the evidence vouches", None, evidence.clone(), unknown);
        add("other-key", "another publisher's key", Some(&stranger), evidence.clone(), bad("audit.altered"));
        let outcome = changed(&|evidence| evidence["record"]["body"]["outcome"] = json!("deny"));
        add("outcome", "an altered record", Some(&spki), outcome, bad("audit.proof_invalid"));
        let number = changed(&|evidence| evidence["record"]["n"] = json!(6));
        add("number", "a record under another number", Some(&spki), number, bad("audit.proof_invalid"));
        let shorter = changed(&|evidence| drop(evidence["proof"].as_array_mut().unwrap().pop()));
        add("shorter", "a proof that is too short", Some(&spki), shorter, bad("audit.proof_invalid"));
        let manifest_gone = changed(&|evidence| drop(evidence.as_object_mut().unwrap().remove("manifest")));
        add(
            "no-manifest",
            "without the manifest in force",
            Some(&spki),
            manifest_gone,
            bad("audit.malformed"),
        );
        let other = imagxp::encoding::base64_encode(&manifest(&[1, 2]));
        let other = changed(&|evidence| evidence["manifest"] = json!(other));
        add("other-manifest", "with another manifest", Some(&spki), other, bad("audit.altered"));
        let size = changed(&|evidence| {
            evidence["checkpoint"] =
                json!(evidence["checkpoint"].as_str().unwrap().replace("\n20\n", "\n21\n"));
        });
        add("size", "an altered checkpoint", Some(&spki), size, bad("audit.altered"));
        let member = changed(&|evidence| evidence["more"] = json!(1));
        add("member", "a member that nobody knows", Some(&spki), member, bad("audit.malformed"));
        let proof: Vec<String> =
            made.proof.iter().map(|hash| imagxp::encoding::base64_encode(hash)).collect();
        let entry = String::from_utf8(made.entry).unwrap();
        for (id, why, entry, expect) in [
            (
                "entry",
                "an entry by its checkpoint",
                entry.clone(),
                json!({ "valid": true, "code": null, "size": 20 }),
            ),
            (
                "entry-altered",
                "an altered entry",
                entry.replace("\"allow\"", "\"deny\""),
                bad("audit.proof_invalid"),
            ),
            ("entry-none", "what is no entry", "{}".into(), bad("audit.malformed")),
        ] {
            cases.push(json!({
                "id": format!("audit-{name}-{id}"), "why": why, "op": "audit", "spki": spki,
                "checkpoint": made.checkpoint, "entry": entry, "proof": proof, "expect": expect,
            }));
        }
    }
    cases
}

fn offer_vectors() -> Vec<Value> {
    let broker = |host: &str, endpoint: &str| json!({ "issuer": format!("https://{host}"), "token_endpoint": endpoint });
    let own = broker("broker.example", "https://broker.example/oauth/token");
    let offer = |change: &dyn Fn(&mut Value)| {
        let mut offer =
            json!({ "price": "0.01", "currency": "USD", "purposes": ["SUMMARY"], "brokers": [own] });
        change(&mut offer);
        json!({ "error": { "code": "payment.required" }, "offer": offer }).to_string()
    };
    let set = |name: &'static str, value: Value| offer(&move |offer: &mut Value| offer[name] = value.clone());
    let good = json!({ "code": null, "price": "0.01", "currency": "USD", "purposes": ["SUMMARY"], "brokers": ["https://broker.example"] });
    let chosen = |to: &str| {
        let mut expect = good.clone();
        expect["chosen"] = json!(to);
        expect
    };
    let malformed = json!({ "code": "offer.malformed" });
    let many: Vec<Value> =
        (0..33).map(|i| broker(&format!("b{i}.example"), &format!("https://b{i}.example/t"))).collect();
    let elsewhere = json!([broker("broker.example", "https://thief.example/oauth/token")]);
    let trusted = json!(["https://other.example", "https://broker.example"]);
    let case = |id: &str, why: &str, body: String, trusted: Option<&Value>, expect: Value| {
        let mut case =
            json!({ "id": format!("offer-{id}"), "why": why, "op": "offer", "body": body, "expect": expect });
        if let Some(trusted) = trusted {
            case["trusted"] = trusted.clone();
        }
        case
    };
    let plain = offer(&|_| ());
    vec![
        case("plain", "what our publishers send", plain.clone(), None, good.clone()),
        case("unknown-member", "ignored", set("later", json!([1])), None, good.clone()),
        case(
            "unknown-purpose",
            "passed over",
            set("purposes", json!(["SUMMARY", "LATER"])),
            None,
            good.clone(),
        ),
        case("number", "a price is a string", set("price", json!(0.01)), None, malformed.clone()),
        case("exponent", "no exponents", set("price", json!("1e400")), None, malformed.clone()),
        case("negative", "no signs", set("price", json!("-1")), None, malformed.clone()),
        case("zero", "nothing to buy", set("price", json!("0.00")), None, malformed.clone()),
        case("digits", "ASCII digits only", set("price", json!("\u{661}")), None, malformed.clone()),
        case("range", "does not fit", set("price", json!("999999999999999999999")), None, malformed.clone()),
        case("currency", "upper-case ASCII", set("currency", json!("usd")), None, malformed.clone()),
        case("no-brokers", "nobody to pay", set("brokers", json!([])), None, malformed.clone()),
        case("many-brokers", "32 at most", set("brokers", json!(many)), None, malformed.clone()),
        case("twice", "a broker is named once", set("brokers", json!([own, own])), None, malformed.clone()),
        case(
            "http",
            "https only",
            set(
                "brokers",
                json!([{ "issuer": "http://broker.example", "token_endpoint": "https://broker.example/t" }]),
            ),
            None,
            malformed.clone(),
        ),
        case(
            "duplicate",
            "a member occurs once",
            plain.replacen("\"price\"", "\"price\":\"9\",\"price\"", 1),
            None,
            malformed.clone(),
        ),
        case("empty", "no offer", "{}".into(), None, malformed),
        case(
            "chosen",
            "the trusted one",
            plain.clone(),
            Some(&trusted),
            chosen("https://broker.example/oauth/token"),
        ),
        case(
            "not-trusted",
            "nobody trusted",
            plain.clone(),
            Some(&json!(["https://other.example"])),
            chosen("spend.broker_denied"),
        ),
        case(
            "nobody-trusted",
            "without a list nobody is paid",
            plain,
            Some(&json!([])),
            chosen("spend.broker_denied"),
        ),
        case(
            "elsewhere",
            "a trusted issuer, but the publisher's own endpoint",
            set("brokers", elsewhere),
            Some(&trusted),
            chosen("spend.broker_denied"),
        ),
    ]
}

fn spend_vectors() -> Vec<Value> {
    let reserve = |id: u32, host: &str, amount: &str, now: &str| {
        json!({ "id": format!("purchase-{id:08}"), "agent_id": AGENT, "issuer": "https://broker.example",
                "audience": format!("https://{host}.example"), "amount": amount, "currency": "USD", "now": now })
    };
    let settle = |id: u32, end: &str| json!({ "id": format!("purchase-{id:08}"), "settle": end });
    let new = json!({ "code": null, "again": null });
    let again = |id: u32| json!({ "code": null, "again": format!("purchase-{id:08}") });
    let limit = json!({ "code": "spend.limit", "again": null });
    let spent = |amount: &str| json!({ "spent": amount });
    let caps =
        json!({ "currency": "USD", "per_request": "1", "per_host": "2", "per_day": "3", "total": "5" });
    let (first, next, before) =
        ("2026-03-01T23:59:59.999Z", "2026-03-02T00:00:00.000Z", "2026-02-27T12:00:00.000Z");
    let case = |id: &str, why: &str, steps: Vec<(Value, Value)>| {
        let (steps, results): (Vec<_>, Vec<_>) = steps.into_iter().unzip();
        json!({ "id": format!("spend-{id}"), "why": why, "op": "spend", "caps": caps, "steps": steps, "expect": { "results": results } })
    };
    vec![
        case(
            "request",
            "exact to the last digit",
            vec![
                (reserve(1, "a", "1.000000000000000001", first), limit.clone()),
                (reserve(2, "a", "1", first), new.clone()),
            ],
        ),
        case(
            "host",
            "2 for each host and day",
            vec![
                (reserve(1, "a", "1", first), new.clone()),
                (reserve(2, "a", "1", first), new.clone()),
                (reserve(3, "a", "0.000000000000000001", first), limit.clone()),
                (reserve(3, "a", "1", next), new.clone()),
            ],
        ),
        case(
            "day",
            "3 for each UTC day, and a clock that steps back frees nothing",
            vec![
                (reserve(1, "a", "1", first), new.clone()),
                (reserve(2, "b", "1", first), new.clone()),
                (reserve(3, "c", "1", first), new.clone()),
                (reserve(4, "d", "1", before), limit.clone()),
                (reserve(4, "d", "1", next), new.clone()),
            ],
        ),
        case(
            "released",
            "what was not paid comes back",
            vec![
                (reserve(1, "a", "1", first), new.clone()),
                (settle(1, "released"), spent("0")),
                (reserve(2, "a", "1", first), new.clone()),
                (settle(2, "spent"), spent("1")),
                (settle(2, "released"), spent("1")),
            ],
        ),
        case(
            "unknown",
            "counts as spent, and is asked about instead of paid again",
            vec![
                (reserve(1, "a", "1", first), new.clone()),
                (settle(1, "unknown"), spent("1")),
                (reserve(2, "a", "0.5", first), again(1)),
                (reserve(3, "a", "0.5", first), json!({ "code": "spend.unknown", "again": null })),
                (reserve(4, "b", "0.5", first), new.clone()),
                (settle(1, "spent"), spent("1.5")),
                (reserve(2, "a", "0.5", first), new),
            ],
        ),
    ]
}

fn assertion_vectors() -> Vec<Value> {
    const ENDPOINT: &str = "https://broker.example/oauth/token";
    let jti = "00000000-0000-4000-8000-000000000001";
    let signed = identity(1).assert_client(ENDPOINT, jti, now()).unwrap();
    let verify = |id: &str, assertion: &str, seeds: &[u8], endpoint: &str, time: &str, code: Option<&str>| {
        json!({ "id": format!("assertion-{id}"), "op": "assertion", "assertion": assertion, "agent_id": AGENT,
                "manifest": from_core(&manifest(seeds)), "token_endpoint": endpoint, "now": time,
                "expect": { "code": code, "jti": if code.is_none() { json!(jti) } else { Value::Null } } })
    };
    let other = identity(1).assert_client(ENDPOINT, "00000000-0000-4000-8000-000000000002", now()).unwrap();
    let forged = format!("{}.{}", signed.rsplit_once('.').unwrap().0, other.rsplit_once('.').unwrap().1);
    vec![
        json!({ "id": "assertion-sign", "why": "deterministic: the same bytes in every language", "op": "assertion",
                "key": private_jwk(1, Algorithm::Es256), "agent_id": AGENT, "token_endpoint": ENDPOINT, "jti": jti, "now": TIME,
                "expect": { "assertion": signed } }),
        verify("good", &signed, &[1], ENDPOINT, TIME, None),
        verify("last-second", &signed, &[1], ENDPOINT, "2026-03-01T12:01:05.000Z", None),
        verify("expired", &signed, &[1], ENDPOINT, "2026-03-01T12:01:05.001Z", Some("time.expired")),
        verify("future", &signed, &[1], ENDPOINT, "2026-03-01T11:59:54.999Z", Some("time.future")),
        verify("endpoint", &signed, &[1], "https://broker.example/other", TIME, Some("sig.malformed")),
        verify("key", &signed, &[2], ENDPOINT, TIME, Some("identity.key_mismatch")),
        verify("not-a-token", "a.b.c", &[1], ENDPOINT, TIME, Some("sig.malformed")),
        verify("forged", &forged, &[1], ENDPOINT, TIME, Some("sig.invalid")),
    ]
}

#[test]
fn files_are_what_the_core_makes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors");
    let update = std::env::var_os("UPDATE").is_some();
    assert_eq!(Timestamp::parse(TIME), Some(now()));
    for (name, about, cases) in [
        ("sign", "signing: key, request and time in, headers out", sign_vectors()),
        ("policy", "evaluation of policies (PROTOCOL §7)", policy_vectors()),
        ("visa", "visas: verification and issuing (PROTOCOL §8)", visa_vectors()),
        ("json", "strict I-JSON and RFC 8785", json_vectors()),
        ("manifest", "manifests (PROTOCOL §4)", manifest_vectors()),
        ("provenance", "provenance receipts (PROTOCOL §10)", provenance_vectors()),
        ("feedback", "feedback (PROTOCOL §11)", feedback_vectors()),
        ("address", "addresses that a fetch may connect to (PROTOCOL §4)", address_vectors()),
        ("audit", "evidence and inclusion proofs of audit logs (PROTOCOL §12)", audit_vectors()),
        ("offer", "offers of 402 answers, and whom an agent pays (PROTOCOL §8)", offer_vectors()),
        ("spend", "an agent's caps and payments", spend_vectors()),
        ("assertion", "client assertions (RFC 7523)", assertion_vectors()),
    ] {
        let file = folder.join(format!("{name}.json"));
        let text = serde_json::to_string_pretty(&json!({ "about": about, "cases": cases })).unwrap() + "\n";
        if update {
            std::fs::write(&file, text).unwrap();
        } else {
            let found = std::fs::read_to_string(&file).unwrap_or_default();
            assert_eq!(found, text, "{} is out of date: run with UPDATE=1", file.display());
        }
    }
}
