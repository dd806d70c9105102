//! Bytes that no client of ours would send.

use crate::service::{Service, soon};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

fn connect(service: &Service) -> TcpStream {
    let stream = TcpStream::connect(service.issuer.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

fn raw(service: &Service, bytes: &[u8]) -> String {
    let mut stream = connect(service);
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn hostile_bodies() {
    let service = Service::start(&[]);
    let post =
        |body: &[u8]| service.send("POST", "/v1/session", &[("content-type", "application/json")], body);
    for body in [
        b"".as_slice(),
        b"{",
        b"[]",
        b"null",
        b"7",
        br#"{"token":7}"#,
        br#"{"token":null}"#,
        br#"{"token":"a","token":"b"}"#,
        br#"{"token":"a","more":1}"#,
        br#"{"token":"\ud800"}"#,
        b"{\"token\":\"\xff\"}",
        b"\xef\xbb\xbf{\"token\":\"a\"}",
        br#"{"token":"a"}x"#,
    ] {
        post(body).refuses(400, "json.malformed");
    }
    let deep = [b"[".repeat(30_000), b"]".repeat(30_000)].concat();
    post(&deep).refuses(400, "json.malformed");
    post(&vec![b' '; 65 * 1024]).refuses(413, "body.too_large");
    post(br#"{"token":"imagxp_op_wrong"}"#).refuses(401, "auth.token_invalid");
    service
        .send("POST", "/v1/session", &[("content-type", "text/plain")], br#"{"token":"a"}"#)
        .refuses(415, "body.not_json");
    service.send("PUT", "/v1/session", &[], b"").refuses(405, "method.not_allowed");
}

#[test]
fn hostile_requests() {
    let service = Service::start(&[]);
    for bytes in [
        "GET / HTTP/1.1\r\n\r\nGET\0".as_bytes(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /\r\n HTTP/1.1\r\n\r\n",
        b"POST /v1/session HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n{}",
        b"POST /v1/session HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999999999999\r\n\r\n{}",
        b"POST /v1/session HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
        b"GET http://evil.example/openapi.json HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(100_000)).as_bytes(),
        format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(2000)).as_bytes(),
    ] {
        let answer = raw(&service, bytes);
        assert!(!answer.contains(" 500 "), "{answer}");
    }
    service.send("GET", "/openapi.json", &[], b"").is(200);
}

#[test]
fn slow_headers_and_bodies_are_cut_off() {
    let service = Service::start(&["--set", "limits.header_s=1", "--set", "limits.handler_s=1"]);
    let begun = Instant::now();
    let mut stream = connect(&service);
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nx-slow:").unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    let mut stream = connect(&service);
    stream.write_all(b"POST /v1/session HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{").unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.contains("408") && answer.contains("body.timeout"), "{answer}");
}

#[test]
fn connections_are_bounded_and_the_rest_wait() {
    let service = Service::start(&["--set", "limits.connections=2", "--set", "limits.header_s=2"]);
    let idle: Vec<_> = (0..2).map(|_| connect(&service)).collect();
    std::thread::sleep(Duration::from_millis(200));
    let begun = Instant::now();
    service.send("GET", "/openapi.json", &[], b"").is(200);
    assert!(begun.elapsed() > Duration::from_millis(1000), "the third did not wait: {:?}", begun.elapsed());
    drop(idle);
}

#[test]
fn slow_bodies_keep_nobody_else_out() {
    let service = Service::start(&["--set", "limits.requests=1"]);
    let slow: Vec<_> = (0..8)
        .map(|_| {
            let mut stream = connect(&service);
            stream.write_all(b"POST /v1/session HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n").unwrap();
            stream
        })
        .collect();
    std::thread::sleep(Duration::from_millis(300));
    service.send("GET", "/openapi.json", &[], b"").is(200);
    drop(slow);
}

#[test]
fn a_large_body_is_read_of_those_only_who_show_somebody() {
    let service = Service::start(&[]);
    let body = vec![b' '; 100_000];
    let json = ("content-type", "application/json");
    let redeem = |headers: &[(&str, &str)]| service.send("POST", "/v1/visas/redeem", headers, &body);
    redeem(&[json]).refuses(401, "auth.required");
    redeem(&[json, ("authorization", "Bearer x")]).refuses(401, "auth.token_invalid");
    let pay = service.send("POST", "/v1/payments", &[json, ("authorization", "Bearer x")], &body);
    pay.refuses(413, "body.too_large");
}

#[test]
fn bodies_that_are_announced_and_do_not_come_keep_nobody_out() {
    use crate::deal::Deal;
    let service = Service::start(&[]);
    let deal = Deal::new(&service);
    let shows = ["authorization: Bearer x", "x-imagxp-payload: x\r\nx-imagxp-signature: x"];
    let head = |shows: &str| {
        format!(
            "POST /v1/visas/redeem HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{shows}\r\ncontent-length: 2097152\r\n\r\n"
        )
    };
    let silent: Vec<_> = (0..80)
        .map(|number| {
            let mut stream = connect(&service);
            stream.write_all(head(shows[number % 2]).as_bytes()).unwrap();
            stream
        })
        .collect();
    std::thread::sleep(Duration::from_millis(300));
    let (token, _) = deal.buy(&service, "1");
    // 100 KiB, most of which do not hold.
    let mut visas = vec![Deal::presented(&token, &deal.request(&token))];
    visas.extend((0..15).map(|_| serde_json::json!({"visa": "x".repeat(7000), "request": null})));
    let reply =
        deal.publisher.post(&service, "/v1/visas/redeem", &serde_json::json!({"visas": visas})).is(200);
    assert_eq!((&reply["accepted"], &reply["results"][0]["accepted"]), (&1.into(), &true.into()), "{reply}");
    drop(silent);
}

/// Whether the metrics have this text.
fn tells(service: &Service, text: &str) -> bool {
    let metrics = service.send("GET", &format!("{}/metrics", service.admin), &[], b"");
    String::from_utf8_lossy(&metrics.0.body).contains(text)
}

#[test]
fn who_hangs_up_is_counted_and_logged() {
    use crate::deal::Deal;
    let service = Service::start(&[]);
    let deal = Deal::new(&service);
    let body = serde_json::json!({"to": deal.publisher.name(), "amount": "1"}).to_string();
    let url = format!("{}/v1/payments", service.issuer);
    let mut head = format!("POST /v1/payments HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in deal.agent.headers("POST", &url, body.as_bytes()) {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    // Somebody holds the store, and the client does not wait for it.
    let file = rusqlite::Connection::open(service.data().join("ledger.db")).unwrap();
    file.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut stream = connect(&service);
    write!(stream, "{head}idempotency-key: {}\r\n\r\n{body}", crate::party::nonce()).unwrap();
    soon("a payment at work", || tells(&service, "\nimagxp_http_requests_in_flight 1\n"));
    drop(stream);
    soon("nothing at work", || tells(&service, "\nimagxp_http_requests_in_flight 0\n"));
    file.execute_batch("ROLLBACK").unwrap();
    let gone = r#"imagxp_http_requests_total{method="POST",route="/v1/payments",status="gone"} 1"#;
    assert!(tells(&service, gone));
    let logged =
        |line: &str| line.contains("hung up") && line.contains("request_id") && line.contains("payments");
    soon("a line of the log", || service.log.lock().unwrap().lines().any(logged));
}

#[test]
fn a_full_queue_says_so_and_a_change_that_takes_too_long_may_have_happened() {
    use crate::deal::Deal;
    use crate::party::nonce;
    let service = Service::start(&["--set", "limits.requests=1", "--set", "limits.handler_s=4"]);
    let deal = Deal::new(&service);
    let body = serde_json::json!({"to": deal.publisher.name(), "amount": "1"}).to_string();
    let pay = |key: &str| {
        deal.agent.ask(&service, "POST", "/v1/payments", &[("idempotency-key", key)], body.as_bytes())
    };
    let keys = [(); 3].map(|()| nonce());
    // Somebody holds the store.
    let file = rusqlite::Connection::open(service.data().join("ledger.db")).unwrap();
    file.execute_batch("BEGIN IMMEDIATE").unwrap();
    std::thread::scope(|scope| {
        let paying: Vec<_> = keys.iter().map(|key| scope.spawn(|| pay(key))).collect();
        // All three are at work or in the queue before anybody else comes, and before the first of them has waited for too long.
        soon("three payments at the gate", || tells(&service, "\nimagxp_http_requests_in_flight 3\n"));
        std::thread::sleep(Duration::from_millis(100));
        service.send("GET", "/openapi.json", &[], b"").refuses(503, "server.busy");
        let late: Vec<_> = paying.into_iter().map(|paying| paying.join().unwrap()).collect();
        for reply in &late {
            reply.refuses(504, "server.timeout");
            assert!(reply.header("retry-after").is_none(), "it is not safe to just ask again");
        }
    });
    file.execute_batch("ROLLBACK").unwrap();
    for key in &keys {
        let reply = pay(key);
        assert!(matches!(reply.0.status, 200 | 201), "{reply:?}");
    }
    assert_eq!(deal.balance(&service, &deal.publisher).0, "3", "each was paid once");
    // Without a key there is no asking again.
    let headers = deal.agent.headers("POST", &format!("{}/v1/payments", service.issuer), body.as_bytes());
    let lines: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    service.send("POST", "/v1/payments", &lines, body.as_bytes()).refuses(400, "idempotency.missing");
}

#[test]
fn the_end_drains() {
    let mut service = Service::start(&[]);
    let mut stream = connect(&service);
    let body = br#"{"token":"imagxp_op_x"}"#;
    stream.write_all(format!("POST /v1/session HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let sender = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(700));
        stream.write_all(body).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    });
    let took = service.stop();
    let answer = sender.join().unwrap();
    assert!(answer.contains("auth.token_invalid"), "the request at work was not answered: {answer}");
    assert!(took > Duration::from_millis(500) && took < Duration::from_secs(5), "{took:?}");
}
