//! Signatures, keys and thumbprints that RFCs and the drafts beside them print.
#![expect(
    clippy::unwrap_used,
    clippy::string_slice,
    reason = "a test may panic; clippy exempts test functions only, not their helpers"
)]

mod common;

use imagxp::crypto::{Algorithm, Jws, JwsError, PrivateKey, PublicKey, Signature, Thumbprint};
use imagxp::encoding::{base64_decode, base64url_encode, hex_decode, hex_encode};
use imagxp::json::{self, Limits, Object};
use serde_json::Value;

fn load(name: &str) -> Option<Value> {
    let path = common::vectors(name)?;
    Some(serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
}

fn object(text: &str) -> Object<'static> {
    json::parse_object(text.as_bytes(), &Limits::JWKS).unwrap().into_owned()
}

fn public(jwk: &Value) -> imagxp::Result<PublicKey> {
    let mut jwk = jwk.clone();
    jwk.as_object_mut().unwrap().remove("d");
    PublicKey::from_jwk(&object(&jwk.to_string()))
}

#[test]
fn rfc_7515_a3_es256() {
    let Some(vector) = load("rfc/rfc7515_a3_es256.json") else { return };
    let key = public(&vector["jwk"]).unwrap();
    let token = vector["compact"].as_str().unwrap();
    let jws = Jws::parse(token.as_bytes(), 1024).unwrap();
    assert!(jws.verify(&key));
    assert_eq!((jws.kid(), jws.typ()), (None, None));
    let claims = jws.claims().unwrap();
    assert_eq!(claims.get("iss").and_then(|iss| iss.as_str()), Some("joe"));
    assert_eq!(claims.get("http://example.com/is_root").and_then(|root| root.as_bool()), Some(true));
    // A.3.1 prints r and s; s is high there, and what we would send is the other form.
    assert_eq!(jws.signature().as_bytes()[..3], [14, 209, 33]);
    assert_eq!(jws.signature().as_bytes()[32..35], [197, 10, 7]);
    assert_ne!(jws.signature().normalized(Algorithm::Es256), *jws.signature());
}

/// RFC 6979 A.2.5, curve P-256 with SHA-256, and the rejection vector of CCTV over the same key. (message, r, s)
const RFC_6979: [(&str, &str, &str); 3] = [
    (
        "sample",
        "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716",
        "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
    ),
    (
        "test",
        "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367",
        "019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083",
    ),
    (
        "wv[vnX",
        "efd9073b652e76da1b5a019c0e4a2e3fa529b035a6abb91ef67f0ed7a1f21234",
        "3db4706c9d9f4a4fe13bb5e08ef0fab53a57dbab2061c83a35fa411c68d2ba33",
    ),
];
const RFC_6979_X: &str = "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721";
const RFC_6979_UX: &str = "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6";
const RFC_6979_UY: &str = "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299";

#[test]
fn rfc_6979_deterministic_ecdsa() {
    let member = |hex: &str| base64url_encode(&hex_decode::<32>(hex.as_bytes()).unwrap());
    let mut jwk = Object::new();
    jwk.insert("kty", "EC");
    jwk.insert("crv", "P-256");
    jwk.insert("x", member(RFC_6979_UX));
    jwk.insert("y", member(RFC_6979_UY));
    jwk.insert("d", member(RFC_6979_X));
    let key = PrivateKey::from_jwk(&jwk).unwrap();
    for (message, r, s) in RFC_6979 {
        let printed = Signature::from_hex(format!("{r}{s}").as_bytes()).unwrap();
        // RFC 6979 prints s as it falls; ours is the low one of the two.
        assert_eq!(key.sign(message.as_bytes()), printed.normalized(Algorithm::Es256), "{message}");
        assert_eq!(&key.sign(message.as_bytes()).to_hex()[..64], r);
        assert!(key.public_key().verify(message.as_bytes(), &printed));
        assert!(!key.public_key().verify(b"another", &printed));
    }
}

#[test]
fn rfc_9421_appendix_b_raw_signatures() {
    let Some(file) = load("rfc/rfc9421_appendix_b.json") else { return };
    let (mut verified, mut foreign) = (0, 0);
    for case in file["cases"].as_array().unwrap() {
        let jwk = &file["keys"][case["keyid"].as_str().unwrap()];
        let algorithm = match case["alg"].as_str().unwrap() {
            "ecdsa-p256-sha256" => Algorithm::Es256,
            "ed25519" => Algorithm::EdDsa,
            _ => {
                foreign += 1;
                assert!(jwk.is_null() || public(jwk).is_err(), "{}", case["label"]);
                continue;
            }
        };
        let private = PrivateKey::from_jwk(&object(&jwk.to_string())).unwrap();
        let key = public(jwk).unwrap();
        assert_eq!((&key, key.algorithm()), (private.public_key(), algorithm));
        let signature = base64_decode(case["signature_b64"].as_str().unwrap().as_bytes()).unwrap();
        let signature = Signature::from_bytes(signature.try_into().unwrap());
        let base = case["signature_base"].as_str().unwrap();
        assert!(key.verify(base.as_bytes(), &signature), "{}", case["label"]);
        assert!(!key.verify(&base.as_bytes()[1..], &signature));
        if algorithm == Algorithm::EdDsa {
            assert_eq!(private.sign(base.as_bytes()), signature, "Ed25519 is deterministic");
        }
        verified += 1;
    }
    // B.2.4, B.2.6 and the two of B.3 and B.4; B.2.1 to B.2.3 are RSA-PSS, B.2.5 is HMAC.
    assert_eq!((verified, foreign), (4, 4));
}

