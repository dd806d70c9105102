//! Events: what happened that no transfer shows (BROKER §2).

use crate::account::AccountId;
use crate::actor::Actor;
use crate::id::Id;
use imagxp::Timestamp;
use imagxp::json::{Object, Value, object_to_canonical};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

macro_rules! kinds {
    ($($(#[$meta:meta])* $name:ident = $text:literal;)*) => {
        /// What happened.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum EventKind {
            $($(#[$meta])* #[doc = concat!(" (`", $text, "`)")] $name,)*
        }

        impl EventKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The dotted name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

kinds! {
    /// An agent bought a visa.
    VisaIssued = "visa.issued";
    /// The publisher presented it.
    VisaRedeemed = "visa.redeemed";
    /// The publisher has the money.
    VisaReleased = "visa.released";
    /// The agent was not content.
    VisaWithheld = "visa.withheld";
    /// The publisher contests that.
    VisaDisputed = "visa.disputed";
    /// The agent has its money back.
    VisaRefunded = "visa.refunded";
    /// Each has a part.
    VisaSplit = "visa.split";
    /// Nobody presented it in time.
    VisaExpired = "visa.expired";
    /// Nothing new is taken from the account.
    AccountFrozen = "account.frozen";
    /// It is as it was before.
    AccountUnfrozen = "account.unfrozen";
    /// The account has ended.
    AccountClosed = "account.closed";
    /// Nothing has happened for a day; this is the time.
    ClockNoted = "clock.noted";
    /// An operator says that the clock is right, however long ago the last entry was.
    ClockTrusted = "clock.trusted";
    /// An operator says that the log's time was wrong.
    ClockDisputed = "clock.disputed";
    /// A second one agrees: the log goes on with the right time.
    ClockReset = "clock.reset";
    /// An operator accepts the log, although it does not contain what was seen of it.
    LogAccepted = "log.accepted";
    /// Somebody may operate the broker.
    OperatorAdded = "operator.added";
    /// And does no more.
    OperatorRemoved = "operator.removed";
}

impl EventKind {
    /// Whether it is about the broker itself: the time of its log, its operators, and no visa or account.
    pub const fn is_of_broker(self) -> bool {
        matches!(
            self,
            Self::ClockNoted
                | Self::ClockTrusted
                | Self::ClockDisputed
                | Self::ClockReset
                | Self::LogAccepted
                | Self::OperatorAdded
                | Self::OperatorRemoved
        )
    }

    /// The kind with this exact name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
    }
}

impl Serialize for EventKind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for EventKind {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = <Cow<'de, str>>::deserialize(deserializer)?;
        Self::from_name(&name).ok_or_else(|| serde::de::Error::custom("no kind of an event"))
    }
}

/// An event: one row. Its number is its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its number in the log, from 0 on; transfers and events share the numbers.
    pub seq: u64,
    /// What happened.
    pub kind: EventKind,
    /// To which visa.
    pub jti: Option<Id>,
    /// To which account.
    pub account: Option<AccountId>,
    /// Who did it.
    pub actor: Actor,
    /// When, in milliseconds since 1970.
    pub created_at: i64,
    /// All of it as the log holds it: an RFC 8785 object.
    pub body: String,
}

impl Event {
    /// An event whose number is not known yet; `details` become members of its body beside the columns.
    pub(crate) fn new(
        kind: EventKind,
        jti: Option<Id>,
        account: Option<AccountId>,
        actor: &Actor,
        created_at: i64,
        details: Vec<(&'static str, Value<'_>)>,
    ) -> Self {
        let mut object = Object::new();
        object.insert("actor", actor.to_string());
        if let Some(jti) = jti {
            object.insert("jti", jti.to_string());
        }
        if let Some(account) = account {
            object.insert("account", account.to_string());
        }
        object.insert("time", Timestamp::from_millis(created_at).to_string());
        object.insert("type", kind.as_str());
        for (name, value) in details {
            object.insert(name, value);
        }
        let body = String::from_utf8(object_to_canonical(&object)).unwrap_or_default();
        Self { seq: 0, kind, jti, account, actor: actor.clone(), created_at, body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_canonical_and_kinds_round_trip() {
        let jti = Id::from_u128(5).unwrap();
        let event = Event::new(
            EventKind::VisaIssued,
            Some(jti),
            None,
            &Actor::Clock,
            1_000,
            vec![("amount", "7".into())],
        );
        assert_eq!(
            event.body,
            r#"{"actor":"clock","amount":"7","jti":"00000000-0000-0000-0000-000000000005","time":"1970-01-01T00:00:01.000Z","type":"visa.issued"}"#
        );
        for kind in EventKind::ALL {
            assert_eq!(EventKind::from_name(kind.as_str()), Some(*kind));
            let json = serde_json::to_string(kind).unwrap();
            assert_eq!(serde_json::from_str::<EventKind>(&json).unwrap(), *kind);
        }
        assert!(serde_json::from_str::<EventKind>(r#""visa.lost""#).is_err());
    }
}
