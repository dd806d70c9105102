//! What an agent knows about the sites it visits, and for how long (PROTOCOL §9: found 1 h, not found 10 min).

use crate::discovery::{Access, PublicPolicy};
use crate::manifest::Manifest;
use crate::time::Timestamp;
use core::num::NonZeroUsize;
use lru::LruCache;
use std::sync::Arc;

const MAX_SITES: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1023);
const FOUND_S: i64 = 3600;
const NOT_FOUND_S: i64 = 600;
const MANIFEST_S: i64 = 300;

/// Sites by origin; the least recently used leaves.
#[derive(Debug)]
pub(super) struct Sites(LruCache<String, Site>);

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
    from: Timestamp,
    until: Timestamp,
}

impl<T: Clone> Known<T> {
    fn new(value: T, now: Timestamp, seconds: i64) -> Option<Self> {
        Some(Self { value, from: now, until: now.saturating_add_secs(seconds) })
    }

    fn at(known: Option<&Self>, now: Timestamp) -> Option<T> {
        known.filter(|known| known.from <= now && now < known.until).map(|known| known.value.clone())
    }
}

impl Sites {
    pub(super) fn new() -> Self {
        Self(LruCache::new(MAX_SITES))
    }

    /// What robots.txt said.
    pub(super) fn access(&mut self, origin: &str, now: Timestamp) -> Option<Arc<Access>> {
        Known::at(self.0.get(origin)?.access.as_ref(), now)
    }

    /// Where the last answer that named a policy said that it is.
    pub(super) fn linked(&mut self, origin: &str, now: Timestamp) -> Option<String> {
        Known::at(self.0.get(origin)?.linked.as_ref(), now)
    }

    /// The policy; `Some(None)` when it is known that there is none.
    pub(super) fn policy(&mut self, origin: &str, now: Timestamp) -> Option<Option<Arc<PublicPolicy>>> {
        Known::at(self.0.get(origin)?.policy.as_ref(), now)
    }

    /// The publisher's keys.
    pub(super) fn manifest(&mut self, origin: &str, now: Timestamp) -> Option<Arc<Manifest>> {
        Known::at(self.0.get(origin)?.manifest.as_ref(), now)
    }

    pub(super) fn learn_access(&mut self, origin: &str, access: Arc<Access>, now: Timestamp) {
        let seconds = if access.robots().is_some() { FOUND_S } else { NOT_FOUND_S };
        self.site(origin).access = Known::new(access, now, seconds);
    }

    /// An answer named a policy. When that is news, what was taken for the policy before is asked for again, there.
    pub(super) fn learn_link(&mut self, origin: &str, url: String, now: Timestamp) {
        if self.linked(origin, now).as_ref() == Some(&url) {
            return;
        }
        let site = self.site(origin);
        site.linked = Known::new(url, now, FOUND_S);
        site.policy = None;
    }

    pub(super) fn learn_policy(&mut self, origin: &str, policy: Option<Arc<PublicPolicy>>, now: Timestamp) {
        let seconds = if policy.is_some() { FOUND_S } else { NOT_FOUND_S };
        self.site(origin).policy = Known::new(policy, now, seconds);
    }

    pub(super) fn learn_manifest(&mut self, origin: &str, manifest: Arc<Manifest>, now: Timestamp) {
        self.site(origin).manifest = Known::new(manifest, now, MANIFEST_S);
    }

    fn site(&mut self, origin: &str) -> &mut Site {
        if !self.0.contains(origin) {
            self.0.put(origin.to_owned(), Site::default());
        }
        // Just put there; the spare is never seen.
        self.0.get_or_insert_mut(origin.to_owned(), Site::default)
    }
}
