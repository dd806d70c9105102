//! Batches: many commands, one transaction (group commit).

use crate::account::AccountId;
use crate::actor::Actor;
use crate::command::Command;
use crate::id::{Id, Ids};
use crate::idempotency::{IdempotencyKey, IdempotencyRecord};
use crate::ledger::{Ledger, Overlay, broken};
use crate::log::{Entry, Head, Leaf};
use crate::once::{OnceKey, UseAssertion};
use crate::outcome::Outcome;
use crate::refusal::{Refusal, RefusalCode};
use crate::rules::Rules;
use crate::store::{Changes, Keys, Loaded, Store};
use crate::text::Reference;
use imagxp::audit::Log;
use std::collections::BTreeSet;

/// How often rows are named, at most: a row that names a row that names rows.
const MAX_ROUNDS: usize = 3;

/// What makes a request the same one again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// The `Idempotency-Key`. Of a batch of commands under one key each needs its own: add `#` and its place.
    pub key: Reference,
    /// SHA-256 of what was asked: method, path and body.
    pub request_sha256: [u8; 32],
}

/// A command with what it depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is asked.
    pub command: Command,
    /// Who asks, as the server has authenticated it.
    pub actor: Actor,
    /// The time, in milliseconds since 1970.
    pub now_ms: i64,
    /// When the request may come again.
    pub idempotency: Option<Idempotency>,
    /// The client assertion that authenticates it. It is used up whatever comes of the command, also of one that is answered from memory.
    pub assertion: Option<UseAssertion>,
}

impl Request {
    /// A request without a key and assertion.
    pub fn new(command: impl Into<Command>, actor: Actor, now_ms: i64) -> Self {
        Self { command: command.into(), actor, now_ms, idempotency: None, assertion: None }
    }

    /// With an idempotency key.
    #[must_use]
    pub fn with_idempotency(mut self, key: Reference, request_sha256: [u8; 32]) -> Self {
        self.idempotency = Some(Idempotency { key, request_sha256 });
        self
    }

    fn idempotency_key(&self) -> Option<IdempotencyKey> {
        let key = self.idempotency.as_ref()?.key.clone();
        Some(IdempotencyKey { actor: self.actor.clone(), key })
    }

    fn keys(&self, loaded: &Loaded, keys: &mut Keys) {
        self.command.keys(loaded, keys);
        keys.idempotency.extend(self.idempotency_key());
        if let Some(assertion) = &self.assertion {
            assertion.keys_of(keys);
        }
    }
}

/// What came of a batch, once it is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// What came of each request, in order.
    pub results: Vec<Result<Outcome, Refusal>>,
    /// What was written: for those who watch.
    pub changes: Changes,
}

/// Applies the requests in order, in one transaction, and writes what they change. Call it again on [`Store::is_conflict`], as often as you
/// like: nothing has happened then.
///
/// A request that is refused leaves nothing behind and does not touch its neighbours, except that its idempotency key remembers the
/// refusal when it is final. Error: the store's; then nothing was acknowledged, and whether it was written is what a repetition
/// with the same idempotency keys finds out.
pub fn apply<S: Store>(
    store: &mut S,
    rules: &Rules,
    requests: &[Request],
    ids: &mut dyn Ids,
) -> Result<Done, S::Error> {
    store.begin()?;
    let done = match decide(|keys| store.load(keys), rules, requests, ids) {
        Ok(done) => done,
        Err(error) => {
            store.abort();
            return Err(error);
        }
    };
    if done.changes.is_empty() {
        store.abort();
    } else {
        store.write(&done.changes)?;
    }
    Ok(done)
}

/// [`apply`] without a transaction: what would come of the requests on the rows that `load` finds ([`Store::load`]). Nothing of it is true
/// before [`Done::changes`] are written to a store that stands as it was loaded. Error: that of `load`.
pub fn decide<E>(
    load: impl FnMut(&Keys) -> Result<Loaded, E>,
    rules: &Rules,
    requests: &[Request],
    ids: &mut dyn Ids,
) -> Result<Done, E> {
    let (rows, asked) = prefetch(load, requests)?;
    Ok(match answer_all(rules, requests, ids, rows, asked) {
        Ok(done) => done,
        Err(refusal) => Done {
            results: requests.iter().map(|_| Err(refusal.clone())).collect(),
            changes: Changes::default(),
        },
    })
}

