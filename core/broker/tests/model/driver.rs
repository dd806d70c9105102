//! Runs draws through a broker and the reference side by side.

use super::common::World;
use super::draw::Draw;
use super::meaning::{Meaning, Names, predict};
use super::reference::{Reference, Step};
use imagxp_broker::*;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Debug;

/// What a command with an idempotency key came to, and until when that is remembered.
struct Remembered {
    body: String,
    result: Result<Outcome, Refusal>,
    until: i64,
}

#[derive(Default)]
struct Memories {
    keys: BTreeMap<(String, u8), Remembered>,
    /// Command and actor by the id that the caller chose, and the outcome.
    ids: BTreeMap<u8, (String, Outcome)>,
    /// Owner and amount by asset and reference of a deposit, and the outcome.
    deposits: BTreeMap<String, (Deposit, Outcome)>,
}

/// How often each result occurred: a test that only refuses proves nothing.
pub(crate) type Counts = BTreeMap<String, usize>;

pub(crate) fn run<S>(world: &mut World<S>, mut reference: Reference, draws: &[Draw], counts: &mut Counts)
where
    S: Store + Reader<Error = <S as Store>::Error>,
    <S as Store>::Error: Debug,
{
    world.rules.assets = Assets::new([(Asset::USD, 6), (Asset::parse("EUR").unwrap(), 2)]).unwrap();
    let (mut names, mut memories) = (Names::default(), Memories::default());
    let mut waiting: Vec<(Draw, Request, Meaning)> = Vec::new();
    for (at, draw) in draws.iter().enumerate() {
        world.now = draw.time(world.now, &reference);
        if waiting.is_empty() {
            trust_the_clock(world);
        }
        let actor = draw.actor(&names, &reference);
        let (command, meaning) = draw.command(&names, &reference);
        let mut request = Request::new(command, actor, world.now);
        if let Some(key) = draw.key {
            let sha256 = Sha256::digest(format!("{:?}", request.command)).into();
            request = request.with_idempotency(super::common::reference(&format!("key-{key}")), sha256);
        }
        waiting.push((draw.clone(), request, meaning));
        if draw.end_of_batch || at + 1 == draws.len() {
            let batch = std::mem::take(&mut waiting);
            let requests: Vec<Request> = batch.iter().map(|(_, request, _)| request.clone()).collect();
            let head = world.store.head().unwrap();
            let before = head.size;
            let done = world.batch(&requests);
            let made = reference.list.len();
            for ((draw, request, meaning), result) in batch.iter().zip(&done.results) {
                let tag = result.as_ref().map_or_else(|refusal| refusal.code().as_str(), |_| "ok");
                *counts.entry(format!("{} {tag}", kind(meaning))).or_default() += 1;
                if tag == "clock.wrong" {
                    // Draws of one batch that wrote nothing for a week.
                    assert!(request.now_ms - head.last_at > rules::CLOCK_AHEAD_MS, "{request:?}");
                    continue;
                }
                judge(&mut reference, &mut names, &mut memories, draw, request, meaning, result);
            }
            assert_eq!(done.changes.transfers.len(), reference.list.len() - made);
            assert_eq!(done.changes.size_before, before);
            compare(world, &reference, &names);
        }
    }
    world.audit();
}

/// Draws wait for days: an operator says that it was so, before the ledger asks.
fn trust_the_clock<S>(world: &mut World<S>)
where
    S: Store + Reader<Error = <S as Store>::Error>,
    <S as Store>::Error: Debug,
{
    let head = world.store.head().unwrap();
    if head.size > 0 && world.now - head.last_at > 3 * 24 * super::common::HOUR {
        let trust = TrustClock { memo: Memo::parse("the draw waits").unwrap(), dispute: None };
        world.run(&super::common::operator("watch"), trust).unwrap();
    }
}

fn kind(meaning: &Meaning) -> String {
    match meaning {
        Meaning::Move { code, .. } => (*code).to_owned(),
        other => format!("{other:?}").split([' ', '{']).next().unwrap_or_default().to_owned(),
    }
}

