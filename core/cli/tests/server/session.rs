//! Operators' sessions end with the token with which they began, and when they are ended.

use crate::service::Service;

fn add(service: &Service, role: &str) -> String {
    service.operator("ann", role)
}

fn log_in(service: &Service, token: &str) -> String {
    let body = format!(r#"{{"token":"{token}"}}"#);
    let login = service.send("POST", "/v1/session", &[("content-type", "application/json")], body.as_bytes());
    login.is(200);
    login.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
}

#[test]
fn a_session_ends_with_its_token() {
    let service = Service::start(&[]);
    let token = add(&service, "viewer");
    let session = log_in(&service, &token);
    let who = || service.send("GET", "/v1/session", &[("cookie", &session)], b"");
    assert_eq!(who().is(200)["role"], "viewer");
    // The only way to renew a token that has leaked; the old session gains nothing by it.
    service.command(&["operator", "remove", "ann"]);
    let token = add(&service, "admin");
    who().refuses(401, "auth.session_expired");
    assert_eq!(service.get("/v1/session", &token).is(200)["role"], "admin");
}

#[test]
fn logging_out_ends_the_session_also_after_a_restart() {
    let mut service = Service::start(&[]);
    let token = service.token.clone();
    let (first, second) = (log_in(&service, &token), log_in(&service, &token));
    let issuer = service.issuer.clone();
    service.send("DELETE", "/v1/session", &[("cookie", &first), ("origin", &issuer)], b"").is(200);
    let who =
        |service: &Service, session: &str| service.send("GET", "/v1/session", &[("cookie", session)], b"");
    who(&service, &first).refuses(401, "auth.session_expired");
    who(&service, &second).is(200);
    service.stop();
    service.run();
    who(&service, &first).refuses(401, "auth.session_expired");
    who(&service, &second).is(200);
}
