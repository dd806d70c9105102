//! Rows of the broker: their columns, and how they are read.

use crate::sql::Sql;
use crate::value::{Row, Value, damaged, number};
use imagxp_broker::{
    Account, Actor, Amount, Asset, Event, EventKind, Head, IdempotencyKey, IdempotencyRecord, Keys, Kind,
    Leaf, Loaded, Memo, Once, OnceKey, OnceScope, Owner, Phase, Reference, Transfer, TransferCode, Visa,
};
use imagxp_database::Result;

pub(crate) const ACCOUNT: &str = "id, asset, kind, owner, reference, debits_pending, debits_posted, credits_pending, \
     credits_posted, frozen, closed, created_at, version";
pub(crate) const LEAF: &str = "seq, hash, subtrees";
pub(crate) const TRANSFER: &str =
    "seq, id, asset, code, phase, pending_id, debit, credit, amount, reference, memo, actor, created_at";
pub(crate) const EVENT: &str = "seq, kind, jti, account, actor, created_at, body";
pub(crate) const IDEMPOTENCY: &str = "actor, key, request, result, created_at, expires_at";
pub(crate) const ONCE: &str = "scope, name, transfer, created_at, expires_at";
pub(crate) const VISA: &str = "jti, agent, publisher, asset, amount, state, due_at, version, row";

pub(crate) fn head(row: &mut Row) -> Result<Head> {
    let head = Head { size: row.count()?, nodes: row.hashes()?, last: row.hash()?, last_at: row.int()? };
    head.log().map_err(|_| damaged("the head of the log contradicts itself"))?;
    Ok(head)
}

pub(crate) fn leaf(row: &mut Row) -> Result<Leaf> {
    Ok(Leaf { seq: row.count()?, hash: row.hash()?, subtrees: row.hashes()? })
}

pub(crate) fn leaf_values(leaf: &Leaf) -> Vec<Value> {
    vec![number(leaf.seq), leaf.hash.as_slice().into(), leaf.subtrees.concat().into()]
}

pub(crate) fn account(row: &mut Row) -> Result<Account> {
    Ok(Account {
        id: row.account()?,
        asset: asset(row)?,
        kind: row.parsed("an account is of no kind", Kind::from_name)?,
        owner: row.optional_parsed("an owner cannot be read", owner)?,
        reference: row.optional_parsed("a reference cannot be read", reference)?,
        debits_pending: row.amount()?,
        debits_posted: row.amount()?,
        credits_pending: row.amount()?,
        credits_posted: row.amount()?,
        frozen: row.flag()?,
        closed: row.flag()?,
        created_at: row.int()?,
        version: row.count()?,
    })
}

/// A new account before its first transfer.
pub(crate) fn emptied(account: &Account) -> Account {
    Account {
        debits_pending: Amount::ZERO,
        debits_posted: Amount::ZERO,
        credits_pending: Amount::ZERO,
        credits_posted: Amount::ZERO,
        version: 0,
        ..account.clone()
    }
}

pub(crate) fn account_values(account: &Account) -> Vec<Value> {
    vec![
        account.id.into(),
        account.asset.as_str().into(),
        account.kind.as_str().into(),
        account.owner.as_ref().map(Owner::as_str).into(),
        account.reference.as_ref().map(Reference::as_str).into(),
        account.debits_pending.into(),
        account.debits_posted.into(),
        account.credits_pending.into(),
        account.credits_posted.into(),
        account.frozen.into(),
        account.closed.into(),
        account.created_at.into(),
        number(account.version),
    ]
}

pub(crate) fn transfer(row: &mut Row) -> Result<Transfer> {
    Ok(Transfer {
        seq: row.count()?,
        id: row.id()?,
        asset: asset(row)?,
        code: row.parsed("a transfer has no code", TransferCode::from_name)?,
        phase: row.parsed("a transfer has no phase", Phase::from_name)?,
        pending_id: row.optional_id()?,
        debit: row.account()?,
        credit: row.account()?,
        amount: row.amount()?,
        reference: row.optional_parsed("a reference cannot be read", reference)?,
        memo: row.optional_parsed("a memo cannot be read", |text| Memo::parse(text).ok())?,
        actor: actor(row)?,
        created_at: row.int()?,
    })
}

pub(crate) fn transfer_values(transfer: &Transfer) -> Vec<Value> {
    vec![
        number(transfer.seq),
        transfer.id.into(),
        transfer.asset.as_str().into(),
        transfer.code.as_str().into(),
        transfer.phase.as_str().into(),
        transfer.pending_id.into(),
        transfer.debit.into(),
        transfer.credit.into(),
        transfer.amount.into(),
        transfer.reference.as_ref().map(Reference::as_str).into(),
        transfer.memo.as_ref().map(Memo::as_str).into(),
        transfer.actor.to_string().into(),
        transfer.created_at.into(),
    ]
}

