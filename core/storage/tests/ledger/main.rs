//! One suite over every database: memory, SQLite, PostgreSQL (BROKER §1).

#![cfg(test)]

mod owner;
mod place;
mod refusing;
mod requests;
#[path = "../support/mod.rs"]
mod support;

use imagxp_broker::*;
use imagxp_storage::key::SigningKey;
use imagxp_storage::operator::{Operator, Token, token_hash};
use imagxp_storage::{Ledger, Options};
use place::everywhere;
use requests::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

const NOW: i64 = 1_790_000_000_000;

#[test]
fn rows_come_back_and_survive_a_restart() {
    everywhere(|place| {
        let ledger = place.open();
        let first = ledger.submit_and_wait(deposit("agent.example", 5_000_000, "bank-1")).unwrap();
        assert_eq!(first.transfers.len(), 1);
        let again = ledger.submit_and_wait(deposit("agent.example", 5_000_000, "bank-1")).unwrap();
        assert!(again.repeated);
        assert_eq!(again.transfers, first.transfers);
        let refused = ledger.submit_and_wait(pay("agent.example", "pub.example", 6_000_000)).unwrap_err();
        assert_eq!(refused.code(), RefusalCode::AccountInsufficient);
        let visa =
            ledger.submit_and_wait(issue("agent.example", "pub.example", 50_000)).unwrap().visa.unwrap();
        let redeemed = ledger.submit_and_wait(redeem("pub.example", visa.jti)).unwrap().visa.unwrap();
        let ledger = if place.durable {
            ledger.close();
            assert_eq!(ledger.submit(deposit("a", 1, "b")).unwrap_err().code(), RefusalCode::StoreBusy);
            place.open()
        } else {
            ledger
        };
        let mut reading = ledger.read().unwrap();
        assert_eq!(reading.visa(visa.jti).unwrap(), Some(redeemed.clone()));
        assert_eq!(reading.transfer(first.transfers[0].id).unwrap().as_ref(), first.transfers.first());
        let filter = VisaFilter { party: Some(owner("pub.example")), state: Some(VisaState::Redeemed) };
        assert_eq!(reading.visas(&filter, None, 10).unwrap(), [redeemed]);
        let other = VisaFilter { party: Some(owner("other.example")), state: None };
        assert_eq!(reading.visas(&other, None, 10).unwrap(), []);
        assert_eq!(reading.due(NOW, None, 10).unwrap(), []);
        let due = reading.due(NOW + 25 * 3_600_000, None, 10).unwrap();
        assert_eq!(due.iter().map(|due| due.jti).collect::<Vec<_>>(), [visa.jti]);
        assert_eq!(reading.due(NOW + 25 * 3_600_000, Some(due[0]), 10).unwrap(), []);
        assert_eq!(reading.events(visa.jti, 10).unwrap().len(), 2);
        assert_eq!(reading.events_from(Some(&owner("agent.example")), 0, 10).unwrap().len(), 2);
        assert_eq!(reading.events_from(Some(&owner("other.example")), 0, 10).unwrap().len(), 0);
        let size = reading.head().unwrap().size;
        assert_eq!(size, 4);
        let entries = reading.entries(0, 100).unwrap();
        let mut previous = [0; 32];
        for (seq, (entry, leaf)) in entries.iter().enumerate() {
            assert_eq!(entry.seq(), seq as u64);
            assert_eq!(imagxp::audit::tree::leaf_hash(&entry.line(&previous)), leaf.hash);
            previous = leaf.hash;
        }
        assert_eq!(reading.entries(3, 100).unwrap(), entries[3..]);
        assert_eq!(reading.leaves(1, 2).unwrap().len(), 2);
        let counts = reading.counts().unwrap();
        assert_eq!((counts.len(), counts[0].count, counts[0].amount.units()), (1, 1, 50_000));
        assert_eq!(counts[0].state, VisaState::Redeemed);
        drop(reading);
        sound(&ledger);
        ledger.close();
    });
}

