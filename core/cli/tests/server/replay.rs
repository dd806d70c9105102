//! A signed request counts once, however often the service ends.

use crate::deal::Deal;
use crate::service::Service;
use serde_json::json;

#[test]
fn a_signed_request_counts_once_over_restarts() {
    let mut service = Service::start(&[]);
    let deal = Deal::new(&service);
    let body = json!({"to": deal.publisher.name(), "amount": "1"}).to_string();
    let headers = deal.agent.headers("POST", &format!("{}/v1/payments", service.issuer), body.as_bytes());
    let send = |service: &Service, key: &str| {
        let mut lines: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        lines.push(("idempotency-key", key));
        service.send("POST", "/v1/payments", &lines, body.as_bytes())
    };
    send(&service, "first").is(201);
    send(&service, "second").refuses(409, "replay.nonce_seen");
    service.stop();
    service.run();
    send(&service, "third").refuses(409, "replay.nonce_seen");
    service.kill();
    service.run();
    send(&service, "fourth").refuses(409, "replay.nonce_seen");
    assert_eq!(deal.balance(&service, &deal.publisher).0, "1");
    // What was seen was lost: claims from before are not believed.
    service.stop();
    std::fs::remove_dir_all(service.data().join("nonces")).unwrap();
    service.run();
    send(&service, "fifth").refuses(401, "time.expired");
    deal.agent.get(&service, "/v1/visas").is(200);
}

#[test]
fn a_second_process_needs_shared_nonces() {
    let service = Service::start(&[]);
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_imagxp"))
        .args(["serve", "--dev", "--issuer", "http://127.0.0.1:9", "--listen", "127.0.0.1:0"])
        .args(["--admin-listen", "127.0.0.1:0", "--data"])
        .arg(service.data())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("replay.shared"));
}
