//! A visa as it stands.

use crate::account::{AccountId, AccountKey};
use crate::amount::Amount;
use crate::asset::Asset;
use crate::id::Id;
use crate::refusal::{Refusal, RefusalCode};
use crate::text::{Memo, Owner};
use imagxp::Purpose;
use imagxp::crypto::Thumbprint;
use imagxp::encoding::hex_encode;
use imagxp::feedback::{Reason, Score};
use imagxp::json::{Object, Value, object_to_canonical};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Where a visa is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum VisaState {
    /// Bought, not presented.
    Issued,
    /// Presented; feedback is waited for.
    Redeemed,
    /// The agent was not content; the publisher may contest.
    Withheld,
    /// The publisher contests; an operator decides.
    Disputed,
    /// The publisher has the money.
    Released,
    /// The agent has it back.
    Refunded,
    /// Each has a part.
    Split,
    /// Never presented; the agent has it back.
    Expired,
}

impl VisaState {
    /// Every state.
    pub const ALL: [Self; 8] = [
        Self::Issued,
        Self::Redeemed,
        Self::Withheld,
        Self::Disputed,
        Self::Released,
        Self::Refunded,
        Self::Split,
        Self::Expired,
    ];

    /// The name, for example `ISSUED`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Issued => "ISSUED",
            Self::Redeemed => "REDEEMED",
            Self::Withheld => "WITHHELD",
            Self::Disputed => "DISPUTED",
            Self::Released => "RELEASED",
            Self::Refunded => "REFUNDED",
            Self::Split => "SPLIT",
            Self::Expired => "EXPIRED",
        }
    }

    /// The state with this exact name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Whether the money is still reserved: the pending transfer has not been resolved.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Issued | Self::Redeemed | Self::Withheld | Self::Disputed)
    }
}

/// What the agent said of what it got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VisaFeedback {
    /// How good it was.
    #[serde(with = "millionths")]
    pub score: Score,
    /// Why.
    #[serde(with = "reason")]
    pub reason: Reason,
    /// SHA-256 of the signed object, which the server keeps or not.
    pub sha256: [u8; 32],
    /// When it was given, in milliseconds since 1970.
    pub given_at: i64,
}

/// A visa: one row. Its `jti` is also the id of the pending transfer that holds the money.
///
/// Rows are kept as JSON for as long as there is a ledger: a member that is added needs `#[serde(default)]`, none is renamed or removed
/// (`tests/golden.rs`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visa {
    /// Its name, the `jti` of the token.
    pub jti: Id,
    /// Who bought it: `sub`.
    pub agent: Owner,
    /// For whom: `aud`.
    pub publisher: Owner,
    /// In which asset: `currency`.
    pub asset: Asset,
    /// For how much.
    pub amount: Amount,
    /// The fee that is taken of what is released, in ten-thousandths.
    pub fee_bps: u16,
    /// The key that it is bound to: `cnf.jkt`.
    #[serde(default, with = "thumbprint")]
    pub jkt: Option<Thumbprint>,
    /// The purposes it is limited to, when it is.
    #[serde(default, with = "purposes")]
    pub purposes: Option<Vec<Purpose>>,
    /// The path patterns it is limited to, when it is.
    pub paths: Option<Vec<String>>,
    /// Where it is in its life.
    pub state: VisaState,
    /// `iat`, in milliseconds since 1970, a whole second.
    pub issued_at: i64,
    /// `exp`, in milliseconds since 1970, a whole second.
    pub expires_at: i64,
    /// When time changes the state by itself, in milliseconds since 1970: [`crate::Due`] then acts. Absent when time changes nothing.
    pub due_at: Option<i64>,
    /// When it was redeemed.
    pub redeemed_at: Option<i64>,
    /// The key that signed the request with which it was redeemed; feedback must be signed by the same.
    #[serde(default, with = "thumbprint")]
    pub request_jkt: Option<Thumbprint>,
    /// What the agent said.
    pub feedback: Option<VisaFeedback>,
    /// What the publisher said against it.
    pub contest: Option<Memo>,
    /// When the money was released, refunded or divided.
    pub settled_at: Option<i64>,
    /// What was posted to the publisher, before the fee.
    pub released: Amount,
    /// What was taken of that as a fee.
    pub fee: Amount,
    /// The log's size after the last change: grows with each.
    pub version: u64,
}