fn prefetch<E>(
    mut load: impl FnMut(&Keys) -> Result<Loaded, E>,
    requests: &[Request],
) -> Result<(Loaded, Keys), E> {
    let (mut rows, mut asked) = (Loaded::default(), Keys::default());
    for round in 0..MAX_ROUNDS {
        let mut keys = Keys::default();
        for request in requests {
            request.keys(&rows, &mut keys);
        }
        keys.remove(&asked);
        // The head comes with the first load.
        if keys.is_empty() && round > 0 {
            break;
        }
        rows.extend(load(&keys)?);
        asked.extend(keys);
    }
    Ok((rows, asked))
}

/// The pure part: what comes of the requests on these rows. Refusal: `ledger.broken` when the rows contradict themselves.
fn answer_all(
    rules: &Rules,
    requests: &[Request],
    ids: &mut dyn Ids,
    rows: Loaded,
    asked: Keys,
) -> Result<Done, Refusal> {
    let mut batch = Batch {
        log: rows.head.log()?,
        last_at: rows.head.last_at,
        rows,
        asked,
        changes: Changes::default(),
        dirty: Dirty::default(),
    };
    batch.changes.size_before = batch.log.size();
    let mut results = Vec::with_capacity(requests.len());
    for request in requests {
        results.push(batch.answer(rules, request, ids)?);
    }
    Ok(Done { results, changes: batch.finish() })
}

/// The rows as the requests so far have changed them.
struct Batch {
    rows: Loaded,
    asked: Keys,
    log: Log,
    last_at: i64,
    changes: Changes,
    dirty: Dirty,
}

#[derive(Default)]
struct Dirty {
    accounts: BTreeSet<AccountId>,
    visas: BTreeSet<Id>,
    idempotency: BTreeSet<IdempotencyKey>,
    once: BTreeSet<OnceKey>,
}

impl Batch {
    /// The outer refusal ends the batch, the inner one the request.
    fn answer(
        &mut self,
        rules: &Rules,
        request: &Request,
        ids: &mut dyn Ids,
    ) -> Result<Result<Outcome, Refusal>, Refusal> {
        let head = Head { size: self.log.size(), last_at: self.last_at, ..Head::default() };
        // Who says that the clock is right cannot be refused because it looks wrong.
        if !matches!(request.command, Command::TrustClock(_))
            && let Err(refusal) = head.check_clock(request.now_ms)
        {
            return Ok(Err(refusal));
        }
        if let Some(assertion) = &request.assertion {
            let mut ledger =
                Ledger::new(rules, (request.now_ms, &head), &request.actor, ids, &self.rows, &self.asked);
            match assertion.use_up(&mut ledger) {
                Ok(()) => {
                    let overlay = ledger.into_overlay();
                    self.commit(overlay)?;
                }
                Err(refusal) => return Ok(Err(refusal)),
            }
        }
        let key = request.idempotency_key();
        if let (Some(key), Some(idempotency)) = (&key, &request.idempotency)
            && let Some(record) = self.rows.idempotency.get(key)
            && request.now_ms < record.expires_at
        {
            if record.request_sha256 != idempotency.request_sha256 {
                return Ok(Err(RefusalCode::IdempotencyMismatch.into()));
            }
            return Ok(record.result().map(|outcome| Outcome { repeated: true, ..outcome }));
        }
        let mut ledger =
            Ledger::new(rules, (request.now_ms, &head), &request.actor, ids, &self.rows, &self.asked);
        let result = request.command.apply(&mut ledger);
        let overlay = ledger.into_overlay();
        let result = match result {
            Ok(outcome) => Ok(self.complete(outcome, overlay)?),
            Err(refusal) => Err(refusal),
        };
        let is_final = result.as_ref().err().is_none_or(|refusal| refusal.code().is_final());
        if let (Some(key), Some(idempotency), true) = (key, &request.idempotency, is_final) {
            let record =
                IdempotencyRecord::new(key.clone(), idempotency.request_sha256, &result, request.now_ms)?;
            self.rows.idempotency.insert(key.clone(), record);
            self.dirty.idempotency.insert(key);
        }
        Ok(result)
    }

