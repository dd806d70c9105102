//! What an accepted command came to.

use crate::account::Account;
use crate::event::Event;
use crate::transfer::Transfer;
use crate::visa::Visa;
use serde::{Deserialize, Serialize};

/// What an accepted command came to, as it was at that moment. A repeated command is answered with the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Outcome {
    /// The transfers that it made, in order: the first is the one that was asked for. None when there was nothing to do.
    pub transfers: Vec<Transfer>,
    /// The visa after a command on a visa.
    pub visa: Option<Visa>,
    /// The account after a command on an account.
    pub account: Option<Account>,
    /// What was logged by a command on the broker itself: the time of its log, its operators.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<Event>,
    /// Whether this was answered from memory: an id, reference or idempotency key that was used for the same before. Not stored.
    #[serde(skip)]
    pub repeated: bool,
}
