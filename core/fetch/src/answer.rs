//! What is sent and what comes back.

use core::fmt;
use imagxp::cache_control;
use std::net::IpAddr;

/// A request for [`crate::Fetcher::send`]. Its `Debug` shows header names only: values may be visas.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Call {
    /// The method, for example `GET`.
    pub method: String,
    /// An absolute https URL.
    pub url: String,
    /// Header lines. What describes the connection (`Host`, `Content-Length`, `Accept-Encoding` …) is the fetcher's own business.
    pub headers: Vec<(String, String)>,
    /// The body; empty for none.
    pub body: Vec<u8>,
}

impl Call {
    /// A GET without headers or body.
    pub fn get(url: impl Into<String>) -> Self {
        Self { method: "GET".into(), url: url.into(), headers: Vec::new(), body: Vec::new() }
    }
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status: 200 from [`crate::Fetcher::get`], any from [`crate::Fetcher::send`].
    pub status: u16,
    /// Header lines in their order, names in lower case; behind them a provenance receipt that came as a trailer.
    pub headers: Vec<(String, String)>,
    /// The body, within the profile's limit.
    pub body: Vec<u8>,
    /// The address that was checked and connected to.
    pub address: IpAddr,
    /// What DNSSEC says about that address.
    pub dnssec: Dnssec,
}

impl Answer {
    /// The first header line of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The seconds of `Cache-Control: max-age`, the least of them when there are several; 0 for what must not be stored.
    pub fn max_age(&self) -> Option<u32> {
        let lines = self.headers.iter().filter(|(name, _)| name == "cache-control");
        cache_control::max_age(lines.map(|(_, value)| value.as_str()))
    }
}

/// What DNSSEC says about the addresses of a name (RFC 4033 §5). Bogus answers are never used: they are failures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dnssec {
    /// Nobody asked: the feature or the option is off, or no name was resolved.
    #[default]
    Unchecked,
    /// Every record is signed, up to the root.
    Secure,
    /// The zone proves that it is not signed.
    Insecure,
}

impl Dnssec {
    /// `unchecked`, `secure` or `insecure`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unchecked => "unchecked",
            Self::Secure => "secure",
            Self::Insecure => "insecure",
        }
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("Call")
            .field("method", &self.method)
            .field("url", &self.url)
            .field("headers", &names)
            .field("body", &self.body.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(lines: &[&str]) -> Answer {
        Answer {
            status: 200,
            headers: lines.iter().map(|line| ("cache-control".to_owned(), (*line).to_owned())).collect(),
            body: Vec::new(),
            address: [127, 0, 0, 1].into(),
            dnssec: Dnssec::Unchecked,
        }
    }

    #[test]
    fn max_age() {
        for (lines, expected) in [
            (&[][..], None),
            (&["public"], None),
            (&["max-age=60"], Some(60)),
            (&["public, Max-Age=60"], Some(60)),
            (&["max-age=\"60\""], Some(60)),
            (&["s-maxage=5"], None),
            (&["max-age=60, max-age=30"], Some(30)),
            (&["max-age=60", "no-store"], Some(0)),
            (&["no-cache, max-age=60"], Some(0)),
            (&["max-age=-1"], None),
            (&["max-age="], None),
            (&["max-age=9999999999"], Some(u32::MAX)),
            (&["max-age=99999999999999"], None),
            (&["max-age=٦٠"], None),
        ] {
            assert_eq!(answer(lines).max_age(), expected, "{lines:?}");
        }
    }

    #[test]
    fn debug_shows_no_values() {
        let mut call = Call::get("https://pub.example/");
        call.headers.push(("x-imagxp-payment".into(), "TOPSECRET".into()));
        call.body = b"TOPSECRET".to_vec();
        let shown = format!("{call:?}");
        assert!(!shown.contains("TOPSECRET") && shown.contains("x-imagxp-payment"), "{shown}");
    }
}