#[test]
fn rfc_8037_a_ed25519() {
    let key = PrivateKey::from_jwk(&object(
        r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
            "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
    ))
    .unwrap();
    // A.3
    let thumbprint = Thumbprint::parse("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k").unwrap();
    assert_eq!(*key.public_key().thumbprint(), thumbprint);
    // A.4: our tokens are ES256 only, so this is a check of the raw signature and of the refusal.
    let input = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    assert_eq!(base64url_encode(key.sign(input.as_bytes()).as_bytes()), signature);
    let token = format!("{input}.{signature}");
    assert!(matches!(Jws::parse(token.as_bytes(), 1024), Err(JwsError::Refused(_))));
}

#[test]
fn thumbprints() {
    // The P-256 example of RFC 7515 A.3; computed with sha256sum over the text of RFC 7638 §3.2.
    let key = PublicKey::from_jwk(&object(
        r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#,
    ))
    .unwrap();
    assert_eq!(key.thumbprint().as_str(), "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U");

    let Some(file) = load("web-bot-auth/jwk_thumbprint_vectors.json") else { return };
    let mut ours = 0;
    for case in file.as_array().unwrap() {
        let jwk = object(case["jwk"].as_str().unwrap());
        match PublicKey::from_jwk(&jwk) {
            Ok(key) => {
                ours += 1;
                assert_eq!(key.thumbprint().as_str(), case["thumbprint"].as_str().unwrap());
                assert_eq!(hex_encode(key.thumbprint().as_bytes()), case["sha256"].as_str().unwrap());
                assert_eq!(
                    hex_encode(&json::object_to_canonical(&key.to_jwk())),
                    case["precompute"].as_str().unwrap()
                );
            }
            Err(error) => assert!(jwk.get("kty").unwrap().as_str() == Some("RSA"), "{error}"),
        }
    }
    assert_eq!((ours, file.as_array().unwrap().len()), (1, 2));
}

#[test]
fn rfc_7520_cookbook() {
    // 3.1, 3.2: P-521; 3.3: RSA. Neither is ours, and the message says so.
    for name in ["3_1.ec_public_key", "3_2.ec_private_key", "3_3.rsa_public_key"] {
        let Some(jwk) = load(&format!("jose-cookbook-rfc7520/jwk/{name}.json")) else { return };
        let jwk = object(&jwk.to_string());
        for error in [PublicKey::from_jwk(&jwk).map(|_| ()), PrivateKey::from_jwk(&jwk).map(|_| ())] {
            assert_eq!(error.unwrap_err().code(), "key.malformed", "{name}");
        }
    }
    let Some(p521) = load("jose-cookbook-rfc7520/jwk/3_1.ec_public_key.json") else { return };
    assert_eq!(public(&p521).unwrap_err().message(), "the JWK is not a P-256 or Ed25519 key");
    for name in [
        "4_1.rsa_v15_signature",
        "4_2.rsa-pss_signature",
        "4_3.ecdsa_signature",
        "4_4.hmac-sha2_integrity_protection",
    ] {
        let Some(case) = load(&format!("jose-cookbook-rfc7520/jws/{name}.json")) else { return };
        let token = case["output"]["compact"].as_str().unwrap();
        assert!(matches!(Jws::parse(token.as_bytes(), 4096), Err(JwsError::Refused(_))), "{name}");
    }
    let Some(case) = load("jose-cookbook-rfc7520/curve25519/jws.json") else { return };
    let key = PrivateKey::from_jwk(&object(&case["input"]["key"].to_string())).unwrap();
    let input = case["signing"]["sig-input"].as_str().unwrap();
    assert_eq!(
        base64url_encode(key.sign(input.as_bytes()).as_bytes()),
        case["signing"]["sig"].as_str().unwrap()
    );
}

/// Whichever back end: with `aws-lc`, the nonce's point is AWS-LC's.
#[test]
fn signatures_are_those_of_p256_one_by_one_and_together() {
    use p256::ecdsa::signature::Signer as _;
    for number in 1..=64u8 {
        let key = PrivateKey::generate(Algorithm::Es256, &mut |bytes| {
            bytes.fill(number);
            Ok(())
        })
        .unwrap();
        let plain = p256::ecdsa::SigningKey::from_slice(&[number; 32]).unwrap();
        let messages: Vec<Vec<u8>> =
            (0..number % 7 + 1).map(|seed| vec![seed; usize::from(number) * 7]).collect();
        let texts: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        for (text, together) in texts.iter().zip(key.sign_batch(&texts)) {
            let expected: p256::ecdsa::Signature = plain.sign(text);
            assert_eq!(key.sign(text), together);
            assert_eq!(together.as_bytes()[..], expected.normalize_s().to_bytes()[..]);
        }
    }
}