    /// Takes in what an accepted command has changed, and completes its outcome with it.
    fn complete(&mut self, mut outcome: Outcome, overlay: Overlay) -> Result<Outcome, Refusal> {
        for entry in self.commit(overlay)? {
            match entry {
                Entry::Transfer(transfer) => outcome.transfers.push(transfer),
                Entry::Event(event) if event.kind.is_of_broker() => outcome.event = Some(event),
                Entry::Event(_) => {}
            }
        }
        // What the command has changed has a new version by now.
        if let Some(visa) = &mut outcome.visa {
            visa.version = self.rows.visas.get(&visa.jti).map_or(visa.version, |row| row.version);
        }
        if let Some(account) = &mut outcome.account {
            account.version = self.rows.accounts.get(&account.id).map_or(account.version, |row| row.version);
        }
        Ok(outcome)
    }

    fn commit(&mut self, overlay: Overlay) -> Result<Vec<Entry>, Refusal> {
        let Overlay { accounts, mut entries, visas, once } = overlay;
        if accounts.values().any(|account| !account.is_sound()) {
            return Err(broken("an account would be overdrawn"));
        }
        let mut line = Vec::new();
        for entry in &mut entries {
            entry.set_seq(self.log.size());
            self.last_at = entry.created_at();
            line.clear();
            let appended = self
                .log
                .append(&entry.body(), &mut line)
                .map_err(|_| broken("an entry is too large for the log"))?;
            self.changes.leaves.push(Leaf {
                seq: appended.number,
                hash: *self.log.last(),
                subtrees: appended.subtrees,
            });
            match entry {
                Entry::Transfer(transfer) => {
                    self.changes.transfers.push(transfer.clone());
                    // A row that the batch has made is known, whatever it was asked for.
                    self.asked.transfers.insert(transfer.id);
                    self.rows.transfers.insert(transfer.id, transfer.clone());
                    if let Some(pending) = transfer.pending_id {
                        self.rows.resolutions.insert(pending, transfer.clone());
                    }
                }
                Entry::Event(event) => {
                    self.changes.events.push(event.clone());
                    self.asked.events.insert(event.seq);
                    self.rows.events.insert(event.seq, event.clone());
                }
            }
        }
        let version = self.log.size();
        for (id, account) in accounts {
            if !self.rows.accounts.contains_key(&id) {
                self.changes.opened.insert(id);
            }
            self.dirty.accounts.insert(id);
            self.rows.accounts.insert(id, crate::account::Account { version, ..account });
        }
        for (jti, visa) in visas {
            self.asked.visas.insert(jti);
            if !self.rows.visas.contains_key(&jti) {
                self.changes.issued.insert(jti);
            }
            self.dirty.visas.insert(jti);
            self.rows.visas.insert(jti, crate::visa::Visa { version, ..visa });
        }
        for (key, once) in once {
            self.dirty.once.insert(key.clone());
            self.rows.once.insert(key, once);
        }
        Ok(entries)
    }

    fn finish(self) -> Changes {
        let Self { mut rows, log, last_at, mut changes, dirty, .. } = self;
        changes.head = Head::of(&log, last_at);
        changes.accounts = dirty.accounts.iter().filter_map(|key| rows.accounts.remove(key)).collect();
        changes.visas = dirty.visas.iter().filter_map(|key| rows.visas.remove(key)).collect();
        changes.idempotency =
            dirty.idempotency.iter().filter_map(|key| rows.idempotency.remove(key)).collect();
        changes.once = dirty.once.iter().filter_map(|key| rows.once.remove(key)).collect();
        changes
    }
}
