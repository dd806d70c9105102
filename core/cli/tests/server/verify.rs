//! `/v1/verify`, as nginx, Caddy, Traefik and Envoy ask.

use crate::party::Party;
use crate::service::Service;

const POLICY: &str = r#"
version = 1
origins = ["http://127.0.0.1:8080"]
unsigned = "deny"
allow_loopback = true
[purposes.SUMMARY]
allow = true
[[paths]]
match = "/paid/**"
price = { amount = "0.10", currency = "USD" }
"#;

fn service(more: &[&str]) -> (tempfile::TempDir, Service) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.toml");
    std::fs::write(&file, POLICY).unwrap();
    let option = format!("verify.policy={}", file.display());
    let args = [&["--set", &option], more].concat();
    (folder, Service::start(&args))
}

#[test]
fn proxies_get_verdicts() {
    let (_folder, service) = service(&[]);
    let agent = Party::new();
    let signed = |path: &str, more: &[(&str, &str)], to: &str| {
        let headers = agent.headers("GET", &format!("http://127.0.0.1:8080{path}"), b"");
        let mut lines: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        lines.extend_from_slice(more);
        service.send("GET", to, &lines, b"")
    };
    let nginx = signed("/a?b=c", &[("x-original-uri", "/a?b=c"), ("x-original-method", "GET")], "/v1/verify");
    assert_eq!(nginx.0.status, 200, "{nginx:?}");
    assert_eq!(nginx.header("x-imagxp-verdict-agent-id"), Some(agent.name()));
    assert_eq!(nginx.header("x-imagxp-verdict-purpose"), Some("SUMMARY"));
    assert_eq!(nginx.header("x-imagxp-verdict-outcome"), Some("allow"));
    let caddy = signed(
        "/a",
        &[("x-forwarded-uri", "/a"), ("x-forwarded-method", "GET"), ("x-forwarded-host", "127.0.0.1:8080")],
        "/v1/verify",
    );
    assert_eq!(caddy.0.status, 200, "{caddy:?}");
    let envoy = signed("/a/b?c=d", &[], "/v1/verify/a/b?c=d");
    assert_eq!(envoy.0.status, 200, "{envoy:?}");
    let envoy = signed("/", &[], "/v1/verify/");
    assert_eq!(envoy.0.status, 200, "{envoy:?}");
    let get = ("x-original-method", "GET");
    let elsewhere = signed("/a", &[("x-original-uri", "/b"), get], "/v1/verify");
    assert_eq!(
        (elsewhere.0.status, elsewhere.header("x-imagxp-verdict-code")),
        (403, Some("claim.resource_mismatch"))
    );
    let paid = signed("/paid/x", &[("x-original-uri", "/paid/x"), get], "/v1/verify");
    assert_eq!(paid.0.status, 402);
    let offer: serde_json::Value = serde_json::from_slice(&paid.0.body).unwrap();
    assert_eq!(offer["offer"]["price"], "0.1", "{offer}");
    // Envoy asks with the request's own method, and passes on what clients send.
    let post = agent.headers("POST", "http://127.0.0.1:8080/a", b"");
    let mut lines: Vec<_> = post.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    lines.push(("x-forwarded-method", "GET"));
    let posted = service.send("POST", "/v1/verify/a", &lines, b"");
    assert_eq!(posted.header("x-imagxp-verdict-code"), Some("method.not_allowed"), "{posted:?}");
    let nobody = service.send("GET", "/v1/verify", &[("x-original-uri", "/a"), get], b"");
    assert_eq!((nobody.0.status, nobody.header("x-imagxp-verdict-code")), (401, Some("auth.required")));
    // A proxy that passes on what the client sends would let it name its own target.
    let more = [("x-original-uri", "/a"), get, ("x-forwarded-uri", "/paid/x"), ("x-forwarded-method", "GET")];
    signed("/a", &more, "/v1/verify").refuses(400, "header.conflict");
    signed("/a", &[("x-original-uri", "/a"), ("x-forwarded-method", "GET")], "/v1/verify")
        .refuses(400, "verify.method_missing");
    signed("/a", &[], "/v1/verify").refuses(400, "verify.target_missing");
    let list = service.get("/v1/verdicts?outcome=deny&limit=1", &service.token).is(200);
    assert_eq!(list["verdicts"].as_array().unwrap().len(), 1);
    assert_eq!(list["verdicts"][0]["code"], "auth.required", "{list}");
    let list = service.get(&format!("/v1/verdicts?agent={}", agent.name()), &service.token).is(200);
    // The one with another target was refused before its signature was looked at: nobody's, as far as is known.
    assert_eq!(list["verdicts"].as_array().unwrap().len(), 5, "{list}");
    assert_eq!(
        list["minutes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|minute| minute["allow"].as_u64().unwrap())
            .sum::<u64>(),
        4
    );
    service.get("/v1/verdicts?nonsense=1", &service.token).refuses(400, "query.malformed");
}

/// Envoy asks with the request's own method, of the first page as of any other.
#[test]
fn every_page_is_asked_about_with_each_method() {
    let (_folder, service) = service(&[]);
    let agent = Party::new();
    for path in ["/", "/a"] {
        for (method, code) in [("GET", "ok"), ("HEAD", "ok"), ("POST", "method.not_allowed")] {
            let headers = agent.headers(method, &format!("http://127.0.0.1:8080{path}"), b"");
            let lines: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let asked = service.send(method, &format!("/v1/verify{path}"), &lines, b"");
            assert_eq!(asked.header("x-imagxp-verdict-code"), Some(code), "{method} {path}: {asked:?}");
        }
    }
}

#[test]
fn nginx_understands_two_statuses() {
    let (_folder, service) = service(&["--set", "verify.statuses=auth_request"]);
    let agent = Party::new();
    let headers = agent.headers("GET", "http://127.0.0.1:8080/paid/x", b"");
    let mut lines: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    lines.extend([("x-original-uri", "/paid/x"), ("x-original-method", "GET")]);
    let paid = service.send("GET", "/v1/verify", &lines, b"");
    assert_eq!((paid.0.status, paid.header("x-imagxp-verdict-http")), (403, Some("402")));
}

#[test]
fn only_trusted_proxies_may_ask() {
    let (_folder, service) = service(&["--set", "verify.trusted=10.0.0.0/8"]);
    service.send("GET", "/v1/verify", &[("x-original-uri", "/a")], b"").refuses(403, "auth.forbidden");
    let off = Service::start(&[]);
    off.send("GET", "/v1/verify", &[("x-original-uri", "/a")], b"").refuses(404, "verify.off");
}

#[test]
fn a_visa_is_redeemed_before_the_page_is_served() {
    use crate::deal::Deal;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.json");
    let publisher = Party::new();
    let service = Service::start_with(|url| {
        let policy = serde_json::json!({
            "version": 1,
            "origins": [format!("http://{}", publisher.name())],
            "purposes": {"SUMMARY": {"allow": true, "price": {"amount": "0.5", "currency": "USD"}}},
            "payment": {"required": true, "brokers": [{"issuer": url, "jwks_uri": format!("{url}/.well-known/jwks.json"), "check": "redeem"}]},
            "allow_loopback": true,
        });
        std::fs::write(&file, policy.to_string()).unwrap();
        vec!["--set".to_owned(), format!("verify.policy={}", file.display())]
    });
    let deal = Deal { agent: Party::new(), publisher };
    deal.deposit(&service, "10", "r").is(201);
    let (token, jti) = deal.buy(&service, "0.5");
    let ask = || {
        let headers = deal.request(&token);
        let mut lines: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        lines.extend([("x-original-uri", "/page"), ("x-original-method", "GET")]);
        service.send("GET", "/v1/verify", &lines, b"")
    };
    let served = ask();
    assert_eq!(
        (served.0.status, served.header("x-imagxp-verdict-jti")),
        (200, Some(jti.as_str())),
        "{served:?}"
    );
    assert_eq!(service.get(&format!("/v1/visas/{jti}"), &service.token).is(200)["state"], "REDEEMED");
    let again = ask();
    assert_eq!(again.0.status, 402, "{again:?}");
    deal.give_feedback(&service, &jti, 1_000_000).is(200);
    // The key is in the agent's manifest: a request need not bring it.
    let (token, jti) = deal.buy(&service, "0.5");
    let mut headers = deal.request(&token);
    headers.retain(|(name, _)| name != "x-imagxp-public-key");
    let mut lines: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    lines.extend([("x-original-uri", "/page"), ("x-original-method", "GET")]);
    let served = service.send("GET", "/v1/verify", &lines, b"");
    assert_eq!(
        (served.0.status, served.header("x-imagxp-verdict-jti")),
        (200, Some(jti.as_str())),
        "{served:?}"
    );
    assert_eq!(service.get(&format!("/v1/visas/{jti}"), &service.token).is(200)["state"], "REDEEMED");
}
