//! `imagxp_fetch::broker` against the running service: the whole life of visas, answers that are lost, redemption in the background.

use crate::deal::{Deal, audit};
use crate::party::{Party, nonce};
use crate::service::Service;
use imagxp::Purpose;
use imagxp::feedback::{Feedback, Reason, Score};
use imagxp::json::{Object, Value};
use imagxp::publisher::Redemption;
use imagxp_fetch::broker::{BrokerClient, Outcome, Period, Presented, Redeemer, RedeemerOptions, Want};
use imagxp_fetch::{Fetcher, Options};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

fn fetcher() -> Fetcher {
    Fetcher::new(Options { allow_loopback: true, ..Options::default() }).unwrap()
}

pub(crate) fn client(issuer: &str, party: &Party) -> BrokerClient {
    BrokerClient::new(issuer, party.identity.clone(), fetcher()).unwrap()
}

fn text<'a>(object: &'a Object<'_>, name: &str) -> &'a str {
    object.get(name).and_then(Value::as_str).unwrap_or_else(|| panic!("{name} in {object:?}"))
}

fn balance(client: &BrokerClient) -> (String, String) {
    let accounts = client.account(None).unwrap();
    let list = accounts.get("accounts").and_then(Value::as_array).unwrap();
    list.first().and_then(Value::as_object).map_or_else(
        || ("0".into(), "0".into()),
        |account| (text(account, "balance").to_owned(), text(account, "available").to_owned()),
    )
}

fn want(deal: &Deal, amount: &str) -> Want {
    Want { resource: deal.origin(), amount: amount.into(), currency: "USD".into(), purpose: Purpose::Summary }
}

/// The agent's request with this visa, as the publisher presents it.
fn presented(deal: &Deal, visa: &str) -> Presented {
    let headers = deal.request(visa);
    let lines: Vec<_> = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    Presented::of_request(&lines).unwrap()
}

fn opinion(deal: &Deal, jti: &str, score: u32) -> Feedback {
    let score = Score::from_millionths(score).unwrap();
    Feedback {
        jti: Some(jti.into()),
        ..Feedback::new(format!("{}/page", deal.origin()), score, Reason::Other)
    }
}

