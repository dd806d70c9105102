//! What one command does with rows that no store would give it together.

use super::*;
use crate::asset::Asset;
use crate::id::TimeOrdered;
use crate::text::Owner;

const NOW: i64 = 1_790_000_000_000;

fn key(name: &str) -> AccountKey {
    AccountKey::available(Asset::USD, Owner::parse(name).unwrap())
}

fn units(units: u128) -> Amount {
    Amount::from_units(units)
}

/// Rows in which ten are pending from `a` to `b`, and what was asked for of them.
fn rows() -> (Id, Loaded, Keys) {
    let id = Id::from_u128(1).unwrap();
    let (mut rows, mut asked) = (Loaded::default(), Keys::default());
    for name in ["a", "b"] {
        let mut account = Account::new(&key(name), NOW);
        account.credits_posted = units(10);
        account.debits_pending = units(10);
        account.credits_pending = units(10);
        asked.accounts.insert(account.id);
        rows.accounts.insert(account.id, account);
    }
    let transfer = Transfer {
        id,
        asset: Asset::USD,
        code: TransferCode::Visa,
        phase: Phase::Pending,
        pending_id: None,
        debit: key("a").id(),
        credit: key("b").id(),
        amount: units(10),
        reference: None,
        memo: None,
        actor: Actor::Clock,
        seq: 0,
        created_at: NOW,
    };
    asked.transfers.insert(id);
    rows.transfers.insert(id, transfer);
    (id, rows, asked)
}

/// What becomes of something that one command does with these rows.
fn with<T>((rows, asked): (&Loaded, &Keys), act: impl FnOnce(&mut Ledger<'_>) -> T) -> T {
    let (rules, head) = (Rules::default(), Head::default());
    let mut ids = TimeOrdered::new(|| 7);
    act(&mut Ledger::new(&rules, (NOW, &head), &Actor::Clock, &mut ids, rows, asked))
}

fn code<T>(result: Result<T, Refusal>) -> Option<&'static str> {
    result.err().map(|refusal| refusal.code().as_str())
}

#[test]
fn what_is_pending_ends_once_between_its_own_accounts_and_with_no_more_than_there_is() {
    let (id, mut rows, asked) = rows();
    let end = |ledger: &mut Ledger<'_>, to: &str, post: Option<u128>| {
        code(ledger.resolve(id, TransferCode::Visa, &key("a"), &key(to), post.map(units)))
    };
    for (to, post, expected) in [
        ("b", None, None),
        ("b", Some(1), None),
        ("b", Some(10), None),
        ("b", Some(0), Some("amount.range")),
        ("b", Some(11), Some("amount.range")),
        ("c", None, Some("ledger.broken")),
    ] {
        assert_eq!(with((&rows, &asked), |ledger| end(ledger, to, post)), expected, "{to} {post:?}");
    }
    // Twice by one command, whatever is between.
    let twice = with((&rows, &asked), |ledger| {
        let other = ledger.transfer(id).unwrap().clone();
        ledger.overlay.entries.push(Entry::Transfer(other));
        (end(ledger, "b", Some(4)), end(ledger, "b", None))
    });
    assert_eq!(twice, (None, Some("transfer.already_resolved")));
    // By one before.
    let before = rows.transfers[&id].clone();
    rows.resolutions.insert(id, Transfer { phase: Phase::Void, pending_id: Some(id), ..before });
    let again = with((&rows, &asked), |ledger| (ledger.is_pending(id).unwrap(), end(ledger, "b", None)));
    assert_eq!(again, (false, Some("transfer.already_resolved")));
}

#[test]
fn what_was_never_pending_is_not() {
    let (id, mut rows, asked) = rows();
    assert!(with((&rows, &asked), |ledger| ledger.is_pending(id)).unwrap());
    rows.transfers.get_mut(&id).unwrap().phase = Phase::Single;
    assert!(!with((&rows, &asked), |ledger| ledger.is_pending(id)).unwrap());
    let ended = |code| move |ledger: &mut Ledger<'_>| ledger.resolve(id, code, &key("a"), &key("b"), None);
    assert_eq!(code(with((&rows, &asked), ended(TransferCode::Visa))), Some("transfer.not_pending"));
    rows.transfers.get_mut(&id).unwrap().phase = Phase::Pending;
    assert_eq!(code(with((&rows, &asked), ended(TransferCode::Withdraw))), Some("transfer.not_pending"));
}

#[test]
fn what_nobody_loaded_is_not_taken_for_missing() {
    let (id, rows, _) = rows();
    let nothing = Keys::default();
    with((&rows, &nothing), |ledger| {
        assert_eq!(code(ledger.account(&key("a"))), Some("ledger.broken"));
        assert_eq!(code(ledger.transfer(id)), Some("ledger.broken"));
        assert_eq!(code(ledger.visa(id)), Some("ledger.broken"));
        assert_eq!(code(ledger.logged_event(0)), Some("ledger.broken"));
    });
}
