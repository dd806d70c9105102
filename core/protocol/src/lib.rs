#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod address;
pub mod agent;
pub mod agent_id;
pub mod amount;
pub mod audit;
pub mod cache_control;
pub mod claim;
pub mod code;
pub mod crypto;
pub mod digest;
mod directory;
pub mod discovery;
pub mod encoding;
pub mod error;
pub mod explain;
pub mod feedback;
mod freshness;
pub mod headers;
mod held;
pub mod json;
pub mod jwks;
mod jwks_cache;
pub mod limits;
pub mod manifest;
pub mod policy;
pub mod provenance;
pub mod publisher;
pub mod purpose;
pub mod replay;
pub mod resource;
mod sync;
pub mod time;
pub mod token;
pub mod visa;

pub use agent_id::AgentId;
pub use claim::Claim;
pub use code::{Code, Retry};
pub use error::{Error, ErrorKind, Result};
pub use limits::Limits;
pub use manifest::Manifest;
pub use policy::Policy;
pub use publisher::{Publisher, Request, Verdict};
pub use purpose::Purpose;
pub use time::Timestamp;

/// The version of this library, the same in every language.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
