//! Paying: once, within the caps, to whom the agent trusts.

use crate::town::{Broker, Hook, Manner, Reply, Site, agent, agent_with, caps, options, purse};
use imagxp::agent::offer::TrustedBroker;
use imagxp::agent::reader::{Purse, ReaderOptions};
use imagxp::agent::spend::Caps;
use imagxp::agent::visit::PaymentState;
use imagxp_fetch::agent::Agent;
use std::sync::Arc;

fn spent(agent: &Agent) -> String {
    agent.reader().purse().spend().snapshot().spent("USD").to_string()
}

fn open(agent: &Agent) -> usize {
    agent.reader().purse().spend().snapshot().open().len()
}

#[test]
fn a_free_page_costs_nothing() {
    let broker = Broker::start(Manner::Good);
    let site = Site::plain(&broker);
    let agent = agent(&broker);
    let page = agent.read(&site.url("/free")).unwrap();
    assert_eq!((page.status, page.body.as_slice()), (200, &b"content of /free"[..]));
    assert_eq!(page.report.payment.state, PaymentState::None);
    assert_eq!(page.report.receipt.as_str(), "verified");
    assert_eq!(
        site.server.lines(),
        [
            "GET /robots.txt",
            "GET /.well-known/imagxp-policy.json",
            "GET /free",
            "GET /.well-known/imagxp-agent.json"
        ]
    );
    assert_eq!((broker.server.seen().len(), spent(&agent).as_str()), (0, "0"));
    // What is known is not asked for again.
    agent.read(&site.url("/free?2")).unwrap();
    assert_eq!(site.server.lines()[4..], ["GET /free?2"]);
    for seen in site.server.seen() {
        let signed = seen.header("x-imagxp-payload").is_some();
        assert_eq!(signed, seen.target.starts_with("/free"), "only pages are signed: {seen:?}");
        assert_eq!(seen.header("user-agent"), Some("TestBot IMAGXP/1.0"));
    }
}

