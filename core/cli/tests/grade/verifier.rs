//! `imagxp grade verifier` on a faithful site, and on sites with one fault each.

use crate::publisher::{Fault, Place, open};
use crate::{assert_lost, program, report};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::Value;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

/// How many ports the policy names.
const PORTS: u16 = 4;

/// The first of as many free ports in a row. They are below those that systems hand out by themselves.
fn free_ports() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = 10_000 + u16::try_from(std::process::id() % 500).unwrap() * PORTS;
    for _ in 0..200 {
        let base = start + NEXT.fetch_add(1, Ordering::Relaxed) * PORTS;
        let all = (base..base + PORTS).map(|port| TcpListener::bind(("127.0.0.1", port)));
        if all.collect::<Result<Vec<_>, _>>().is_ok() {
            return base;
        }
    }
    panic!("there are no {PORTS} free ports in a row");
}

fn grade(fault: Fault, more: &[&str]) -> Value {
    grade_at(TcpListener::bind(("127.0.0.1", 0)).unwrap(), fault, more)
}

fn grade_at(listener: TcpListener, fault: Fault, more: &[&str]) -> Value {
    let again = site_at(listener, fault, more);
    again()
}

/// A site, and the grader that grades it as often as it is asked to.
fn site_at(listener: TcpListener, fault: Fault, more: &[&str]) -> impl Fn() -> Value {
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let port = free_ports().to_string();
    let policy = program(&[&["grade", "policy", &url, "--port", &port], more].concat()).output().unwrap();
    assert!(policy.status.success(), "{policy:?}");
    open(listener, &String::from_utf8(policy.stdout).unwrap(), fault, Place::default());
    let more: Vec<String> = more.iter().map(|&arg| arg.to_owned()).collect();
    move || {
        let mut command = program(&["grade", "verifier", &url, "--port", &port, "--json"]);
        report(&command.args(&more).output().unwrap())
    }
}

#[test]
fn a_faithful_verifier_has_full_marks() {
    let report = grade(Fault::None, &[]);
    assert_lost(&report, &[]);
    assert!(report["of"].as_u64().unwrap() >= 120, "{}", report["of"]);
    // The one that waits for half a minute; scripts/soak.sh tries it.
    assert_eq!(report["skipped"], 1);
    assert_eq!(report["graded"], "verifier");
}

/// A site that runs on is graded again: what it remembers of the first time costs it no mark. tests/grade/run.py does so with payments.
#[test]
fn a_second_time() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let grade = site_at(listener, Fault::None, &["--no-payment"]);
    assert_lost(&grade(), &[]);
    assert_lost(&grade(), &[]);
}

/// A site may have an IPv6 address.
#[test]
fn a_site_at_an_address_in_brackets() {
    let Ok(listener) = TcpListener::bind(("::1", 0)) else {
        crate::skip::skipped("this machine has no IPv6");
        return;
    };
    assert_lost(&grade_at(listener, Fault::None, &["--no-payment"]), &[]);
}

#[test]
fn what_is_left_out_is_said_and_is_no_mark() {
    let report = grade(Fault::None, &["--no-payment"]);
    assert_lost(&report, &[]);
    let skipped = report["skipped"].as_u64().unwrap();
    assert!(skipped >= 25, "{skipped}");
    let all = report["cases"].as_array().unwrap().len() as u64;
    assert_eq!(report["marks"].as_u64().unwrap() + skipped, all);
}

#[test]
fn replays() {
    let lost = [
        "replay.same_request",
        "replay.other_signature",
        "replay.other_claim",
        "replay.refusal_spends",
        "payment.used",
        "payment.max_uses",
    ];
    assert_lost(&grade(Fault::AcceptsReplays, &[]), &lost);
}

#[test]
fn nonces_that_forgers_can_burn() {
    let report = grade(Fault::SpendsEarly, &[]);
    let lost = crate::lost(&report);
    let ids: Vec<&str> = lost.iter().map(|(id, _)| id.as_str()).collect();
    for id in ["replay.forgery_spends_nothing", "replay.wrong_place_spends_nothing", "replay.other_agent"] {
        assert!(ids.contains(&id), "{ids:?}");
    }
    assert!(!ids.contains(&"replay.same_request"), "{ids:?}");
}

#[test]
fn high_s() {
    assert_lost(&grade(Fault::RefusesHighS, &[]), &["good.high_s", "replay.other_signature"]);
}

#[test]
fn the_method() {
    assert_lost(&grade(Fault::IgnoresMethod, &[]), &["binding.method"]);
}

