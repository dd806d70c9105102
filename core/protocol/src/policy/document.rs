//! The policy document: the typed form of PROTOCOL §7. Unknown members are refused.

use crate::purpose::Purpose;
#[cfg(test)]
use serde::Deserialize;
use serde::Serialize;
use std::collections::BTreeMap;

/// A publisher's policy.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, Deserialize))]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// The version of this format: 1.
    pub version: u8,
    /// The origins that this publisher serves, `https://host[:port]`; requests are bound to them, never to a `Host` header.
    pub origins: Vec<String>,
    /// Whether verdicts are enforced or only reported.
    #[serde(default)]
    pub mode: Mode,
    /// What visitors without a signature may read.
    #[serde(default)]
    pub unsigned: Unsigned,
    /// Whether the agent's domain must vouch for its key.
    #[serde(default)]
    pub identity: IdentityMode,
    /// Whether a claim must name its resource.
    #[serde(default = "yes")]
    pub require_resource: bool,
    /// How the claim's resource is compared with the request.
    #[serde(default)]
    pub resource_match: ResourceMatch,
    /// Whether agents without `IMAGXP/1.0` in their User-Agent are refused, rather than warned about.
    #[serde(default)]
    pub require_user_agent: bool,
    /// The methods that agents may use.
    #[serde(default = "read_methods")]
    pub methods: Vec<String>,
    /// How far a claim's time may be off.
    #[serde(default)]
    pub clock: Clock,
    /// What agents may read for; a purpose that is not listed is denied. EMBEDDING falls under CRAWL_TRAINING's rule unless listed.
    #[serde(default)]
    #[cfg_attr(test, schemars(extend("propertyNames" = {"enum": ["CRAWL_TRAINING", "RAG_RETRIEVAL", "SUMMARY", "QUOTATION", "EMBEDDING"]})))]
    pub purposes: BTreeMap<Purpose, PurposeRule>,
    /// Rules for single agents; the most specific match wins, among equally specific ones deny wins.
    #[serde(default)]
    pub agents: Vec<AgentRule>,
    /// Rules for parts of the site; every match is consulted, deny wins, the most specific price counts.
    #[serde(default)]
    pub paths: Vec<PathRule>,
    /// How agents pay.
    #[serde(default)]
    pub payment: Payment,
    /// The price where no narrower rule names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// How often each agent may ask, where its own rule does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// What is said about the content's origin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
    /// Development only: admits loopback origins and agents over http. A server on a public address refuses to start with it.
    #[serde(default)]
    pub allow_loopback: bool,
}

/// Whether verdicts are enforced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, Deserialize))]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Refusals are refused.
    #[default]
    Enforce,
    /// Everything passes; the verdict says what would have happened.
    Observe,
}

/// What visitors without a signature may read; ordered from open to closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, Deserialize))]
#[serde(rename_all = "snake_case")]
pub enum Unsigned {
    /// Everyone.
    Allow,
    /// What looks like a browser. This is a guess: a browser can be imitated.
    Browsers,
    /// Nobody.
    #[default]
    Deny,
}

/// Whether the agent's domain must vouch for its key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, Deserialize))]
#[serde(rename_all = "snake_case")]
pub enum IdentityMode {
    /// The key must be published in the manifest at the agent's domain.
    #[default]
    Bound,
    /// The key in the request is enough: it proves continuity, not the domain.
    KeyOnly,
}

/// How the claim's resource is compared with the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, Deserialize))]
#[serde(rename_all = "snake_case")]
pub enum ResourceMatch {
    /// Origin, path and query.
    #[default]
    Strict,
    /// Path and query; a relative resource is accepted.
    Path,
    /// Not at all.
    Off,
}

/// How far a claim's time may be off, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, Deserialize))]
#[serde(deny_unknown_fields)]
pub struct Clock {
    /// How old a claim may be: at most 300.
    #[serde(default = "default_past")]
    pub past_s: u16,
    /// How far ahead a claim may be: 60 by default, at most 300.
    #[serde(default = "default_future")]
    pub future_s: u16,
}

impl Default for Clock {
    fn default() -> Self {
        Self { past_s: default_past(), future_s: default_future() }
    }
}

/// Whether a purpose is allowed, and its price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, Deserialize))]
#[serde(deny_unknown_fields)]
pub struct PurposeRule {
    /// Whether agents may read for this purpose; a listed purpose is allowed unless this says otherwise.
    #[serde(default = "yes")]
    pub allow: bool,
    /// The price for this purpose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
}

