//! What may be fetched for which end: PROTOCOL §4 in numbers.

use core::time::Duration;
use imagxp::agent::token_request::MAX_TOKEN_ANSWER;

/// The bounds of one exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Profile {
    /// The time for everything together: resolution, connection, TLS, header and the last byte of the body.
    pub deadline: Duration,
    /// Bytes of the body.
    pub max_body: usize,
    /// Whether a longer body is read so far and no further; else it is an error.
    pub cuts_body: bool,
    /// Bytes of the status line and all header lines together; at least 8 KiB.
    pub max_header: usize,
    /// Header lines.
    pub max_header_lines: usize,
    /// How many fetches of this kind one host has to bear in a minute; `None`: no bound of its own.
    pub per_host: Option<u32>,
    /// Whether any port will do. Only for URLs that the operator has configured, such as a broker's key set.
    pub any_port: bool,
    /// The `Accept` of [`crate::Fetcher::get`].
    pub accept: &'static str,
}

const KIB: usize = 1024;

impl Profile {
    /// An agent's manifest; [`crate::Resolver`] reads as much of it as the publisher's limits say.
    pub const MANIFEST: Self = Self {
        deadline: Duration::from_millis(1500),
        max_body: 16 * KIB,
        cuts_body: false,
        max_header: 16 * KIB,
        max_header_lines: 100,
        per_host: Some(2),
        any_port: false,
        accept: "application/json",
    };

    /// A broker's key set; its URL is the policy's.
    pub const JWKS: Self =
        Self { deadline: Duration::from_secs(3), max_body: 64 * KIB, any_port: true, ..Self::MANIFEST };

    /// A policy, an RSL document.
    pub const DOCUMENT: Self = Self {
        deadline: Duration::from_secs(5),
        max_body: 512 * KIB,
        max_header: 32 * KIB,
        per_host: None,
        accept: "*/*",
        ..Self::MANIFEST
    };

    /// A broker's token endpoint. Its port is the operator's, because the broker is.
    pub const TOKEN: Self = Self {
        deadline: Duration::from_secs(10),
        max_body: MAX_TOKEN_ANSWER,
        any_port: true,
        accept: "application/json",
        ..Self::DOCUMENT
    };

    /// `robots.txt`: of a long one the beginning counts (RFC 9309 §2.5), and a little more is read, which shows that it is longer than
    /// [`imagxp::discovery::Robots`] reads.
    pub const ROBOTS: Self = Self { cuts_body: true, ..Self::DOCUMENT };

    /// A page, or whatever an agent came for.
    pub const PAGE: Self = Self {
        deadline: Duration::from_secs(30),
        max_body: 32 * KIB * KIB,
        max_header: 64 * KIB,
        ..Self::DOCUMENT
    };

    /// The same within a time that is shared with others.
    pub(crate) fn within(self, left: Duration) -> Self {
        Self { deadline: self.deadline.min(left), ..self }
    }

    /// The profile of this name: `manifest`, `jwks`, `document`, `token` or `page`.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "manifest" => Self::MANIFEST,
            "jwks" => Self::JWKS,
            "document" => Self::DOCUMENT,
            "token" => Self::TOKEN,
            "page" => Self::PAGE,
            _ => return None,
        })
    }
}
