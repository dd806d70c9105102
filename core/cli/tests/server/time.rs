//! What time settles. The ledger's first entries are made in the past, so that nobody has to wait for three days.

use crate::deal::{Deal, audit};
use crate::party::now;
use crate::service::Service;
use imagxp::feedback::{Reason, Score};
use imagxp_broker::{
    Actor, Asset, Command, Deposit, GiveFeedback, Id, IssueVisa, Owner, Redeem, Reference, Request, Rules,
};
use imagxp_storage::{Address, Ledger, Options};
use std::time::{Duration, Instant};

const HOUR: i64 = 3_600_000;

#[test]
fn time_settles_what_nobody_asks_for() {
    let mut service = Service::start(&[]);
    service.stop();
    let deal = Deal::without_money();
    let ledger = Ledger::open(
        &Address::Sqlite(service.data().join("ledger.db")),
        Options::default(),
        now().as_millis(),
    )
    .unwrap();
    let (agent, publisher) =
        (Owner::parse(deal.agent.name()).unwrap(), Owner::parse(deal.publisher.name()).unwrap());
    let jkt = *deal.agent.identity.public_key().thumbprint();
    let run = |command: Command, owner: &Owner, ago: i64| {
        let actor = Actor::Party(owner.clone());
        ledger.submit_and_wait(Request::new(command, actor, now().as_millis() - ago)).unwrap().visa.unwrap()
    };
    let deposit = Deposit {
        id: None,
        asset: Asset::USD,
        owner: agent.clone(),
        amount: Rules::default().assets.amount(Asset::USD, "10").unwrap(),
        reference: Reference::parse("bank-1").unwrap(),
        memo: None,
    };
    let bank =
        Request::new(deposit, Actor::Operator(Owner::parse("bank").unwrap()), now().as_millis() - 75 * HOUR);
    ledger.submit_and_wait(bank).unwrap();
    let issue = |ago: i64| -> Id {
        let command = IssueVisa {
            jti: None,
            agent: agent.clone(),
            publisher: publisher.clone(),
            asset: Asset::USD,
            amount: Rules::default().assets.amount(Asset::USD, "1").unwrap(),
            jkt: Some(jkt),
            purposes: None,
            paths: None,
            lifetime_s: 600,
        };
        run(command.into(), &agent, ago).jti
    };
    let redeem =
        |jti: Id, ago: i64| drop(run(Redeem { jti, request_jkt: Some(jkt) }.into(), &publisher, ago));
    let withheld = issue(74 * HOUR);
    redeem(withheld, 74 * HOUR - 1000);
    let bad = GiveFeedback {
        jti: withheld,
        jkt,
        score: Score::from_millionths(0).unwrap(),
        reason: Reason::Other,
        sha256: [1; 32],
        nonce: None,
    };
    run(bad.into(), &agent, 73 * HOUR);
    let unrated = issue(25 * HOUR);
    redeem(unrated, 25 * HOUR - 1000);
    let expired = issue(HOUR);
    let young = issue(0);
    ledger.close();
    service.run();
    let state = |jti: Id| {
        service.get(&format!("/v1/visas/{jti}"), &service.token).is(200)["state"].as_str().unwrap().to_owned()
    };
    let until = Instant::now() + Duration::from_secs(20);
    while state(expired) == "ISSUED" || state(unrated) == "REDEEMED" || state(withheld) == "WITHHELD" {
        assert!(Instant::now() < until, "{} {} {}", state(expired), state(unrated), state(withheld));
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(
        [state(expired), state(unrated), state(withheld), state(young)],
        ["EXPIRED", "RELEASED", "REFUNDED", "ISSUED"]
    );
    assert_eq!(deal.balance(&service, &deal.agent), ("9".into(), "8".into()));
    assert_eq!(deal.balance(&service, &deal.publisher), ("0.98".into(), "0.98".into()));
    audit(&service);
}

/// Another server's clock, or this one's before it was set back, has written the log's last entry.
#[test]
fn a_statement_holds_what_a_clock_ahead_has_logged() {
    let mut service = Service::start(&[]);
    service.stop();
    let ledger = Ledger::open(
        &Address::Sqlite(service.data().join("ledger.db")),
        Options::default(),
        now().as_millis(),
    )
    .unwrap();
    let deal = Deal::without_money();
    let deposit = Deposit {
        id: None,
        asset: Asset::USD,
        owner: Owner::parse(deal.agent.name()).unwrap(),
        amount: Rules::default().assets.amount(Asset::USD, "10").unwrap(),
        reference: Reference::parse("ahead").unwrap(),
        memo: None,
    };
    let bank = Actor::Operator(Owner::parse("bank").unwrap());
    ledger.submit_and_wait(Request::new(deposit, bank, now().as_millis() + HOUR)).unwrap();
    ledger.close();
    service.run();
    deal.deposit(&service, "1", "now").is(201);
    let path = format!("/v1/accounts/{}/statement", deal.agent.name());
    let statement = service.get(&path, &service.token).is(200);
    assert_eq!(statement["account"]["balance"], "11", "{statement}");
    assert_eq!(statement["closing"], statement["account"]["balance"], "{statement}");
    let last = statement["transfers"][1]["created_at"].as_str().unwrap();
    assert!(last < statement["until"].as_str().unwrap(), "{statement}");
    // Who names a time gets what was logged before it.
    let asked = format!("{path}?until={}", now());
    assert_eq!(service.get(&asked, &service.token).is(200)["closing"], "0");
}

#[test]
fn watchers_are_told() {
    use std::io::{Read as _, Write as _};
    let service = Service::start(&[]);
    let deal = Deal::new(&service);
    let mut stream = std::net::TcpStream::connect(service.issuer.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    write!(stream, "GET /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n", service.token)
        .unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let jti = deal.read(&service, "0.5");
    let mut text = String::new();
    let mut buffer = [0; 4096];
    while !(text.contains("visa.issued") && text.contains("visa.redeemed")) {
        let length = stream.read(&mut buffer).unwrap_or_else(|error| panic!("{error} {text}"));
        assert!(length > 0, "{text}");
        text.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
    assert!(
        text.contains("text/event-stream") && text.contains("event: ledger") && text.contains(&jti),
        "{text}"
    );
}
