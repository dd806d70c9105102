//! What surrounds the money: health, metrics, discovery, the document, keys, operators, configuration, the end.

use crate::service::{Service, soon};
use imagxp::jwks::JwkSet;
use std::process::Command;
use std::time::Duration;

#[test]
fn health_metrics_and_an_end_that_is_clean() {
    let mut service = Service::start(&[]);
    for path in ["/health/live", "/health/ready"] {
        assert_eq!(
            service.send("GET", &format!("{}{path}", service.admin), &[], b"").0.status,
            200,
            "{path}"
        );
        service.send("GET", path, &[], b"").refuses(404, "route.not_found");
    }
    service.send("GET", "/metrics", &[], b"").refuses(404, "route.not_found");
    let metrics = service.send("GET", &format!("{}/metrics", service.admin), &[], b"");
    let text = String::from_utf8(metrics.0.body).unwrap();
    assert!(text.contains(r#"imagxp_http_requests_total{method="GET",route="none",status="404"}"#), "{text}");
    assert!(service.stop() < Duration::from_secs(5));
    let log = service.log.lock().unwrap().clone();
    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|line| line["message"] == "the service has ended"), "{log}");
    assert!(!log.contains(&service.token), "the log has the operator's token");
}

#[test]
fn requests_have_names() {
    let service = Service::start(&[]);
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let reply = service.send(
        "GET",
        "/nowhere?secret=1",
        &[("traceparent", &format!("00-{trace}-b7ad6b7169203331-01"))],
        b"",
    );
    let id = reply.refuses(404, "route.not_found")["error"]["request_id"].as_str().unwrap().to_owned();
    soon("the request's line in the log", || service.log.lock().unwrap().contains(&id));
    let log = service.log.lock().unwrap().clone();
    let line = log.lines().find(|line| line.contains(&id)).unwrap();
    assert!(line.contains(trace) && line.contains("\"status\":404"), "{line}");
    assert!(!log.contains("secret=1"), "{log}");
}

#[test]
fn discovery_and_the_document() {
    let service = Service::start(&[]);
    let reply = service.send("GET", "/.well-known/openid-configuration", &[], b"");
    let metadata = reply.is(200);
    assert_eq!(metadata["issuer"], service.issuer.as_str());
    assert_eq!(metadata["token_endpoint"], format!("{}/oauth/token", service.issuer));
    assert_eq!(metadata["token_endpoint_auth_methods_supported"][0], "private_key_jwt");
    let tag = reply.header("etag").unwrap().to_owned();
    let again = service.send("GET", "/.well-known/openid-configuration", &[("if-none-match", &tag)], b"");
    assert_eq!((again.0.status, again.0.body.len()), (304, 0));
    let keys = service.send("GET", "/.well-known/jwks.json", &[], b"");
    assert_eq!(JwkSet::parse(&keys.0.body).unwrap().keys().len(), 1);
    assert_eq!(keys.header("x-content-type-options"), Some("nosniff"));
    let document = service.send("GET", "/openapi.json", &[], b"").is(200);
    assert_eq!(document["openapi"], "3.1.0");
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item
            .as_object()
            .unwrap()
            .iter()
            .filter(|(name, _)| ["get", "post", "delete"].contains(&name.as_str()))
        {
            assert!(operation["security"].as_array().is_some_and(|list| !list.is_empty()), "{method} {path}");
            // What needs somebody turns nobody away with 401, or 403 where addresses count.
            let public = operation["security"]
                .as_array()
                .unwrap()
                .iter()
                .any(|one| one.as_object().unwrap().is_empty());
            if !public && !path.contains("/verify") {
                let path = path.replace("{jti}", "x").replace("{owner}", "x").replace("{id}", "x");
                service
                    .send(&method.to_uppercase(), &path, &[("content-type", "application/json")], b"{}")
                    .refuses(401, "auth.required");
            }
        }
    }
}

