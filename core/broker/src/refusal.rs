//! Why a command was refused: one stable code per kind (BROKER §3).

use core::fmt;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

macro_rules! codes {
    ($($name:ident = $text:literal, $http:literal, $meaning:literal;)*) => {
        /// What kind of refusal it is; each kind has one stable dotted code and one HTTP status.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum RefusalCode {
            $(#[doc = concat!($meaning, " (`", $text, "`, ", stringify!($http), ").")] $name,)*
        }

        impl RefusalCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The dotted code.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The HTTP status to answer with.
            pub const fn http(self) -> u16 {
                match self { $(Self::$name => $http,)* }
            }

            /// What it means, in a few words.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)* }
            }
        }
    };
}

codes! {
    AmountMalformed = "amount.malformed", 400, "the amount is not a decimal string of this asset";
    AmountRange = "amount.range", 400, "the amount is zero, too large, or more than there is to divide";
    AssetUnknown = "asset.unknown", 400, "the asset is not configured here";
    TextMalformed = "text.malformed", 400, "a name, reference or memo has the wrong form";
    IdMalformed = "id.malformed", 400, "an id is not a lower-case UUID";

    AccountInsufficient = "account.insufficient", 402, "the account does not hold enough";
    AccountFrozen = "account.frozen", 403, "the account is frozen";
    AccountClosed = "account.closed", 403, "the account is closed";
    AccountNotFound = "account.not_found", 404, "there is no such account";
    AccountNotEmpty = "account.not_empty", 409, "the account still holds or awaits money";

    TransferIllegal = "transfer.illegal", 400, "no transfer of this code may have this shape";
    TransferNotFound = "transfer.not_found", 404, "there is no such transfer";
    TransferNotPending = "transfer.not_pending", 409, "the transfer is not one that waits for a decision";
    TransferAlreadyResolved = "transfer.already_resolved", 409, "the transfer has been decided already";

    VisaNotFound = "visa.not_found", 404, "there is no such visa";
    VisaLifetime = "visa.lifetime", 400, "the visa would live too long or not at all";
    VisaState = "visa.state", 409, "the visa is not in a state that allows this";
    VisaExpired = "visa.expired", 410, "the visa has expired";
    VisaNotYours = "visa.not_yours", 403, "the visa was issued for somebody else";
    VisaWrongKey = "visa.wrong_key", 403, "the visa is bound to another key";
    VisaRequest = "visa.request", 400, "the request that was presented with the visa does not stand for it";
    VisaRequestUsed = "visa.request_used", 409, "the request was presented with another visa";
    PaymentMalformed = "payment.malformed", 400, "the visa's token cannot be read";
    PaymentInvalidToken = "payment.invalid_token", 400, "the visa's token is not one of this broker's";

    FeedbackAlreadyGiven = "feedback.already_given", 409, "feedback on this visa has been given";
    FeedbackWrongKey = "feedback.wrong_key", 403, "the feedback is not signed by the key that made the request";
    FeedbackClosed = "feedback.closed", 409, "the time for feedback is over";
    ContestClosed = "contest.closed", 409, "the time to contest is over";

    IdempotencyMismatch = "idempotency.mismatch", 409, "the key, id or reference was used for something else";
    IdempotencyInProgress = "idempotency.in_progress", 409, "the first request with this key is not finished";
    AssertionUsed = "assertion.used", 401, "the client assertion has been used";
    ActorDenied = "actor.denied", 403, "who asks may not do this";
    AdminSecondNeeded = "admin.second_needed", 403, "another operator has to agree";

    LedgerBroken = "ledger.broken", 503, "an invariant of the ledger does not hold; writes are refused";
    LogRewound = "log.rewound", 503, "the log does not contain a checkpoint that was published; writes are refused until an operator has looked";
    LogContinues = "log.continues", 409, "the log contains what was seen of it; there is nothing to accept";
    ClockWrong = "clock.wrong", 503, "the server's clock is far from the times of the log";
    ClockDispute = "clock.dispute", 409, "the entry is not an operator's dispute of the log's time as it stands";
    StoreUnknown = "store.unknown", 504, "nobody knows whether it was done; the same request with its idempotency key finds out";
    StoreBusy = "store.busy", 503, "the store cannot take the request now";
}

impl RefusalCode {
    /// The code with this exact text.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == name)
    }

    /// Whether the same request will be refused for ever, so that its idempotency record keeps the refusal. What money, time, an operator
    /// or another request can change is decided anew.
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::AmountMalformed
                | Self::AmountRange
                | Self::TextMalformed
                | Self::IdMalformed
                | Self::TransferIllegal
                | Self::VisaLifetime
        )
    }
}

impl Serialize for RefusalCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for RefusalCode {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = <Cow<'de, str>>::deserialize(deserializer)?;
        Self::from_name(&name).ok_or_else(|| serde::de::Error::custom("no code of a refusal"))
    }
}

/// A refused command: nothing has changed, except that its idempotency key may now be known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    code: RefusalCode,
    message: Cow<'static, str>,
}

impl Refusal {
    /// A refusal with a sentence of its own: lower case, no full stop, user input in backticks, no secret.
    #[cold]
    pub fn new(code: RefusalCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into() }
    }

    /// Which kind it is.
    pub const fn code(&self) -> RefusalCode {
        self.code
    }

    /// What is wrong, for people.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl From<RefusalCode> for Refusal {
    fn from(code: RefusalCode) -> Self {
        Self::new(code, code.meaning())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.message)
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_round_trip() {
        for (at, code) in RefusalCode::ALL.iter().enumerate() {
            assert_eq!(RefusalCode::from_name(code.as_str()), Some(*code));
            assert!(RefusalCode::ALL[..at].iter().all(|other| other.as_str() != code.as_str()));
            assert!((400..=504).contains(&code.http()));
            let refusal = Refusal::from(*code);
            let json = serde_json::to_vec(&refusal).unwrap();
            assert_eq!(serde_json::from_slice::<Refusal>(&json).unwrap(), refusal);
        }
        assert_eq!(RefusalCode::from_name("amount"), None);
        assert!(serde_json::from_str::<Refusal>(r#"{"code":"no.such","message":"x"}"#).is_err());
    }
}
