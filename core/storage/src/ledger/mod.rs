//! The ledger at work: one thread writes what waits in a bounded queue, in batches that share one commit; readers have their own
//! connections (BROKER §1).

mod admin;
mod backend;
mod clock;
mod options;
mod queue;
mod random;
mod readers;
mod registry;
mod ticket;
mod worker;

pub(crate) use backend::open_writer;
pub use clock::Clock;
pub use options::{Address, Options};
pub use queue::Ledger;
pub use readers::Reading;
pub use registry::Registry;
pub use ticket::Ticket;
