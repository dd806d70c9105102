//! One read, as a state machine without I/O: discover, sign, pay when asked, retry once, verify the receipt (PROTOCOL §§8–10).
//!
//! [`Reader::visit`](super::reader::Reader::visit) makes a [`Visit`]; [`Visit::step`] takes what happened and says what to do next. Each
//! answer is handed back exactly once, in order:
//!
//! ```text
//! Start ─► FetchRobots ─► FetchPolicy ─► Send ─┬─► Done
//!                                        ▲     ├─ 402 ─► RequestToken ─► Send (once)
//!                                        └─────┴─ 30x: the next hop
//! ```
//!
//! A reservation stands in the [`SpendStore`](super::spend::SpendStore) before [`Action::RequestToken`] is returned, so a process that
//! dies afterwards knows at its next start that a payment may have been made. A visit that is dropped in that state settles it as unknown.

mod door;
mod machine;
mod pay;
mod receipt;
mod redirect;
mod report;

pub use machine::{Action, Event, Send, Visit};
pub use redirect::MAX_HOPS;
pub use report::{Payment, PaymentState, ReceiptState, Refusal, Report, Step};
