//! The ledger at work: one thread decides what waits in a bounded queue, in batches that share one commit; with SQLite another writes them,
//! while the next are decided. Readers have their own connections (BROKER §1).

mod admin;
mod ahead;
mod answers;
mod backend;
mod clock;
mod line;
#[cfg(all(test, shuttle))]
mod models;
mod options;
mod queue;
mod random;
mod readers;
mod registry;
mod ticket;
mod worker;
mod writing;

pub(crate) use backend::open_writer;
pub use clock::Clock;
pub use options::{Address, Options};
pub use queue::Ledger;
pub use readers::Reading;
pub use registry::Registry;
pub use ticket::Ticket;
