//! `rotate`: the whole way, early steps, and the commands that use the folder.

use crate::sandbox::{Sandbox, URL};
use serde_json::Value;

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.sh("rotate init --agent-id bot.example.com --contact ops@example.com").exits(0);
    sandbox
}

fn rotate(sandbox: &Sandbox, args: &str, now: &str) -> Value {
    sandbox.sh(&format!("rotate {args} --now {now} --json")).exits(0).json()
}

fn signer(sandbox: &Sandbox, more: &str) -> String {
    let run = sandbox.sh(&format!("sign --key imagxp-keys --purpose SUMMARY --url {URL} {more}")).exits(0);
    let line = run.out.lines().find(|line| line.starts_with("x-imagxp-public-key: ")).unwrap().to_owned();
    line.strip_prefix("x-imagxp-public-key: ").unwrap().to_owned()
}

fn served(sandbox: &Sandbox) -> usize {
    let manifest: Value = serde_json::from_str(&sandbox.read("imagxp-keys/imagxp-agent.json")).unwrap();
    manifest["keys"].as_array().unwrap().len()
}

#[test]
fn the_whole_way() {
    let sandbox = sandbox();
    let old = signer(&sandbox, "");
    let prepared = rotate(&sandbox, "prepare --alg eddsa", "2026-11-21T12:00:00Z");
    assert_eq!((prepared["stage"].as_str(), served(&sandbox)), (Some("prepared"), 1));
    let published = rotate(&sandbox, "publish --max-age 300", "2026-11-21T12:00:00Z");
    assert_eq!(published["ready_at"], "2026-11-21T12:06:00.000Z");
    assert_eq!((served(&sandbox), signer(&sandbox, "") == old), (2, true));
    let early = sandbox.sh("rotate switch --now 2026-11-21T12:05:00Z --json").json_error();
    assert_eq!(early["code"], "rotation.order");
    assert!(early["message"].as_str().unwrap().contains("safe from 2026-11-21T12:06:00.000Z on, in 60 s"));
    let switched = rotate(&sandbox, "switch", "2026-11-21T12:06:00Z");
    assert_eq!(switched["signing_key"], prepared["other_key"]);
    assert_ne!(signer(&sandbox, ""), old);
    sandbox.sh("rotate retire --now 2026-11-21T13:05:59Z").exits(2);
    let retired = rotate(&sandbox, "retire", "2026-11-21T13:06:00Z");
    assert_eq!((retired["stage"].as_str(), served(&sandbox)), (Some("settled"), 1));
    let text = sandbox.sh("rotate status").exits(0).out;
    assert!(text.starts_with("bot.example.com: settled\n") && text.contains("next        prepare"), "{text}");
}

#[test]
fn going_back_and_emergencies() {
    let sandbox = sandbox();
    let first = rotate(&sandbox, "prepare", "2026-11-21T12:00:00Z");
    assert_eq!(rotate(&sandbox, "abort", "2026-11-21T12:00:00Z")["stage"], "settled");
    sandbox.sh("rotate abort").exits(2);
    let lost = first["signing_key"].as_str().unwrap().to_owned();
    let revoked = rotate(&sandbox, &format!("revoke {lost}"), "2026-11-21T12:00:00Z");
    assert_eq!(revoked["revoked"][0].as_str(), Some(lost.as_str()));
    assert_ne!(revoked["signing_key"].as_str(), Some(lost.as_str()));
    assert!(!sandbox.path(&format!("imagxp-keys/{lost}.key")).exists());
    assert_eq!(sandbox.sh("rotate revoke nonsense --json").json_error()["code"], "usage.argument");
    assert_eq!(sandbox.sh(&format!("rotate revoke {lost} --json")).json_error()["code"], "usage.argument");
}

#[test]
fn folders() {
    let sandbox = sandbox();
    assert_eq!(sandbox.sh("rotate init --agent-id bot.example.com --json").json_error()["code"], "io.failed");
    assert_eq!(sandbox.sh("rotate status --dir none --json").json_error()["code"], "io.failed");
    let taken =
        sandbox.sh("rotate init --dir own --agent-id bot.example.com --key agent.jwk --json").exits(0).json();
    assert_eq!(taken["signing_key"], crate::sandbox::KNOWN_THUMBPRINT);
    assert!(sandbox.sh("key show own").exits(0).out.contains(crate::sandbox::KNOWN_THUMBPRINT));
    let other = format!("sign --key own --agent-id other.example --purpose SUMMARY --url {URL} --json");
    assert_eq!(sandbox.sh(&other).json_error()["code"], "usage.argument");
    sandbox.sh("rotate init --dir local --agent-id localhost:8080").exits(2);
    sandbox.sh("rotate init --dir local --agent-id localhost:8080 --allow-loopback").exits(0);
}

#[test]
fn encrypted_folders() {
    let sandbox = Sandbox::new();
    sandbox.write("right", "correct horse");
    sandbox.write("wrong", "correct house");
    sandbox.sh("rotate init --agent-id bot.example.com --encrypt --passphrase-file right").exits(0);
    assert_eq!(
        sandbox.sh("rotate prepare --passphrase-file wrong --json").json_error()["code"],
        "key_file.locked"
    );
    sandbox.sh("rotate prepare --passphrase-file right").exits(0);
    sandbox.sh("rotate publish --now 2026-11-21T12:00:00Z").exits(0);
    sandbox.sh("rotate switch --now 2026-11-21T13:01:00Z").exits(0);
    signer(&sandbox, "--passphrase-file right");
    sandbox.sh("rotate abort").exits(0);
    signer(&sandbox, "--passphrase-file right");
}

/// The reference SDK's `.env`.
#[test]
fn signs_with_the_references_variables() {
    let sandbox = Sandbox::new();
    let spki = sandbox.sh("key show agent.jwk --json").exits(0).json()["spki"].as_str().unwrap().to_owned();
    let pem = sandbox.sh("keygen --stdout").exits(0).out.replace('\n', "\\n");
    sandbox.write(
        ".env",
        &format!("IMAGXP_AGENT_ID=\"bot.example.com\"\nIMAGXP_PRIVATE_KEY=\"{pem}\"\nOTHER=1\n"),
    );
    let sign = format!("sign --env .env --purpose SUMMARY --url {URL}");
    assert!(sandbox.sh(&sign).exits(0).out.contains("x-imagxp-payload"));
    sandbox.sh(&format!("{sign} --agent-id bot.example.com")).exits(0);
    sandbox.sh(&format!("{sign} --agent-id other.example")).exits(2);
    sandbox.sh(&format!("{sign} --key agent.jwk")).exits(2);
    sandbox.write(".env", &format!("IMAGXP_PRIVATE_KEY=\"{pem}\"\nIMAGXP_PUBLIC_KEY={spki}\n"));
    let error = sandbox.sh(&format!("{sign} --agent-id bot.example.com --json")).json_error();
    assert_eq!((error["code"].as_str(), error["file"].as_str()), (Some("key.malformed"), Some(".env")));
}
