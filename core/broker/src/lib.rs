#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

pub mod account;
mod actor;
mod amount;
mod asset;
pub mod audit;
mod batch;
mod clock;
mod code;
mod command;
mod correction;
mod deposit;
mod draft;
mod event;
mod evidence;
mod id;
pub mod idempotency;
mod ledger;
mod lock;
pub mod log;
pub mod memory;
mod note;
mod once;
mod outcome;
mod pay;
mod pending;
pub mod proof;
mod refusal;
pub mod rules;
mod standing;
pub mod store;
mod text;
mod transfer;
mod visa;
mod withdrawal;

pub use account::{Account, AccountId, AccountKey, Kind};
pub use actor::Actor;
pub use amount::{Amount, MAX_SCALE};
pub use asset::{Asset, Assets};
pub use batch::{Done, Idempotency, Request, apply, decide};
pub use clock::{NoteTime, TrustClock};
pub use code::{Phase, TransferCode};
pub use command::Command;
pub use correction::{ApproveCorrection, Correct, RejectCorrection};
pub use deposit::Deposit;
pub use event::{Event, EventKind};
pub use evidence::{Evidence, PresentedRequest};
pub use id::{Id, Ids, TimeOrdered};
pub use idempotency::{IdempotencyKey, IdempotencyRecord};
pub use lock::{Bond, Lock, Slash, Unlock};
pub use log::{Entry, Head, Leaf};
pub use memory::Memory;
pub use note::{AcceptLog, Beginning, NoteOperator};
pub use once::{Once, OnceKey, OnceScope, UseAssertion};
pub use outcome::Outcome;
pub use pay::Pay;
pub use refusal::{Refusal, RefusalCode};
pub use rules::Rules;
pub use standing::{Close, Freeze, Unfreeze};
pub use store::{Changes, DueVisa, Keys, Loaded, LogCounts, Reader, Store, Sweep, VisaFilter};
pub use text::{Memo, Owner, Reference};
pub use transfer::Transfer;
pub use visa::{
    Contest, Decide, Decision, Due, GiveFeedback, IssueVisa, Redeem, Visa, VisaFeedback, VisaState, VisaToken,
};
pub use withdrawal::{PostWithdrawal, VoidWithdrawal, Withdraw};
