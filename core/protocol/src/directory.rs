//! The key directory: manifests by agent, with the freshness rules of PROTOCOL §4, as pure state.

use crate::agent_id::AgentId;
use crate::code::Code;
use crate::freshness::{Entry, Rules};
pub(crate) use crate::freshness::{Lack, State};
use crate::manifest::Manifest;
use crate::time::Timestamp;
use lru::LruCache;
use std::borrow::Cow;
use std::num::NonZeroUsize;
use std::sync::Arc;

const RULES: Rules = Rules {
    default_fresh: 300,
    min_fresh: 60,
    max_fresh: 3600,
    stale: 3600,
    stale_after_fresh: false,
    negative: 60,
    retry: 30,
};

/// A manifest with the bytes it was read from, which are kept only for an audit log.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Known {
    manifest: Manifest,
    bytes: Option<Box<[u8]>>,
}

impl Known {
    /// What was fetched, byte for byte; written anew when it came before there was an audit log.
    pub(crate) fn bytes(&self) -> Cow<'_, [u8]> {
        match &self.bytes {
            Some(bytes) => Cow::Borrowed(bytes),
            None => Cow::Owned(self.manifest.to_json()),
        }
    }
}

impl core::ops::Deref for Known {
    type Target = Manifest;

    fn deref(&self) -> &Manifest {
        &self.manifest
    }
}

/// Manifests of known agents and failures of unknown ones.
///
/// The two are bounded separately, so that names that a stranger invents never push out an agent that is known.
#[derive(Debug)]
pub(crate) struct Directory {
    known: LruCache<AgentId, Entry<Arc<Known>>>,
    unknown: LruCache<AgentId, Entry<Arc<Known>>>,
}

impl Directory {
    pub(crate) fn new(capacity: usize) -> Self {
        let capacity = NonZeroUsize::new(capacity).unwrap_or(NonZeroUsize::MIN);
        Self { known: LruCache::new(capacity), unknown: LruCache::new(capacity) }
    }

    /// What is known about the agent now; marks it as used.
    pub(crate) fn look_up(&mut self, agent: &AgentId, now: Timestamp) -> State<Arc<Known>> {
        let entry = match self.known.get(agent) {
            Some(entry) => entry,
            None => match self.unknown.get(agent) {
                Some(entry) => entry,
                None => return State::Needed,
            },
        };
        match entry.state(&RULES, now) {
            State::Fresh(manifest) => State::Fresh(Arc::clone(manifest)),
            State::Stale(manifest) => State::Stale(Arc::clone(manifest)),
            State::Needed => State::Needed,
            State::Failed(code) => State::Failed(code),
        }
    }

    /// What to do about a manifest that lacks a key: it is fetched again at most once per agent and 30 s.
    pub(crate) fn lack(&self, agent: &AgentId, now: Timestamp) -> Lack {
        self.known.peek(agent).map_or(Lack::Needed, |entry| entry.lack(&RULES, now))
    }

    /// Records a fetched manifest, and its bytes when they are to be kept.
    pub(crate) fn supply(
        &mut self,
        manifest: Manifest,
        bytes: Option<Box<[u8]>>,
        max_age: Option<u32>,
        now: Timestamp,
    ) {
        let agent = manifest.agent_id().clone();
        let mut entry = self.known.pop(&agent).or_else(|| self.unknown.pop(&agent)).unwrap_or_default();
        entry.succeed(Arc::new(Known { manifest, bytes }), max_age, &RULES, now);
        self.known.put(agent, entry);
    }

    /// Records a failed fetch; keys that were known stay for up to an hour after the last success.
    pub(crate) fn fail(&mut self, agent: &AgentId, code: Code, now: Timestamp) {
        if let Some(entry) = self.known.get_mut(agent) {
            entry.fail(code, now);
            return;
        }
        let mut entry = Entry::default();
        entry.fail(code, now);
        self.unknown.put(agent.clone(), entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{Algorithm, PrivateKey};
    use crate::manifest::ManifestKey;

    fn agent(name: &str) -> AgentId {
        AgentId::parse(name, false).unwrap()
    }

    fn manifest(name: &str) -> Manifest {
        let key = PrivateKey::generate(Algorithm::EdDsa, &mut |bytes| {
            bytes.fill(1);
            Ok(())
        })
        .unwrap();
        Manifest::new(agent(name), None, vec![ManifestKey::new(key.public_key().clone())]).unwrap()
    }

    #[test]
    fn least_recently_used_leaves() {
        let mut directory = Directory::new(2);
        let now = Timestamp::from_secs(1_800_000_000);
        directory.supply(manifest("a.example"), None, None, now);
        directory.supply(manifest("b.example"), None, None, now);
        assert!(matches!(directory.look_up(&agent("a.example"), now), State::Fresh(_)));
        directory.supply(manifest("c.example"), None, None, now);
        assert_eq!(directory.look_up(&agent("b.example"), now), State::Needed);
        assert!(matches!(directory.look_up(&agent("a.example"), now), State::Fresh(_)));
    }

    #[test]
    fn invented_names_push_out_nobody() {
        let mut directory = Directory::new(2);
        let now = Timestamp::from_secs(1_800_000_000);
        directory.supply(manifest("a.example"), None, None, now);
        for number in 0..100 {
            directory.fail(&agent(&format!("x{number}.example")), Code::IdentityNotFound, now);
        }
        assert!(matches!(directory.look_up(&agent("a.example"), now), State::Fresh(_)));
        assert_eq!(directory.look_up(&agent("x99.example"), now), State::Failed(Code::IdentityNotFound));
        assert_eq!(directory.look_up(&agent("x0.example"), now), State::Needed);
    }
}