#[test]
fn the_resource() {
    let lost = [
        "binding.path",
        "binding.query",
        "binding.site",
        "binding.host_header",
        "binding.scheme",
        "binding.case",
        "binding.slash",
        "binding.relative",
        "claim.resource",
        "replay.wrong_place_spends_nothing",
    ];
    assert_lost(&grade(Fault::IgnoresResource, &["--no-payment"]), &lost);
}

#[test]
fn the_time() {
    let report = grade(Fault::IgnoresTime, &["--no-payment"]);
    // Its clock is each request's own: what it has fetched is of another time, and it fetches again until its budget is spent. What it cannot
    // tell then is no mark lost for the time.
    let lost = crate::lost(&report);
    let decided = lost.iter().filter(|(_, why)| !why.contains("identity.fetch_busy"));
    let ids: Vec<&str> = decided.map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["time.expired", "time.future"], "{lost:#?}");
}

#[test]
fn duplicates() {
    let lost = ["header.payload_twice", "header.signature_twice", "header.key_twice", "header.unknown_twice"];
    assert_lost(&grade(Fault::HidesDuplicates, &["--no-payment"]), &lost);
}

#[test]
fn identity() {
    let report = grade(Fault::TrustsTheHint, &["--no-payment"]);
    let lost = crate::lost(&report);
    let ids: Vec<&str> = lost.iter().map(|(id, _)| id.as_str()).collect();
    for id in ["identity.stranger", "identity.ended_key", "identity.not_found", "identity.redirect"] {
        assert!(ids.contains(&id), "{ids:?}");
    }
}

#[test]
fn fetches_for_garbage() {
    let report = grade(Fault::FetchesForGarbage, &["--no-payment"]);
    let lost = crate::lost(&report);
    assert!(lost.iter().any(|(id, _)| id == "identity.garbage_fetches_nothing"), "{lost:#?}");
}

#[test]
fn the_offer() {
    assert_lost(&grade(Fault::SellsNothing, &[]), &["payment.required"]);
}

#[test]
fn amounts() {
    assert_lost(&grade(Fault::BelievesAnyAmount, &[]), &["token.missing_claims", "token.wrong_types"]);
}

/// What the profile leaves open costs nobody a mark.
#[test]
fn either_refusal_of_a_relative_resource() {
    assert_lost(&grade(Fault::RelativeIsInvalid, &["--no-payment"]), &[]);
}

#[test]
fn statuses_and_headers() {
    let lost = [
        "header.unsigned",
        "replay.same_request",
        "replay.other_signature",
        "replay.other_claim",
        "replay.refusal_spends",
    ];
    assert_lost(&grade(Fault::SpeaksInStatuses, &["--no-payment"]), &lost);
}

/// As on the Internet: https with a certificate of one's own authority, and the grader's domains behind one address.
#[test]
fn domains_behind_one_address() {
    let names = vec!["localhost".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let roots = folder.path().join("roots.pem");
    std::fs::write(&roots, made.cert.pem()).unwrap();
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    let listen = format!("127.0.0.1:{}", free_ports());
    let domain = ["--domain", "grader.example.com"];
    let policy = program(&[&["grade", "policy", &url], &domain[..]].concat()).output().unwrap();
    let policy = String::from_utf8(policy.stdout).unwrap();
    assert!(!policy.contains("allow_loopback") && policy.contains("rated.grader.example.com"), "{policy}");
    // Only the site's own name is of this machine.
    let policy = policy.replacen('{', "{\"allow_loopback\":true,", 1);
    open(listener, &policy, Fault::None, Place { tls: Some(Arc::new(config)), via: Some(listen.clone()) });
    let args = ["grade", "verifier", &url, "--listen", &listen, "--roots", roots.to_str().unwrap(), "--json"];
    let report = report(&program(&[&args[..], &domain].concat()).output().unwrap());
    assert_lost(&report, &[]);
    // Without the root nobody is trusted.
    let args = ["grade", "verifier", &url, "--listen", "127.0.0.1:0", "--json", "--no-payment"];
    let output = program(&[&args[..], &domain].concat()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn the_report_is_for_people_too() {
    // Nobody is there.
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let port = free_ports().to_string();
    let output = program(&["grade", "verifier", &url, "--port", &port, "--no-payment"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("FAIL  good.read") && text.contains("no connection"), "{text}");
    assert!(text.contains("SKIPPED: payment.visa: --no-payment"), "{text}");
    assert!(text.lines().last().unwrap().starts_with("0 of "), "{text}");
}
