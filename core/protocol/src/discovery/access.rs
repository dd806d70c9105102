//! Whether a site may be crawled: its robots.txt, or what the lack of one means (RFC 9309 §2.3.1).

use super::robots::Robots;
use crate::held::Held;

/// What is known about a site's `robots.txt`.
#[derive(Clone, Debug)]
pub enum Access {
    /// The file, with its rules.
    Rules(Robots),
    /// There is none (RFC 9309 §2.3.1.3): everything may be crawled.
    AllowAll,
    /// It cannot be had now (RFC 9309 §2.3.1.4): nothing may be crawled.
    DisallowAll,
}

impl Access {
    /// From the answer to `GET /robots.txt`, after up to five redirects that the caller may have followed.
    ///
    /// 2xx: its rules. 4xx: no rules, except 429, which like 5xx and everything else (also a redirect that was not followed) means
    /// that the file cannot be had now.
    pub fn from_answer(status: u16, body: &[u8]) -> Self {
        match status {
            200..=299 => Self::Rules(Robots::parse(body)),
            429 => Self::DisallowAll,
            400..=499 => Self::AllowAll,
            _ => Self::DisallowAll,
        }
    }

    /// Whether this product may fetch this path and query.
    pub fn allows(&self, product_token: &str, path_and_query: &str) -> bool {
        match self {
            Self::Rules(robots) => robots.allows(product_token, path_and_query),
            Self::AllowAll => true,
            Self::DisallowAll => false,
        }
    }

    /// The file, when there is one.
    pub fn robots(&self) -> Option<&Robots> {
        match self {
            Self::Rules(robots) => Some(robots),
            _ => None,
        }
    }
}

impl Held for Access {
    fn held(&self) -> usize {
        self.robots().map_or(0, Robots::held)
    }
}
