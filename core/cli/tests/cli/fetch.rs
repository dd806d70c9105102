//! `imagxp fetch` against a real publisher and a real broker on loopback.

use crate::sandbox::{Run, Sandbox};
use crate::town::{Broker, Manner, Reply, Site, key};
use std::process::Stdio;
use std::time::{Duration, Instant};

const PAY: &str = "--max-price 0.05 --spend-file spend.json --max-per-day 0.1";

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("key.pem", &key(1).to_pem());
    #[cfg(unix)]
    std::fs::set_permissions(sandbox.path("key.pem"), std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .unwrap();
    sandbox
}

fn args(url: &str, more: &str) -> String {
    format!(
        "fetch {url} --key key.pem --agent-id agent.example --purpose SUMMARY --product TestBot --allow-loopback {more}"
    )
}

fn fetch(sandbox: &Sandbox, url: &str, more: &str) -> Run {
    sandbox.sh(&args(url, more))
}

#[test]
fn a_free_page_and_a_paid_one() {
    let broker = Broker::start(Manner::Good);
    let site = Site::plain(&broker);
    let sandbox = sandbox();
    let run = fetch(&sandbox, &site.url("/free"), "").exits(0);
    assert_eq!(run.out, "content of /free");
    for word in ["robots ", "policy ", "request ", "GET 200", "receipt  verified"] {
        assert!(run.err.contains(word), "{run:#?}");
    }
    let pay = format!("--broker {} {PAY}", broker.server.origin);
    let run = fetch(&sandbox, &site.url("/paid/1"), &format!("{pay} --output page.html")).exits(0);
    assert_eq!((run.out.as_str(), sandbox.read("page.html").as_str()), ("", "content of /paid/1"));
    assert!(run.err.contains("bought   0.01 USD"), "{run:#?}");
    assert!(!run.err.contains("eyJ"), "no visa is shown");

    let json = fetch(&sandbox, &site.url("/paid/2"), &format!("{pay} --json")).exits(0).json();
    assert_eq!((json["payment"]["state"].as_str(), json["status"].as_u64()), (Some("bought"), Some(200)));
    assert_eq!(json["receipt"]["state"], "verified");
    assert_eq!(broker.booked(), 2);
    assert!(sandbox.read("spend.json").contains("0.02"));
}

/// Whether the target can be written is known before the broker is asked.
#[test]
fn nothing_is_paid_for_what_cannot_be_written() {
    let broker = Broker::start(Manner::Good);
    let site = Site::plain(&broker);
    let sandbox = sandbox();
    std::fs::create_dir(sandbox.path("folder")).unwrap();
    let pay = format!("--broker {} {PAY}", broker.server.origin);
    for target in ["folder", "nowhere/page.html"] {
        let run = fetch(&sandbox, &site.url("/paid/1"), &format!("{pay} --output {target}")).exits(2);
        assert!(run.err.contains("file.unwritable") && run.out.is_empty(), "{run:#?}");
    }
    assert_eq!((broker.booked(), site.server.seen().len()), (0, 0));
}

/// The target goes away while the page is on its way.
#[test]
fn what_was_paid_for_is_not_lost() {
    let broker = Broker::start(Manner::Good);
    let sandbox = sandbox();
    let target = sandbox.path("page.html");
    let taken = target.clone();
    let site = Site::start(
        &broker.server.origin,
        Box::new(move |_, _| {
            let _ = std::fs::create_dir(&taken);
            None
        }),
    );
    let pay = format!("--broker {} {PAY} --output page.html", broker.server.origin);
    let read = |path: &str, more: &str| {
        let _ = std::fs::remove_dir(&target);
        fetch(&sandbox, &site.url(path), &format!("{pay} {more}")).exits(2)
    };
    let run = read("/paid/1", "");
    assert!(run.err.contains("page.html: error: file.unwritable"), "{run:#?}");
    assert_eq!((run.out.as_str(), broker.booked()), ("content of /paid/1", 1));
    let run = read("/paid/2", "--json");
    let json = run.json();
    assert!(json["output"].is_null() && run.err.contains("file.unwritable"), "{run:#?}");
    let body = imagxp::encoding::base64_decode(json["body_base64"].as_str().unwrap().as_bytes());
    assert_eq!(body.unwrap(), b"content of /paid/2");
    // What costs nothing is there for whoever asks again.
    assert_eq!(read("/free", "").out, "");
    assert!(read("/free", "--json").json().get("body_base64").is_none());
}

