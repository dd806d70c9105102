//! Transfers: what moved, from where to where; never changed, never deleted (BROKER §1).

use crate::account::AccountId;
use crate::actor::Actor;
use crate::amount::Amount;
use crate::asset::Asset;
use crate::code::{Phase, TransferCode};
use crate::id::Id;
use crate::text::{Memo, Reference};
use imagxp::Timestamp;
use imagxp::json::{Object, object_to_canonical};
use serde::{Deserialize, Serialize};

/// A transfer: one row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// Its name, unique.
    pub id: Id,
    /// In which asset.
    pub asset: Asset,
    /// What it is about.
    pub code: TransferCode,
    /// How it takes effect.
    pub phase: Phase,
    /// Which pending transfer it ends, when it is a post or void; unique.
    pub pending_id: Option<Id>,
    /// From.
    pub debit: AccountId,
    /// To.
    pub credit: AccountId,
    /// How much, more than nothing: of a post what is posted, of a void the whole pending amount.
    pub amount: Amount,
    /// What it is called elsewhere.
    pub reference: Option<Reference>,
    /// A note.
    pub memo: Option<Memo>,
    /// Who asked for it.
    pub actor: Actor,
    /// Its number in the log, from 0 on; transfers and events share the numbers.
    pub seq: u64,
    /// When, in milliseconds since 1970, by the clock of the server that took it.
    pub created_at: i64,
}

impl Transfer {
    /// Whether the other asks for the same: everything but its number and time.
    pub(crate) fn same_content(&self, other: &Self) -> bool {
        let Self {
            id, asset, code, phase, pending_id, debit, credit, amount, reference, memo, actor, ..
        } = self;
        (id, asset, code, phase, pending_id)
            == (&other.id, &other.asset, &other.code, &other.phase, &other.pending_id)
            && (debit, credit, amount) == (&other.debit, &other.credit, &other.amount)
            && (reference, memo, actor) == (&other.reference, &other.memo, &other.actor)
    }

    /// What the log holds of it, in RFC 8785 form: everything but `seq`, which is the entry's own number.
    pub fn body(&self) -> Vec<u8> {
        let mut object = Object::new();
        object.insert("actor", self.actor.to_string());
        object.insert("amount", self.amount.to_string());
        object.insert("asset", self.asset.as_str());
        object.insert("code", self.code.as_str());
        object.insert("credit", self.credit.to_string());
        object.insert("debit", self.debit.to_string());
        object.insert("id", self.id.to_string());
        if let Some(memo) = &self.memo {
            object.insert("memo", memo.as_str());
        }
        if let Some(pending) = &self.pending_id {
            object.insert("pending_id", pending.to_string());
        }
        object.insert("phase", self.phase.as_str());
        if let Some(reference) = &self.reference {
            object.insert("ref", reference.as_str());
        }
        object.insert("time", Timestamp::from_millis(self.created_at).to_string());
        object.insert("type", "transfer");
        object_to_canonical(&object)
    }
}