/// A rule for an agent or for the agents below a domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, Deserialize))]
#[serde(deny_unknown_fields)]
pub struct AgentRule {
    /// A domain, or `*.domain` for everything below it (not the domain itself).
    #[serde(rename = "match")]
    pub matches: String,
    /// Whether these agents may read at all.
    #[serde(default = "yes")]
    pub allow: bool,
    /// What these agents may read for, in addition to the document's `purposes`; a deny on either side wins.
    #[serde(default)]
    #[cfg_attr(test, schemars(extend("propertyNames" = {"enum": ["CRAWL_TRAINING", "RAG_RETRIEVAL", "SUMMARY", "QUOTATION", "EMBEDDING"]})))]
    pub purposes: BTreeMap<Purpose, PurposeRule>,
    /// How often each of these agents may ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
}

/// A rule for a part of the site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, Deserialize))]
#[serde(deny_unknown_fields)]
pub struct PathRule {
    /// A pattern for the whole decoded path: `*` stands for any run of characters, `/` included, as in robots.txt; `?` for one.
    #[serde(rename = "match")]
    pub matches: String,
    /// What agents may read for here; a deny anywhere wins.
    #[serde(default)]
    #[cfg_attr(test, schemars(extend("propertyNames" = {"enum": ["CRAWL_TRAINING", "RAG_RETRIEVAL", "SUMMARY", "QUOTATION", "EMBEDDING"]})))]
    pub purposes: BTreeMap<Purpose, PurposeRule>,
    /// The price here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// What visitors without a signature may read here; it can only tighten the document's `unsigned`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsigned: Option<Unsigned>,
}

/// How agents pay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, Deserialize))]
#[serde(deny_unknown_fields)]
pub struct Payment {
    /// Whether agents need a visa even where no price is set.
    #[serde(default)]
    pub required: bool,
    /// The brokers whose visas are accepted.
    #[serde(default)]
    pub brokers: Vec<Broker>,
    /// Whether an ad-impression proof is accepted in the place of a visa.
    #[serde(default)]
    pub accept_ads: bool,
    /// The ad networks whose proofs are accepted.
    #[serde(default)]
    pub ad_networks: Vec<AdNetwork>,
}

/// A broker whose visas are accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, Deserialize))]
#[serde(deny_unknown_fields)]
pub struct Broker {
    /// The exact `iss` of its visas, an https URL.
    pub issuer: String,
    /// Where its JWKS is, an https URL.
    pub jwks_uri: String,
    /// Whether visas are bound to their agent.
    #[serde(default)]
    pub binding: Binding,
    /// Whether visas are checked here alone or redeemed at the broker.
    #[serde(default)]
    pub check: Check,
}

/// Whether visas are bound to their agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, Deserialize))]
#[serde(rename_all = "snake_case")]
pub enum Binding {
    /// `sub`, `jti` and `cnf` are checked.
    #[default]
    Agent,
    /// Whoever bears the token may use it; the verdict carries the warning `payment.bearer`.
    Bearer,
}

/// Whether visas are checked here alone or redeemed at the broker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, Deserialize))]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// The signature is enough; the publisher redeems later.
    #[default]
    Offline,
    /// The broker confirms each visa before the content is served.
    Redeem,
}

/// An ad network whose impression proofs are accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, Deserialize))]
#[serde(deny_unknown_fields)]
pub struct AdNetwork {
    /// The exact `iss` of its proofs, an https URL.
    pub issuer: String,
    /// Where its JWKS is, an https URL.
    pub jwks_uri: String,
    /// The exact `aud` that its proofs must contain.
    pub audience: String,
}

/// A price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, Deserialize))]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// A decimal string, for example `"0.001"`; `"0"` means free.
    pub amount: String,
    /// The currency or asset: 2 to 12 characters of `A-Z 0-9`.
    pub currency: String,
}

/// A rate: so many requests in so many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, Deserialize))]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Requests, at least 1.
    pub requests: u32,
    /// Seconds, 1 to 86 400.
    pub per_s: u32,
}

/// What is said about the content's origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, Deserialize))]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// Sent as `x-imagxp-content-origin`.
    pub origin: ContentOrigin,
    /// Whether readers must attribute the content.
    #[serde(default)]
    pub attribution_required: bool,
}

/// Who made the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, Deserialize))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ContentOrigin {
    /// People.
    Human,
    /// Machines.
    Synthetic,
    /// Both.
    Hybrid,
}

impl ContentOrigin {
    /// Every origin.
    pub const ALL: [Self; 3] = [Self::Human, Self::Synthetic, Self::Hybrid];

    /// The origin with this exact wire name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|origin| origin.as_str() == name)
    }

    /// The header's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Human => "HUMAN",
            Self::Synthetic => "SYNTHETIC",
            Self::Hybrid => "HYBRID",
        }
    }
}

#[cfg(test)]
fn yes() -> bool {
    true
}

pub(super) fn read_methods() -> Vec<String> {
    vec!["GET".into(), "HEAD".into()]
}

fn default_past() -> u16 {
    300
}

fn default_future() -> u16 {
    60
}