impl Visa {
    /// The account that pays.
    pub fn debit(&self) -> AccountKey {
        AccountKey::available(self.asset, self.agent.clone())
    }

    /// The account that earns.
    pub fn credit(&self) -> AccountKey {
        AccountKey::available(self.asset, self.publisher.clone())
    }

    /// The accounts that its settlement touches.
    pub(crate) fn accounts(&self) -> [AccountId; 3] {
        [self.debit().id(), self.credit().id(), AccountKey::treasury(self.asset).id()]
    }

    /// Whether time has changed its state, or will when somebody looks.
    pub(crate) fn is_due(&self, now_ms: i64) -> bool {
        self.due_at.is_some_and(|due| now_ms >= due)
    }

    /// SHA-256, in hex, of the RFC 8785 object of the `paths` and `purposes` that it is limited to; `None` when it is not limited.
    pub fn limits_sha256(&self) -> Option<String> {
        let mut limits = Object::new();
        if let Some(paths) = &self.paths {
            limits.insert("paths", paths.iter().map(|path| path.as_str().into()).collect::<Vec<Value<'_>>>());
        }
        if let Some(purposes) = &self.purposes {
            let names = purposes.iter().map(|purpose| purpose.as_str().into());
            limits.insert("purposes", names.collect::<Vec<Value<'_>>>());
        }
        let limited = self.paths.is_some() || self.purposes.is_some();
        limited.then(|| hex_encode(&<[u8; 32]>::from(Sha256::digest(object_to_canonical(&limits)))))
    }

    /// The row as JSON, for a store that keeps what it does not search by in one column. Refusal: `ledger.broken`.
    pub fn to_json(&self) -> Result<String, Refusal> {
        serde_json::to_string(self)
            .map_err(|_| Refusal::new(RefusalCode::LedgerBroken, "a visa cannot be written"))
    }

    /// Reads [`Visa::to_json`]. Refusal: `ledger.broken`.
    pub fn from_json(json: &str) -> Result<Self, Refusal> {
        serde_json::from_str(json)
            .map_err(|_| Refusal::new(RefusalCode::LedgerBroken, "a visa of the store cannot be read"))
    }
}

mod millionths {
    use imagxp::feedback::Score;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(score: &Score, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(score.millionths())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Score, D::Error> {
        Score::from_millionths(u32::deserialize(deserializer)?)
            .ok_or_else(|| serde::de::Error::custom("no score"))
    }
}

mod reason {
    use imagxp::feedback::Reason;
    use serde::{Deserialize, Deserializer, Serializer};
    use std::borrow::Cow;

    pub(super) fn serialize<S: Serializer>(reason: &Reason, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(reason.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Reason, D::Error> {
        let name = <Cow<'de, str>>::deserialize(deserializer)?;
        Reason::from_name(&name).ok_or_else(|| serde::de::Error::custom("no reason"))
    }
}

mod thumbprint {
    use imagxp::crypto::Thumbprint;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::borrow::Cow;

    pub(super) fn serialize<S: Serializer>(
        jkt: &Option<Thumbprint>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        jkt.as_ref().map(Thumbprint::as_str).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Thumbprint>, D::Error> {
        let text = <Option<Cow<'de, str>>>::deserialize(deserializer)?;
        text.map(|text| Thumbprint::parse(&text).ok_or_else(|| serde::de::Error::custom("no thumbprint")))
            .transpose()
    }
}

mod purposes {
    use imagxp::Purpose;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        purposes: &Option<Vec<Purpose>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        purposes.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Vec<Purpose>>, D::Error> {
        let names = <Option<Vec<String>>>::deserialize(deserializer)?;
        let read =
            |name: String| Purpose::from_name(&name).ok_or_else(|| serde::de::Error::custom("no purpose"));
        names.map(|names| names.into_iter().map(read).collect()).transpose()
    }
}
