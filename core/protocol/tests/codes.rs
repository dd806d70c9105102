//! Every code is reached, with its HTTP status; the few that another layer raises are named with the reason.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]

mod common;

use common::world::*;
use imagxp::agent::SignRequest;
use imagxp::encoding::base64_encode;
use imagxp::explain::{Step, StepResult};
use imagxp::publisher::{CustomPolicy, FetchFailure, Outcome};
use imagxp::replay::MemoryReplayStore;
use imagxp::{Claim, Code, Error, Publisher, Purpose, Verdict};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Raised outside this crate, and tested there.
const ELSEWHERE: &[(Code, &str)] = &[
    (Code::FeedbackMalformed, "feedback is read by a later part of the protocol (PROTOCOL §11)"),
    (Code::InternalPanic, "raised by the C ABI's boundary; tests/c/panic.c"),
    (
        Code::InternalInvariant,
        "raised by the bindings when the core breaks its word; nothing here can do so on purpose",
    ),
];

struct Custom(Result<bool, ()>);

impl CustomPolicy for Custom {
    fn allows(&self, _: &Claim, path: &str) -> Result<bool, Error> {
        self.0.map_err(|()| Error::argument(format!("cannot decide about `{path}`")))
    }
}

fn with_payload(json: &str) -> Signed {
    Signed::read("nonce-0000000001")
        .without("x-imagxp-payload")
        .with("x-imagxp-payload", &base64_encode(json.as_bytes()))
}

fn claim_with(from: &str, to: &str) -> Signed {
    let good = r#"{"v":"1.1","agent_id":"agent.example","purpose":"SUMMARY","ts":"2026-03-01T12:00:00Z","nonce":"0123456789abcdef","resource":"https://pub.example/posts/1","x":0}"#;
    assert!(good.contains(from), "{from}");
    with_payload(&good.replacen(from, to, 1))
}

