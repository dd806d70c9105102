//! Names that count once: client assertions, external references of deposits, nonces of feedback.

use crate::command::Act;
use crate::id::Id;
use crate::ledger::Ledger;
use crate::outcome::Outcome;
use crate::refusal::{Refusal, RefusalCode};
use crate::rules::CLOCK_SKEW_MS;
use crate::store::{Keys, Loaded};
use crate::text::{Owner, Reference};

/// In which sense a name counts once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OnceScope {
    /// The `jti` of a client assertion (RFC 7523), until it expires; the name is `<agent> <jti>`.
    Assertion,
    /// The external reference of a deposit, for ever; the name is `<asset> <reference>`.
    Deposit,
    /// The nonce of a feedback, until its time has passed; the name is `<thumbprint of the key> <nonce>`.
    Feedback,
}

impl OnceScope {
    /// Every scope.
    pub const ALL: [Self; 3] = [Self::Assertion, Self::Deposit, Self::Feedback];

    /// The name, for example `deposit`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Assertion => "assertion",
            Self::Deposit => "deposit",
            Self::Feedback => "feedback",
        }
    }

    /// The scope with this exact name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name)
    }
}

/// A name in its scope; at most 520 bytes of visible ASCII and one space.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OnceKey {
    /// In which sense it counts once.
    pub scope: OnceScope,
    /// The name.
    pub name: String,
}

/// A name that has been used: one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    /// Which.
    pub key: OnceKey,
    /// What it was used for, when that is a transfer.
    pub transfer: Option<Id>,
    /// When, in milliseconds since 1970.
    pub created_at: i64,
    /// From when on it may be deleted; never when absent.
    pub expires_at: Option<i64>,
}

/// Uses up a client assertion that the server has verified (RFC 7523 §3): a token request that issues no visa.
///
/// With a visa it is a member of [`crate::IssueVisa`], so that both happen or neither. Refusal: `assertion.used`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UseAssertion {
    /// Whose: its `iss` and `sub`.
    pub agent: Owner,
    /// Its `jti`.
    pub jti: Reference,
    /// Its `exp`, in milliseconds since 1970; it is remembered for some time longer, for the sake of clocks that differ.
    pub expires_at: i64,
}

impl UseAssertion {
    fn once(&self) -> OnceKey {
        OnceKey { scope: OnceScope::Assertion, name: format!("{} {}", self.agent, self.jti) }
    }

    pub(crate) fn keys_of(&self, keys: &mut Keys) {
        keys.once.insert(self.once());
    }

    pub(crate) fn use_up(&self, ledger: &mut Ledger<'_>) -> Result<(), Refusal> {
        let once = self.once();
        if ledger.once(&once)?.is_some() {
            return Err(RefusalCode::AssertionUsed.into());
        }
        ledger.put_once(once, None, Some(self.expires_at.saturating_add(CLOCK_SKEW_MS)));
        Ok(())
    }
}

impl Act for UseAssertion {
    fn keys(&self, _: &Loaded, keys: &mut Keys) {
        self.keys_of(keys);
    }

    fn apply(&self, ledger: &mut Ledger<'_>) -> Result<Outcome, Refusal> {
        self.use_up(ledger)?;
        Ok(Outcome::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_round_trip() {
        for scope in OnceScope::ALL {
            assert_eq!(OnceScope::from_name(scope.as_str()), Some(scope));
        }
    }
}
