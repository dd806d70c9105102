#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod answer;
mod error;
mod fetcher;
mod options;
mod profile;
mod resolver;

pub use answer::{Answer, Call, Dnssec};
pub use error::FetchError;
pub use fetcher::Fetcher;
pub use imagxp::publisher::FetchFailure;
pub use options::Options;
pub use profile::Profile;
pub use resolver::Resolver;