#[test]
fn an_error_page_replaces_nothing() {
    let broker = Broker::start(Manner::Good);
    let site = Site::start(
        &broker.server.origin,
        Box::new(|seen, _| (seen.target == "/gone").then(|| Some(Reply::new(404, "sorry")))),
    );
    let sandbox = sandbox();
    sandbox.write("page.html", "as it was");
    let run = fetch(&sandbox, &site.url("/gone"), "--output page.html").exits(1);
    assert!(run.out.is_empty() && run.err.contains("page.html: not written, for status 404"), "{run:#?}");
    let json = fetch(&sandbox, &site.url("/gone"), "--output page.html --json").exits(1).json();
    assert_eq!((json["output"].is_null(), json["status"].as_u64()), (true, Some(404)));
    assert_eq!(sandbox.read("page.html"), "as it was");
    assert_eq!(fetch(&sandbox, &site.url("/gone"), "").exits(1).out, "sorry", "nothing was to be replaced");
    fetch(&sandbox, &site.url("/free"), "--output page.html").exits(0);
    assert_eq!(sandbox.read("page.html"), "content of /free");
}

/// Tokens are ES256: told before anything is asked for.
#[test]
fn an_ed25519_key_pays_no_broker() {
    let broker = Broker::start(Manner::Good);
    let site = Site::plain(&broker);
    let sandbox = sandbox();
    sandbox.run(["keygen", "--alg", "eddsa", "--out", "ed25519.pem"]).exits(0);
    let pay = format!("--broker {} {PAY}", broker.server.origin);
    let command = args(&site.url("/free"), &pay).replace("key.pem", "ed25519.pem");
    let run = sandbox.sh(&command).exits(2);
    assert!(run.err.contains("usage.argument") && run.err.contains("ES256"), "{run:#?}");
    assert_eq!(site.server.seen().len(), 0);
}

#[test]
fn exit_codes_of_refusals() {
    let broker = Broker::start(Manner::Good);
    let site = Site::plain(&broker);
    let sandbox = sandbox();
    let pay = format!("--broker {} --max-price", broker.server.origin);
    for (path, more, code, word) in [
        ("/paid/1", String::new(), 1, "spend.broker_denied"),
        ("/paid/1", format!("{pay} 0.001"), 1, "spend.limit"),
        ("/paid/1", "--broker https://other.example --max-price 1".into(), 1, "spend.broker_denied"),
        ("/private", String::new(), 1, "robots.denied"),
        ("/free", "--max-price x".into(), 2, "usage.argument"),
        ("/free", "--broker http://pub.example".into(), 2, "usage.argument"),
        ("/free", "--max-per-day 1".into(), 2, "--max-price"),
    ] {
        let run = fetch(&sandbox, &site.url(path), &more).exits(code);
        assert!(run.err.contains(word) && run.out.is_empty(), "{more}: {run:#?}");
    }
    let json = fetch(&sandbox, &site.url("/private"), "--json").exits(1).json();
    assert_eq!(json["error"]["code"], "robots.denied");
    assert_eq!((broker.server.seen().len(), broker.booked()), (0, 0));
    let run = fetch(&sandbox, "https://pub.example/", "--purpose-of-life x").exits(2);
    assert!(run.out.is_empty());
}

#[test]
fn an_unknown_payment_survives_the_process() {
    let broker = Broker::start(Manner::HangsUpFirst);
    let site = Site::plain(&broker);
    let sandbox = sandbox();
    let pay = format!("--broker {} {PAY}", broker.server.origin);
    let run = fetch(&sandbox, &site.url("/paid/1"), &pay).exits(3);
    assert!(run.err.contains("spend.unknown"), "{run:#?}");
    let run = fetch(&sandbox, &site.url("/paid/1"), &pay).exits(0);
    assert_eq!(run.out, "content of /paid/1");
    let keys = broker.keys();
    assert_eq!((broker.booked(), keys.len(), &keys[0]), (1, 2, &keys[1]));
}

/// kill -9 while the broker is asked: the next process asks about the same purchase, and pays nothing more.
#[test]
fn killed_while_paying() {
    let broker = Broker::start(Manner::WaitsFirst);
    let site = Site::plain(&broker);
    let sandbox = sandbox();
    let more = format!("--broker {} {PAY}", broker.server.origin);
    let mut command = sandbox.command(args(&site.url("/paid/1"), &more).split_whitespace());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begin = Instant::now();
    while broker.booked() == 0 {
        assert!(begin.elapsed() < Duration::from_secs(20), "the broker is never asked");
        std::thread::sleep(Duration::from_millis(5));
    }
    // Meanwhile nobody else may use these books.
    let run = fetch(&sandbox, &site.url("/paid/2"), &more).exits(2);
    assert!(run.err.contains("is open already, here or in another process"), "{run:#?}");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        sandbox.read("spend.json").contains("reserved"),
        "the reservation was durable before the request"
    );
    let run = fetch(&sandbox, &site.url("/paid/1"), &more).exits(0);
    assert_eq!(run.out, "content of /paid/1");
    let keys = broker.keys();
    assert_eq!((broker.booked(), keys.len(), &keys[0]), (1, 2, &keys[1]));
    assert!(sandbox.read("spend.json").contains(r#""total":{"USD":"0.01"}"#));
}