/// 64 clients at once: nothing is lost, nothing doubled, and many requests share a commit.
#[test]
fn sixty_four_clients() {
    const CLIENTS: u32 = 64;
    const EACH: u32 = 30;
    everywhere(|place| {
        let ledger = place.open();
        // Four of the eight have more than all of them pay, so that half of the payments are accepted in whatever order they come.
        for rich in 0..4 {
            let reference = format!("start-{rich}");
            ledger.submit_and_wait(deposit(&format!("c{rich}"), 250_000, &reference)).unwrap();
        }
        let accepted = Arc::new(AtomicU64::new(0));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (ledger, accepted) = (ledger.clone(), Arc::clone(&accepted));
                std::thread::spawn(move || {
                    for step in 0..EACH {
                        let (from, to) = ((client + step) % 8, (client * 7 + step + 1) % 8);
                        let request = pay(&format!("c{from}"), &format!("c{to}"), 1 + u128::from(step));
                        let key = reference(&format!("{client}-{step}"));
                        let request = request.with_idempotency(key, [1; 32]);
                        let one = ledger.submit_and_wait(request.clone());
                        let two = ledger.submit_and_wait(request);
                        match one {
                            Ok(outcome) => {
                                accepted.fetch_add(1, Ordering::Relaxed);
                                assert_eq!(two.unwrap().transfers, outcome.transfers);
                            }
                            // What was missing may have come meanwhile.
                            Err(refusal) => {
                                assert_eq!(refusal.code(), RefusalCode::AccountInsufficient);
                                accepted.fetch_add(u64::from(two.is_ok()), Ordering::Relaxed);
                            }
                        }
                    }
                })
            })
            .collect();
        clients.into_iter().for_each(|client| client.join().unwrap());
        let accepted = accepted.load(Ordering::Relaxed);
        assert!(accepted >= u64::from(CLIENTS * EACH / 2), "{accepted}");
        let mut reading = ledger.read().unwrap();
        assert_eq!(reading.head().unwrap().size, accepted + 4);
        let total: u128 = (0..8)
            .flat_map(|number| reading.accounts(Some(&owner(&format!("c{number}"))), None, 10).unwrap())
            .map(|account| account.spendable().unwrap().units())
            .sum();
        assert_eq!(total, 1_000_000);
        drop(reading);
        sound(&ledger);
        ledger.close();
    });
}

/// Two servers on one database race one visa, one deposit, one key: exactly one effect.
#[test]
fn two_processes_race() {
    everywhere(|place| {
        if !place.durable {
            return;
        }
        let ledgers: Vec<Ledger> = (0..2).map(|_| place.open()).collect();
        ledgers[0].submit_and_wait(deposit("agent.example", 100_000_000, "start")).unwrap();
        for round in 0..20 {
            let visa = ledgers[round % 2]
                .submit_and_wait(issue("agent.example", "pub.example", 1_000))
                .unwrap()
                .visa
                .unwrap();
            let key = reference(&format!("key-{round}"));
            let requests: Vec<Request> = vec![
                redeem("pub.example", visa.jti),
                deposit("agent.example", 7, &format!("bank-{round}")),
                pay("agent.example", "pub.example", 3).with_idempotency(key, [2; 32]),
            ];
            let fresh: Arc<Vec<AtomicU32>> = Arc::new((0..3).map(|_| AtomicU32::new(0)).collect());
            let threads: Vec<_> = (0..8)
                .map(|thread| {
                    let (ledger, requests, fresh) =
                        (ledgers[thread % 2].clone(), requests.clone(), Arc::clone(&fresh));
                    std::thread::spawn(move || {
                        for (number, request) in requests.into_iter().enumerate() {
                            match ledger.submit_and_wait(request) {
                                Ok(outcome) if !outcome.repeated => {
                                    _ = fresh[number].fetch_add(1, Ordering::Relaxed)
                                }
                                Ok(_) => {}
                                Err(refusal) => {
                                    assert_eq!(refusal.code(), RefusalCode::VisaState, "{refusal:?}")
                                }
                            }
                        }
                    })
                })
                .collect();
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            let fresh: Vec<u32> = fresh.iter().map(|count| count.load(Ordering::Relaxed)).collect();
            assert_eq!(fresh, [1, 1, 1], "round {round}");
        }
        assert_eq!(account(&ledgers[1], "pub.example").credits_posted.units(), 60);
        ledgers.iter().for_each(sound);
        ledgers.iter().for_each(Ledger::close);
    });
}

