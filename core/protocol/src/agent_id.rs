//! The agent's name: a public domain name (PROTOCOL §2 `agent_id`).

use crate::resource::Origin;
use core::fmt;
use idna::punycode;
use std::sync::Arc;

/// Top-level names that never resolve on the public Internet: RFC 6761/6762/7686/8375/9476, ICANN's reserved
/// private-use names, and the local suffixes in common use. `example` stays: it is for documentation, and harmless.
const SPECIAL_USE: &[&str] = &[
    "alt",
    "arpa",
    "corp",
    "home",
    "internal",
    "invalid",
    "lan",
    "local",
    "localdomain",
    "localhost",
    "onion",
    "test",
];

/// The path of the manifest at the agent's domain (PROTOCOL §4).
pub const MANIFEST_PATH: &str = "/.well-known/imagxp-agent.json";

/// A checked agent_id: a lower-case A-label domain name with at least two labels.
///
/// With the development switch also `localhost` or `127.0.0.1`, with an optional port. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AgentId(Arc<str>);

impl AgentId {
    /// Reads an agent_id; `None` when it breaks a rule of PROTOCOL §2.
    ///
    /// `allow_loopback` is the development switch of that section.
    pub fn parse(text: &str, allow_loopback: bool) -> Option<Self> {
        (is_public_name(text) || (allow_loopback && is_loopback(text))).then(|| Self(text.into()))
    }

    /// The name under which the site at this origin publishes its own keys (PROTOCOL §10): its host, without the port; of a loopback origin
    /// with it. `None` when the host is no public domain name and `allow_loopback` does not admit it.
    pub fn of_origin(origin: &Origin, allow_loopback: bool) -> Option<Self> {
        let name = if origin.is_loopback() { origin.authority() } else { origin.host().to_owned() };
        Self::parse(&name, allow_loopback)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is a loopback name of the development switch.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.0)
    }

    /// Where the agent's manifest lives: https, or http for a loopback name.
    pub fn manifest_url(&self) -> String {
        let scheme = if self.is_loopback() { "http" } else { "https" };
        format!("{scheme}://{}{MANIFEST_PATH}", self.0)
    }

    /// The agent whose manifest lives at this URL: the inverse of [`AgentId::manifest_url`].
    pub fn from_manifest_url(url: &str) -> Option<Self> {
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
        let id = Self::parse(rest.strip_suffix(MANIFEST_PATH)?, true)?;
        (id.manifest_url() == url).then_some(id)
    }
}

impl fmt::Display for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AgentId({})", self.0)
    }
}

fn is_public_name(text: &str) -> bool {
    if text.len() > 253 || !text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.')) {
        return false;
    }
    let mut labels = 0_usize;
    let mut last: &[u8] = &[];
    // Of bytes, which is quicker than of characters; all are ASCII.
    for label in text.as_bytes().split(|byte| *byte == b'.') {
        let ([first, ..], [.., end]) = (label, label) else { return false };
        if label.len() > 63 || *first == b'-' || *end == b'-' {
            return false;
        }
        if label.strip_prefix(b"xn--").is_some_and(|encoded| !is_valid_a_label(encoded)) {
            return false;
        }
        labels += 1;
        last = label;
    }
    // A name that ends in a number is an IPv4 address in some notation (WHATWG URL §3.5).
    let ends_in_number = last.iter().all(u8::is_ascii_digit)
        || last.strip_prefix(b"0x").is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit));
    labels >= 2 && !ends_in_number && !SPECIAL_USE.iter().any(|name| name.as_bytes() == last)
}

/// An A-label must decode to something that is not ASCII anyway, and encode to itself again (RFC 5891 §4.4).
///
/// The tables of UTS #46 would take 180 KB of a library of 1 MB, to refuse names that no registry hands out; what could deceive a
/// reader of a log is refused without them.
fn is_valid_a_label(encoded: &[u8]) -> bool {
    let Ok(encoded) = core::str::from_utf8(encoded) else { return false };
    let Some(text) = punycode::decode_to_string(encoded) else { return false };
    let is_letter = |c: char| !c.is_control() && !c.is_whitespace() && !c.is_uppercase() && !is_invisible(c);
    !text.is_ascii()
        && text.chars().all(is_letter)
        && punycode::encode_str(&text).is_some_and(|again| again == encoded)
}

/// Formatting characters, private use and what is no character at all. The joiners stay: some scripts need them.
const fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{e000}'..='\u{f8ff}' | '\u{fdd0}'..='\u{fdef}' | '\u{fff0}'..='\u{ffff}' | '\u{e0000}'..='\u{10ffff}')
}

fn is_loopback(text: &str) -> bool {
    let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    let port_ok = port.is_none_or(|port| {
        !port.starts_with('0') && port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok()
    });
    matches!(host, "localhost" | "127.0.0.1") && port_ok
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admits_public_names_only() {
        for ok in [
            "bot.openai.com",
            "a.b",
            "xn--bcher-kva.example",
            "3m.com",
            "a-b.example",
            "xn--e1afmkfd.xn--p1ai",
        ] {
            assert!(AgentId::parse(ok, false).is_some(), "{ok}");
        }
        for bad in [
            "",
            "a",
            "a.b.",
            ".a.b",
            "A.b",
            "a_b.c",
            "1.2.3.4",
            "127.1",
            "0x7f.1",
            "a.0x1",
            "xn--.com",
            "xn--a.com",
            "xn--abc-.com",
            "xn--ls8h-.com",
            "localhost",
            "localhost:1",
            "x.test",
            "x.local",
            "user@a.b",
            "a.b:443",
            "a.b/c",
            "bücher.example",
            "a..b",
            "x.arpa",
        ] {
            assert!(AgentId::parse(bad, false).is_none(), "{bad}");
        }
    }

    #[test]
    fn loopback_needs_the_switch() {
        for name in ["localhost", "127.0.0.1", "localhost:8080", "127.0.0.1:65535"] {
            assert!(AgentId::parse(name, false).is_none());
            let id = AgentId::parse(name, true).unwrap();
            assert_eq!(AgentId::from_manifest_url(&id.manifest_url()), Some(id));
        }
        for bad in
            ["localhost:0", "localhost:08", "localhost:65536", "localhost:", "127.0.0.2", "localhost:1:2"]
        {
            assert!(AgentId::parse(bad, true).is_none(), "{bad}");
        }
    }

    #[test]
    fn manifest_urls_are_exact() {
        assert!(AgentId::from_manifest_url("http://agent.example/.well-known/imagxp-agent.json").is_none());
        assert!(
            AgentId::from_manifest_url("https://agent.example/.well-known/imagxp-agent.json?x").is_none()
        );
        assert!(AgentId::from_manifest_url("https://agent.example/.well-known/imagxp-agent.json").is_some());
    }
}
