//! Strict JSON: I-JSON in (RFC 7493, PROTOCOL §2), the RFC 8785 canonical form out.
//!
//! A signed document must mean the same to whoever signs it and whoever checks it. General-purpose parsers differ in
//! just the places that matter (`serde_json` takes the last of two equal members, rounds large integers and knows no
//! limits), so this one refuses whatever another parser could read otherwise: duplicate members, lone surrogates,
//! integers that a double cannot hold. It never allocates in proportion to something it has not yet checked against
//! [`Limits`].
//!
//! Noncharacters such as U+FFFF are admitted: RFC 7493 §2.1 forbids them, but every parser reads them alike.
//!
//! ```
//! use imagxp::json::{self, Limits};
//!
//! let claim = json::parse_object(br#"{"v":"1.1","purpose":"SUMMARY"}"#, &Limits::CLAIM)?;
//! assert_eq!(claim.get("v").and_then(json::Value::as_str), Some("1.1"));
//! assert_eq!(json::object_to_canonical(&claim), br#"{"purpose":"SUMMARY","v":"1.1"}"#);
//! # Ok::<(), imagxp::Error>(())
//! ```

mod canonical;
mod decimal;
mod error;
mod limits;
mod names;
mod number;
mod object;
mod parse;
mod scan;
mod shallow;
mod string;
mod value;

pub(crate) use canonical::write_object;
pub use canonical::{canonicalize, object_to_canonical, to_canonical, write_canonical};
pub use error::ParseError;
pub use limits::Limits;
pub use number::Number;
pub use object::Object;
pub use parse::{parse, parse_object};
pub(crate) use shallow::{Shallow, canonical_members};
pub use value::Value;
