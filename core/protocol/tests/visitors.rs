//! What is said of a visitor: its class, whatever was wrong, and the first thing that was. Each of these decisions was changed by mutation testing
//! (scripts/mutants.sh) before a test noticed.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]

mod common;

use common::world::*;
use imagxp::agent::SignRequest;
use imagxp::explain::StepResult;
use imagxp::publisher::Visitor;
use imagxp::{Code, Publisher, Purpose};

/// A read of [`URL`] by nobody in particular, with these header lines.
fn visit(lines: &[(&str, &str)]) -> Signed {
    let headers = lines.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
    Signed { method: "GET".into(), url: URL.into(), headers, body_digest: None }
}

#[test]
fn a_browser_shows_each_of_its_signs() {
    let publisher = publisher(POLICY);
    let agent = "Mozilla/5.0 Firefox/140.0";
    let signs = [("user-agent", agent), ("accept-language", "en"), ("sec-fetch-mode", "navigate")];
    assert_eq!(visit(&signs).verify(&publisher).visitor, Visitor::UnsignedBrowser);
    for missing in signs {
        let fewer: Vec<_> = signs.into_iter().filter(|sign| *sign != missing).collect();
        assert_eq!(visit(&fewer).verify(&publisher).visitor, Visitor::UnsignedClient, "no {}", missing.0);
        let empty = signs.map(|sign| if sign == missing { (sign.0, "") } else { sign });
        // What Sec-Fetch-Mode says does not matter.
        let expected =
            if missing.0 == "sec-fetch-mode" { Visitor::UnsignedBrowser } else { Visitor::UnsignedClient };
        assert_eq!(visit(&empty).verify(&publisher).visitor, expected, "empty {}", missing.0);
    }
    for (length, visitor) in [(1024, Visitor::UnsignedBrowser), (1025, Visitor::UnsignedClient)] {
        let long = format!("{agent}{}", " ".repeat(length - agent.len() - 1) + ";");
        assert_eq!(long.len(), length);
        let named = [("user-agent", long.as_str()), signs[1], signs[2]];
        assert_eq!(visit(&named).verify(&publisher).visitor, visitor, "{length} bytes");
    }
}

#[test]
fn whoever_sends_too_much_is_an_agent_only_by_our_headers() {
    let publisher = publisher(POLICY);
    let many = |marked: bool| {
        let mut request = visit(&[("x-one", "1"); 101]);
        if marked {
            request = request.with("x-imagxp-payload", "e30=");
        }
        let verdict = request.verify(&publisher);
        (verdict.code, verdict.visitor)
    };
    assert_eq!(many(false), (Some(Code::HeaderTooLarge), Visitor::UnsignedClient));
    assert_eq!(many(true), (Some(Code::HeaderTooLarge), Visitor::InvalidAgent));
}

/// The signature is verified for one such claim only: that it was signed for another resource is worth knowing for certain.
#[test]
fn a_forgery_with_another_method_is_refused_before_its_signature() {
    let publisher = publisher(POLICY);
    let mut request = Signed::read("nonce-0000000001");
    *request.header_mut("x-imagxp-signature") = vec![b'1'; 128];
    assert_eq!(request.verify(&publisher).code, Some(Code::SigInvalid));
    request.method = "DELETE".into();
    assert_eq!(request.verify(&publisher).code, Some(Code::ClaimMethodMismatch));
}

#[test]
fn an_explanation_tells_undecided_from_failed() {
    let ended = |publisher: &Publisher, request: &Signed| {
        let explained = request.act(|request| publisher.explain(request, now()));
        let passes = |result: &StepResult| matches!(result, StepResult::Passed | StepResult::Skipped);
        let result = explained.steps.iter().map(|step| step.result).find(|result| !passes(result));
        (explained.verdict.code, result)
    };
    let stranger = Publisher::new(policy(POLICY), [7; 16]);
    let mut request = Signed::read("nonce-0000000001");
    assert_eq!(ended(&stranger, &request), (Some(Code::IdentityManifestNeeded), Some(StepResult::Undecided)));
    // The broker's keys are not at hand.
    stranger.supply(MANIFEST_URL, &manifest(&[1]), None, now()).unwrap();
    let token = visa("jti-0001", |_| ());
    let premium = SignRequest {
        payment: Some(&token),
        ..SignRequest::new("GET", "https://pub.example/premium/1", Purpose::RagRetrieval)
    };
    let paid = Signed::new(&identity(1), &premium, now(), "nonce-0000000002");
    assert_eq!(ended(&stranger, &paid), (Some(Code::PaymentJwksNeeded), Some(StepResult::Undecided)));
    let open = publisher(&changed(r#""unsigned":"allow""#));
    let mut bare = Signed::read("nonce-0000000003");
    bare.headers.clear();
    assert_eq!(ended(&open, &bare), (None, None));
    let known = publisher(POLICY);
    request.method = "DELETE".into();
    assert_eq!(ended(&known, &request), (Some(Code::ClaimMethodMismatch), Some(StepResult::Failed)));
    request.method = "GET".into();
    *request.header_mut("x-imagxp-signature") = vec![b'1'; 128];
    assert_eq!(ended(&known, &request), (Some(Code::SigInvalid), Some(StepResult::Failed)));
}
