//! C2SP Wycheproof and CCTV vectors (folders `wycheproof` and `cctv` of the shared vectors).
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may panic; clippy exempts test functions only, not their helpers"
)]

mod common;

use imagxp::crypto::{HotKeys, Jws, JwsError, PublicKey, Signature, SignatureCheck};
use imagxp::encoding::{hex_decode, hex_encode};
use imagxp::json::{self, Limits};
use imagxp::jwks::JwkSet;
use serde_json::Value;
use std::collections::BTreeMap;

const MAX_TOKEN: usize = 16 * 1024;

fn load(name: &str) -> Option<Value> {
    let path = common::vectors(name)?;
    Some(serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("`{name}` is not a string in {value}"))
}

fn bytes(value: &Value, name: &str) -> Vec<u8> {
    let hex = text(value, name);
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// Every test with its group.
fn tests(file: &Value) -> impl Iterator<Item = (&Value, &Value)> {
    let groups = file["testGroups"].as_array().unwrap().iter();
    groups.flat_map(|group| group["tests"].as_array().unwrap().iter().map(move |test| (group, test)))
}

fn jwk(value: &Value) -> imagxp::Result<PublicKey> {
    let text = value.to_string();
    PublicKey::from_jwk(&json::parse_object(text.as_bytes(), &Limits::JWKS).unwrap())
}

/// Runs a file of raw signatures; the group's key is read in all its forms. Returns how many were (valid, invalid).
fn raw_signatures(file: &Value, compressed: bool) -> (usize, usize) {
    let (mut valid, mut invalid) = (0, 0);
    let hot = HotKeys::default();
    for (group, test) in tests(file) {
        let key = PublicKey::from_spki_der(&bytes(group, "publicKeyDer")).unwrap();
        assert_eq!(PublicKey::from_pem(text(group, "publicKeyPem")).unwrap(), key);
        // Nine ECDSA groups come without a JWK.
        if !group["publicKeyJwk"].is_null() {
            assert_eq!(jwk(&group["publicKeyJwk"]).unwrap(), key);
        }
        assert_eq!(hex_encode(key.to_spki_der()), text(group, "publicKeyDer"));
        if compressed {
            assert_eq!(PublicKey::from_spki_der(&compress(&key)).unwrap(), key);
        }
        // A signature that is not 64 bytes cannot even be written down.
        let signature = hex_decode::<64>(text(test, "sig").as_bytes()).map(Signature::from_bytes);
        assert_eq!(Signature::from_hex(text(test, "sig").as_bytes()), signature);
        let accepted = signature.is_some_and(|signature| key.verify(&bytes(test, "msg"), &signature));
        if let Some(signature) = &signature {
            let message = bytes(test, "msg");
            for _ in 0..2 {
                hot.credit(&key);
            }
            let check = SignatureCheck { key: &key, message: &message, signature };
            assert_eq!(hot.verify(&key, &message, signature), accepted, "with tables: {test}");
            assert_eq!(hot.verify_batch(&[check; 3]), [accepted; 3], "in a batch: {test}");
        }
        match text(test, "result") {
            "valid" => valid += 1,
            "invalid" => invalid += 1,
            // There is none today; one that appears must be listed here with a decision.
            other => panic!("test {} is `{other}`", test["tcId"]),
        }
        assert_eq!(accepted, text(test, "result") == "valid", "{test}");
    }
    (valid, invalid)
}

/// The SPKI of a P-256 key with the compressed point.
fn compress(key: &PublicKey) -> Vec<u8> {
    let der = key.to_spki_der();
    let point = [2 + (der[90] & 1)];
    [&[0x30, 0x39], &der[2..23], &[0x03, 0x22, 0x00], &point, &der[27..59]].concat()
}

#[test]
fn ecdsa_p256_sha256_p1363() {
    let Some(file) = load("wycheproof/ecdsa_secp256r1_sha256_p1363_test.json") else { return };
    assert_eq!(raw_signatures(&file, true), (173, 89));
}

#[test]
fn ed25519() {
    let Some(file) = load("wycheproof/ed25519_test.json") else { return };
    assert_eq!(raw_signatures(&file, false), (88, 63));
}

/// Whether the token verifies under the key of a test group, and the path it takes: key as JWK, as a set, as PEM.
fn token_verifies(key: &Value, token: &str) -> bool {
    let set = JwkSet::parse(serde_json::json!({ "keys": [key] }).to_string().as_bytes());
    let Ok(jws) = Jws::parse(token.as_bytes(), MAX_TOKEN) else { return false };
    let by_set = set.as_ref().is_ok_and(|set| set.keys().iter().any(|key| jws.verify(key.key())));
    let by_key = jwk(key).is_ok_and(|key| jws.verify(&key));
    assert_eq!(by_set, by_key, "{token}");
    by_set
}

#[test]
fn json_web_signatures() {
    let Some(file) = load("wycheproof/json_web_signature_test.json") else { return };
    let (mut accepted, mut es256, mut foreign) = (Vec::new(), 0, 0);
    for (group, test) in tests(&file) {
        let key = group.get("public").unwrap_or(&group["private"]);
        let token = text(test, "jws");
        let verifies = token_verifies(key, token);
        let ours = key["alg"] == "ES256" || key["crv"] == "P-256";
        if ours {
            es256 += 1;
            assert_eq!(verifies, text(test, "result") == "valid", "{test}");
        } else {
            // RS*, PS*, HS*, ES512, and what their keys are fed with: valid or not, none of it is ours.
            foreign += 1;
            assert!(!verifies, "{test}");
            assert!(jwk(key).is_err(), "{key}");
            if text(test, "result") == "valid" {
                // 372 has a `?` within the header's base64, which Wycheproof lets pass.
                let malformed = test["tcId"] == 372;
                let error = Jws::parse(token.as_bytes(), MAX_TOKEN).unwrap_err();
                assert_eq!(matches!(error, JwsError::Malformed(_)), malformed, "{test}: {error:?}");
            }
        }
        if verifies {
            accepted.push(test["tcId"].as_u64().unwrap());
        }
    }
    assert_eq!((accepted, es256, foreign), (vec![18, 378], 41, 360));
}

#[test]
fn json_web_key_sets() {
    let Some(file) = load("wycheproof/json_web_key_test.json") else { return };
    // What becomes of each set: it is refused, or so many of its keys are of use. Wycheproof's `valid` sets hold HMAC and
    // RSA keys, so nothing here may verify: those of HMAC are refused because they hold secrets, those of RSA have no
    // key for us.
    let expected: BTreeMap<u64, Result<usize, &str>> = BTreeMap::from([
        (1, Err("private or symmetric")), // MixedKeySet
        (2, Err("private or symmetric")),
        (3, Err("private or symmetric")),
        (4, Err("private or symmetric")), // DuplicateKid, and symmetric
        (5, Ok(0)),                       // RSA
        (6, Ok(0)),
        (7, Ok(0)),
        (8, Ok(0)),
        (9, Ok(0)),
        (10, Err("private or symmetric")), // HMAC
        (11, Err("private or symmetric")),
        (12, Err("private or symmetric")),
        (13, Err("private or symmetric")),
        (14, Err("private or symmetric")),
        (15, Err("private or symmetric")),
        (16, Err("private or symmetric")),
        (17, Err("private or symmetric")),
        (18, Err("private or symmetric")),
        (19, Ok(0)),                       // alg ES521 on P-256
        (20, Ok(0)),                       // alg ES224 on P-256
        (21, Ok(0)),                       // use enc
        (22, Err("acceptable point")),     // off the curve
        (23, Ok(0)),                       // crv P-384
        (24, Ok(0)),                       // kty RSA
        (25, Err("private or symmetric")), // AES
        (26, Err("private or symmetric")),
    ]);
    let mut seen = 0;
    for (group, test) in tests(&file) {
        seen += 1;
        let number = test["tcId"].as_u64().unwrap();
        let document = group.get("public").unwrap_or(&group["private"]).to_string();
        let set = JwkSet::parse(document.as_bytes());
        match (&set, expected[&number]) {
            (Ok(set), Ok(keys)) => assert_eq!(set.keys().len(), keys, "test {number}"),
            (Err(error), Err(why)) => assert!(error.message().contains(why), "test {number}: {error}"),
            (got, wanted) => panic!("test {number}: {got:?} instead of {wanted:?}"),
        }
        let jws = Jws::parse(text(test, "jws").as_bytes(), MAX_TOKEN);
        let verified =
            set.is_ok_and(|set| jws.is_ok_and(|jws| set.keys().iter().any(|key| jws.verify(key.key()))));
        assert!(!verified, "test {number}");
        // A private key set is never accepted as a public one.
        assert!(JwkSet::parse(group["private"].to_string().as_bytes()).is_err(), "test {number}");
    }
    assert_eq!(seen, expected.len());
}

#[test]
fn a_duplicate_kid_is_refused_for_itself() {
    // The set of Wycheproof's DuplicateKid is refused for its symmetric keys already; this one has public keys only.
    let Some(file) = load("wycheproof/json_web_key_test.json") else { return };
    let (group, _) = tests(&file).find(|(_, test)| test["tcId"] == 19).unwrap();
    let mut key = group["public"]["keys"][0].clone();
    key["alg"] = "ES256".into();
    let twice = serde_json::json!({ "keys": [key, key] }).to_string();
    assert!(JwkSet::parse(twice.as_bytes()).unwrap_err().message().contains("alike"));
    let mut other = key.clone();
    other["kid"] = "other".into();
    let set = JwkSet::parse(serde_json::json!({ "keys": [key, other] }).to_string().as_bytes()).unwrap();
    assert_eq!((set.keys().len(), set.skipped()), (2, 0));
}

/// CCTV's Ed25519 edge points: every signature satisfies the cofactored equation, the flags say by what trick.
///
/// Strict verification accepts a signature exactly when none of these flags is set:
/// - `low_order_A`, `non_canonical_A`: not a public key for us, [`PublicKey`] refuses to be made;
/// - `low_order_R`, `non_canonical_R`: refused by the verification;
/// - `low_order_residue`: the equation holds only after multiplying by the cofactor, which is not done.
///
/// `low_order_component_A` and `low_order_component_R` (points of mixed order) alone are accepted: whoever holds such a key
/// made it so, and others can forge nothing with it. `reencoded_k` occurs with non-canonical points only.
#[test]
fn cctv_ed25519_edge_points() {
    const REFUSED: [&str; 5] =
        ["low_order_A", "non_canonical_A", "low_order_R", "non_canonical_R", "low_order_residue"];
    const HEAD: &str = "302a300506032b6570032100";
    let Some(file) = load("cctv/ed25519vectors.json") else { return };
    let cases = file.as_array().unwrap();
    let (mut accepted, mut keys) = (0, 0);
    for case in cases {
        let flags: Vec<&str> = case["flags"]
            .as_array()
            .map_or_else(Vec::new, |flags| flags.iter().map(|flag| flag.as_str().unwrap()).collect());
        assert!(
            !flags.contains(&"reencoded_k") || flags.iter().any(|flag| flag.starts_with("non_canonical"))
        );
        let spki = hex_decode::<44>(format!("{HEAD}{}", text(case, "key")).as_bytes()).unwrap();
        let key = PublicKey::from_spki_der(&spki);
        let refused_as_key = flags.contains(&"low_order_A") || flags.contains(&"non_canonical_A");
        assert_eq!(key.is_err(), refused_as_key, "{case}");
        let signature = Signature::from_hex(text(case, "sig").as_bytes()).unwrap();
        let verifies = key.is_ok_and(|key| key.verify(text(case, "msg").as_bytes(), &signature));
        assert_eq!(verifies, !flags.iter().any(|flag| REFUSED.contains(flag)), "{case}");
        keys += usize::from(!refused_as_key);
        accepted += usize::from(verifies);
    }
    assert_eq!((cases.len(), keys, accepted), (914, 388, 43));
}