#[test]
fn statements_add_up() {
    everywhere(|place| {
        let ledger = place.open();
        let id = AccountKey::available(Asset::USD, owner("a")).id();
        for day in 0..10_i64 {
            for number in 0..510 {
                let mut request = deposit("a", 10, &format!("in-{day}-{number}"));
                request.now_ms += day * 86_400_000;
                ledger.submit(request).unwrap();
            }
            let mut request = pay("a", "b", 100);
            request.now_ms += day * 86_400_000;
            ledger.submit_and_wait(request).unwrap();
        }
        let mut reading = ledger.read().unwrap();
        let (from, until) = (NOW + 3 * 86_400_000, NOW + 5 * 86_400_000);
        let statement = reading.period(Some(&owner("a")), id, from, until, 10_000).unwrap().unwrap();
        assert_eq!(statement.transfers.len(), 1022);
        assert_eq!((statement.opening, statement.closing), (3 * 5000, 5 * 5000));
        assert!(statement.transfers.is_sorted_by_key(|transfer| transfer.seq));
        let all = reading.period(None, id, 0, i64::MAX, 10_000).unwrap().unwrap();
        assert_eq!((all.opening, all.closing, all.transfers.len()), (0, 50_000, 5110));
        assert_eq!(reading.period(Some(&owner("b")), id, from, until, 10_000).unwrap(), None, "not theirs");
        assert_eq!(reading.period(None, id, from, until, 100).unwrap_err().code(), "storage.config");
        // A period from before the account, and one that nobody waits for: neither reads all that came since.
        let before = reading.period(None, id, 0, NOW, 10_000).unwrap().unwrap();
        assert_eq!((before.opening, before.closing, before.transfers.len()), (0, 0, 0));
        let mut given_up = ledger.read().unwrap();
        given_up.end_when(Arc::new(AtomicBool::new(true)));
        assert_eq!(given_up.period(None, id, 0, NOW, 10_000).unwrap_err().code(), "store.busy");
        // Pages by cursor: everything once, newest first.
        let (mut seen, mut before) = (Vec::new(), None);
        loop {
            let page = reading.statement(&owner("a"), before, 99).unwrap();
            let Some(last) = page.last() else { break };
            before = Some(last.seq);
            seen.extend(page.iter().map(|transfer| transfer.seq));
        }
        assert_eq!(seen.len(), 5110);
        assert!(seen.is_sorted_by(|a, b| a > b));
        drop(reading);
        ledger.close();
    });
}

#[test]
fn the_registry_leases_and_sweeping() {
    everywhere(|place| {
        let ledger = place.open();
        let alice =
            Operator { name: "alice".into(), role: "admin".into(), created_at: NOW, disabled_at: None };
        let token = |secret: &str| Token {
            hash: token_hash(secret),
            operator: "alice".into(),
            label: "laptop".into(),
            created_at: NOW,
            expires_at: None,
            revoked_at: None,
        };
        let (first, second) = (alice.clone(), token("s1"));
        let added = ledger.register(move |registry| {
            assert!(registry.add_operator(&first)? && !registry.add_operator(&first)?, "the name is taken");
            registry.add_token(&second)
        });
        assert!(added.unwrap());
        let nobodys = Token { operator: "nobody".into(), ..token("s3") };
        let refused = ledger.register(move |registry| {
            registry.share("left", "over")?;
            registry.add_token(&nobodys)
        });
        assert!(refused.is_err());
        let mut reading = ledger.read().unwrap();
        assert_eq!(reading.registry().unwrap().shared("left").unwrap(), None, "all of it or nothing");
        assert_eq!(reading.registry().unwrap().operators().unwrap(), [alice]);
        assert!(ledger.register(|registry| registry.disable_operator("alice", NOW + 5)).unwrap());
        assert!(!ledger.register(|registry| registry.disable_operator("alice", NOW + 6)).unwrap());
        assert_eq!(reading.registry().unwrap().operators().unwrap()[0].disabled_at, Some(NOW + 5));
        // The name again: the token of before stays without effect.
        let again =
            Operator { name: "alice".into(), role: "viewer".into(), created_at: NOW + 7, disabled_at: None };
        assert!(ledger.register(move |registry| registry.add_operator(&again)).unwrap());
        let tokens = reading.registry().unwrap().tokens(Some("alice")).unwrap();
        assert_eq!((tokens.len(), tokens[0].revoked_at), (1, Some(NOW + 5)));

        let key = SigningKey {
            kid: "k1".into(),
            algorithm: "ES256".into(),
            public_jwk: "{}".into(),
            location: "sealed".into(),
            published_at: NOW,
            active_at: NOW,
            retired_at: None,
            last_expiry: None,
            sealed: Some("text".into()),
            dropped_at: None,
            dropped_for: None,
        };
        let changed = SigningKey {
            retired_at: Some(NOW + 1),
            last_expiry: Some(NOW + 10),
            sealed: None,
            dropped_at: Some(NOW + 2),
            dropped_for: Some("leaked".into()),
            ..key.clone()
        };
        for put in [key, changed] {
            let same = put.clone();
            ledger.register(move |registry| registry.put_key(&same)).unwrap();
            assert_eq!(reading.registry().unwrap().keys().unwrap(), [put]);
        }
        ledger.register(|registry| registry.forget_key("k1")).unwrap();
        assert!(reading.registry().unwrap().keys().unwrap().is_empty());

        ledger.register(|registry| registry.end_session(&[1; 32], NOW, NOW)).unwrap();
        ledger.register(|registry| registry.end_session(&[2; 32], NOW + 9, NOW)).unwrap();
        ledger.register(|registry| registry.end_session(&[2; 32], NOW + 9, NOW + 1)).unwrap();
        assert_eq!(reading.registry().unwrap().ended_sessions().unwrap(), [([2; 32], NOW + 9)]);

        assert!(ledger.lease("due", "one", NOW, 1000).unwrap());
        assert!(!ledger.lease("due", "two", NOW + 500, 1000).unwrap());
        assert!(ledger.lease("due", "one", NOW + 500, 1000).unwrap(), "prolonged");
        ledger.release("due", "two").unwrap();
        assert!(!ledger.lease("due", "two", NOW + 600, 1000).unwrap());
        ledger.release("due", "one").unwrap();
        assert!(ledger.lease("due", "two", NOW + 600, 0).unwrap());
        assert!(ledger.lease("due", "one", NOW + 700, 1000).unwrap(), "it ran out");

        for number in 0..5 {
            let key = reference(&format!("k{number}"));
            let request = deposit("a", 1, &format!("b{number}")).with_idempotency(key, [0; 32]);
            ledger.submit_and_wait(request).unwrap();
        }
        assert_eq!(ledger.sweep(NOW, 10).unwrap(), 0);
        let later = NOW + 30 * 86_400_000;
        assert_eq!(ledger.sweep(later, 3).unwrap(), 0, "the clock may be wrong");
        let trust = TrustClock { memo: Memo::parse("idle for a month").unwrap(), dispute: None };
        ledger.submit_and_wait(Request::new(trust, operator(), later)).unwrap();
        assert_eq!(ledger.sweep(later, 3).unwrap(), 3);
        assert_eq!(ledger.sweep(later, 3).unwrap(), 2);
        let again = ledger.submit_and_wait(Request { now_ms: later, ..deposit("a", 1, "b0") }).unwrap();
        assert!(again.repeated, "the reference of a deposit counts for ever");
        drop(reading);
        ledger.close();
    });
}

