//! Which request it is that stands for a visa: one for each, by what was signed and by the key that signed it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests, which fail by panicking"
)]

mod common;
mod presented;

use common::{NOW, World, id, issue, memory, owner, party};
use imagxp::agent::Identity;
use imagxp::encoding::base64_decode;
use imagxp::{Purpose, Timestamp};
use imagxp_broker::*;
use presented::*;

fn evidence(publisher: &str) -> Evidence {
    evidence_of(publisher, &Headers::of(&agent(), &page(publisher), Purpose::Summary, at(0)))
}

fn evidence_of(publisher: &str, headers: &Headers) -> Evidence {
    present(&visa(""), Some(headers), publisher).unwrap().1.unwrap()
}

fn page(host: &str) -> String {
    format!("https://{host}/page")
}

/// So many seconds after the visa was bought.
const fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(BOUGHT + seconds)
}

/// Notes requests, one after the other: whether each was noted before.
fn notes() -> impl FnMut(&Evidence, Id) -> Result<bool, RefusalCode> {
    let mut world: World<Memory> = memory();
    move |evidence, visa| {
        let noted = world.request(evidence.note(visa, NOW).unwrap());
        noted.map(|outcome| outcome.repeated).map_err(|refusal| Evidence::refused(refusal).code())
    }
}

#[test]
fn a_request_stands_for_one_visa() {
    let (mut note, evidence) = (notes(), evidence(PUB));
    assert_eq!(note(&evidence, id(1)), Ok(false));
    assert_eq!(note(&evidence, id(1)), Ok(true));
    assert_eq!(note(&evidence, id(2)), Err(RefusalCode::VisaRequestUsed));
}

/// A publisher forgets a nonce within minutes, and takes it again in another request: it is paid for both.
#[test]
fn a_nonce_names_no_request() {
    let mut note = notes();
    let of = |url: &str, purpose, at| evidence_of(PUB, &Headers::of(&agent(), url, purpose, at));
    let purpose = Purpose::Summary;
    assert_eq!(note(&evidence(PUB), id(1)), Ok(false));
    assert_eq!(note(&evidence("other.example"), id(2)), Ok(false), "another site");
    assert_eq!(note(&of(&page(PUB), purpose, at(400)), id(3)), Ok(false), "minutes later");
    // Two sites of one host are one owner.
    assert_eq!(note(&of("https://pub.example:8443/page", purpose, at(0)), id(4)), Ok(false), "another port");
    assert_eq!(note(&of("https://pub.example/other", purpose, at(0)), id(5)), Ok(false), "another page");
    assert_eq!(note(&of(&page(PUB), Purpose::Quotation, at(0)), id(6)), Ok(false), "another purpose");
    assert_eq!(note(&evidence(PUB), id(7)), Err(RefusalCode::VisaRequestUsed));
}

/// A signature is no name (PROTOCOL §3): the same claim signed again by the same key, or in another form, is the same request.
#[test]
fn a_claim_that_a_key_signs_twice_is_one_request() {
    let claim = String::from_utf8(base64_decode(Headers::usual().0[0].as_bytes()).unwrap()).unwrap();
    let first = Headers::raw(&claim);
    let again = Headers::raw(&claim.replacen(':', ": ", 1));
    let mut note = notes();
    assert_ne!(again.0[1], first.0[1]);
    assert_eq!(note(&evidence_of(PUB, &first), id(1)), Ok(false));
    assert_eq!(note(&evidence_of(PUB, &again), id(2)), Err(RefusalCode::VisaRequestUsed));
}

