//! Who asks for a command (BROKER §3: every tenant acts for itself, operators for all).

use crate::refusal::{Refusal, RefusalCode};
use crate::text::Owner;
use core::fmt;

/// Who asks, as the server has authenticated it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Actor {
    /// An agent or publisher, by its domain name: `party:agent.example`.
    Party(Owner),
    /// One of the broker's people or the webhook of a payment provider: `operator:alice`.
    Operator(Owner),
    /// The broker itself, doing what time has made due: `clock`.
    Clock,
}

impl Actor {
    /// Reads the text form. Refusal: `text.malformed`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        match text.split_once(':') {
            Some(("party", name)) => Owner::parse(name).map(Self::Party),
            Some(("operator", name)) => Owner::parse(name).map(Self::Operator),
            None if text == "clock" => Ok(Self::Clock),
            _ => Err(RefusalCode::TextMalformed.into()),
        }
    }

    /// Refuses all but the operators: `actor.denied`.
    pub(crate) fn must_operate(&self) -> Result<(), Refusal> {
        match self {
            Self::Operator(_) => Ok(()),
            _ => Err(Refusal::new(RefusalCode::ActorDenied, "only an operator may do this")),
        }
    }

    /// Refuses all but this owner and the operators: `actor.denied`.
    pub(crate) fn must_be(&self, owner: &Owner) -> Result<(), Refusal> {
        match self {
            Self::Operator(_) => Ok(()),
            Self::Party(name) if name == owner => Ok(()),
            _ => Err(Refusal::new(RefusalCode::ActorDenied, "only the owner of the money may do this")),
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Party(name) => write!(f, "party:{name}"),
            Self::Operator(name) => write!(f, "operator:{name}"),
            Self::Clock => f.write_str("clock"),
        }
    }
}

crate::text::by_text!(Actor);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips() {
        for text in ["party:agent.example", "operator:alice", "clock", "party:a:b"] {
            assert_eq!(Actor::parse(text).unwrap().to_string(), text);
        }
        for bad in ["", "clock:", "party:", "root:a", "party", "clocks"] {
            assert_eq!(Actor::parse(bad).unwrap_err().code(), RefusalCode::TextMalformed, "{bad}");
        }
    }
}
