//! The life of a visa, to the millisecond.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests, which fail by panicking"
)]

mod common;

use common::{HOUR, NOW, World, available, id, issue, key, memory, operator, owner, party, reference, units};
use imagxp::feedback::{Reason, Score};
use imagxp_broker::*;

const AGENT: &str = "agent.example";
const PUB: &str = "pub.example";

fn funded() -> World<Memory> {
    let mut world = memory();
    world.fund(AGENT, 100_000);
    world
}

fn redeem(jti: Id) -> Redeem {
    Redeem { jti, request_jkt: Some(key('a')) }
}

fn feedback(jti: Id, millionths: u32) -> GiveFeedback {
    GiveFeedback {
        jti,
        jkt: key('a'),
        score: Score::from_millionths(millionths).unwrap(),
        reason: Reason::Other,
        sha256: [7; 32],
        nonce: None,
    }
}

fn contest(jti: Id) -> Contest {
    Contest { jti, statement: Memo::parse("it was what was asked for").unwrap() }
}

impl World<Memory> {
    fn issued(&mut self, amount: u128) -> Id {
        self.run(&party(AGENT), issue(AGENT, PUB, amount)).unwrap().visa.unwrap().jti
    }

    fn redeemed(&mut self, amount: u128) -> Id {
        let jti = self.issued(amount);
        self.run(&party(PUB), redeem(jti)).unwrap();
        jti
    }

    fn withheld(&mut self, amount: u128) -> Id {
        let jti = self.redeemed(amount);
        self.run(&party(AGENT), feedback(jti, 499_999)).unwrap();
        jti
    }

    fn disputed(&mut self, amount: u128) -> Id {
        let jti = self.withheld(amount);
        self.run(&party(PUB), contest(jti)).unwrap();
        jti
    }

    fn state(&mut self, jti: Id) -> VisaState {
        self.visa(jti).state
    }

    /// What the agent, the publisher and the treasury can spend.
    fn shares(&mut self) -> (u128, u128, u128) {
        let balance = |world: &mut Self, key: &AccountKey| world.balance(key).0;
        let treasury = balance(self, &AccountKey::treasury(Asset::USD));
        (balance(self, &available(AGENT)), balance(self, &available(PUB)), treasury)
    }

    fn due(&mut self) -> Vec<Id> {
        let due =
            self.store.due(self.now, None, 100).unwrap().into_iter().map(|due| due.jti).collect::<Vec<_>>();
        for jti in &due {
            self.run(&Actor::Clock, Due { jti: *jti }).unwrap();
        }
        due
    }
}

#[test]
fn issuing_reserves_the_money_and_says_what_to_sign() {
    let mut world = funded();
    world.now = NOW + 1_234;
    let outcome = world.run(&party(AGENT), issue(AGENT, PUB, 50_000)).unwrap();
    let visa = outcome.visa.unwrap();
    assert_eq!((visa.issued_at, visa.expires_at), (NOW + 1_000, NOW + 601_000), "whole seconds");
    assert_eq!(visa, world.visa(visa.jti));
    let transfer = &outcome.transfers[0];
    assert_eq!((transfer.id, transfer.phase, transfer.code), (visa.jti, Phase::Pending, TransferCode::Visa));
    assert_eq!(world.balance(&available(AGENT)), (50_000, 0));
    assert_eq!(world.balance(&available(PUB)), (0, 50_000));
    assert_eq!(world.refused(&party(AGENT), issue(AGENT, PUB, 50_001)), "account.insufficient");
    assert_eq!(world.refused(&party(PUB), issue(AGENT, PUB, 1)), "actor.denied");
    assert_eq!(world.refused(&party(AGENT), issue(AGENT, AGENT, 1)), "transfer.illegal");
    assert_eq!(world.refused(&party(AGENT), issue(AGENT, PUB, 0)), "amount.range");
    for lifetime_s in [0, 3_601] {
        let wrong = IssueVisa { lifetime_s, ..issue(AGENT, PUB, 1) };
        assert_eq!(world.refused(&party(AGENT), wrong), "visa.lifetime");
    }
    for paths in [vec!["no-slash".to_owned()], vec!["/a".to_owned(); 33], vec!["/".repeat(3_000)]] {
        let wrong = IssueVisa { paths: Some(paths), ..issue(AGENT, PUB, 1) };
        assert_eq!(world.refused(&party(AGENT), wrong), "text.malformed");
    }
    world.audit();
}

