//! The log: transfers and events are leaves of one Merkle tree, the one of PROTOCOL §12.

use crate::event::Event;
use crate::refusal::{Refusal, RefusalCode};
use crate::transfer::Transfer;
use imagxp::audit::tree::Tree;
use imagxp::audit::{Checkpoint, Frame, Log};
use std::borrow::Cow;

/// The state of the log: one row, and the only one that every write changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// How many entries there are; also the number of the next one.
    pub size: u64,
    /// The roots of the perfect subtrees, largest first: as many as `size` has one bits.
    pub nodes: Vec<[u8; 32]>,
    /// The leaf hash of the last entry; zeros before the first.
    pub last: [u8; 32],
    /// The time of the last entry, in milliseconds since 1970; 0 before the first. It goes back only when two operators say that it was wrong
    /// ([`crate::TrustClock`]).
    pub last_at: i64,
}

impl Head {
    /// The log to append to. Refusal: `ledger.broken` when the row contradicts itself.
    pub fn log(&self) -> Result<Log, Refusal> {
        Tree::from_nodes(self.size, self.nodes.clone())
            .map(|tree| Log::resume(tree, self.last))
            .ok_or_else(|| Refusal::new(RefusalCode::LedgerBroken, "the head of the log contradicts itself"))
    }

    /// The row that this log comes to; `last_at` is the time of its last entry.
    pub fn of(log: &Log, last_at: i64) -> Self {
        Self { size: log.size(), nodes: log.tree().nodes().to_vec(), last: *log.last(), last_at }
    }

    /// The state as a checkpoint that is to be signed. Refusal: `ledger.broken`.
    pub fn checkpoint(&self, origin: &str) -> Result<Checkpoint, Refusal> {
        Ok(self.log()?.checkpoint(origin))
    }

    /// The bytes of `nodes`, 32 each, for a store that keeps them in one column.
    pub fn nodes_to_bytes(&self) -> Vec<u8> {
        self.nodes.concat()
    }
}

/// The RFC 6962 leaf hash of an entry: one row per entry, so that proofs need nothing else, and few of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leaf {
    /// The entry's number.
    pub seq: u64,
    /// Its hash.
    pub hash: [u8; 32],
    /// The roots of the perfect subtrees of two leaves and more that end with it, smallest first: as many as `seq` has one bits at its end.
    pub subtrees: Vec<[u8; 32]>,
}

impl Leaf {
    /// The root of the perfect subtree of this height that ends with it: itself at height 0.
    pub fn root(&self, height: u32) -> Option<[u8; 32]> {
        match height.checked_sub(1) {
            None => Some(self.hash),
            Some(above) => self.subtrees.get(usize::try_from(above).ok()?).copied(),
        }
    }
}

/// An entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Money moved.
    Transfer(Transfer),
    /// Something else happened.
    Event(Event),
}

impl Entry {
    /// Its number.
    pub const fn seq(&self) -> u64 {
        match self {
            Self::Transfer(transfer) => transfer.seq,
            Self::Event(event) => event.seq,
        }
    }

    /// When it was logged, in milliseconds since 1970.
    pub const fn created_at(&self) -> i64 {
        match self {
            Self::Transfer(transfer) => transfer.created_at,
            Self::Event(event) => event.created_at,
        }
    }

    pub(crate) const fn set_seq(&mut self, seq: u64) {
        match self {
            Self::Transfer(transfer) => transfer.seq = seq,
            Self::Event(event) => event.seq = seq,
        }
    }

    /// What is recorded, an RFC 8785 object.
    pub fn body(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Transfer(transfer) => Cow::Owned(transfer.body()),
            Self::Event(event) => Cow::Borrowed(event.body.as_bytes()),
        }
    }

    /// The line of the log: what a proof of it proves. `previous` is the leaf hash of the entry before it, zeros before the first.
    pub fn line(&self, previous: &[u8; 32]) -> Vec<u8> {
        Frame::line(&self.body(), self.seq(), previous)
    }
}