/// A proxy in front of the broker that takes connections and says nothing.
#[test]
fn a_proxy_that_never_answers_is_given_up() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let issuer = format!("http://{}", proxy.local_addr().unwrap());
    let taken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&taken);
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for stream in proxy.incoming() {
            held.push(stream);
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    let client = client(&issuer, &Party::new()).with_deadline(Duration::from_secs(2));
    let begun = Instant::now();
    let error = client.account(None).unwrap_err();
    let passed = begun.elapsed();
    assert_eq!((error.code(), error.is_transient(), error.is_unknown()), ("broker.unreachable", true, false));
    assert!(passed >= Duration::from_secs(1) && passed < Duration::from_secs(4), "{passed:?}");
    assert!(taken.load(Ordering::Relaxed) >= 1);
    // What would have changed something may have happened behind it, and says so.
    let begun = Instant::now();
    let error = client.contest("x", "no", None).unwrap_err();
    assert!(error.is_unknown() && error.idempotency_key().is_some(), "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(4));
    let shown = Presented::bearer("a.b.c");
    assert_eq!(client.confirm(&shown), Redemption::Unavailable);
}

#[test]
fn the_whole_life_of_a_visa() {
    let service = Service::start(&[]);
    let deal = Deal::new(&service);
    let operator = BrokerClient::operator(&service.issuer, &service.token, fetcher()).unwrap();
    let (agent, publisher) = (client(&service.issuer, &deal.agent), client(&service.issuer, &deal.publisher));
    assert_eq!(balance(&publisher), ("0".into(), "0".into()));

    // The reference counts once, whatever the key.
    let first = operator.deposit(deal.agent.name(), "5", Some("USD"), "bank-1", None, None).unwrap();
    let again = operator.deposit(deal.agent.name(), "5", Some("USD"), "bank-1", None, None).unwrap();
    assert_eq!(text(&first, "id"), text(&again, "id"));
    assert_eq!(balance(&agent), ("15".into(), "15".into()));

    // One key, one purchase.
    let key = nonce();
    let visa = agent.issue(&want(&deal, "0.5"), Some(&key)).unwrap();
    assert_eq!(agent.issue(&want(&deal, "0.5"), Some(&key)).unwrap().jti(), visa.jti());
    let other = agent.issue(&want(&deal, "0.6"), Some(&key)).unwrap_err();
    assert_eq!(
        (other.code(), other.status(), other.idempotency_key()),
        ("idempotency.mismatch", Some(409), Some(key.as_str()))
    );
    let poor = agent.issue(&want(&deal, "100"), None).unwrap_err();
    assert_eq!((poor.code(), poor.is_unknown(), poor.is_transient()), ("account.insufficient", false, false));
    assert!(poor.request_id().is_some());
    assert_eq!(balance(&agent), ("15".into(), "14.5".into()));
    assert_eq!(text(&agent.visa(visa.jti()).unwrap(), "state"), "ISSUED");

    let shown = presented(&deal, visa.token());
    let results = publisher.redeem(&[shown.clone(), shown.clone(), Presented::bearer("x")], None).unwrap();
    let codes: Vec<_> =
        results.iter().map(|result| result.refusal.as_ref().map_or("", |(code, _)| code)).collect();
    assert_eq!(
        (results[0].accepted, results[0].amount.as_deref(), results[0].jti.as_deref()),
        (true, Some("0.5"), Some(visa.jti()))
    );
    assert_eq!(codes, ["", "visa.state", "payment.malformed"]);
    assert_eq!(publisher.confirm(&shown), Redemption::Refused);
    assert_eq!(
        client(&service.issuer, &deal.agent).confirm(&shown),
        Redemption::Refused,
        "it is not the agent's to redeem"
    );

    assert_eq!(
        text(&agent.feedback(&opinion(&deal, visa.jti(), 900_000), None).unwrap(), "state"),
        "RELEASED"
    );
    let twice = agent.feedback(&opinion(&deal, visa.jti(), 0), None).unwrap_err();
    assert_eq!(twice.code(), "feedback.already_given");
    assert_eq!(balance(&publisher).0, "0.49");

    // Confirmed while the agent waits, withheld, contested, decided.
    let visa = agent.issue(&want(&deal, "1"), None).unwrap();
    assert_eq!(publisher.confirm(&presented(&deal, visa.token())), Redemption::Accepted);
    assert_eq!(text(&agent.feedback(&opinion(&deal, visa.jti(), 0), None).unwrap(), "state"), "WITHHELD");
    assert_eq!(text(&publisher.contest(visa.jti(), "it was good", None).unwrap(), "state"), "DISPUTED");
    let disputed = operator.visas(Some("DISPUTED"), None, Some(10)).unwrap();
    assert_eq!(disputed.get("visas").and_then(Value::as_array).unwrap().len(), 1);
    let decided = operator.decide(visa.jti(), "split", Some("0.5"), Some("half"), None).unwrap();
    assert_eq!((text(&decided, "state"), text(&decided, "released")), ("SPLIT", "0.5"));

    let statement = publisher.statement(None, &Period { asset: Some("USD"), ..Period::default() }).unwrap();
    assert_eq!((text(&statement, "opening"), text(&statement, "closing")), ("0", "0.98"));
    let page = publisher.transfers(None, None, Some(2)).unwrap();
    let next = text(&page, "next_cursor").to_owned();
    assert!(publisher.transfers(None, Some(&next), None).unwrap().get("transfers").is_some());
    assert_eq!(
        publisher.statement(Some(deal.agent.name()), &Period::default()).unwrap_err().status(),
        Some(404),
        "not theirs"
    );
    assert_eq!(operator.verify_log().unwrap().get("ok").and_then(Value::as_bool), Some(true));
    assert!(operator.money().unwrap().get("assets").is_some());
    assert_eq!(operator.issue(&want(&deal, "1"), None).unwrap_err().code(), "usage.argument");
    audit(&service);
}

/// Passes requests on, and answers too unless told otherwise: then the broker has done it and nobody hears of it.
struct Lossy {
    origin: String,
    lose: Arc<AtomicUsize>,
    /// Where the broker is.
    target: Arc<Mutex<String>>,
}

impl Lossy {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let lossy = Self { origin, lose: Arc::default(), target: Arc::default() };
        let (lose, target) = (Arc::clone(&lossy.lose), Arc::clone(&lossy.target));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (lose, target) = (Arc::clone(&lose), target.lock().unwrap().clone());
                std::thread::spawn(move || {
                    let Ok(broker) = TcpStream::connect(target) else { return };
                    let (mut from, mut to) = (stream.try_clone().unwrap(), broker.try_clone().unwrap());
                    std::thread::spawn(move || std::io::copy(&mut from, &mut to));
                    let (mut broker, mut stream) = (broker, stream);
                    let mut answer = [0; 4096];
                    let Ok(mut count) = broker.read(&mut answer) else { return };
                    let lost = lose
                        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
                        .is_ok();
                    while count > 0 && !lost && stream.write_all(&answer[..count]).is_ok() {
                        count = broker.read(&mut answer).unwrap_or(0);
                    }
                    let _ = (stream.shutdown(Shutdown::Both), broker.shutdown(Shutdown::Both));
                });
            }
        });
        lossy
    }

    /// The next answers do not arrive.
    fn lose(&self, answers: usize) {
        self.lose.store(answers, Ordering::SeqCst);
    }
}

