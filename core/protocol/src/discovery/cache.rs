//! What an agent remembers about sites, and where it looks next (PROTOCOL §9): first the `Link` of any answer, then robots.txt,
//! then the well-known place; what was found is good for an hour, that nothing was found for ten minutes.

use super::link::Link;
use super::robots::Robots;
use crate::policy::WELL_KNOWN_PATH;
use crate::resource::{Origin, Resource};
use crate::time::Timestamp;
use lru::LruCache;
use std::num::NonZeroUsize;

/// How long what was found is good, in seconds.
pub const POSITIVE_S: i64 = 3600;
/// How long it is good that nothing was found, in seconds.
pub const NEGATIVE_S: i64 = 600;

/// A clock that stepped back further than this makes entries of the future worthless, in milliseconds.
const MAX_STEP_BACK: i64 = 60_000;

/// Which way a policy was announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Announced {
    /// By a `Link` header.
    Link,
    /// By a robots.txt line.
    Robots,
    /// Not at all: the well-known place is tried.
    WellKnown,
}

impl Announced {
    /// The name in reports: `link`, `robots` or `well_known`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Robots => "robots",
            Self::WellKnown => "well_known",
        }
    }
}

/// Where the policy of a page may be, in the order to ask; each URL once. Empty when the page is no absolute URL.
pub fn candidates(
    page: &str,
    links: &[Link],
    robots: Option<&Robots>,
    product_token: &str,
) -> Vec<(Announced, String)> {
    let Some(origin) = Resource::parse(page).and_then(|page| page.origin) else { return Vec::new() };
    let linked = links.iter().filter(|link| link.policy).map(|link| (Announced::Link, link.url.clone()));
    let listed = robots.map(|robots| robots.policy_urls(product_token)).unwrap_or_default();
    let mut found: Vec<(Announced, String)> = Vec::new();
    let well_known = (Announced::WellKnown, format!("{origin}{WELL_KNOWN_PATH}"));
    for candidate in
        linked.take(8).chain(listed.into_iter().map(|url| (Announced::Robots, url))).chain([well_known])
    {
        if found.iter().all(|(_, url)| *url != candidate.1) {
            found.push(candidate);
        }
    }
    found
}

/// What is remembered about a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known<T> {
    /// This was found.
    Found(T),
    /// Nothing was found, not long ago.
    Nothing,
    /// Nothing is known: look.
    Unknown,
}

/// What was found about sites, by origin. A bounded number of sites; least recently used leaves.
#[derive(Debug)]
pub struct DiscoveryCache<T> {
    entries: LruCache<Origin, (Option<T>, Timestamp)>,
}

impl<T> DiscoveryCache<T> {
    /// A cache for so many sites, at least 1.
    pub fn new(sites: usize) -> Self {
        let sites = NonZeroUsize::new(sites).unwrap_or(NonZeroUsize::MIN);
        Self { entries: LruCache::new(sites) }
    }

    /// What is known about a site at this time.
    pub fn known(&mut self, origin: &Origin, now: Timestamp) -> Known<&T> {
        let good = |found: bool, at: Timestamp| {
            let age = now.millis_since(at);
            age >= -MAX_STEP_BACK && age < 1000 * if found { POSITIVE_S } else { NEGATIVE_S }
        };
        match self.entries.get(origin) {
            Some((found, at)) if good(found.is_some(), *at) => {
                found.as_ref().map_or(Known::Nothing, Known::Found)
            }
            _ => Known::Unknown,
        }
    }

    /// Remembers what was found, or that nothing was.
    pub fn remember(&mut self, origin: Origin, found: Option<T>, now: Timestamp) {
        self.entries.put(origin, (found, now));
    }

    /// Forgets a site: an answer has announced something else.
    pub fn forget(&mut self, origin: &Origin) {
        self.entries.pop(origin);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::link;

    #[test]
    fn positive_for_an_hour_negative_for_ten_minutes() {
        let at = |seconds: i64| Timestamp::from_secs(1_800_000_000 + seconds);
        let site = |name: &str| Origin::parse(&format!("https://{name}.example"), false).unwrap();
        let mut cache = DiscoveryCache::new(2);
        assert_eq!(cache.known(&site("a"), at(0)), Known::Unknown);
        cache.remember(site("a"), Some(1), at(0));
        cache.remember(site("b"), None, at(0));
        assert_eq!(cache.known(&site("a"), at(3599)), Known::Found(&1));
        assert_eq!(cache.known(&site("a"), at(3600)), Known::Unknown);
        assert_eq!(cache.known(&site("b"), at(599)), Known::Nothing);
        assert_eq!(cache.known(&site("b"), at(600)), Known::Unknown);
        assert_eq!(cache.known(&site("a"), at(-61)), Known::Unknown);
        cache.remember(site("c"), Some(3), at(0));
        assert_eq!(cache.known(&site("a"), at(1)), Known::Unknown);
        cache.forget(&site("c"));
        assert_eq!(cache.known(&site("c"), at(1)), Known::Unknown);
    }

    #[test]
    fn link_then_robots_then_well_known() {
        let page = "https://pub.example/a";
        let links = link::parse(&["</l.json>; rel=imagxp-policy"], page).0;
        let robots = Robots::parse(
            b"IMAGXP-Policy: https://pub.example/g.json\nUser-agent: bot\nIMAGXP-Policy: https://pub.example/b.json\n\
              User-agent: other\nIMAGXP-Policy: https://pub.example/o.json\nIMAGXP-Policy: /relative",
        );
        let found = candidates(page, &links, Some(&robots), "Bot");
        let urls: Vec<_> = found.iter().map(|(_, url)| url.rsplit('/').next().unwrap()).collect();
        assert_eq!(urls, ["l.json", "b.json", "g.json", "imagxp-policy.json"]);
    }
}
