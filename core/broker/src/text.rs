//! Bounded texts: who owns, what is referred to, what is noted.

use crate::refusal::{Refusal, RefusalCode};
use core::fmt;
use std::sync::Arc;

macro_rules! text {
    ($(#[$meta:meta])* $name:ident, $what:literal, $max:literal, $allowed:expr) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The most bytes that it has.
            pub const MAX_BYTES: usize = $max;

            /// Reads it. Refusal: `text.malformed` when it is empty, too long or holds other characters.
            pub fn parse(text: &str) -> Result<Self, Refusal> {
                let allowed: fn(char) -> bool = $allowed;
                if text.is_empty() || text.len() > $max || !text.chars().all(allowed) {
                    return Err(Refusal::new(
                        RefusalCode::TextMalformed,
                        concat!("the ", $what, " is empty, too long or holds characters that it may not"),
                    ));
                }
                Ok(Self(text.into()))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        $crate::text::by_text!($name);
    };
}

/// Serialises as text, and back through `parse`.
macro_rules! by_text {
    ($name:ident) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use by_text;

text! {
    /// Whose an account is: an agent's or publisher's domain name, or an operator's name; visible ASCII.
    Owner, "owner", 253, |c| c.is_ascii_graphic()
}

text! {
    /// What something is called elsewhere: a bank's booking, a bond, a visa, an idempotency key; visible ASCII.
    Reference, "reference", 255, |c| c.is_ascii_graphic()
}

text! {
    /// A note for people, without control characters.
    Memo, "memo", 256, |c| !c.is_control()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_bounded() {
        assert_eq!(Owner::parse("agent.example").unwrap().as_str(), "agent.example");
        assert!(Memo::parse(&"é".repeat(128)).is_ok());
        for bad in ["", "a b", "a\n", "é", &"x".repeat(254)] {
            assert_eq!(Owner::parse(bad).unwrap_err().code(), RefusalCode::TextMalformed, "{bad}");
        }
        assert!(Memo::parse(&"é".repeat(129)).is_err());
        assert!(Memo::parse("two\nlines").is_err());
        assert!(Reference::parse(&"x".repeat(255)).is_ok());
        let json = serde_json::to_string(&Owner::parse("a").unwrap()).unwrap();
        assert_eq!(serde_json::from_str::<Owner>(&json).unwrap().as_str(), "a");
        assert!(serde_json::from_str::<Owner>("\"\"").is_err());
    }
}