#[test]
fn a_visa_has_32_paths_of_1024_bytes_and_no_more() {
    let mut world = funded();
    let path = |length: usize| format!("/{}", "a".repeat(length - 1));
    for (paths, code) in [
        (vec![path(1024); 32], None),
        (vec![path(1024); 33], Some("text.malformed")),
        (vec![path(1025)], Some("text.malformed")),
    ] {
        let command = IssueVisa { paths: Some(paths), ..issue(AGENT, PUB, 1) };
        let refused = world.run(&party(AGENT), command).err().map(|refusal| refusal.code().as_str());
        assert_eq!(refused, code);
    }
    world.audit();
}

#[test]
fn a_state_is_known_by_its_name_alone() {
    for state in VisaState::ALL {
        assert_eq!(VisaState::from_name(state.as_str()), Some(state));
        assert_eq!(VisaState::from_name(&state.as_str().to_lowercase()), None);
    }
    assert_eq!(VisaState::from_name(""), None);
}

#[test]
fn a_visa_of_the_callers_name_is_issued_once() {
    let mut world = funded();
    let command = IssueVisa {
        jti: Some(id(42)),
        purposes: Some(vec![imagxp::Purpose::Summary]),
        paths: Some(vec!["/news/**".into()]),
        ..issue(AGENT, PUB, 10)
    };
    let first = world.run(&party(AGENT), command.clone()).unwrap();
    world.now += 5_000;
    let again = world.run(&party(AGENT), command.clone()).unwrap();
    assert!(again.repeated && again.visa == first.visa && again.transfers == first.transfers);
    for other in [
        IssueVisa { purposes: None, ..command.clone() },
        IssueVisa { lifetime_s: 601, ..command.clone() },
        IssueVisa { jkt: None, ..command.clone() },
        IssueVisa { amount: units(11), ..command.clone() },
        IssueVisa { publisher: owner("other.example"), ..command },
    ] {
        assert_eq!(world.refused(&party(AGENT), other), "idempotency.mismatch");
    }
    let read = Visa::from_json(&first.visa.as_ref().unwrap().to_json().unwrap()).unwrap();
    assert_eq!(Some(read), first.visa);
}

#[test]
fn a_visa_is_redeemed_once_by_its_publisher_for_its_key() {
    let mut world = funded();
    let jti = world.issued(10_000);
    assert_eq!(world.refused(&party("other.example"), redeem(jti)), "visa.not_yours");
    assert_eq!(world.refused(&operator("alice"), redeem(jti)), "visa.not_yours");
    assert_eq!(world.refused(&party(PUB), redeem(id(1))), "visa.not_found");
    for wrong in [Some(key('b')), None] {
        assert_eq!(world.refused(&party(PUB), Redeem { jti, request_jkt: wrong }), "visa.wrong_key");
    }
    let visa = world.run(&party(PUB), redeem(jti)).unwrap().visa.unwrap();
    assert_eq!((visa.state, visa.due_at), (VisaState::Redeemed, Some(world.now + 24 * HOUR)));
    assert_eq!(world.refused(&party(PUB), redeem(jti)), "visa.state");
    assert_eq!(world.balance(&available(PUB)), (0, 10_000), "not paid yet");
    let bearer = IssueVisa { jkt: None, ..issue(AGENT, PUB, 1) };
    let bearer = world.run(&party(AGENT), bearer).unwrap().visa.unwrap().jti;
    world.run(&party(PUB), Redeem { jti: bearer, request_jkt: None }).unwrap();
    world.audit();
}

#[test]
fn a_visa_lives_sixty_seconds_longer_than_it_says() {
    let mut world = funded();
    let (jti, late) = (world.issued(10_000), world.issued(20_000));
    world.now = NOW + 600_000 + 59_999;
    assert!(world.due().is_empty());
    world.run(&party(PUB), redeem(jti)).unwrap();
    world.now += 1;
    assert_eq!(world.refused(&party(PUB), redeem(late)), "visa.expired");
    let early = world.run(&Actor::Clock, Due { jti }).unwrap();
    assert!(early.transfers.is_empty(), "the redeemed one waits for feedback");
    assert_eq!(world.due(), [late]);
    assert_eq!(world.refused(&party(PUB), redeem(late)), "visa.expired");
    assert_eq!(world.state(late), VisaState::Expired);
    assert_eq!(world.shares(), (90_000, 0, 0));
    assert_eq!(world.refused(&party(AGENT), Due { jti }), "actor.denied");
    assert_eq!(world.refused(&party(AGENT), feedback(late, 0)), "visa.state");
    assert!(world.due().is_empty());
    world.audit();
}

#[test]
fn good_feedback_releases_and_half_is_good() {
    for (millionths, state, shares) in [
        (500_000, VisaState::Released, (90_000, 9_800, 200)),
        (1_000_000, VisaState::Released, (90_000, 9_800, 200)),
        (499_999, VisaState::Withheld, (90_000, 0, 0)),
        (0, VisaState::Withheld, (90_000, 0, 0)),
    ] {
        let mut world = funded();
        let jti = world.redeemed(10_000);
        let outcome = world.run(&party(AGENT), feedback(jti, millionths)).unwrap();
        assert_eq!((outcome.visa.unwrap().state, world.state(jti)), (state, state), "{millionths}");
        assert_eq!(world.shares(), shares, "{millionths}");
        assert_eq!(world.refused(&party(AGENT), feedback(jti, millionths)), "feedback.already_given");
        world.audit();
    }
}

