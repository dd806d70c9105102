//! What a publisher presents: a token of this broker, a request of its holder, for this publisher, in time, and one for each visa.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests, which fail by panicking"
)]

mod common;

use common::{NOW, World, id, issue, memory, owner, party};
use imagxp::agent::{Identity, SignRequest};
use imagxp::crypto::{Algorithm, HotKeys, PrivateKey, jws};
use imagxp::encoding::{base64_decode, base64_encode};
use imagxp::json::Object;
use imagxp::visa::VISA_TYP;
use imagxp::{Purpose, Timestamp};
use imagxp_broker::*;

const AGENT: &str = "agent.example";
const PUB: &str = "pub.example";
const ISSUER: &str = "https://broker.example";
const NONCE: &str = "a-nonce-of-some-length";
/// When the visas here were bought, and how long they live, in seconds.
const BOUGHT: i64 = NOW / 1000;
const LIFE: i64 = 600;

fn private(seed: u8) -> PrivateKey {
    let mut fill = |bytes: &mut [u8]| {
        bytes.fill(seed);
        Ok(())
    };
    PrivateKey::generate(Algorithm::Es256, &mut fill).unwrap()
}

fn agent() -> Identity {
    Identity::parse(AGENT, private(1), false).unwrap()
}

fn claims(more: &str) -> String {
    let jti = id(7);
    let ends = BOUGHT + LIFE;
    format!(r#"{{"iss":"{ISSUER}","jti":"{jti}","sub":"{AGENT}","iat":{BOUGHT},"exp":{ends}{more}}}"#)
}

fn signed(typ: &str, claims: &str) -> String {
    let mut header = Object::new();
    header.insert("typ", typ.to_owned());
    jws::sign(&header, claims.as_bytes(), &private(99)).unwrap()
}

fn visa(more: &str) -> String {
    signed(VISA_TYP, &claims(more))
}

fn bound() -> String {
    visa(&format!(r#","cnf":{{"jkt":"{}"}}"#, agent().public_key().thumbprint().as_str()))
}

fn token<T>(token: &str, then: impl FnOnce(VisaToken<'_>) -> T) -> Result<T, Refusal> {
    let jws = VisaToken::parse(token)?;
    VisaToken::read(&jws, ISSUER, |jws| jws.verify(private(99).public_key())).map(then)
}

/// The three headers of a request, as they are presented.
#[derive(Clone)]
struct Headers([String; 3]);

impl Headers {
    fn of(identity: &Identity, url: &str, purpose: Purpose, at: Timestamp) -> Self {
        let signed = identity.sign(&SignRequest::new("GET", url, purpose), at, NONCE).unwrap();
        let value = |name: &str| signed.get(name).unwrap().to_owned();
        Self([value("x-imagxp-payload"), value("x-imagxp-signature"), value("x-imagxp-public-key")])
    }

    fn at(seconds: i64) -> Self {
        Self::of(&agent(), "https://pub.example/page", Purpose::Summary, Timestamp::from_secs(seconds))
    }

    fn usual() -> Self {
        Self::at(BOUGHT + 10)
    }

    /// A claim as it stands, signed as it stands.
    fn raw(claim: &str) -> Self {
        Self::raw_by(&agent(), claim)
    }

    fn raw_by(identity: &Identity, claim: &str) -> Self {
        let signature = identity.signer().sign(claim.as_bytes()).unwrap().to_hex();
        Self([base64_encode(claim.as_bytes()), signature, identity.public_key().to_spki_base64()])
    }

    fn with(&self, at: usize, text: &str) -> Self {
        let mut changed = self.clone();
        changed.0[at] = text.to_owned();
        changed
    }

    fn presented(&self) -> PresentedRequest<'_> {
        let [payload, signature, public_key] = &self.0;
        PresentedRequest { payload, signature, public_key }
    }
}

fn present(
    visa: &str,
    headers: Option<&Headers>,
    publisher: &str,
) -> Result<(Redeem, Option<Evidence>), Refusal> {
    let hot = HotKeys::new(0);
    let request = headers.map(Headers::presented);
    token(visa, |token| token.presented(request.as_ref(), &owner(publisher), false, &hot))?
}

fn refusal(visa: &str, headers: &Headers) -> String {
    let refusal = present(visa, Some(headers), PUB).unwrap_err();
    format!("{}: {}", refusal.code().as_str(), refusal.message())
}

#[test]
fn a_token_says_which_visa_it_is_and_to_whom_it_belongs() {
    let jkt = *agent().public_key().thumbprint();
    assert_eq!(token(&bound(), |token| (token.jti, token.jkt)).unwrap(), (id(7), Some(jkt)));
    for unbound in ["", r#","cnf":{}"#, r#","cnf":"jkt""#, r#","cnf":{"jkt":"short"}"#] {
        assert_eq!(token(&visa(unbound), |token| token.jkt).unwrap(), None, "{unbound}");
    }
}

#[test]
fn what_is_no_token_of_this_broker() {
    let refused = |text: &str| {
        let refusal = token(text, |_| ()).unwrap_err();
        format!("{}: {}", refusal.code().as_str(), refusal.message())
    };
    let not_ours = "payment.invalid_token: the visa is not one that this broker has signed";
    assert!(token(&visa(&format!(r#","more":"{}""#, "a".repeat(5_000))), |_| ()).is_ok());
    assert_eq!(refused(&"a".repeat(8193)), "payment.malformed: the token is too large");
    assert_ne!(refused(&"a".repeat(8192)), "payment.malformed: the token is too large");
    assert!(refused("a.b").starts_with("payment.malformed: "));
    assert_eq!(refused(&signed("JWT", &claims(""))), not_ours);
    let mut forged = visa("");
    forged.replace_range(forged.len() - 6..forged.len() - 4, if forged.contains("AA") { "BB" } else { "AA" });
    assert_eq!(refused(&forged), not_ours);
    for none in ["[]", &claims(r#","sub":"thief.example""#)] {
        assert_eq!(refused(&signed(VISA_TYP, none)), "payment.invalid_token: the visa has no claims");
    }
    let other = claims("").replace(ISSUER, "https://other.example");
    assert_eq!(refused(&signed(VISA_TYP, &other)), "payment.invalid_token: the visa is another broker's");
    for name in [r#""jti":7"#, r#""jti":"no-uuid""#, r#""other":"x""#] {
        let claims = claims("").replace(&format!(r#""jti":"{}""#, id(7)), name);
        assert_eq!(
            refused(&signed(VISA_TYP, &claims)),
            "payment.invalid_token: the visa has no name",
            "{name}"
        );
    }
}

#[test]
fn a_bound_visa_needs_the_request_and_another_does_not() {
    let refused = present(&bound(), None, PUB).unwrap_err();
    assert_eq!(
        (refused.code(), refused.message()),
        (RefusalCode::VisaWrongKey, "the visa is bound to a key: present the agent's request with it")
    );
    let (redeem, evidence) = present(&visa(""), None, PUB).unwrap();
    assert_eq!((redeem, evidence.is_none()), (Redeem { jti: id(7), request_jkt: None }, true));
    for visa in [bound(), visa("")] {
        let (redeem, evidence) = present(&visa, Some(&Headers::usual()), PUB).unwrap();
        let key = agent().public_key().clone();
        assert_eq!(redeem, Redeem { jti: id(7), request_jkt: Some(*key.thumbprint()) });
        assert_eq!(evidence.unwrap().key(), &key);
    }
}

/// Only the key that a visa is bound to is one that will be seen again.
#[test]
fn the_key_of_a_visa_gets_a_table() {
    let credited = |visa: &str| {
        let hot = HotKeys::new(1 << 20);
        let headers = Headers::usual();
        for _ in 0..2 {
            let request = headers.presented();
            let presented = token(visa, |token| token.presented(Some(&request), &owner(PUB), false, &hot));
            presented.unwrap().unwrap();
        }
        hot.len()
    };
    assert_eq!((credited(&bound()), credited(&visa(""))), (1, 0));
}

#[test]
fn what_is_no_evidence() {
    let usual = Headers::usual();
    let at = Timestamp::from_secs(BOUGHT + 10);
    let of = |url: &str, purpose| Headers::of(&agent(), url, purpose, at);
    let stranger = Identity::parse("thief.example", private(2), false).unwrap();
    let another = Headers::of(&stranger, "https://pub.example/page", Purpose::Summary, at);
    let only = visa(r#","purposes":["RAG_RETRIEVAL","SUMMARY"]"#);
    let page = "https://pub.example/page";
    for (visa, headers, code, message) in [
        (bound(), usual.with(0, "?"), "visa.request", "the request's payload is not base64"),
        (bound(), usual.with(0, "e30="), "visa.request", "the request's payload is no claim"),
        (bound(), usual.with(2, "e30="), "visa.request", "the request's public key cannot be read"),
        (bound(), usual.with(1, "00"), "visa.request", "the request's signature is not 128 hex digits"),
        (bound(), usual.with(2, &another.0[2]), "visa.request", "the request is not signed by its key"),
        (bound(), usual.with(1, &another.0[1]), "visa.request", "the request is not signed by its key"),
        (bound(), another, "visa.not_yours", "the request is not the visa's holder's"),
        (
            bound(),
            of("https://other.example/page", Purpose::Summary),
            "visa.not_yours",
            "the request was meant for somebody else",
        ),
        (
            only.clone(),
            of(page, Purpose::Quotation),
            "visa.request",
            "the request is of a purpose for which the visa does not count",
        ),
        (
            visa(r#","purposes":[]"#),
            of(page, Purpose::Quotation),
            "visa.request",
            "the request is of a purpose for which the visa does not count",
        ),
        (
            signed(VISA_TYP, &claims("").replace(r#""iat""#, r#""was""#)),
            usual.clone(),
            "visa.request",
            "the visa says no time",
        ),
        (
            signed(VISA_TYP, &claims("").replace(r#""exp":"#, r#""exp":1."#)),
            usual.clone(),
            "visa.request",
            "the visa says no time",
        ),
    ] {
        assert_eq!(refusal(&visa, &headers), format!("{code}: {message}"));
    }
    for good in [Purpose::Summary, Purpose::RagRetrieval] {
        present(&only, Some(&of(page, good)), PUB).unwrap();
    }
    // Loopback names are for development.
    let here = Headers::of(&agent(), "http://127.0.0.1:9/page", Purpose::Summary, at);
    assert_eq!(refusal(&bound(), &here), "visa.not_yours: the request was meant for somebody else");
    let hot = HotKeys::new(0);
    let request = here.presented();
    let read = |loopback| {
        token(&bound(), |token| token.presented(Some(&request), &owner("127.0.0.1:9"), loopback, &hot))
    };
    assert!(read(true).unwrap().is_ok() && read(false).unwrap().is_err());
}

#[test]
fn a_request_without_the_pages_address_is_no_evidence() {
    let claim = |resource: &str| {
        let ts = Timestamp::from_secs(BOUGHT);
        Headers::raw(&format!(
            r#"{{"v":"1.1","agent_id":"{AGENT}","purpose":"SUMMARY","ts":"{ts}","nonce":"{NONCE}"{resource}}}"#
        ))
    };
    for resource in ["", r#","resource":"/page""#] {
        assert_eq!(
            refusal(&bound(), &claim(resource)),
            "visa.request: the request does not name the page's whole address",
            "{resource}"
        );
    }
    // Signed as it was sent, which is not the canonical form (PROTOCOL §3).
    present(&bound(), Some(&claim(r#","resource":"https://pub.example/page""#)), PUB).unwrap();
}

/// A publisher may take longer addresses than by default, and is paid for them.
#[test]
fn a_request_is_as_long_as_any_publisher_may_let_it_be() {
    let claim = |length: usize| {
        let (ts, path) = (Timestamp::from_secs(BOUGHT), "a".repeat(length - "https://pub.example/".len()));
        Headers::raw(&format!(
            r#"{{"v":"1.1","agent_id":"{AGENT}","purpose":"SUMMARY","ts":"{ts}","nonce":"{NONCE}","resource":"https://pub.example/{path}"}}"#
        ))
    };
    present(&bound(), Some(&claim(7_900)), PUB).unwrap();
    assert_eq!(refusal(&bound(), &claim(8_200)), "visa.request: the request's payload is no claim");
}

/// A publisher lets in what was signed 300 s before it had it, and what a clock that is ahead has signed with a visa that has just ended.
#[test]
fn a_request_is_in_time_to_the_second() {
    let ends = BOUGHT + LIFE;
    for good in [BOUGHT - 360, BOUGHT, ends, ends + 305] {
        present(&bound(), Some(&Headers::at(good)), PUB).unwrap();
    }
    let early = "visa.request: the request was signed before the visa was bought";
    assert_eq!(refusal(&bound(), &Headers::at(BOUGHT - 361)), early);
    let late = "visa.request: the request was signed after the visa had ended";
    assert_eq!(refusal(&bound(), &Headers::at(ends + 306)), late);
}

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
