//! One purchase of a visa, and how far it has come.

use crate::agent_id::AgentId;
use crate::error::{Error, Result};
use crate::policy::Money;
use crate::purpose::Purpose;
use crate::resource::Resource;
use crate::time::Timestamp;

/// For how long an unknown purchase is asked about, in seconds: brokers keep an `Idempotency-Key` for 24 h (BROKER §3).
pub const RECONCILE_S: i64 = 23 * 3600;

/// A visa to be bought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purchase {
    /// Its name, sent as `Idempotency-Key`: 16 to 128 bytes of `A-Z a-z 0-9 - . _ ~`, unique.
    pub id: String,
    /// Who buys.
    pub agent_id: AgentId,
    /// The broker.
    pub issuer: String,
    /// The publisher's origin.
    pub audience: String,
    /// What for.
    pub purpose: Purpose,
    /// The price.
    pub price: Money,
}

/// How far an open purchase has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Reserved; the broker may have been asked.
    Reserved,
    /// The broker was asked and nobody knows what it did. Counts as spent.
    Unknown,
    /// Unknown, and being asked about just now.
    Asking,
}

/// A purchase without an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// What.
    pub purchase: Purchase,
    /// How far.
    pub phase: Phase,
    /// When it was reserved.
    pub at: Timestamp,
    /// The UTC day that it counts in, days since 1970.
    pub(super) day: i64,
}

/// The answer to [`super::Spend::reserve`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reserved {
    /// The price is set aside; ask the broker.
    New,
    /// Nothing was set aside: ask the broker about this earlier purchase first, under its own id.
    Again(Purchase),
}

/// How a purchase ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// The broker gave the visa.
    Spent,
    /// Certainly not paid: the request did not leave, or the broker refused it.
    Released,
    /// Nobody knows.
    Unknown,
}

impl Purchase {
    /// The publisher's host, for the caps of a host.
    pub(super) fn host(&self) -> Result<String> {
        Resource::parse(&self.audience)
            .and_then(|resource| resource.origin)
            .map(|origin| origin.host().to_owned())
            .ok_or_else(|| Error::argument(format!("`{}` is not an origin", self.audience)))
    }
}

impl Phase {
    /// The name in the saved state: `reserved` or `unknown`. Who asks is gone when a state is read.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Unknown | Self::Asking => "unknown",
        }
    }
}