#[test]
fn post_and_fee_are_one_batch_and_the_fee_is_floored() {
    for (amount, fee) in [(1, 0), (49, 0), (50, 1), (99, 1), (100, 2), (10_049, 200), (10_050, 201)] {
        let mut world = funded();
        let jti = world.redeemed(amount);
        let outcome = world.run(&party(AGENT), feedback(jti, 600_000)).unwrap();
        let codes: Vec<_> = outcome.transfers.iter().map(|made| (made.code, made.amount.units())).collect();
        let mut expected = vec![(TransferCode::Visa, amount), (TransferCode::Fee, fee)];
        expected.truncate(if fee == 0 { 1 } else { 2 });
        assert_eq!(codes, expected);
        assert_eq!(world.shares(), (100_000 - amount, amount - fee, fee));
        let visa = world.visa(jti);
        assert_eq!((visa.released.units(), visa.fee.units()), (amount, fee));
        world.audit();
    }
    // The fee is that of the issue.
    let mut world = funded();
    let jti = world.redeemed(10_000);
    world.rules.fee_bps = 5_000;
    world.run(&party(AGENT), feedback(jti, 600_000)).unwrap();
    assert_eq!(world.shares(), (90_000, 9_800, 200));
}

#[test]
fn feedback_is_the_agents_by_the_key_of_the_request() {
    let mut world = funded();
    let jti = world.issued(100);
    assert_eq!(world.refused(&party(AGENT), feedback(jti, 0)), "visa.state");
    world.run(&party(PUB), redeem(jti)).unwrap();
    assert_eq!(world.refused(&party(PUB), feedback(jti, 1_000_000)), "visa.not_yours");
    assert_eq!(world.refused(&operator("alice"), feedback(jti, 1_000_000)), "visa.not_yours");
    let other = GiveFeedback { jkt: key('b'), ..feedback(jti, 0) };
    assert_eq!(world.refused(&party(AGENT), other), "feedback.wrong_key");
    let nonce = Some(reference("nonce-0123456789"));
    world.run(&party(AGENT), GiveFeedback { nonce: nonce.clone(), ..feedback(jti, 0) }).unwrap();
    let second = world.redeemed(100);
    let replayed = GiveFeedback { nonce, ..feedback(second, 0) };
    assert_eq!(world.refused(&party(AGENT), replayed), "feedback.already_given");
    let event = world.store.events(jti, 10).unwrap().pop().unwrap();
    assert_eq!(event.kind, EventKind::VisaWithheld);
    assert!(event.body.contains(r#""score_millionths":0"#), "{}", event.body);
}

#[test]
fn without_feedback_the_money_is_released_after_a_day() {
    let mut world = funded();
    let (first, second) = (world.redeemed(10_000), world.redeemed(10_000));
    world.now += 24 * HOUR - 1;
    assert!(world.due().is_empty());
    world.run(&party(AGENT), feedback(first, 100_000)).unwrap();
    world.now += 1;
    // The time counts, not whether somebody has looked.
    assert_eq!(world.refused(&party(AGENT), feedback(second, 100_000)), "feedback.closed");
    assert_eq!(world.due(), [second]);
    assert_eq!(world.state(second), VisaState::Released);
    assert_eq!(world.refused(&party(AGENT), feedback(second, 100_000)), "feedback.closed");
    assert_eq!(world.shares(), (80_000, 9_800, 200));
    world.audit();
}

#[test]
fn withheld_money_returns_after_three_days_unless_contested() {
    let mut world = funded();
    let (first, second) = (world.withheld(10_000), world.withheld(20_000));
    assert_eq!(world.refused(&party(AGENT), contest(first)), "visa.not_yours");
    world.now += 72 * HOUR - 1;
    assert!(world.due().is_empty());
    world.run(&party(PUB), contest(first)).unwrap();
    assert_eq!(world.refused(&party(PUB), contest(first)), "visa.state");
    world.now += 1;
    assert_eq!(world.refused(&party(PUB), contest(second)), "contest.closed");
    assert_eq!(world.due(), [second]);
    assert_eq!(world.refused(&party(PUB), contest(second)), "contest.closed");
    assert_eq!((world.state(first), world.state(second)), (VisaState::Disputed, VisaState::Refunded));
    assert_eq!(world.shares(), (90_000, 0, 0));
    world.idle(1_000 * HOUR);
    assert!(world.due().is_empty(), "a dispute has no end but a decision");
    let paid = world.redeemed(100);
    assert_eq!(world.refused(&party(PUB), contest(paid)), "visa.state");
    world.audit();
}

#[test]
fn an_operator_decides_a_dispute() {
    let admin = operator("alice");
    for (decision, state, shares) in [
        (Decision::Release, VisaState::Released, (90_000, 9_800, 200)),
        (Decision::Refund, VisaState::Refunded, (100_000, 0, 0)),
        (Decision::Split { amount: units(2_525) }, VisaState::Split, (97_475, 2_475, 50)),
        (Decision::Split { amount: units(1) }, VisaState::Split, (99_999, 1, 0)),
        (Decision::Split { amount: units(9_999) }, VisaState::Split, (90_001, 9_800, 199)),
    ] {
        let mut world = funded();
        let jti = world.disputed(10_000);
        let decide = |decision| Decide { jti, decision, memo: Some(Memo::parse("heard both").unwrap()) };
        assert_eq!(world.refused(&party(PUB), decide(decision)), "actor.denied");
        assert_eq!(world.refused(&party(AGENT), decide(decision)), "actor.denied");
        for amount in [0, 10_000, 10_001] {
            assert_eq!(
                world.refused(&admin, decide(Decision::Split { amount: units(amount) })),
                "amount.range"
            );
        }
        world.run(&admin, decide(decision)).unwrap();
        assert_eq!((world.state(jti), world.shares()), (state, shares));
        assert_eq!(world.refused(&admin, decide(decision)), "visa.state");
        let withheld = world.withheld(1);
        let early = Decide { jti: withheld, decision, memo: None };
        assert_eq!(world.refused(&admin, early), "visa.state");
        world.audit();
    }
}

#[test]
fn settlement_goes_on_when_accounts_are_frozen() {
    let mut world = funded();
    let jti = world.redeemed(10_000);
    for account in [available(AGENT), available(PUB)] {
        world.run(&operator("alice"), Freeze { account, memo: None }).unwrap();
    }
    assert_eq!(world.refused(&party(AGENT), issue(AGENT, PUB, 1)), "account.frozen");
    let close = Close { account: available(PUB), memo: None };
    assert_eq!(world.refused(&operator("alice"), close), "account.not_empty");
    world.run(&party(AGENT), feedback(jti, 900_000)).unwrap();
    assert_eq!(world.shares(), (90_000, 9_800, 200));
    world.audit();
}

/// A clock that is years ahead would settle everything at once; the operator's word is needed. One that is far behind does nothing.
#[test]
fn wrong_clocks_settle_nothing() {
    let mut world = funded();
    let jti = world.run(&party(AGENT), issue(AGENT, PUB, 10_000)).unwrap().visa.unwrap().jti;
    let now = world.now;
    world.now = now + 7 * 24 * HOUR + 1;
    assert_eq!(world.refused(&Actor::Clock, Due { jti }), "clock.wrong");
    world.now = now - 48 * HOUR - 1;
    assert_eq!(world.refused(&party(AGENT), issue(AGENT, PUB, 1)), "clock.wrong");
    // A little behind is taken, and does not go back in the log.
    world.now = now - HOUR;
    world.run(&party(AGENT), issue(AGENT, PUB, 1)).unwrap();
    assert_eq!(world.store.head().unwrap().last_at, now);
    world.now = now + 7 * 24 * HOUR + 1;
    assert_eq!(world.refused(&operator("alice"), Due { jti }), "clock.wrong");
    let memo = Memo::parse("idle for a week").unwrap();
    world.run(&operator("alice"), TrustClock { memo, dispute: None }).unwrap();
    assert_eq!(world.run(&Actor::Clock, Due { jti }).unwrap().visa.unwrap().state, VisaState::Expired);
    world.audit();
}

#[test]
fn every_step_is_in_the_log() {
    let mut world = funded();
    let jti = world.disputed(10_000);
    let decision = Decision::Split { amount: units(5_000) };
    world.run(&operator("alice"), Decide { jti, decision, memo: None }).unwrap();
    let events = world.store.events(jti, 100).unwrap();
    let kinds: Vec<_> = events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["visa.issued", "visa.redeemed", "visa.withheld", "visa.disputed", "visa.split"]);
    assert_eq!(
        events[4].body,
        format!(
            concat!(
                r#"{{"actor":"operator:alice","agent":"agent.example","amount":"10000","asset":"USD","fee":"100","jti":"{}","#,
                r#""publisher":"pub.example","released":"5000","settled_at":"2026-09-21T14:13:20.000Z","time":"2026-09-21T14:13:20.000Z","type":"visa.split"}}"#
            ),
            jti
        )
    );
}