fn behind(lossy: &Lossy) -> Service {
    let service = Service::start_as(Some(&lossy.origin), |_| Vec::new());
    *lossy.target.lock().unwrap() = service.address.strip_prefix("http://").unwrap().to_owned();
    service
}

#[test]
fn a_lost_answer_is_never_paid_twice() {
    let lossy = Lossy::start();
    let service = behind(&lossy);
    let deal = Deal::new(&service);
    let operator = BrokerClient::operator(&lossy.origin, &service.token, fetcher()).unwrap();
    let (agent, publisher) = (client(&lossy.origin, &deal.agent), client(&lossy.origin, &deal.publisher));
    agent.endpoints().unwrap();

    lossy.lose(2);
    operator.deposit(deal.agent.name(), "1", None, "bank-2", None, None).unwrap();
    assert_eq!(balance(&agent), ("11".into(), "11".into()));
    lossy.lose(2);
    let visa = agent.issue(&want(&deal, "0.5"), None).unwrap();
    assert_eq!(balance(&agent), ("11".into(), "10.5".into()), "bought once");
    lossy.lose(2);
    let results = publisher.redeem(&[presented(&deal, visa.token())], None).unwrap();
    assert!(results[0].accepted && results[0].repeated, "{results:?}");
    lossy.lose(2);
    assert_eq!(
        text(&agent.feedback(&opinion(&deal, visa.jti(), 1_000_000), None).unwrap(), "state"),
        "RELEASED"
    );
    assert_eq!(lossy.lose.load(Ordering::SeqCst), 0, "all of them were lost");

    // Without a second attempt nobody knows; the same key finds out.
    lossy.lose(1);
    let error = agent.clone().with_attempts(1).issue(&want(&deal, "2"), None).unwrap_err();
    assert_eq!((error.code(), error.is_unknown()), ("broker.unreachable", true));
    let visa = agent.issue(&want(&deal, "2"), error.idempotency_key()).unwrap();
    assert_eq!(
        (visa.price().amount.to_string().as_str(), balance(&agent)),
        ("2", ("10.5".into(), "8.5".into()))
    );
    audit(&service);
}

fn waits_until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_redeemer_loses_nothing() {
    let lossy = Lossy::start();
    let mut service = behind(&lossy);
    let deal = Deal::new(&service);
    let (agent, publisher) = (client(&lossy.origin, &deal.agent), client(&lossy.origin, &deal.publisher));
    let outcomes: Arc<Mutex<Vec<Outcome>>> = Arc::default();
    let redeemer = |options| {
        let outcomes = Arc::clone(&outcomes);
        Redeemer::new(publisher.clone(), options, move |outcome| outcomes.lock().unwrap().push(outcome))
            .unwrap()
    };
    let visas: Vec<_> =
        (0..7).map(|_| presented(&deal, agent.issue(&want(&deal, "0.1"), None).unwrap().token())).collect();
    let options = RedeemerOptions {
        capacity: 5,
        batch: 2,
        interval: Duration::from_secs(600),
        ..RedeemerOptions::default()
    };
    let own = redeemer(options);

    // By number; the rest when asked; never more than there is room for.
    lossy.lose(1);
    own.push(visas[0].clone()).unwrap();
    assert_eq!(own.tally().waiting, 1);
    own.push(visas[1].clone()).unwrap();
    waits_until("a batch of two", || own.tally().accepted == 2);
    service.stop();
    for visa in &visas[2..7] {
        own.push(visa.clone()).unwrap();
    }
    assert_eq!(own.push(visas[0].clone()).unwrap_err().code(), "redeemer.full");
    assert!(!own.flush(Duration::from_millis(300)), "the broker is gone");
    service.run();
    assert!(own.flush(Duration::from_secs(30)));
    own.push(visas[0].clone()).unwrap();
    assert_eq!(own.close(Duration::from_secs(10)), 0);
    let tally = own.tally();
    assert_eq!((tally.accepted, tally.refused, tally.failed, tally.waiting), (7, 1, 0, 0));
    assert_eq!(own.push(visas[0].clone()).unwrap_err().code(), "redeemer.closed");
    assert_eq!(outcomes.lock().unwrap().len(), 8, "each is reported once");

    // What cannot be presented is reported, with the key to ask by.
    outcomes.lock().unwrap().clear();
    let visa = presented(&deal, agent.issue(&want(&deal, "0.1"), None).unwrap().token());
    service.stop();
    let own = redeemer(RedeemerOptions { interval: Duration::ZERO, ..options });
    own.push(visa.clone()).unwrap();
    assert_eq!(own.close(Duration::from_millis(500)), 1);
    let failed = outcomes.lock().unwrap().pop().unwrap();
    assert_eq!(failed.presented, visa);
    let error = failed.result.unwrap_err();
    assert_eq!(error.code(), "broker.unreachable");
    service.run();
    let results = publisher.redeem(&[visa], error.idempotency_key()).unwrap();
    assert!(results[0].accepted);
    audit(&service);
}
