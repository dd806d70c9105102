//! What is stored as JSON stays readable for ever: these texts are never edited, only added to.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use imagxp_broker::*;

/// A visa as the first release wrote it.
const VISA: &str = r#"{"jti":"00000000-0000-0000-0000-000000000005","agent":"agent.example","publisher":"pub.example","asset":"USD","amount":"10000","fee_bps":200,"jkt":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","purposes":["SUMMARY"],"paths":["/a/*"],"state":"WITHHELD","issued_at":1790000000000,"expires_at":1790000600000,"due_at":1790259200000,"redeemed_at":1790000000001,"request_jkt":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","feedback":{"score":250000,"reason":"OTHER","sha256":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"given_at":1790000000002},"contest":"no","settled_at":null,"released":"0","fee":"0","version":9}"#;
/// One whose optional members are absent, as a program that does not know them would write it.
const SPARSE: &str = r#"{"jti":"00000000-0000-0000-0000-000000000005","agent":"agent.example","publisher":"pub.example","asset":"USD","amount":"10000","fee_bps":200,"state":"ISSUED","issued_at":1790000000000,"expires_at":1790000600000,"released":"0","fee":"0","version":9,"later":1}"#;
/// What an idempotency record keeps.
const OUTCOME: &str = r#"{"Ok":{"transfers":[{"id":"00000000-0000-0000-0000-000000000007","asset":"USD","code":"PAY","phase":"single","pending_id":null,"debit":"6b2c39ef83451c47bba8e80c5a2bec1a","credit":"39402adc3bb75a0c1468b4575fbace19","amount":"10","reference":null,"memo":"x","actor":"party:a","seq":1,"created_at":1790000000000}],"visa":null,"account":null}}"#;

#[test]
fn visas_of_the_first_release_are_read_and_written_alike() {
    let visa = Visa::from_json(VISA).unwrap();
    assert_eq!((visa.state, visa.fee_bps, visa.version), (VisaState::Withheld, 200, 9));
    assert_eq!(visa.to_json().unwrap(), VISA);
    let sparse = Visa::from_json(SPARSE).unwrap();
    assert_eq!((sparse.jkt, sparse.purposes, sparse.due_at), (None, None, None));
}

/// What a store holds in a way that nobody wrote is `ledger.broken`, and never guessed at.
#[test]
fn what_is_spoilt_is_refused() {
    for (from, to) in [
        ("\"score\":250000", "\"score\":1000001"),
        ("\"score\":250000", "\"score\":\"0.25\""),
        ("\"reason\":\"OTHER\"", "\"reason\":\"WHIM\""),
        ("\"jkt\":\"AAA", "\"jkt\":\"AA"),
        ("[\"SUMMARY\"]", "[\"SUMMER\"]"),
        ("\"WITHHELD\"", "\"HELD\""),
        ("\"amount\":\"10000\"", "\"amount\":\"-1\""),
        (VISA, ""),
    ] {
        let spoilt = VISA.replacen(from, to, 1);
        assert_ne!(spoilt, VISA, "{from}");
        assert_eq!(Visa::from_json(&spoilt).unwrap_err().code().as_str(), "ledger.broken", "{to}");
    }
    let record = |result: &str| IdempotencyRecord {
        key: IdempotencyKey { actor: Actor::parse("party:a").unwrap(), key: Reference::parse("k").unwrap() },
        request_sha256: [0; 32],
        result: result.into(),
        created_at: 0,
        expires_at: 0,
    };
    assert!(record(OUTCOME).result().is_ok());
    for spoilt in ["", "{}", OUTCOME.trim_start_matches('{'), &OUTCOME.replacen("PAY", "PLAY", 1)] {
        assert_eq!(record(spoilt).result().unwrap_err().code().as_str(), "ledger.broken", "{spoilt}");
    }
}

#[test]
fn answers_of_the_first_release_are_read_and_written_alike() {
    let result: Result<Outcome, Refusal> = serde_json::from_str(OUTCOME).unwrap();
    assert_eq!(serde_json::to_string(&result).unwrap(), OUTCOME);
    assert_eq!(result.unwrap().transfers[0].amount, Amount::from_units(10));
    let sparse: Result<Outcome, Refusal> = serde_json::from_str(r#"{"Ok":{}}"#).unwrap();
    assert_eq!(sparse.unwrap(), Outcome::default());
    let refused = r#"{"Err":{"code":"amount.range","message":"nothing cannot be transferred"}}"#;
    let result: Result<Outcome, Refusal> = serde_json::from_str(refused).unwrap();
    assert_eq!(serde_json::to_string(&result).unwrap(), refused);
}