#[test]
fn a_paid_page_is_paid_once() {
    let broker = Broker::start(Manner::Good);
    let site = Site::plain(&broker);
    let agent = agent(&broker);
    let page = agent.read(&site.url("/paid/1")).unwrap();
    assert_eq!(page.body, b"content of /paid/1");
    let payment = &page.report.payment;
    assert_eq!(payment.state, PaymentState::Bought);
    assert_eq!(payment.price.as_ref().unwrap().amount.to_string(), "0.01");
    assert_eq!(payment.issuer.as_deref(), Some(broker.server.origin.as_str()));
    assert_eq!((site.server.pages(), broker.server.seen().len(), broker.booked()), (2, 1, 1));
    assert_eq!((spent(&agent).as_str(), open(&agent)), ("0.01", 0));
    let pages: Vec<_> = site.server.seen().into_iter().filter(|seen| seen.target == "/paid/1").collect();
    assert!(pages[0].header("x-imagxp-payment").is_none() && pages[1].header("x-imagxp-payment").is_some());
    assert_ne!(pages[0].header("x-imagxp-payload"), pages[1].header("x-imagxp-payload"), "a new nonce");
    let steps: Vec<_> = page.report.steps.iter().map(|step| step.what).collect();
    assert_eq!(
        steps,
        ["robots", "policy", "request", "offer", "spend", "token", "spend", "visa", "request", "receipt"]
    );
    let json = String::from_utf8(imagxp::json::object_to_canonical(&page.report.to_json())).unwrap();
    assert!(json.contains(r#""state":"bought""#) && !json.contains("eyJ"), "no visa in a report: {json}");
    // The next one is another purchase: this visa had one use.
    let page = agent.read(&site.url("/paid/2")).unwrap();
    assert_eq!(
        (page.report.payment.state, broker.booked(), spent(&agent).as_str()),
        (PaymentState::Bought, 2, "0.02")
    );
}

#[test]
fn a_visa_of_many_uses_is_used() {
    let broker = Broker::start(Manner::ManyUses);
    let site = Site::plain(&broker);
    let agent = agent(&broker);
    let states: Vec<_> = (0..4)
        .map(|index| agent.read(&site.url(&format!("/paid/{index}"))).unwrap().report.payment.state)
        .collect();
    use PaymentState::{Bought, Reused};
    assert_eq!(states, [Bought, Reused, Reused, Bought]);
    assert_eq!((broker.booked(), site.server.pages(), spent(&agent).as_str()), (2, 8, "0.02"));
}

/// What is refused, with what it did to the publisher and the broker.
fn refused(agent: &Agent, site: &Site, broker: &Broker, code: &str, pages: usize, asked: usize) -> String {
    let refusal = agent.read(&site.url("/paid/1")).unwrap_err();
    assert_eq!(refusal.error.code(), code, "{} {:?}", refusal.error, refusal.report.steps);
    assert_eq!(
        (site.server.pages(), broker.server.seen().len()),
        (pages, asked),
        "{:?}",
        refusal.report.steps
    );
    refusal.error.message().to_owned()
}

#[test]
fn caps_hold() {
    let broker = Broker::start(Manner::Good);
    for caps in [
        vec![],
        vec![Caps::new("EUR", "1").unwrap()],
        vec![Caps::new("USD", "0.009999999999999999").unwrap()],
        vec![caps().with_per_host("0.001").unwrap()],
        vec![caps().with_per_day("0.001").unwrap()],
        vec![caps().with_total("0.001").unwrap()],
    ] {
        let site = Site::plain(&broker);
        let agent = agent_with(options(&broker), Arc::new(Purse::in_memory(caps)));
        refused(&agent, &site, &broker, "spend.limit", 1, 0);
        assert_eq!(spent(&agent), "0");
    }
    let site = Site::plain(&broker);
    let agent = agent(&broker);
    for index in 0..10 {
        agent.read(&site.url(&format!("/paid/{index}"))).unwrap();
    }
    assert_eq!(agent.read(&site.url("/paid/x")).unwrap_err().error.code(), "spend.limit");
    assert_eq!((spent(&agent).as_str(), broker.booked(), site.server.pages()), ("0.1", 10, 21));
}

#[test]
fn brokers_that_are_not_trusted_get_nothing() {
    let broker = Broker::start(Manner::Good);
    let site = Site::plain(&broker);
    for brokers in [vec![], vec![TrustedBroker::new("https://broker.example", false).unwrap()]] {
        let agent = agent_with(ReaderOptions { brokers, ..options(&broker) }, purse());
        let refusal = agent.read(&site.url("/paid/1")).unwrap_err();
        assert_eq!(refusal.error.code(), "spend.broker_denied");
        assert_eq!(refusal.report.payment.state, PaymentState::Unpaid);
        assert_eq!(refusal.report.offer.unwrap().price.amount.to_string(), "0.01");
        assert_eq!(spent(&agent), "0");
    }
    assert_eq!(broker.server.seen().len(), 0);

    // A trusted issuer with an endpoint of the publisher's own: the assertion never leaves.
    let thief = Broker::start(Manner::Good);
    let (issuer, endpoint) = (broker.server.origin.clone(), thief.server.origin.clone());
    let offer =
        offer("0.01", &format!(r#"{{"issuer":"{issuer}","token_endpoint":"{endpoint}/oauth/token"}}"#));
    let site = Site::start(&issuer, answers_pages(402, offer));
    refused(&agent(&broker), &site, &broker, "spend.broker_denied", 1, 0);
    assert_eq!(thief.server.seen().len(), 0);
}

fn offer(price: &str, brokers: &str) -> String {
    format!(
        r#"{{"error":{{"code":"payment.required"}},"offer":{{"price":"{price}","currency":"USD","purposes":["SUMMARY"],"brokers":[{brokers}]}}}}"#
    )
}

fn answers_pages(status: u16, body: String) -> Hook {
    Box::new(move |seen, _| seen.target.starts_with("/paid").then(|| Some(Reply::new(status, body.clone()))))
}

#[test]
fn hostile_offers_are_not_bought() {
    let broker = Broker::start(Manner::Good);
    let origin = &broker.server.origin;
    let own = format!(r#"{{"issuer":"{origin}","token_endpoint":"{origin}/oauth/token"}}"#);
    let many: Vec<_> = (0..10_000)
        .map(|index| {
            format!(
                r#"{{"issuer":"https://b{index}.example","token_endpoint":"https://b{index}.example/t"}}"#
            )
        })
        .collect();
    for (body, code) in [
        (offer("340282366920938463463", &own), "spend.limit"),
        (offer("0.050000000000000001", &own), "spend.limit"),
        (offer("1e400", &own), "offer.malformed"),
        (offer("-1", &own), "offer.malformed"),
        (offer("0", &own), "offer.malformed"),
        (offer("\u{664}\u{664}", &own), "offer.malformed"),
        (offer("0.01", &many.join(",")), "offer.malformed"),
        (offer("0.01", ""), "offer.malformed"),
        (offer("0.01", &own).replace("SUMMARY", "QUOTATION"), "offer.malformed"),
        (offer("0.01", &own).replace("\"USD\"", "\"\u{405}D\""), "offer.malformed"),
        ("{}".to_owned(), "offer.malformed"),
        (String::new(), "offer.malformed"),
        ("[".repeat(100_000), "offer.malformed"),
    ] {
        let site = Site::start(origin, answers_pages(402, body));
        refused(&agent(&broker), &site, &broker, code, 1, 0);
    }
}

#[test]
fn a_second_402_ends_it() {
    let broker = Broker::start(Manner::Good);
    let origin = &broker.server.origin;
    let own = format!(r#"{{"issuer":"{origin}","token_endpoint":"{origin}/oauth/token"}}"#);
    let site = Site::start(origin, answers_pages(402, offer("0.01", &own)));
    let agent = agent(&broker);
    let message = refused(&agent, &site, &broker, "payment.required", 2, 1);
    assert!(message.contains("refuses the visa"), "{message}");
    assert_eq!((spent(&agent).as_str(), broker.booked()), ("0.01", 1));
    // The visa that was refused is not tried again, and a day's cap bounds what such a site can take.
    for _ in 0..9 {
        assert_eq!(agent.read(&site.url("/paid/1")).unwrap_err().error.code(), "payment.required");
    }
    assert_eq!(agent.read(&site.url("/paid/1")).unwrap_err().error.code(), "spend.limit");
    assert_eq!((broker.booked(), spent(&agent).as_str()), (10, "0.1"));
}

#[test]
fn a_broker_that_hangs_up_is_not_paid_twice() {
    let broker = Broker::start(Manner::HangsUpFirst);
    let site = Site::plain(&broker);
    let agent = agent(&broker);
    let refusal = agent.read(&site.url("/paid/1")).unwrap_err();
    assert_eq!(refusal.error.code(), "spend.unknown", "{:?}", refusal.report.steps);
    assert_eq!(refusal.report.payment.state, PaymentState::Unknown);
    assert_eq!(
        (site.server.pages(), broker.booked(), spent(&agent).as_str(), open(&agent)),
        (1, 1, "0.01", 1)
    );
    let page = agent.read(&site.url("/paid/1")).unwrap();
    assert_eq!(page.body, b"content of /paid/1");
    assert_eq!(
        (site.server.pages(), broker.booked(), spent(&agent).as_str(), open(&agent)),
        (3, 1, "0.01", 0)
    );
    let keys = broker.keys();
    assert_eq!((keys.len(), &keys[0]), (2, &keys[1]), "the same purchase, asked about");
}

#[test]
fn an_unknown_payment_stays_unknown() {
    for manner in [
        Manner::HangsUp,
        Manner::Garbage,
        Manner::Fails,
        Manner::OtherAudience,
        Manner::OtherHolder,
        Manner::OtherIssuer,
        Manner::Cheaper,
        Manner::Dearer,
        Manner::AdProof,
    ] {
        let broker = Broker::start(manner);
        let site = Site::plain(&broker);
        let agent = agent(&broker);
        for attempt in 1..=3 {
            refused(&agent, &site, &broker, "spend.unknown", attempt, attempt);
            assert_eq!((spent(&agent).as_str(), open(&agent)), ("0.01", 1), "{manner:?}");
        }
        assert!(broker.booked() <= 1, "{manner:?}: {}", broker.booked());
        let mut keys = broker.keys();
        keys.dedup();
        assert_eq!(keys.len(), 1, "{manner:?}: one purchase");
        assert!(
            site.server.seen().iter().all(|seen| seen.header("x-imagxp-payment").is_none()),
            "{manner:?}"
        );
    }
}

#[test]
fn what_is_certainly_not_paid_is_released() {
    let broker = Broker::start(Manner::Refuses);
    let site = Site::plain(&broker);
    let refusing = agent(&broker);
    let message = refused(&refusing, &site, &broker, "payment.required", 1, 1);
    assert!(message.contains("insufficient_funds"), "{message}");
    assert_eq!((spent(&refusing).as_str(), open(&refusing)), ("0", 0));
    // The caps are whole again: each attempt is a new purchase.
    refused(&refusing, &site, &broker, "payment.required", 2, 2);
    assert_ne!(broker.keys()[0], broker.keys()[1]);

    // Nobody listens: the request cannot have left.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let site = Site::start(&gone, Box::new(|_, _| None));
    let brokers = vec![TrustedBroker::new(&gone, true).unwrap()];
    let agent = agent_with(ReaderOptions { brokers, ..options(&broker) }, purse());
    assert_eq!(agent.read(&site.url("/paid/1")).unwrap_err().error.code(), "io.failed");
    assert_eq!((spent(&agent).as_str(), open(&agent), site.server.pages()), ("0", 0, 1));
}

#[test]
fn a_visa_that_came_too_late_is_spent() {
    let broker = Broker::start(Manner::Expired);
    let site = Site::plain(&broker);
    let agent = agent(&broker);
    refused(&agent, &site, &broker, "payment.expired", 1, 1);
    assert_eq!((spent(&agent).as_str(), open(&agent)), ("0.01", 0));
}

#[test]
fn a_page_that_hangs_up_after_the_visa_keeps_it() {
    let broker = Broker::start(Manner::Good);
    let failures = std::sync::atomic::AtomicU32::new(0);
    let site = Site::start(
        &broker.server.origin,
        Box::new(move |seen, _| {
            let paid = seen.header("x-imagxp-payment").is_some();
            let first = || failures.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
            (paid && first()).then_some(None)
        }),
    );
    let agent = agent(&broker);
    let message = refused(&agent, &site, &broker, "io.failed", 2, 1);
    assert!(message.contains("visa is kept"), "{message}");
    let page = agent.read(&site.url("/paid/1")).unwrap();
    assert_eq!(page.report.payment.state, PaymentState::Reused);
    assert_eq!((broker.booked(), site.server.pages(), spent(&agent).as_str()), (1, 4, "0.01"));
}

#[test]
fn threads_share_the_caps() {
    let broker = Broker::start(Manner::Good);
    let site = Site::plain(&broker);
    let agent = agent(&broker);
    let threads: Vec<_> = (0..16)
        .map(|index| {
            let (agent, url) = (agent.clone(), site.url(&format!("/paid/{index}")));
            std::thread::spawn(move || {
                agent.read(&url).map(|page| page.status).map_err(|refusal| refusal.error.code())
            })
        })
        .collect();
    let results: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(results.iter().filter(|result| **result == Ok(200)).count(), 10, "{results:?}");
    assert_eq!(results.iter().filter(|result| **result == Err("spend.limit")).count(), 6, "{results:?}");
    assert_eq!((broker.booked(), spent(&agent).as_str()), (10, "0.1"));
}
