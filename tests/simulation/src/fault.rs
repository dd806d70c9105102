//! Faults of the product that can be seeded: a world that does not find them would find nothing.

use crate::broker::{ends, text};
use crate::message::Wire;
use imagxp::encoding::base64_decode;
use imagxp::headers::{PAYLOAD, PUBLIC_KEY, SIGNATURE};
use imagxp::json::{Object, Value, object_to_canonical};
use imagxp::replay::{Insert, MemoryReplayStore, ReplayEntry, ReplayStore, Seen};
use imagxp::{Claim, Limits, Timestamp};
use imagxp_broker::memory::Contradiction;
use imagxp_broker::{
    Changes, Command, Id, Idempotency, Keys, Loaded, Memory, Owner, PresentedRequest, Reference, Request,
    Store, Visa, VisaState,
};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// What is broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The replay store takes every fifth key for a new one.
    ReplayStoreForgets,
    /// The publisher believes whatever key comes along.
    TrustsAnyKey,
    /// The broker's store answers with visas as they were when they were issued.
    RedeemsTwice,
    /// The broker's store drops what it should remember of idempotency keys.
    ForgetsKeys,
    /// The broker's store acknowledges what it does not keep.
    LosesWrites,
    /// The broker takes feedback from whoever signs it.
    TakesAnyFeedback,
    /// The publisher presents requests as they came, also those without their key.
    PresentsNoKey,
    /// The broker takes two publishers' requests of one nonce for one.
    NotesNonceAlone,
    /// The broker takes a publisher's requests of one nonce for one, also when that has long forgotten the nonce.
    NotesNonceOfPublisher,
    /// The broker refuses what was signed after the visa's end, although publishers let it in for some seconds.
    RefusesLateClaims,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 10] = [
        Self::ReplayStoreForgets,
        Self::TrustsAnyKey,
        Self::RedeemsTwice,
        Self::ForgetsKeys,
        Self::LosesWrites,
        Self::TakesAnyFeedback,
        Self::PresentsNoKey,
        Self::NotesNonceAlone,
        Self::NotesNonceOfPublisher,
        Self::RefusesLateClaims,
    ];
}

/// What is presented of a request by whoever does not look its key up.
pub(crate) fn as_it_came(wire: &Wire) -> String {
    let (mut request, mut visa, mut body) = (Object::new(), Object::new(), Object::new());
    for (member, name) in [("payload", PAYLOAD), ("signature", SIGNATURE), ("public_key", PUBLIC_KEY)] {
        if let Some(value) = wire.value(name) {
            request.insert(member, value);
        }
    }
    visa.insert("visa", wire.visa().unwrap_or_default());
    visa.insert("request", request);
    body.insert("visas", vec![Value::Object(visa)]);
    String::from_utf8_lossy(&object_to_canonical(&body)).into_owned()
}

fn claim(request: &PresentedRequest<'_>) -> Option<Claim> {
    Claim::parse(&base64_decode(request.payload.as_bytes())?, &Limits::DEFAULT, false).ok()
}

/// The note of a request under its nonce: the publisher's, or whosever it is.
pub(crate) fn note_nonce(
    mut note: Request,
    visa: Id,
    request: &PresentedRequest<'_>,
    publisher: Option<&Owner>,
) -> Result<Request, String> {
    let nonce = claim(request).ok_or("what was noted is no claim")?.nonce().to_owned();
    let name = publisher.map_or(nonce.clone(), |publisher| format!("{publisher}:{nonce}"));
    if let Command::UseAssertion(command) = &mut note.command {
        command.jti = Reference::parse(&format!("request:{name}")).map_err(text)?;
    }
    let key = Reference::parse(&format!("request:{visa}:{name}")).map_err(text)?;
    note.idempotency = note.idempotency.map(|idempotency| Idempotency { key, ..idempotency });
    Ok(note)
}

/// Whether a request was signed after the end of its visa.
pub(crate) fn is_late(visa: &str, request: &PresentedRequest<'_>) -> bool {
    claim(request).zip(ends(visa)).is_some_and(|(claim, ends)| claim.ts.as_millis() > ends)
}

/// A replay store that forgets when it is told to.
#[derive(Debug, Default)]
pub(crate) struct Forgetful {
    store: MemoryReplayStore,
}

impl Forgetful {
    const fn forgets(key: &[u8; 16]) -> bool {
        let [first, ..] = *key;
        first.is_multiple_of(5)
    }
}

impl ReplayStore for Forgetful {
    fn insert_if_absent(&self, entry: &ReplayEntry, now: Timestamp) -> Insert {
        let answer = self.store.insert_if_absent(entry, now);
        if Self::forgets(&entry.key) { Insert::Fresh } else { answer }
    }

    fn seen(&self, key: &[u8; 16], now: Timestamp) -> Seen {
        if Self::forgets(key) { Seen::No } else { self.store.seen(key, now) }
    }

    fn horizon(&self) -> Option<Timestamp> {
        self.store.horizon()
    }
}

/// The broker's store, faithful unless a fault is seeded.
#[derive(Debug)]
pub(crate) struct Shelf {
    pub(crate) memory: Memory,
    fault: Option<Fault>,
    issued: Mutex<BTreeMap<Id, Visa>>,
    writes: u64,
}

impl Shelf {
    pub(crate) fn new(fault: Option<Fault>) -> Self {
        Self { memory: Memory::new(), fault, issued: Mutex::default(), writes: 0 }
    }
}

impl Store for Shelf {
    type Error = Contradiction;

    fn is_conflict(error: &Contradiction) -> bool {
        Memory::is_conflict(error)
    }

    fn begin(&mut self) -> Result<(), Contradiction> {
        self.memory.begin()
    }

    fn load(&mut self, keys: &Keys) -> Result<Loaded, Contradiction> {
        let mut loaded = self.memory.load(keys)?;
        if self.fault == Some(Fault::RedeemsTwice) {
            let issued = self.issued.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            for (jti, visa) in &mut loaded.visas {
                if let Some(first) = issued.get(jti).filter(|_| visa.state == VisaState::Redeemed) {
                    *visa = first.clone();
                }
            }
        }
        Ok(loaded)
    }

    fn write(&mut self, changes: &Changes) -> Result<(), Contradiction> {
        self.writes = self.writes.saturating_add(1);
        if self.fault == Some(Fault::LosesWrites) && self.writes.is_multiple_of(7) {
            self.memory.abort();
            return Ok(());
        }
        let mut changes = changes.clone();
        if self.fault == Some(Fault::ForgetsKeys) {
            changes.idempotency.clear();
        }
        let mut issued = self.issued.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for visa in changes.visas.iter().filter(|visa| visa.state == VisaState::Issued) {
            issued.entry(visa.jti).or_insert_with(|| visa.clone());
        }
        drop(issued);
        self.memory.write(&changes)
    }

    fn abort(&mut self) {
        self.memory.abort();
    }
}
