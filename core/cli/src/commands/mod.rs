//! The commands, one to a file.

pub(crate) mod audit;
pub(crate) mod broker;
pub(crate) mod canonicalize;
pub(crate) mod codes;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod discover;
pub(crate) mod explain;
pub(crate) mod fetch;
pub(crate) mod grade;
pub(crate) mod jwk;
pub(crate) mod key;
pub(crate) mod keygen;
pub(crate) mod keys;
pub(crate) mod man;
pub(crate) mod manifest;
pub(crate) mod operator;
pub(crate) mod policy;
pub(crate) mod rotate;
mod serve;
pub(crate) mod server;
pub(crate) mod sign;
pub(crate) mod verify;
pub(crate) mod visa;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use imagxp::{AgentId, Purpose};

/// Reads a purpose by its wire name; for clap, which also completes it.
pub(crate) fn purpose() -> impl TypedValueParser<Value = Purpose> {
    PossibleValuesParser::new(Purpose::ALL.map(Purpose::as_str))
        .try_map(|name| Purpose::from_name(&name).ok_or("not a purpose"))
}

/// Reads an agent_id.
pub(crate) fn agent_id(text: &str, allow_loopback: bool) -> Result<AgentId, crate::error::CliError> {
    AgentId::parse(text, allow_loopback).ok_or_else(|| {
        let more = if AgentId::parse(text, true).is_some() {
            "; --allow-loopback admits it for development"
        } else {
            ""
        };
        crate::error::CliError::usage(format!("`{text}` is not a public domain name{more}"))
    })
}