fn judge(
    reference: &mut Reference,
    names: &mut Names,
    memories: &mut Memories,
    draw: &Draw,
    request: &Request,
    meaning: &Meaning,
    result: &Result<Outcome, Refusal>,
) {
    let code = result.as_ref().err().map(|refusal| refusal.code().as_str());
    let forget = |outcome: &Outcome| Outcome { repeated: false, ..outcome.clone() };
    let body = format!("{:?}", request.command);
    let memory_key = draw.key.map(|key| (request.actor.to_string(), key));
    if let Some(remembered) = memory_key.as_ref().and_then(|key| memories.keys.get(key))
        && request.now_ms < remembered.until
    {
        if remembered.body != body {
            assert_eq!(code, Some("idempotency.mismatch"), "{request:?}");
            return;
        }
        assert!(result.as_ref().map_or(true, |outcome| outcome.repeated));
        assert_eq!(result.as_ref().map(forget), remembered.result.as_ref().map(forget), "{request:?}");
        return;
    }
    let mut known = None;
    if let Command::Deposit(deposit) = &request.command
        && let Some((first, outcome)) =
            memories.deposits.get(&format!("{} {}", deposit.asset, deposit.reference))
    {
        let same = (&first.owner, first.amount) == (&deposit.owner, deposit.amount)
            && deposit.id.is_none_or(|id| id == outcome.transfers[0].id)
            && (outcome.transfers[0].actor == request.actor || matches!(request.actor, Actor::Party(_)));
        known = Some(same.then(|| outcome.clone()));
    } else if let Some(own) = draw.own_id.filter(|_| takes_id(&request.command))
        && let Some((first, outcome)) = memories.ids.get(&own)
    {
        known = Some((*first == format!("{body} {}", request.actor)).then(|| outcome.clone()));
    }
    match known {
        Some(Some(outcome)) => {
            if code != Some("actor.denied") {
                let answer = result.as_ref().expect("the same again is answered");
                assert!(answer.repeated && answer.transfers == outcome.transfers, "{request:?}");
            } else {
                assert!(matches!(meaning, Meaning::Move { code: "DEPOSIT", .. }), "{request:?}");
                assert!(!matches!(request.actor, Actor::Operator(_)));
            }
        }
        Some(None) => {
            let allowed = ["idempotency.mismatch", "actor.denied", "visa.lifetime", "asset.unknown"];
            assert!(code.is_some_and(|code| allowed.contains(&code)), "{request:?}: {code:?}");
        }
        None => {
            let (made, visas) = (reference.list.len(), reference.visas.len());
            match (predict(reference, names, meaning, &request.actor, request.now_ms), result) {
                (Ok(()), Ok(outcome)) => {
                    assert!(!outcome.repeated);
                    let movements: Vec<_> = reference.list[made..].iter().collect();
                    assert_eq!(outcome.transfers.len(), movements.len(), "{request:?}");
                    for (offset, (transfer, movement)) in outcome.transfers.iter().zip(movements).enumerate()
                    {
                        let phase = match movement.step {
                            Step::Single => Phase::Single,
                            Step::Pending => Phase::Pending,
                            Step::Post(_) => Phase::Post,
                            Step::Void(_) => Phase::Void,
                        };
                        let amount = movement.amount.unsigned_abs();
                        assert_eq!((transfer.code.as_str(), transfer.phase), (movement.code, phase));
                        assert_eq!(transfer.amount.units(), amount, "{request:?}");
                        names.made.insert(transfer.id);
                        if phase == Phase::Pending {
                            names.pending.push((transfer.id, made + offset));
                        }
                    }
                    if reference.visas.len() > visas {
                        names.jtis.push(outcome.visa.as_ref().unwrap().jti);
                    }
                    if let Some(own) = draw.own_id.filter(|_| takes_id(&request.command)) {
                        memories.ids.insert(own, (format!("{body} {}", request.actor), outcome.clone()));
                    }
                    if let Command::Deposit(deposit) = &request.command {
                        let name = format!("{} {}", deposit.asset, deposit.reference);
                        memories.deposits.insert(name, (deposit.clone(), outcome.clone()));
                    }
                }
                (Err(reasons), Err(refusal)) => {
                    assert!(
                        reasons.contains(&refusal.code().as_str()),
                        "{request:?}: {refusal}, not {reasons:?}"
                    );
                }
                (predicted, result) => panic!("{request:?}: {result:?}, not {predicted:?}"),
            }
        }
    }
    // What money or time can change is not remembered.
    let final_codes =
        ["amount.malformed", "amount.range", "text.malformed", "transfer.illegal", "visa.lifetime"];
    if let Some(key) = memory_key
        && code.is_none_or(|code| final_codes.contains(&code))
    {
        let until = request.now_ms + 72 * 3_600_000;
        memories.keys.insert(key, Remembered { body, result: result.clone(), until });
    }
}

fn takes_id(command: &Command) -> bool {
    matches!(
        command,
        Command::Deposit(_)
            | Command::Withdraw(_)
            | Command::Pay(_)
            | Command::Lock(_)
            | Command::Unlock(_)
            | Command::Slash(_)
            | Command::Correct(_)
            | Command::IssueVisa(_)
    )
}

/// Every number of the store against the reference's list, and the invariants in the store's own numbers.
fn compare<S>(world: &mut World<S>, reference: &Reference, names: &Names)
where
    S: Store + Reader<Error = <S as Store>::Error>,
    <S as Store>::Error: Debug,
{
    let number = |amount: Amount| i128::try_from(amount.units()).unwrap();
    let mut sums = reference.sums();
    let mut balance: BTreeMap<Asset, (i128, i128)> = BTreeMap::new();
    for account in world.store.accounts(None, None, usize::MAX).unwrap() {
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let name = format!(
            "{} {} {} {}",
            account.asset,
            account.kind.as_str(),
            text(account.owner.as_ref().map(Owner::as_str)),
            text(account.reference.as_ref().map(imagxp_broker::Reference::as_str)),
        );
        let expected = sums.remove(&name).unwrap_or_else(|| panic!("`{name}` should not exist"));
        let found =
            [account.debits_pending, account.debits_posted, account.credits_pending, account.credits_posted]
                .map(number);
        let [debit_pending, debit, credit_pending, credit] = found;
        let expected_numbers =
            [expected.debit_pending, expected.debit, expected.credit_pending, expected.credit];
        assert_eq!(found, expected_numbers, "{name}");
        assert_eq!(account.frozen, reference.frozen.contains(&name), "{name}");
        assert_eq!(account.closed, reference.closed.contains(&name), "{name}");
        assert!(account.kind == Kind::Outside || credit - debit - debit_pending >= 0, "{name} is negative");
        let (pending, posted) = balance.entry(account.asset).or_default();
        *pending += credit_pending - debit_pending;
        *posted += credit - debit;
    }
    assert!(sums.is_empty(), "accounts are missing: {sums:?}");
    assert!(balance.values().all(|sums| *sums == (0, 0)), "{balance:?}");
    for (jti, visa) in names.jtis.iter().zip(&reference.visas) {
        assert_eq!(world.visa(*jti).state.as_str(), visa.state, "{visa:?}");
    }
}
