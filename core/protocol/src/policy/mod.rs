//! What a publisher allows, to whom, for what and at which price (PROTOCOL §7).
//!
//! A policy is read once and heard with each request: what reads it is `#[cold]`, which keeps the verifier below its megabyte.

mod check;
mod document;
mod evaluate;
mod members;
mod path;
pub(crate) mod public;
mod read;
mod refusal;

pub use document::{
    AdNetwork, AgentRule, Binding, Broker, Check, Clock, ContentOrigin, Document, IdentityMode, Mode,
    PathRule, Payment, Price, Provenance, PurposeRule, Rate, ResourceMatch, Unsigned,
};
pub use evaluate::{Decision, Question, Reason};
pub use path::PathPattern;
pub(crate) use public::MAX_LIST;
pub use public::WELL_KNOWN_PATH;

use crate::amount::Amount;
use crate::code::Code;
use crate::error::{Error, ErrorKind, Result};
use crate::json;
use crate::resource::Origin;
use sha2::{Digest, Sha256};

/// Written by the test below from the types, and kept as text: the generator would be a tenth of the shared library.
const SCHEMA: &str = include_str!("schema.json");

/// A price whose amount has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Money {
    /// The amount.
    pub amount: Amount,
    /// The currency or asset, for example `USD`.
    pub currency: String,
}

impl Money {
    /// Whether this one is asked for and not the other: it is dearer, or, in another currency, its rule is `narrower`. Nobody here
    /// knows a rate.
    pub(crate) fn prevails_over(&self, other: &Self, narrower: bool) -> bool {
        if self.currency == other.currency { self.amount > other.amount } else { narrower }
    }
}

/// A policy document whose every rule holds, ready to be evaluated.
#[derive(Clone, Debug)]
pub struct Policy {
    document: Document,
    origins: Vec<Origin>,
    rules: evaluate::Rules,
    hash: [u8; 32],
}

impl Policy {
    /// Reads a policy from JSON: strict (no duplicate or unknown members), at most 256 KiB. Agents must be able to read what it says in public: that
    /// has at most 256 KiB too, and 1024 elements in each list.
    ///
    /// Errors have the kind [`ErrorKind::Policy`] and name the member that is wrong; when syntax or types are, also the line.
    pub fn from_json(bytes: &[u8]) -> Result<Self> {
        let value = json::parse(bytes, &json::Limits::POLICY).map_err(|error| {
            let line = bytes.iter().take(error.offset()).filter(|&&b| b == b'\n').count() + 1;
            policy_refused(format_args!("line {line}: {}", describe(error.code())))
        })?;
        let canonical = json::to_canonical(&value);
        let document = read::document(&value).map_err(|refusal| policy_error(refusal.sentence(bytes)))?;
        Self::compile(document, Sha256::digest(canonical).into())
    }

    /// Checks a policy that was built in code.
    pub fn from_document(document: Document) -> Result<Self> {
        let bytes = serde_json::to_vec(&document)
            .map_err(|error| policy_error("the document cannot be written").with_source(error))?;
        Self::from_json(&bytes)
    }

    #[cold]
    fn compile(document: Document, hash: [u8; 32]) -> Result<Self> {
        let origins = document.check()?;
        let rules = evaluate::Rules::compile(&document)?;
        let policy = Self { document, origins, rules, hash };
        public::readable(&policy)?;
        Ok(policy)
    }

    /// The document.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// The publisher's origins, in the document's order.
    pub fn origins(&self) -> &[Origin] {
        &self.origins
    }

    /// SHA-256 of the document's RFC 8785 form.
    pub fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// Decides about purpose, agent and path (step 10 of PROTOCOL §5), and says what is to be paid.
    pub fn evaluate(&self, question: &Question<'_>) -> Decision {
        self.rules.evaluate(question, None)
    }

    /// Like [`Policy::evaluate`], with every rule that had a say, in order.
    pub fn explain(&self, question: &Question<'_>) -> (Decision, Vec<Reason>) {
        let mut reasons = Vec::new();
        let decision = self.rules.evaluate(question, Some(&mut reasons));
        (decision, reasons)
    }

    /// Who may read this path without a signature: `unsigned`, tightened by every path rule that matches any of its readings
    /// ([`crate::resource::path_readings`]).
    pub fn unsigned_at(&self, paths: &[String]) -> Unsigned {
        self.rules.unsigned_at(paths)
    }

    /// The strictest `unsigned` of all rules: for a path that cannot be read.
    pub fn unsigned_strictest(&self) -> Unsigned {
        self.rules.unsigned_strictest()
    }

    /// The public part, served at `/.well-known/imagxp-policy.json`: purposes, prices and brokers; no agent lists. RFC 8785 JSON.
    pub fn public_json(&self) -> Vec<u8> {
        public::to_json(self)
    }

    /// The JSON Schema (2020-12) of policy documents, as pretty-printed JSON.
    pub fn schema() -> String {
        SCHEMA.trim_end().to_owned()
    }

    /// Sentences about what is allowed but hardly meant: for `imagxp policy check`.
    pub fn remarks(&self) -> Vec<String> {
        public::remarks(self)
    }
}

/// The same with what is in the policy; not inlined, since twenty places have one.
#[cold]
#[inline(never)]
fn policy_refused(message: core::fmt::Arguments<'_>) -> Error {
    policy_error(message.to_string())
}

pub(crate) fn policy_error(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Policy, message)
}

fn describe(code: Code) -> &'static str {
    match code {
        Code::JsonMalformed => "not valid JSON",
        Code::JsonDuplicateKey => "a member occurs twice",
        Code::JsonTooDeep => "nested too deeply",
        Code::JsonTooMany => "too many members or values",
        Code::JsonNumberRange => "a number is out of range",
        Code::JsonInvalidUnicode => "not valid UTF-8",
        _ => "too large",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schema_is_what_the_types_say() {
        let schema = schemars::schema_for!(Document);
        let schema = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/policy/schema.json"), &schema).unwrap();
        }
        assert!(SCHEMA == schema, "src/policy/schema.json is out of date: run with UPDATE=1");
    }
}
