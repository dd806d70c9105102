//! `verify --fetch` and `manifest fetch`, from a server on loopback.

use crate::sandbox::{KNOWN_THUMBPRINT, NOW, Sandbox};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A domain on loopback that answers everything with this status and body; its name, and how often it was asked.
fn domain(status: &'static str, body: impl FnOnce(&str) -> String) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let name = listener.local_addr().unwrap().to_string();
    let (body, asked) = (body(&name), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&asked);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            count.fetch_add(1, Ordering::SeqCst);
            let _ = stream.read(&mut [0; 4096]);
            let length = body.len();
            let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}");
        }
    });
    (name, asked)
}

fn manifest(sandbox: &Sandbox, name: &str) -> String {
    sandbox.sh(&format!("manifest --agent-id {name} --key agent.jwk --allow-loopback")).exits(0).out
}

fn request(sandbox: &Sandbox, name: &str) {
    sandbox.write(
        "loopback.json",
        r#"{"version":1,"origins":["https://pub.example"],"purposes":{"RAG_RETRIEVAL":{}},"allow_loopback":true}"#,
    );
    let signed = sandbox.sh(&format!(
        "sign --key agent.jwk --agent-id {name} --allow-loopback --purpose RAG_RETRIEVAL --url https://pub.example/a --now {NOW} --format json"
    ));
    sandbox.write("request.json", &signed.exits(0).out);
}

#[test]
fn verify_fetches_what_it_needs() {
    let sandbox = Sandbox::new();
    let (name, asked) = domain("200 OK", |name| manifest(&sandbox, name));
    request(&sandbox, &name);
    let verify = |more: &str| {
        sandbox.sh(&format!("verify request.json --policy loopback.json --now {NOW} --json {more}"))
    };
    assert_eq!(verify("").exits(3).json()["code"], "identity.manifest_needed");
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    let verdict = verify("--fetch").exits(0).json();
    assert_eq!((&verdict["agent_id"], &verdict["key_id"]), (&name.as_str().into(), &KNOWN_THUMBPRINT.into()));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    for (status, code, exit) in [
        ("404 No", "identity.not_found", 1),
        ("302 There", "identity.redirect", 1),
        ("500 Oh", "identity.fetch_failed", 3),
    ] {
        let (name, _) = domain(status, |_| String::new());
        request(&sandbox, &name);
        assert_eq!(verify("--fetch").exits(exit).json()["code"], code);
    }
}

#[test]
fn manifest_fetch_prints_what_publishers_get() {
    let sandbox = Sandbox::new();
    let (name, _) = domain("200 OK", |name| manifest(&sandbox, name));
    let fetched = sandbox.sh(&format!("manifest fetch {name} --allow-loopback")).exits(0);
    assert_eq!(fetched.json()["agent_id"], name.as_str());
    let url = format!("http://{name}/.well-known/imagxp-agent.json");
    assert_eq!(sandbox.sh(&format!("manifest fetch {url} --allow-loopback")).exits(0).out, fetched.out);
    let error = sandbox.sh(&format!("manifest fetch {name} --json")).json_error();
    assert_eq!(error["code"], "usage.argument", "loopback needs its switch");
    assert_eq!(sandbox.sh(&format!("manifest fetch {url} --json")).json_error()["code"], "usage.argument");
    let (other, _) = domain("200 OK", |_| manifest(&sandbox, "127.0.0.1"));
    let error = sandbox.sh(&format!("manifest fetch {other} --allow-loopback --json")).json_error();
    assert_eq!(error["code"], "identity.manifest_invalid");
    let (gone, _) = domain("410 Gone", |_| String::new());
    let error = sandbox.sh(&format!("manifest fetch {gone} --allow-loopback --json")).json_error();
    assert_eq!(
        (&error["code"], &error["file"]),
        (&"identity.not_found".into(), &format!("http://{gone}/.well-known/imagxp-agent.json").into())
    );
}
