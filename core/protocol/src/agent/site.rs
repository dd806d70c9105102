//! What an agent knows about the sites it visits, and for how long (PROTOCOL §9: found 1 h, not found 10 min).

use crate::discovery::{Access, PublicPolicy};
use crate::held::{Held, piece};
use crate::manifest::{MAX_MANIFEST_BYTES, Manifest};
use crate::time::Timestamp;
use core::num::NonZeroUsize;
use lru::LruCache;
use std::sync::Arc;

const MAX_SITES: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1023);
/// Bytes of memory for all of them: a robots.txt of 500 KiB may be 24 000 groups with a rule each, which take 12 MiB and more.
const MAX_HELD: usize = 64 << 20;
const FOUND_S: i64 = 3600;
const NOT_FOUND_S: i64 = 600;
const MANIFEST_S: i64 = 300;

/// Sites by origin; the least recently used leaves when there are too many, or when they take too much memory.
#[derive(Debug)]
pub(super) struct Sites {
    known: LruCache<String, Site>,
    held: usize,
}

/// What is known about a site.
#[derive(Clone, Debug, Default)]
pub(super) struct Site {
    access: Option<Known<Arc<Access>>>,
    /// Where an answer's `Link` header said that the policy is.
    linked: Option<Known<String>>,
    policy: Option<Known<Option<Arc<PublicPolicy>>>>,
    manifest: Option<Known<Arc<Manifest>>>,
}

/// Something learned at a time; a clock that steps back before it makes it unknown again.
#[derive(Clone, Debug)]
struct Known<T> {
    value: T,
    /// Bytes of memory.
    held: usize,
    from: Timestamp,
    until: Timestamp,
}

impl<T: Clone> Known<T> {
    fn new(value: T, held: usize, now: Timestamp, seconds: i64) -> Option<Self> {
        Some(Self { value, held, from: now, until: now.saturating_add_secs(seconds) })
    }

    fn at(known: Option<&Self>, now: Timestamp) -> Option<T> {
        known.filter(|known| known.from <= now && now < known.until).map(|known| known.value.clone())
    }
}

impl<T> Held for Known<T> {
    fn held(&self) -> usize {
        self.held
    }
}

impl Held for Site {
    fn held(&self) -> usize {
        self.access.held() + self.linked.held() + self.policy.held() + self.manifest.held()
    }
}

impl Sites {
    pub(super) fn new() -> Self {
        Self { known: LruCache::new(MAX_SITES), held: 0 }
    }

    /// What robots.txt said.
    pub(super) fn access(&mut self, origin: &str, now: Timestamp) -> Option<Arc<Access>> {
        Known::at(self.known.get(origin)?.access.as_ref(), now)
    }

    /// Where the last answer that named a policy said that it is.
    pub(super) fn linked(&mut self, origin: &str, now: Timestamp) -> Option<String> {
        Known::at(self.known.get(origin)?.linked.as_ref(), now)
    }

    /// The policy; `Some(None)` when it is known that there is none.
    pub(super) fn policy(&mut self, origin: &str, now: Timestamp) -> Option<Option<Arc<PublicPolicy>>> {
        Known::at(self.known.get(origin)?.policy.as_ref(), now)
    }

    /// The publisher's keys.
    pub(super) fn manifest(&mut self, origin: &str, now: Timestamp) -> Option<Arc<Manifest>> {
        Known::at(self.known.get(origin)?.manifest.as_ref(), now)
    }

    pub(super) fn learn_access(&mut self, origin: &str, access: Arc<Access>, now: Timestamp) {
        let seconds = if access.robots().is_some() { FOUND_S } else { NOT_FOUND_S };
        let held = piece(size_of::<Access>()) + access.held();
        self.learn(origin, |site| site.access = Known::new(access, held, now, seconds));
    }

    /// An answer named a policy. When that is news, what was taken for the policy before is asked for again, there.
    pub(super) fn learn_link(&mut self, origin: &str, url: String, now: Timestamp) {
        if self.linked(origin, now).as_ref() == Some(&url) {
            return;
        }
        let held = url.held();
        self.learn(origin, |site| {
            site.linked = Known::new(url, held, now, FOUND_S);
            site.policy = None;
        });
    }

    pub(super) fn learn_policy(&mut self, origin: &str, policy: Option<Arc<PublicPolicy>>, now: Timestamp) {
        let seconds = if policy.is_some() { FOUND_S } else { NOT_FOUND_S };
        let held = policy.as_ref().map_or(0, |policy| piece(size_of::<PublicPolicy>()) + policy.held());
        self.learn(origin, |site| site.policy = Known::new(policy, held, now, seconds));
    }

    pub(super) fn learn_manifest(&mut self, origin: &str, manifest: Arc<Manifest>, now: Timestamp) {
        // A few keys, and what else was written.
        self.learn(origin, |site| site.manifest = Known::new(manifest, MAX_MANIFEST_BYTES, now, MANIFEST_S));
    }

    /// Adds to what is known of a site, and forgets others until there is room for it.
    fn learn(&mut self, origin: &str, change: impl FnOnce(&mut Site)) {
        let mut site = self.known.pop(origin).unwrap_or_default();
        self.held = self.held.saturating_sub(site.held());
        change(&mut site);
        let held = site.held();
        while self.known.len() >= MAX_SITES.get() || self.held.saturating_add(held) > MAX_HELD {
            let Some((_, gone)) = self.known.pop_lru() else { break };
            self.held = self.held.saturating_sub(gone.held());
        }
        self.held = self.held.saturating_add(held);
        self.known.put(origin.to_owned(), site);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn robots(lines: usize) -> Arc<Access> {
        let body = format!("User-agent: *\n{}", "allow:/\n".repeat(lines));
        Arc::new(Access::from_answer(200, body.as_bytes()))
    }

    fn knows(sites: &mut Sites, number: usize, now: Timestamp) -> bool {
        sites.access(&format!("https://s{number}.example"), now).is_some()
    }

    fn learn(sites: &mut Sites, number: usize, access: &Arc<Access>, now: Timestamp) {
        sites.learn_access(&format!("https://s{number}.example"), Arc::clone(access), now);
    }

    #[test]
    fn the_least_recently_used_sites_make_room() {
        let now = Timestamp::from_millis(0);
        let (large, small) = (robots(4000), robots(1));
        let mut sites = Sites::new();
        for number in 0..1500 {
            learn(&mut sites, number, &small, now);
            assert!(knows(&mut sites, 0, now), "asked for again and again");
        }
        assert!(sites.known.len() == MAX_SITES.get() && !knows(&mut sites, 1, now));
        for number in 0..300 {
            learn(&mut sites, number, &large, now);
            assert!(sites.held <= MAX_HELD && knows(&mut sites, number, now));
        }
        let left = sites.known.len();
        assert!((20..200).contains(&left) && !knows(&mut sites, 0, now), "{left}");
        // The books are right.
        let held: usize = sites.known.iter().map(|(_, site)| site.held()).sum();
        assert_eq!(held, sites.held);
    }

    #[test]
    fn what_is_learned_again_is_counted_once() {
        let now = Timestamp::from_millis(0);
        let mut sites = Sites::new();
        let access = robots(1000);
        learn(&mut sites, 1, &access, now);
        let once = sites.held;
        learn(&mut sites, 1, &access, now);
        assert_eq!(sites.held, once);
        sites.learn_link("https://s1.example", "https://s1.example/policy.json".into(), now);
        assert!(sites.held > once && knows(&mut sites, 1, now));
        learn(&mut sites, 1, &robots(1), now);
        assert!(sites.held < once);
    }
}
