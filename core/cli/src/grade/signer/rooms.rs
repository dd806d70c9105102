//! The site that an agent reads while it is graded: each room answers in its own way.

use crate::grade::wire::{Heard, Reply};

/// Seconds that a visitor of the busy room is asked to wait.
pub(super) const BUSY_S: u64 = 2;

pub(super) const AGAIN: &str = "/again";
pub(super) const DENIED: &str = "/denied";
pub(super) const BUSY: &str = "/busy";
pub(super) const MOVED: &str = "/moved";
pub(super) const AWAY: &str = "/away";
pub(super) const PRICE: &str = "/price";
pub(super) const CLOSED: &str = "/closed/1";
/// Where the moved room is now.
pub(super) const MOVED_TO: &str = "/read/moved";
/// Where the room is that is on another origin.
pub(super) const AWAY_TO: &str = "/read/away";

/// What is asked for, in this order.
const TARGETS: [&str; 12] = [
    "/read/1",
    "/read/2",
    "/read/3",
    "/read/4?q=a%20b&q=%C3%A9",
    "/read/5",
    AGAIN,
    DENIED,
    BUSY,
    MOVED,
    AWAY,
    PRICE,
    CLOSED,
];

/// The rooms under one origin.
#[derive(Clone, Debug)]
pub(super) struct Rooms {
    origin: String,
    other: Option<String>,
}

impl Rooms {
    /// On this machine a server has two names; elsewhere somebody must have given it another.
    pub(super) fn new(origin: String, other: Option<String>) -> Self {
        let other = other.or_else(|| renamed(&origin));
        Self { origin, other }
    }

    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// The same server under another name: another origin, for whoever follows redirects.
    pub(super) fn other_origin(&self) -> Option<&str> {
        self.other.as_deref()
    }

    /// What the agent is to read, path and query. The closed room is not among them for a visit to be complete.
    pub(super) fn targets(&self) -> Vec<&'static str> {
        TARGETS.iter().copied().filter(|target| *target != CLOSED).collect()
    }

    /// The same as URLs, with the closed room.
    pub(super) fn urls(&self) -> Vec<String> {
        TARGETS.iter().map(|target| format!("{}{target}", self.origin)).collect()
    }

    /// Whether this is something that an agent signs for, rather than a document that everybody gets.
    pub(super) fn is_room(&self, target: &str) -> bool {
        TARGETS.contains(&target) || [MOVED_TO, AWAY_TO].contains(&target)
    }

    /// What to answer to a target that has been asked for so many times before.
    pub(super) fn answer(&self, heard: &Heard, before: usize) -> Reply {
        let refusal = |status: u16, code: &str, retry: &str, more: &str| {
            let body = format!(
                "{{\"error\":{{\"code\":\"{code}\",\"hint\":\"\",\"message\":\"graded\",\"retry\":\"{retry}\"}}{more}}}"
            );
            Reply::new(status, "application/json", body).with("cache-control", "no-store")
        };
        let page = || Reply::new(200, "text/plain", "a room\n").with("x-imagxp-content-origin", "HUMAN");
        match heard.target.as_str() {
            "/robots.txt" => Reply::new(200, "text/plain", "User-agent: *\nAllow: /\nDisallow: /closed/\n"),
            AGAIN if before == 0 => refusal(409, "replay.nonce_seen", "new_nonce", ""),
            DENIED => refusal(403, "policy.purpose_denied", "never", ""),
            BUSY if before == 0 => refusal(503, "identity.fetch_failed", &format!("after:{BUSY_S}"), "")
                .with("retry-after", BUSY_S.to_string()),
            MOVED => Reply::new(302, "text/plain", "").with("location", format!("{}{MOVED_TO}", self.origin)),
            // Without another site the room is like any other.
            AWAY => self.other.as_ref().map_or_else(page, |other| {
                Reply::new(302, "text/plain", "").with("location", format!("{other}{AWAY_TO}"))
            }),
            PRICE => {
                let offer = ",\"offer\":{\"brokers\":[],\"price\":{\"amount\":\"0.05\",\"currency\":\"USD\"},\"purposes\":[]}";
                refusal(402, "payment.required", "pay", offer)
            }
            target if self.is_room(target) => page(),
            _ => Reply::new(404, "text/plain", "no such room\n"),
        }
    }
}

/// The same server on this machine under its other name, which is another origin.
fn renamed(origin: &str) -> Option<String> {
    let (scheme, authority) = origin.split_once("://")?;
    let (host, port) = authority.split_once(':').map_or((authority, ""), |(host, port)| (host, port));
    let other = match host {
        "127.0.0.1" => "localhost",
        "localhost" => "127.0.0.1",
        _ => return None,
    };
    let colon = if port.is_empty() { "" } else { ":" };
    Some(format!("{scheme}://{other}{colon}{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_site_is_another_origin_or_none() {
        let other = |origin: &str| Rooms::new(origin.to_owned(), None).other;
        assert_eq!(other("http://127.0.0.1:8080").as_deref(), Some("http://localhost:8080"));
        assert_eq!(other("http://localhost").as_deref(), Some("http://127.0.0.1"));
        for origin in ["https://site.example", "http://[::1]:8080", "https://127.0.0.1.site.example:1"] {
            assert_eq!(other(origin), None, "{origin}");
        }
        let given = Rooms::new("https://site.example".to_owned(), Some("https://other.example".to_owned()));
        assert_eq!(given.other_origin(), Some("https://other.example"));
    }
}