/// A name that has expired is forgotten however many records have expired before it.
#[test]
fn records_and_names_are_forgotten_side_by_side() {
    everywhere(|place| {
        let ledger = place.open();
        for number in 0..5 {
            let name = reference(&format!("n{number}"));
            let assertion = UseAssertion { agent: owner("a"), jti: name.clone(), expires_at: NOW + 60_000 };
            let request = Request::new(assertion, operator(), NOW).with_idempotency(name, [0; 32]);
            ledger.submit_and_wait(request).unwrap();
        }
        let later = NOW + 3 * 86_400_000;
        ledger.submit_and_wait(Request { now_ms: later, ..deposit("a", 1, "b") }).unwrap();
        let counts: Vec<usize> = (0..3).map(|_| ledger.sweep(later, 3).unwrap()).collect();
        assert_eq!(counts, [6, 4, 0]);
        ledger.close();
    });
}

#[test]
fn a_full_queue_and_a_broken_ledger_refuse() {
    everywhere(|place| {
        let options = Options { queue: 1, batch: 1, ..Options::default() };
        let ledger = Ledger::open(&place.address, options, NOW).unwrap();
        let mut busy = 0;
        let mut tickets = Vec::new();
        for number in 0..2000 {
            match ledger.submit(deposit("a", 1, &format!("d{number}"))) {
                Ok(ticket) => tickets.push(ticket),
                Err(refusal) => {
                    assert_eq!(refusal.code(), RefusalCode::StoreBusy);
                    busy += 1;
                }
            }
        }
        assert!(busy > 0);
        let done = tickets.len() as u128;
        tickets.into_iter().for_each(|ticket| drop(ticket.wait().unwrap()));
        assert_eq!(account(&ledger, "a").credits_posted.units(), done);
        ledger.refuse_writes(Refusal::new(RefusalCode::LedgerBroken, "a test says so"));
        assert_eq!(ledger.submit(deposit("a", 1, "late")).unwrap_err().code(), RefusalCode::LedgerBroken);
        assert_eq!(account(&ledger, "a").credits_posted.units(), done, "reading goes on");
        ledger.close();
    });
}

/// What was accepted before the ledger is closed is done, and answered.
#[test]
fn closing_drains() {
    everywhere(|place| {
        let ledger = place.open();
        let tickets: Vec<_> =
            (0..1000).map(|number| ledger.submit(deposit("a", 1, &format!("d{number}"))).unwrap()).collect();
        ledger.close();
        for ticket in tickets {
            ticket.wait().unwrap();
        }
        if place.durable {
            let ledger = place.open();
            assert_eq!(account(&ledger, "a").credits_posted.units(), 1000);
            ledger.close();
        }
    });
}
