//! To whom a fetcher talks: addresses, names, certificates, schemes, redirects. Real TLS, real DNS, all on loopback.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

mod names;
#[path = "../support/mod.rs"]
mod support;

use hickory_resolver::proto::rr::RecordType;
use imagxp_fetch::{Call, FetchFailure, Fetcher, Options, Profile};
use std::io::{Read, Write};
use std::net::IpAddr;
use std::time::{Duration, Instant};
use support::{Authority, HOME, NameServer, Reply, Server, Stream, answer, options, until, world};

const URL: &str = "https://bot.example.com/m";

fn ok(stream: &mut dyn Stream, _: &str) {
    answer(
        stream,
        "200 OK",
        "cache-control: max-age=120\r\nset-cookie: a=b\r\nX-Twice: 1\r\nx-twice: 2\r\n",
        b"{}",
    );
}

fn failure(fetcher: &Fetcher, url: &str) -> FetchFailure {
    let error = fetcher.get(url, Profile::MANIFEST).unwrap_err();
    println!("{url}: {error}");
    error.failure
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn https_to_the_checked_address_with_the_names_certificate() {
    let (fetcher, server, names) = world(ok);
    let answer = fetcher.get(URL, Profile::MANIFEST).unwrap();
    assert_eq!((answer.status, answer.body.as_slice(), answer.max_age()), (200, &b"{}"[..], Some(120)));
    assert_eq!(answer.address, IpAddr::from(HOME));
    assert_eq!(answer.headers.iter().filter(|(name, _)| name == "x-twice").count(), 2);
    // The bound per host is per host: another name, then the first one again.
    fetcher.get("https://other.example.com/m", Profile::MANIFEST).unwrap();
    fetcher.get(URL, Profile::MANIFEST).unwrap();
    let heads = server.heads();
    let first = heads[0].to_ascii_lowercase();
    assert!(first.starts_with("get /m http/1.1\r\n"), "{first}");
    for line in [
        "host: bot.example.com\r\n",
        "accept-encoding: identity\r\n",
        "connection: close\r\n",
        "accept: application/json\r\n",
        "user-agent: imagxp-fetch/",
    ] {
        assert!(first.contains(line), "{line} {first}");
    }
    assert!(!heads[2].to_ascii_lowercase().contains("cookie"), "no state between fetches");
    assert_eq!(server.connections(), 3, "no connection is kept for another name");
    assert_eq!(names.asked("bot.example.com", RecordType::A), 2, "one resolution each");
}

#[test]
fn the_environment_has_no_say() {
    let executable = std::env::current_exe().unwrap();
    let output = std::process::Command::new(executable)
        .args(["https_to_the_checked_address_with_the_names_certificate", "--exact"])
        .env("HTTPS_PROXY", "http://127.0.0.1:1")
        .env("https_proxy", "http://127.0.0.1:1")
        .env("ALL_PROXY", "http://127.0.0.1:1")
        .env("SSL_CERT_FILE", "/dev/null")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn certificates_that_do_not_do() {
    let authority = Authority::new();
    let names = NameServer::always(Reply::home());
    let good = authority.tls(&["bot.example.com"]);
    let cases = [
        ("another name", authority.tls(&["other.example.com"])),
        ("an address, not the name", authority.tls(&["127.0.0.1"])),
        ("expired", authority.tls_until(&["bot.example.com"], 2020)),
        ("another authority", Authority::new().tls(&["bot.example.com"])),
    ];
    for (what, tls) in cases {
        let server = Server::https(HOME, tls, ok);
        let fetcher = Fetcher::new(options(&authority, &names, server.port)).unwrap();
        let error = fetcher.get(URL, Profile::MANIFEST).unwrap_err();
        assert_eq!(error.failure, FetchFailure::Failed, "{what}");
        assert!(error.detail.starts_with("TLS: ") && !error.sent, "{what}: {error}");
        assert!(server.heads().is_empty(), "{what}: asked all the same");
    }
    // The authorities of the web do not vouch for ours.
    let server = Server::https(HOME, good, ok);
    let trusting = |roots, only_given_roots| {
        let options = Options { roots, only_given_roots, ..options(&authority, &names, server.port) };
        Fetcher::new(options).map(|fetcher| fetcher.get(URL, Profile::MANIFEST).is_ok())
    };
    assert!(!trusting(Vec::new(), false).unwrap());
    assert!(trusting(vec![authority.root.clone()], false).unwrap());
    assert!(trusting(Vec::new(), true).is_err(), "who trusts nobody wants nothing");
    assert!(trusting(vec![b"no certificate".to_vec()], false).is_err());
}

#[test]
fn tls_1_1_is_not_spoken() {
    let authority = Authority::new();
    let names = NameServer::always(Reply::home());
    let server = Server::raw(HOME, |mut socket, heads| {
        let mut hello = [0; 4096];
        let length = socket.read(&mut hello).unwrap_or(0);
        // supported_versions (RFC 8446 §4.2.1): the extension 43, its length, the list's length, then 2 bytes each.
        let offers = hello[..length]
            .windows(5)
            .find(|window| window[..2] == [0, 43] && window[2] == 0)
            .map(|at| at.to_vec());
        heads
            .lock()
            .unwrap()
            .push(format!("{offers:?} {}", hello[..length].windows(2).any(|pair| pair == [3, 2])));
        // A ServerHello of TLS 1.1 with TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA.
        let mut body = vec![3, 2];
        body.extend([7; 32]);
        body.extend([0, 0xc0, 0x09, 0]);
        let mut record = vec![
            22,
            3,
            2,
            0,
            u8::try_from(body.len() + 4).unwrap(),
            2,
            0,
            0,
            u8::try_from(body.len()).unwrap(),
        ];
        record.extend(body);
        let _ = socket.write_all(&record);
        let mut rest = Vec::new();
        let _ = socket.read_to_end(&mut rest);
        // An alert, level fatal: protocol_version (70).
        heads.lock().unwrap().push(format!("{rest:?}"));
    });
    let fetcher = Fetcher::new(options(&authority, &names, server.port)).unwrap();
    let error = fetcher.get(URL, Profile::MANIFEST).unwrap_err();
    assert_eq!((error.failure, error.sent), (FetchFailure::Failed, false), "{error}");
    assert!(error.detail.starts_with("TLS: "), "{error}");
    until("the alert", || server.heads().len() >= 2);
    let heads = server.heads();
    assert!(heads[1].ends_with("2, 70]"), "alert protocol_version: {heads:?}");
}

#[test]
fn plain_http_and_other_hosts_are_refused_before_anything_is_asked() {
    let trap = Server::http(HOME, ok);
    let names = NameServer::always(Reply::home());
    let fetcher = Fetcher::new(Options {
        allow_addresses: vec![HOME.into()],
        allowed_port: Some(trap.port),
        nameservers: vec![names.address],
        ..Options::default()
    })
    .unwrap();
    for url in [
        "http://bot.example.com/m",
        "ftp://bot.example.com/m",
        "https://127.0.0.1/m",
        "https://[::1]/m",
        "https://93.184.216.34/m",
        "https://2130706433/m",
        "https://bot.example.com:8443/m",
    ] {
        assert_eq!(failure(&fetcher, url), FetchFailure::AddressDenied, "{url}");
    }
    for url in ["nonsense", "https:///m", "https://a@bot.example.com/", "https://bot.example.com/#f"] {
        assert_eq!(failure(&fetcher, url), FetchFailure::Invalid, "{url}");
    }
    assert_eq!((trap.connections(), names.asked("bot.example.com", RecordType::A)), (0, 0));
}

#[test]
fn redirects_are_not_followed() {
    let authority = Authority::new();
    let names = NameServer::always(Reply::home());
    for status in [300, 301, 302, 303, 304, 305, 306, 307, 308, 399] {
        let server = Server::https(HOME, authority.tls(&["bot.example.com"]), move |stream, _| {
            answer(stream, &format!("{status} Elsewhere"), "location: https://other.example.com/m\r\n", b"");
        });
        let fetcher = Fetcher::new(options(&authority, &names, server.port)).unwrap();
        let error = fetcher.get(URL, Profile::MANIFEST).unwrap_err();
        assert_eq!((error.failure, error.status), (FetchFailure::Redirect, Some(status)), "{error}");
        let sent = fetcher.send(&Call::get("https://bot.example.com/again"), Profile::PAGE).unwrap();
        assert_eq!((sent.status, sent.header("Location")), (status, Some("https://other.example.com/m")));
        assert_eq!((server.connections(), names.asked("other.example.com", RecordType::A)), (2, 0));
    }
}

#[test]
fn other_statuses_have_their_failures() {
    let authority = Authority::new();
    let names = NameServer::always(Reply::home());
    for (status, expected) in [
        (404, FetchFailure::NotFound),
        (410, FetchFailure::NotFound),
        (204, FetchFailure::Failed),
        (206, FetchFailure::Failed),
        (400, FetchFailure::Failed),
        (403, FetchFailure::Failed),
        (500, FetchFailure::Failed),
        (503, FetchFailure::Failed),
        (999, FetchFailure::Failed),
    ] {
        let server = Server::https(HOME, authority.tls(&["bot.example.com"]), move |stream, _| {
            answer(stream, &format!("{status} X"), "", b"");
        });
        let fetcher = Fetcher::new(options(&authority, &names, server.port)).unwrap();
        let error = fetcher.get(URL, Profile::MANIFEST).unwrap_err();
        assert_eq!((error.failure, error.status), (expected, Some(status)));
    }
}

#[test]
fn loopback_is_for_development() {
    let server = Server::http(HOME, ok);
    let fetcher = Fetcher::new(Options { allow_loopback: true, ..Options::default() }).unwrap();
    for host in ["127.0.0.1", "localhost"] {
        let url = format!("http://{host}:{}/m", server.port);
        assert_eq!(fetcher.get(&url, Profile::MANIFEST).unwrap().body, b"{}");
        assert_eq!(failure(&Fetcher::new(Options::default()).unwrap(), &url), FetchFailure::AddressDenied);
    }
    for url in ["http://169.254.169.254/m", "https://10.0.0.1/m", "http://127.0.0.2/m"] {
        assert_eq!(failure(&fetcher, url), FetchFailure::AddressDenied, "{url}");
    }
}

#[test]
fn what_is_sent_is_the_callers_and_the_connection_ours() {
    let (fetcher, server, _names) = world(|stream, head| {
        let length = head
            .to_ascii_lowercase()
            .split("content-length: ")
            .nth(1)
            .map_or(0, |rest| rest.split("\r\n").next().unwrap().parse().unwrap());
        let mut body = vec![0; length];
        let _ = stream.read_exact(&mut body);
        answer(stream, "402 Payment Required", "x-offer: 1\r\n", &body);
    });
    let call = Call {
        method: "POST".into(),
        url: "https://bot.example.com/token?a=b".into(),
        headers: vec![
            ("X-Imagxp-Payload".into(), "abc".into()),
            ("User-Agent".into(), "bot IMAGXP/1.0".into()),
            ("accept".into(), "*/*".into()),
            ("accept".into(), "text/html".into()),
        ],
        body: b"grant".to_vec(),
    };
    let answer = fetcher.send(&call, Profile::PAGE).unwrap();
    assert_eq!(
        (answer.status, answer.body.as_slice(), answer.header("X-Offer")),
        (402, &b"grant"[..], Some("1"))
    );
    let head = server.heads()[0].to_ascii_lowercase();
    assert!(
        head.starts_with("post /token?a=b http/1.1\r\n") && head.contains("x-imagxp-payload: abc\r\n"),
        "{head}"
    );
    assert!(head.contains("accept: */*\r\n") && head.contains("accept: text/html\r\n"), "{head}");
    assert_eq!(head.matches("user-agent").count(), 1, "{head}");
    for name in [
        "Host",
        "content-length",
        "Transfer-Encoding",
        "connection",
        "accept-encoding",
        "proxy-connection",
        "a b",
        "",
        "x\r\ny",
    ] {
        let mut call = Call::get("https://bot.example.com/");
        call.headers.push((name.into(), "1".into()));
        let error = fetcher.send(&call, Profile::PAGE).unwrap_err();
        assert_eq!((error.failure, error.sent), (FetchFailure::Invalid, false), "{name:?}");
    }
    let mut call = Call::get("https://bot.example.com/");
    call.headers.push(("x".into(), "1\r\ny: 2".into()));
    assert_eq!(fetcher.send(&call, Profile::PAGE).unwrap_err().failure, FetchFailure::Invalid);
    for method in ["CONNECT", "", "G E T", "GET\r\n"] {
        let call = Call { method: method.into(), ..Call::get("https://bot.example.com/") };
        assert_eq!(
            fetcher.send(&call, Profile::PAGE).unwrap_err().failure,
            FetchFailure::Invalid,
            "{method:?}"
        );
    }
    assert_eq!(server.connections(), 1);
    // No bound per host, no memory, no single flight.
    for _ in 0..5 {
        assert_eq!(fetcher.send(&Call::get("https://bot.example.com/"), Profile::PAGE).unwrap().status, 402);
    }
    let head = Call { method: "HEAD".into(), ..Call::get("https://bot.example.com/") };
    let begin = Instant::now();
    assert_eq!(fetcher.send(&head, Profile::PAGE).unwrap().status, 402);
    assert!(begin.elapsed() < Duration::from_secs(5), "no body is awaited");
}
