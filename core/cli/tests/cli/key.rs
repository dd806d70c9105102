//! `key show` and `jwk`: key files in every form.

use crate::sandbox::{KNOWN_KEY, KNOWN_THUMBPRINT, Sandbox};

#[test]
fn reads_every_form() {
    let sandbox = Sandbox::new();
    let facts = sandbox.sh("key show agent.jwk --json").exits(0).json();
    assert_eq!(facts["thumbprint"], KNOWN_THUMBPRINT);
    let spki = facts["spki"].as_str().unwrap();
    sandbox.write("public.txt", &format!("{spki}\n"));
    let body: String =
        spki.as_bytes().chunks(64).map(|line| format!("{}\n", std::str::from_utf8(line).unwrap())).collect();
    sandbox.write("public.pem", &format!("-----BEGIN PUBLIC KEY-----\n{body}-----END PUBLIC KEY-----\n"));
    std::fs::write(sandbox.path("public.der"), imagxp::encoding::base64_decode(spki.as_bytes()).unwrap())
        .unwrap();
    let private = imagxp::json::parse_object(KNOWN_KEY.as_bytes(), &imagxp::json::Limits::JWKS).unwrap();
    let private = imagxp::crypto::PrivateKey::from_jwk(&private).unwrap();
    std::fs::write(sandbox.path("private.der"), private.to_pkcs8_der().as_slice()).unwrap();
    sandbox.write("private.pem", &private.to_pem());
    let jwk = sandbox.sh("jwk agent.jwk").exits(0);
    assert!(jwk.json()["d"].is_null());
    sandbox.write("public.jwk", &jwk.out);
    for file in ["public.txt", "public.pem", "public.der", "public.jwk", "private.der", "private.pem"] {
        let shown = sandbox.sh(&format!("key show {file} --json")).exits(0).json();
        assert_eq!(shown["thumbprint"], KNOWN_THUMBPRINT, "{file}");
        assert_eq!(shown["file"], file);
    }
    let text = sandbox.run_with(spki.as_bytes(), "key show -").exits(0).out;
    assert!(text.starts_with("standard input:\n") && text.contains(KNOWN_THUMBPRINT), "{text}");
}

#[test]
fn never_shows_a_secret() {
    let sandbox = Sandbox::new();
    let secret = "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI";
    for args in ["key show agent.jwk", "key show agent.jwk --json", "jwk agent.jwk", "jwk --set agent.jwk"] {
        assert!(!sandbox.sh(args).exits(0).out.contains(secret), "{args}");
    }
    // Not in an error either.
    sandbox.write("bad.jwk", &KNOWN_KEY.replace("\"P-256\"", "\"P-257\""));
    let run = sandbox.sh("key show bad.jwk").exits(2);
    assert!(!run.err.contains(secret) && run.err.starts_with("bad.jwk: error: key.malformed: "), "{run:#?}");
}

#[test]
fn sets_carry_names() {
    let sandbox = Sandbox::new();
    sandbox.sh("keygen --alg eddsa -o other.pem").exits(0);
    let set = sandbox.sh("jwk --set agent.jwk other.pem").exits(0).json();
    let keys = set["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2);
    assert_eq!(keys[0]["kid"], KNOWN_THUMBPRINT);
    assert_eq!((keys[0]["alg"].as_str(), keys[1]["alg"].as_str()), (Some("ES256"), Some("EdDSA")));
    assert!(keys.iter().all(|key| key["use"] == "sig" && key["d"].is_null()));
    assert_eq!(sandbox.sh("jwk agent.jwk other.pem --json").json_error()["code"], "usage.argument");
}

#[test]
fn refuses_what_is_no_key() {
    let sandbox = Sandbox::new();
    sandbox.write("empty", "");
    sandbox.write("words", "not a key");
    sandbox.write("half.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n");
    std::fs::write(sandbox.path("bytes"), [0x30, 0x80, 0xff]).unwrap();
    for file in ["empty", "words", "half.pem", "bytes"] {
        let error = sandbox.sh(&format!("key show {file} --json")).json_error();
        assert_eq!((error["code"].as_str(), error["file"].as_str()), (Some("key.malformed"), Some(file)));
    }
    assert_eq!(sandbox.sh("key show none.pem --json").json_error()["code"], "file.unreadable");
    assert_eq!(sandbox.sh("key show . --json").json_error()["code"], "file.unreadable");
}