/// Where `identity` is `key_only`, name and key together own a nonce: the publisher lets one claim in for each key, and is paid for each.
#[test]
fn a_claim_that_two_keys_sign_is_two_requests() {
    let claim = String::from_utf8(base64_decode(Headers::usual().0[0].as_bytes()).unwrap()).unwrap();
    let another = Identity::parse(AGENT, private(2), false).unwrap();
    let (first, second) = (Headers::raw(&claim), Headers::raw_by(&another, &claim));
    let mut note = notes();
    assert_eq!(note(&evidence_of(PUB, &first), id(1)), Ok(false));
    assert_eq!(note(&evidence_of(PUB, &second), id(2)), Ok(false));
    for signed in [first, second] {
        assert_eq!(note(&evidence_of(PUB, &signed), id(3)), Err(RefusalCode::VisaRequestUsed));
    }
}

/// A key that nobody owns names another request, and redeems no visa that is bound to one.
#[test]
fn a_claim_that_the_publisher_signs_itself_redeems_nothing() {
    let mut world: World<Memory> = memory();
    world.fund(AGENT, 1_000);
    let jkt = Some(*agent().public_key().thumbprint());
    world.run(&party(AGENT), IssueVisa { jti: Some(id(7)), jkt, ..issue(AGENT, PUB, 100) }).unwrap();
    let claim = String::from_utf8(base64_decode(Headers::usual().0[0].as_bytes()).unwrap()).unwrap();
    let forged = Headers::raw_by(&Identity::parse(AGENT, private(2), false).unwrap(), &claim);
    let (redeem, noted) = present(&bound(), Some(&forged), PUB).unwrap();
    world.request(noted.unwrap().note(redeem.jti, NOW).unwrap()).unwrap();
    let refused = world.run(&party(PUB), redeem).unwrap_err();
    assert_eq!(refused.code(), RefusalCode::VisaWrongKey);
    let (redeem, noted) = present(&bound(), Some(&Headers::usual()), PUB).unwrap();
    world.request(noted.unwrap().note(redeem.jti, NOW).unwrap()).unwrap();
    assert_eq!(world.run(&party(PUB), redeem).unwrap().visa.unwrap().state, VisaState::Redeemed);
}

/// Notes and client assertions are kept in one scope: neither may use up the other.
#[test]
fn no_client_assertion_has_a_notes_name() {
    let Command::UseAssertion(command) = evidence(PUB).note(id(1), NOW).unwrap().command else {
        panic!("a note")
    };
    let jti = command.jti.as_str();
    let refused =
        agent().assert_client("https://broker.example/oauth/token", jti, Timestamp::from_secs(BOUGHT));
    assert!(refused.is_err() && jti.starts_with("request:"), "{jti}");
}

#[test]
fn a_note_is_the_publishers_and_is_kept_until_no_visa_can_be_redeemed_for_it() {
    let request = evidence(PUB).note(id(1), NOW).unwrap();
    assert_eq!(request.actor, party(PUB));
    let Command::UseAssertion(command) = request.command else { panic!("a note") };
    assert_eq!(command.agent, owner(AGENT));
    assert_eq!(command.expires_at, (BOUGHT + 7200) * 1000);
}

#[test]
fn a_refusal_of_the_note_is_what_it_was_or_that_the_request_was_used() {
    let used = Evidence::refused(RefusalCode::AssertionUsed.into());
    assert_eq!(
        (used.code().as_str(), used.code().http(), used.message()),
        ("visa.request_used", 409, "the request was presented with another visa")
    );
    let busy = Refusal::new(RefusalCode::StoreBusy, "come again");
    assert_eq!(Evidence::refused(busy.clone()), busy);
}

#[test]
fn a_visa_is_redeemed_by_its_token_and_request() {
    let mut world: World<Memory> = memory();
    world.fund(AGENT, 1_000);
    let jkt = Some(*agent().public_key().thumbprint());
    let new = IssueVisa { jti: Some(id(7)), jkt, ..issue(AGENT, PUB, 100) };
    world.run(&party(AGENT), new).unwrap();
    let (redeem, noted) = present(&bound(), Some(&Headers::usual()), PUB).unwrap();
    world.request(noted.unwrap().note(redeem.jti, NOW).unwrap()).unwrap();
    assert_eq!(world.run(&party(PUB), redeem).unwrap().visa.unwrap().state, VisaState::Redeemed);
}
