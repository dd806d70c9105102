#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod agent;
mod answer;
mod blocking;
pub mod broker;
mod budget;
mod capped;
mod connect;
mod error;
mod exchange;
mod fetcher;
mod flight;
mod options;
mod patience;
mod process;
mod profile;
mod resolve;
mod resolver;
mod target;

pub use answer::{Answer, Call, Dnssec};
pub use error::FetchError;
pub use fetcher::Fetcher;
pub use imagxp::publisher::FetchFailure;
pub use options::Options;
pub use profile::Profile;
pub use resolver::Resolver;