#[test]
fn keys_rotate_while_the_service_runs() {
    let service = Service::start(&[]);
    let published = || {
        let keys = service.send("GET", "/.well-known/jwks.json", &[], b"");
        JwkSet::parse(&keys.0.body)
            .unwrap()
            .keys()
            .iter()
            .map(|key| key.kid().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let before = published();
    let told = service.command(&["keys", "rotate"]);
    soon("the new key", || published() != before);
    let after = published();
    assert_eq!((before.len(), after.len()), (1, 2), "{told}");
    assert!(after.contains(&before[0]) && told.starts_with(&after[1]), "{told} {after:?}");
}

#[test]
fn operators_come_and_go_while_the_service_runs() {
    let service = Service::start(&[]);
    let token = service.operator("ann", "viewer");
    assert!(token.starts_with("imagxp_op_"));
    assert_eq!(service.get("/v1/session", &token).is(200)["name"], "ann");
    let login = service.send(
        "POST",
        "/v1/session",
        &[("content-type", "application/json")],
        format!(r#"{{"token":"{token}"}}"#).as_bytes(),
    );
    login.is(200);
    let cookie = login.header("set-cookie").unwrap().to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let session = cookie.split(';').next().unwrap();
    assert_eq!(service.send("GET", "/v1/session", &[("cookie", session)], b"").is(200)["role"], "viewer");
    // What changes something must come from the dashboard's own page.
    service.send("DELETE", "/v1/session", &[("cookie", session)], b"").refuses(403, "auth.forbidden");
    service
        .send("DELETE", "/v1/session", &[("cookie", session), ("origin", "https://evil.example")], b"")
        .refuses(403, "auth.forbidden");
    service
        .send(
            "DELETE",
            "/v1/session",
            &[("cookie", session), ("sec-fetch-site", "cross-site"), ("origin", &service.issuer)],
            b"",
        )
        .refuses(403, "auth.forbidden");
    service.send("DELETE", "/v1/session", &[("cookie", session), ("origin", &service.issuer)], b"").is(200);
    service.command(&["operator", "remove", "ann"]);
    soon("the end of an operator", || !service.knows(&token));
    service.get("/v1/session", &token).refuses(401, "auth.token_invalid");
    service.send("GET", "/v1/session", &[("cookie", session)], b"").refuses(401, "auth.session_expired");
    // Another operator of the same name is another operator.
    service.operator("ann", "viewer");
    service.send("GET", "/v1/session", &[("cookie", session)], b"").refuses(401, "auth.session_expired");
}

#[test]
fn a_configuration_is_checked_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("imagxp.toml");
    std::fs::write(
        &file,
        "issuer = 'https://broker.example'\n[database]\nurl = 'postgres://me:TOPSECRET@db/x'\n",
    )
    .unwrap();
    let check = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_imagxp"));
        command
            .args(["config", "check", "--config"])
            .arg(&file)
            .args(more)
            .env("IMAGXP_LIMITS_REQUESTS", "77");
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        (output.status.code(), text)
    };
    let (code, text) = check(&["--set", "limits.streams=9"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(!text.contains("TOPSECRET"), "{text}");
    for row in [
        "issuer               file        https://broker.example",
        "limits.requests      environment 77",
        "limits.streams       flag        9",
    ] {
        assert!(text.contains(row), "{text}");
    }
    let (code, text) = check(&["--set", "limits.streams=0"]);
    assert!(code == Some(2) && text.contains("config.invalid"), "{text}");
    std::fs::write(&file, "isuer = 'https://broker.example'\n").unwrap();
    let (code, text) = check(&[]);
    assert!(code == Some(2) && text.contains("isuer"), "{text}");
}

#[test]
fn development_stays_on_this_machine() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_imagxp"));
    let output = command
        .args(["serve", "--dev", "--listen", "0.0.0.0:0", "--data"])
        .arg(folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_broken_ledger_is_read_and_not_written() {
    use crate::deal::Deal;
    let mut service = Service::start(&[]);
    let deal = Deal::new(&service);
    service.stop();
    // Somebody with access to the file makes the agent richer.
    let file = rusqlite::Connection::open(service.data().join("ledger.db")).unwrap();
    file.pragma_update(None, "ignore_check_constraints", true).unwrap();
    let update = || {
        file.execute(
            "UPDATE account SET credits_posted = ?1, version = version + 1 WHERE kind = 'AVAILABLE'",
            [20_000_000_u128.to_be_bytes()],
        )
    };
    assert!(update().is_err(), "the database itself refuses");
    // They take its guards away for that, and put them back.
    let mut statement = file
        .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'account'")
        .unwrap();
    let rows =
        statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))).unwrap();
    let guards: Vec<_> = rows.map(Result::unwrap).collect();
    drop(statement);
    assert!(!guards.is_empty());
    for (name, _) in &guards {
        file.execute_batch(&format!("DROP TRIGGER {name}")).unwrap();
    }
    assert_eq!(update().unwrap(), 1);
    for (_, sql) in &guards {
        file.execute_batch(sql).unwrap();
    }
    drop(file);
    service.run();
    assert_eq!(deal.balance(&service, &deal.agent).0, "20", "reads go on");
    deal.deposit(&service, "1", "another").refuses(503, "ledger.broken");
    let body = serde_json::json!({"resource": deal.origin(), "amount": "1"});
    deal.agent.post(&service, "/v1/visas", &body).refuses(503, "ledger.broken");
    let check = service.get("/v1/log/verify", &service.token).is(200);
    assert_eq!(check["ok"], false, "{check}");
    assert!(
        check["problems"]
            .as_array()
            .unwrap()
            .iter()
            .any(|problem| problem["kind"] == "ledger.account" || problem["kind"] == "ledger.unbalanced"),
        "{check}"
    );
    assert_eq!(service.get("/v1/money", &service.token).is(200)["writable"], false);
    let metrics = service.send("GET", &format!("{}/metrics", service.admin), &[], b"");
    assert!(String::from_utf8(metrics.0.body).unwrap().contains("imagxp_ledger_writable 0"));
}

#[test]
fn tls() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let (chain, key) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
    std::fs::write(&chain, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let mut service = Service::start(&[
        "--set",
        &format!("tls.certificate={}", chain.display()),
        "--set",
        &format!("tls.key={}", key.display()),
    ]);
    let mut options =
        imagxp_fetch::Options { allow_loopback: true, only_given_roots: true, ..Default::default() };
    options.add_roots_pem(made.cert.pem().as_bytes()).unwrap();
    let fetcher = imagxp_fetch::Fetcher::new(options).unwrap();
    let url = format!("{}/.well-known/jwks.json", service.issuer.replace("http://", "https://"));
    let answer = fetcher.send(&imagxp_fetch::Call::get(url), imagxp_fetch::Profile::PAGE).unwrap();
    assert_eq!(answer.status, 200);
    // A client that never finishes its handshake holds nothing up, and the end does not wait for it.
    let _silent = std::net::TcpStream::connect(service.issuer.strip_prefix("http://").unwrap()).unwrap();
    assert!(service.stop() < Duration::from_secs(12));
    std::fs::write(&key, "nonsense").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_imagxp"))
        .args([
            "serve",
            "--dev",
            "--issuer",
            "http://127.0.0.1:9",
            "--listen",
            "127.0.0.1:0",
            "--admin-listen",
            "127.0.0.1:0",
            "--data",
        ])
        .arg(service.data())
        .args([
            "--set",
            &format!("tls.certificate={}", chain.display()),
            "--set",
            &format!("tls.key={}", key.display()),
        ])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("tls.failed"));
}