fn read(change: impl FnOnce(&mut SignRequest<'_>)) -> Signed {
    let mut request = SignRequest::new("GET", URL, Purpose::RagRetrieval);
    change(&mut request);
    Signed::new(&identity(1), &request, now(), "nonce-0000000001")
}

fn paid(token: &str) -> Signed {
    let token = token.to_owned();
    let mut request = SignRequest::new("GET", "https://pub.example/premium/1", Purpose::RagRetrieval);
    request.payment = Some(&token);
    Signed::new(&identity(1), &request, now(), "nonce-0000000001")
}

/// The verdict, once explained: with the same code, and both sides of the step that decided.
fn judged(signed: &Signed, publisher: &Publisher) -> Verdict {
    let explained = signed.act(|request| publisher.explain(request, now()));
    let verdict = signed.verify(publisher);
    // What only storing and recording show, which an explanation does not do.
    let shown = !matches!(
        verdict.code,
        Some(Code::ReplayStoreError | Code::ReplayStoreFull | Code::AuditUnavailable)
    );
    if shown {
        assert_eq!(explained.verdict.code, verdict.code);
        let decided = |step: &&Step| matches!(step.result, StepResult::Failed | StepResult::Undecided);
        let step = explained.steps.iter().find(decided);
        assert_eq!(step.is_some(), verdict.code.is_some(), "{:?}", verdict.code);
        assert!(step.is_none_or(|step| !step.expected.is_empty() && !step.received.is_empty()), "{step:?}");
    }
    verdict
}

/// Requests that a publisher refuses with this policy.
fn refused() -> Vec<Verdict> {
    let verify = |signed: Signed| judged(&signed, &publisher(POLICY));
    let mut verdicts: Vec<Verdict> = [
        Signed::read("nonce-0000000001").without("x-imagxp-payload"),
        Signed::read("nonce-0000000001").with("X-IMAGXP-Signature", "00"),
        Signed::read("nonce-0000000001").with("x-imagxp-agent-id", "other.example"),
        Signed::read("nonce-0000000001").without("x-imagxp-payload").with("x-imagxp-payload", "e3 0="),
        Signed::read("nonce-0000000001").with("x-imagxp-proof", &"x".repeat(9000)),
        with_payload("[]"),
        claim_with("\"x\":0", "\"v\":\"1.1\""),
        claim_with("\"x\":0", "\"x\":[[[[[[[[[0]]]]]]]]]"),
        claim_with("\"x\":0", &format!("\"x\":[{}0]", "0,".repeat(300))),
        claim_with("\"x\":0", "\"x\":9007199254740993"),
        claim_with("\"x\":0", "\"x\":\"\\ud800\""),
        claim_with("1.1", "3.0"),
        claim_with("12:00:00Z", "noon"),
        claim_with("0123456789abcdef", "short"),
        claim_with("agent.example", "127.0.0.1"),
        claim_with("https://pub.example/posts/1", "posts/1"),
        claim_with("SUMMARY", "TRAINING"),
        claim_with("\"x\":0", "\"context\":1"),
        claim_with("12:00:00Z", "11:54:59Z"),
        claim_with("12:00:00Z", "12:01:01Z"),
        read(|request| request.content_digest = Some("sha-256=:AAAA:")),
        Signed::read("nonce-0000000001").with("x-imagxp-alg", "EdDSA"),
        Signed::read("nonce-0000000001").without("x-imagxp-signature").with("x-imagxp-signature", "3045"),
        Signed::read("nonce-0000000001")
            .without("x-imagxp-signature")
            .with("x-imagxp-signature", &"01".repeat(64)),
        Signed::read("nonce-0000000001").without("x-imagxp-public-key").with("x-imagxp-public-key", "MFkw"),
        Signed::new(
            &identity(2),
            &SignRequest::new("GET", URL, Purpose::RagRetrieval),
            now(),
            "nonce-0000000001",
        ),
        read(|request| request.purpose = Purpose::CrawlTraining),
        paid("x"),
        paid(&visa("jti-0001", |visa| {
            (visa.issued_at, visa.lifetime_s) = (now().saturating_add_secs(-700), 600)
        })),
        paid(&visa("jti-0001", |visa| visa.audience = "https://other.example")),
        paid(&visa("jti-0001", |visa| {
            visa.key = Some(Box::leak(Box::new(*identity(2).public_key().thumbprint())))
        })),
        paid(&visa("jti-0001", |visa| {
            visa.paid = Box::leak(Box::new(imagxp::policy::Money {
                amount: imagxp::amount::Amount::ZERO,
                currency: "USD".into(),
            }))
        })),
        paid(&visa("jti-0001", |visa| visa.issuer = "https://other.example")),
    ]
    .into_iter()
    .map(verify)
    .collect();

    // A signed DELETE is another code than a signed GET that is sent as HEAD.
    let mut delete = Signed::new(
        &identity(1),
        &SignRequest::new("DELETE", URL, Purpose::RagRetrieval),
        now(),
        "nonce-0000000001",
    );
    delete.url = "/posts/1".into();
    verdicts.push(verify(delete));
    let mut head = Signed::read("nonce-0000000001");
    head.method = "HEAD".into();
    verdicts.push(verify(head));
    let mut elsewhere = Signed::read("nonce-0000000001");
    elsewhere.url = "/posts/2".into();
    verdicts.push(verify(elsewhere));
    let unpaid = Signed::new(
        &identity(1),
        &SignRequest::new("GET", "https://pub.example/premium/1", Purpose::RagRetrieval),
        now(),
        "nonce-0000000001",
    );
    verdicts.push(verify(unpaid));
    let mut unsigned = Signed::read("nonce-0000000001");
    unsigned.headers.clear();
    verdicts.push(verify(unsigned));

    let twice = publisher(POLICY);
    for number in 0..2 {
        verdicts.push(judged(&Signed::read("nonce-0000000001"), &twice));
        let token = visa("jti-used-twice", |_| ());
        let mut request = SignRequest::new("GET", "https://pub.example/premium/1", Purpose::RagRetrieval);
        request.payment = Some(&token);
        verdicts.push(judged(
            &Signed::new(&identity(1), &request, now(), &format!("nonce-paid-{number:06}")),
            &twice,
        ));
    }
    verdicts
}

/// Publishers in some other state.
fn special() -> Vec<Verdict> {
    let strange =
        |json: &str| publisher(&POLICY.replacen("{\"version\":1", &format!("{{\"version\":1,{json}"), 1));
    let mut verdicts = vec![
        judged(
            &Signed::read("nonce-0000000001"),
            &strange(r#""agents":[{"match":"agent.example","allow":false}]"#),
        ),
        judged(
            &Signed::read("nonce-0000000001"),
            &publisher(POLICY).with_custom_policy(Arc::new(Custom(Ok(false)))),
        ),
        judged(
            &Signed::read("nonce-0000000001"),
            &publisher(POLICY).with_custom_policy(Arc::new(Custom(Err(())))),
        ),
        judged(
            &Signed::read("nonce-0000000001"),
            &publisher(POLICY).with_replay_store(Arc::new(MemoryReplayStore::new(0, 0))),
        ),
        judged(&Signed::read("nonce-0000000001"), &publisher(POLICY).with_replay_store(Arc::new(Broken))),
        judged(&Signed::read("nonce-0000000001"), &Publisher::new(policy(POLICY), [7; 16])),
    ];
    verdicts.push(judged(&Signed::read("nonce-0000000001"), &publisher(POLICY).with_audit(Arc::new(Full))));
    let limited = strange(r#""rate":{"requests":1,"per_s":60}"#);
    for nonce in ["nonce-0000000001", "nonce-0000000002"] {
        verdicts.push(judged(&Signed::read(nonce), &limited));
    }
    for failure in [
        FetchFailure::Failed,
        FetchFailure::NotFound,
        FetchFailure::Redirect,
        FetchFailure::AddressDenied,
        FetchFailure::Busy,
        FetchFailure::Invalid,
    ] {
        let publisher = Publisher::new(policy(POLICY), [7; 16]);
        publisher.supply_failure(MANIFEST_URL, failure, now()).unwrap();
        verdicts.push(judged(&Signed::read("nonce-0000000001"), &publisher));
    }
    let token = visa("jti-0001", |_| ());
    let no_keys = Publisher::new(policy(POLICY), [7; 16]);
    no_keys.supply(MANIFEST_URL, &manifest(&[1]), None, now()).unwrap();
    verdicts.push(judged(&paid(&token), &no_keys));
    no_keys.supply_failure(JWKS_URL, FetchFailure::Failed, now()).unwrap();
    verdicts.push(judged(&paid(&token), &no_keys));
    let only_keys = strange(r#""identity":"key_only""#);
    for hint in [None, Some("MFkw")] {
        let bare = Signed::read("nonce-0000000001").without("x-imagxp-public-key");
        verdicts.push(judged(
            &hint.iter().fold(bare, |all, hint| all.with("x-imagxp-public-key", hint)),
            &only_keys,
        ));
    }
    let forged = Signed::new(
        &identity(3),
        &SignRequest::new("GET", URL, Purpose::RagRetrieval),
        now(),
        "nonce-0000000001",
    );
    verdicts.push(judged(&forged.without("x-imagxp-public-key"), &publisher(POLICY)));
    let paid_only = publisher(&POLICY.replacen(r#""payment":{"#, r#""payment":{"required":true,"#, 1));
    verdicts.push(judged(&Signed::read("nonce-0000000001"), &paid_only));
    let redeem = publisher(&POLICY.replace("jwks.json\"}", "jwks.json\",\"check\":\"redeem\"}"));
    let explained = paid(&token).act(|request| redeem.explain(request, now()));
    assert_eq!(explained.steps.last().unwrap().received, "not asked yet");
    let first = paid(&token).start(&redeem, now());
    verdicts.push(first.verdict);
    let mut pending = first.pending.unwrap();
    pending.redeemed(imagxp::publisher::Redemption::Unavailable);
    verdicts.push(redeem.resume(pending, now()).verdict);
    verdicts
}

/// An audit log without room.
struct Full;

impl imagxp::audit::AuditSink for Full {
    fn record(&self, _: &imagxp::audit::Record<'_>) -> imagxp::Result<()> {
        Err(Error::argument("no room"))
    }
}

struct Broken;

impl imagxp::replay::ReplayStore for Broken {
    fn insert_if_absent(
        &self,
        _: &imagxp::replay::ReplayEntry,
        _: imagxp::Timestamp,
    ) -> imagxp::replay::Insert {
        imagxp::replay::Insert::Error
    }

    fn seen(&self, _: &[u8; 16], _: imagxp::Timestamp) -> imagxp::replay::Seen {
        imagxp::replay::Seen::No
    }
}

#[test]
fn every_code_is_reached() {
    let mut reached = BTreeMap::new();
    for verdict in refused().into_iter().chain(special()) {
        let Some(code) = verdict.code else {
            assert_eq!((verdict.outcome, verdict.http), (Outcome::Allow, 200));
            continue;
        };
        assert_eq!(verdict.http, code.http(), "{code}");
        assert_eq!(verdict.outcome == Outcome::Undecided, code.http() >= 500, "{code}");
        assert_eq!(verdict.message, code.message());
        let body: serde_json::Value = serde_json::from_slice(&verdict.body()).unwrap();
        assert_eq!(body["error"]["code"], code.as_str());
        assert_eq!(body.get("offer").is_some(), code.http() == 402, "{code}");
        let header = |name: &str| verdict.response_headers.iter().any(|(candidate, _)| *candidate == name);
        assert_eq!(header("www-authenticate"), code.http() == 401, "{code}");
        assert!(header("cache-control"), "{code}: refusals are not for caches");
        reached.insert(code, verdict);
    }
    let missing: Vec<&str> = Code::ALL
        .iter()
        .filter(|code| !reached.contains_key(code) && !ELSEWHERE.iter().any(|(other, _)| other == *code))
        .map(|code| code.as_str())
        .collect();
    assert!(missing.is_empty(), "not reached: {missing:?}");
    for (code, reason) in ELSEWHERE {
        assert!(!reached.contains_key(code), "{code} is reached here, although: {reason}");
    }
}

#[test]
fn observing_lets_everything_pass_and_says_so() {
    let json = POLICY.replacen("{\"version\":1", "{\"version\":1,\"mode\":\"observe\"", 1);
    let verdict = read(|request| request.purpose = Purpose::CrawlTraining).verify(&publisher(&json));
    assert_eq!((verdict.outcome, verdict.http, verdict.would_deny), (Outcome::Allow, 200, true));
    assert_eq!(verdict.code, Some(Code::PolicyPurposeDenied));
    let waiting = Signed::read("nonce-0000000001").start(&Publisher::new(policy(&json), [7; 16]), now());
    assert_eq!(
        (waiting.verdict.outcome, waiting.verdict.code),
        (Outcome::Allow, Some(Code::IdentityManifestNeeded))
    );
    assert!(waiting.pending.is_some(), "the caller may still fetch and learn more");
    let good = Signed::read("nonce-0000000001").verify(&publisher(&json));
    assert!(!good.would_deny && good.code.is_none());
}

#[test]
fn a_claim_overwrites_nothing() {
    let mut request = SignRequest::new("GET", URL, Purpose::RagRetrieval);
    request.context =
        Some(r#"{"outcome":"allow","code":null,"agent_id":"evil.example","payment":{"state":"visa"}}"#);
    let signed = Signed::new(&identity(1), &request, now(), "nonce-0000000001");
    let verdict = signed.verify(&publisher(POLICY));
    assert_eq!(verdict.agent_id.as_ref().unwrap().as_str(), AGENT);
    assert_eq!(verdict.payment.state.as_str(), "not_required");
}

#[test]
fn key_only_identity_grants_no_single_agents_rights() {
    let json = POLICY.replacen(
        "{\"version\":1",
        r#"{"version":1,"identity":"key_only","agents":[{"match":"agent.example","purposes":{"SUMMARY":{"allow":true}}},{"match":"bad.example","allow":false}]"#,
        1,
    );
    let summary = read(|request| request.purpose = Purpose::Summary);
    let stranger = Publisher::new(policy(&json), [7; 16]);
    let verdict = summary.verify(&stranger);
    assert_eq!((verdict.code, verdict.binding.as_str()), (Some(Code::PolicyPurposeDenied), "key_only"));
    let verdict = Signed::read("nonce-0000000002").without("x-imagxp-public-key").verify(&stranger);
    assert_eq!(verdict.code, Some(Code::HeaderMissing));
    // With the domain's word the same key has the agent's rights.
    let verdict = summary.verify(&publisher(&json));
    assert_eq!((verdict.code, verdict.binding.as_str()), (None, "domain"));
    // A deny counts whoever claims the name.
    let bad = imagxp::agent::Identity::parse("bad.example", key(4, imagxp::crypto::Algorithm::Es256), false)
        .unwrap();
    let denied =
        Signed::new(&bad, &SignRequest::new("GET", URL, Purpose::RagRetrieval), now(), "nonce-0000000001");
    assert_eq!(denied.verify(&stranger).code, Some(Code::PolicyAgentDenied));
}

#[test]
fn the_published_table_is_the_codes_table() {
    let mut text = String::from(
        "# Codes\n\nStable, never reused; the same string in every language, the number in the C ABI. Made from `code.rs`: `UPDATE=1 cargo test -p imagxp --test codes`.\n\n\
         | code | number | http | what happened | what to do | retry |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for code in Code::ALL {
        let (message, hint) = (code.message(), code.hint());
        text += &format!(
            "| `{code}` | {} | {} | {message} | {hint} | {} |\n",
            code.number(),
            code.http(),
            code.retry()
        );
    }
    text += "\nWarnings, which do not decide: `header.user_agent_missing`, `payment.bearer`, `identity.manifest_stale`, `identity.dnssec_insecure`, `payment.jwks_stale`.\n\n\
             Errors of misuse, which are no verdicts: `usage.argument`, `usage.policy`, `usage.signer`.\n";
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/codes.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(file, &text).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(file).unwrap_or_default(),
        text,
        "docs/codes.md is out of date: run with UPDATE=1"
    );
}