pub(crate) fn event(row: &mut Row) -> Result<Event> {
    Ok(Event {
        seq: row.count()?,
        kind: row.parsed("an event is of no kind", EventKind::from_name)?,
        jti: row.optional_id()?,
        account: row.optional_account()?,
        actor: actor(row)?,
        created_at: row.int()?,
        body: row.text()?,
    })
}

pub(crate) fn event_values(event: &Event) -> Vec<Value> {
    vec![
        number(event.seq),
        event.kind.as_str().into(),
        event.jti.into(),
        event.account.into(),
        event.actor.to_string().into(),
        event.created_at.into(),
        event.body.as_str().into(),
    ]
}

/// Reads a visa from the column that holds all of it; the others, by which it is found, must say the same.
pub(crate) fn visa(row: &mut Row) -> Result<Visa> {
    let (jti, agent, publisher) = (row.id()?, row.text()?, row.text()?);
    let (asset, amount, state) = (asset(row)?, row.amount()?, row.text()?);
    let (due_at, version) = (row.optional_int()?, row.count()?);
    let visa = Visa::from_json(&row.text()?).map_err(|_| damaged("a visa cannot be read"))?;
    let same = (jti, agent.as_str(), publisher.as_str(), asset, amount)
        == (visa.jti, visa.agent.as_str(), visa.publisher.as_str(), visa.asset, visa.amount)
        && (state.as_str(), due_at, version) == (visa.state.as_str(), visa.due_at, visa.version);
    if same { Ok(visa) } else { Err(damaged("the columns of a visa contradict each other")) }
}

pub(crate) fn visa_values(visa: &Visa) -> Result<Vec<Value>> {
    Ok(vec![
        visa.jti.into(),
        visa.agent.as_str().into(),
        visa.publisher.as_str().into(),
        visa.asset.as_str().into(),
        visa.amount.into(),
        visa.state.as_str().into(),
        visa.due_at.into(),
        number(visa.version),
        visa.to_json().map_err(|_| damaged("a visa cannot be written"))?.into(),
    ])
}

pub(crate) fn idempotency(row: &mut Row) -> Result<IdempotencyRecord> {
    Ok(IdempotencyRecord {
        key: IdempotencyKey { actor: actor(row)?, key: row.parsed("a key cannot be read", reference)? },
        request_sha256: row.hash()?,
        result: row.text()?,
        created_at: row.int()?,
        expires_at: row.int()?,
    })
}

pub(crate) fn idempotency_values(record: &IdempotencyRecord) -> Vec<Value> {
    vec![
        record.key.actor.to_string().into(),
        record.key.key.as_str().into(),
        record.request_sha256.as_slice().into(),
        record.result.as_str().into(),
        record.created_at.into(),
        record.expires_at.into(),
    ]
}

pub(crate) fn once(row: &mut Row) -> Result<Once> {
    Ok(Once {
        key: OnceKey { scope: row.parsed("a name is of no scope", OnceScope::from_name)?, name: row.text()? },
        transfer: row.optional_id()?,
        created_at: row.int()?,
        expires_at: row.optional_int()?,
    })
}

pub(crate) fn once_values(once: &Once) -> Vec<Value> {
    vec![
        once.key.scope.as_str().into(),
        once.key.name.as_str().into(),
        once.transfer.into(),
        once.created_at.into(),
        once.expires_at.into(),
    ]
}

/// Adds the visas, names that count once and events that are named and there.
pub(crate) fn load_named(sql: &mut dyn Sql, keys: &Keys, loaded: &mut Loaded) -> Result<()> {
    if !keys.visas.is_empty() {
        for mut row in sql.visas_named(&keys.visas)? {
            let visa = visa(&mut row)?;
            loaded.visas.insert(visa.jti, visa);
        }
    }
    if !keys.once.is_empty() {
        for mut row in sql.once_named(&keys.once)? {
            let once = once(&mut row)?;
            loaded.once.insert(once.key.clone(), once);
        }
    }
    for seq in &keys.events {
        let select = format!("SELECT {EVENT} FROM event WHERE seq = $1");
        if let Some(mut row) = sql.first(&select, &[number(*seq)])? {
            loaded.events.insert(*seq, event(&mut row)?);
        }
    }
    Ok(())
}

pub(crate) fn asset(row: &mut Row) -> Result<Asset> {
    row.parsed("an asset cannot be read", |text| Asset::parse(text).ok())
}

fn actor(row: &mut Row) -> Result<Actor> {
    row.parsed("an actor cannot be read", |text| Actor::parse(text).ok())
}

fn owner(text: &str) -> Option<Owner> {
    Owner::parse(text).ok()
}

fn reference(text: &str) -> Option<Reference> {
    Reference::parse(text).ok()
}
