//! What is said, and who says it to whom.

use crate::presentation::Presentation;
use imagxp::Purpose;
use imagxp::headers::{CREDENTIAL, HeaderLine, PAYMENT};
use imagxp_broker::Id;

/// Somebody in the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Node {
    Broker,
    Publisher(usize),
    Agent(usize),
    /// Hears everything on the wire, and has a domain and money of its own.
    Thief,
}

/// A signed request on the wire, as bytes would be: whoever hears it can send it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wire {
    pub(crate) method: &'static str,
    pub(crate) url: String,
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Wire {
    /// The value of a header.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| *found == name).map(|(_, value)| value.as_str())
    }

    /// The visa that it brings.
    pub(crate) fn visa(&self) -> Option<&str> {
        self.value(PAYMENT).or_else(|| self.value(CREDENTIAL))
    }

    /// Its header lines, as a publisher gets them.
    pub(crate) fn lines(&self) -> Vec<HeaderLine<'_>> {
        self.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect()
    }
}

/// What an agent buys. Asked for again under its key, it is the same purchase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Purchase {
    pub(crate) publisher: usize,
    pub(crate) lifetime_s: u32,
    /// What the visa is limited to; any when empty.
    pub(crate) purposes: &'static [Purpose],
    /// Whether it counts with the agent's key only.
    pub(crate) is_bound: bool,
}

/// Something that is said. `call` names the question that an answer belongs to.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    /// An agent reads.
    Read { call: u64, wire: Wire },
    /// What the publisher answers.
    Page { call: u64, http: u16, code: &'static str },
    /// A publisher fetches a document.
    Fetch { call: u64, url: String },
    /// The document.
    Document { call: u64, url: String, body: Option<Vec<u8>> },
    /// An agent buys.
    Buy { call: u64, key: String, purchase: Purchase },
    /// The visa, or none.
    Sold { call: u64, visa: Option<(Id, String)> },
    /// A publisher presents a visa with the request that brought it.
    Redeem { call: u64, presentation: Presentation },
    /// The visa as far as it could be read, and why the money does not stand behind it; when it does, no reason.
    Redeemed { call: u64, jti: Option<Id>, refusal: Option<&'static str> },
    /// Signed feedback, as the body of a POST.
    Feedback { body: Vec<u8> },
}
