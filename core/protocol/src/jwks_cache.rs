//! Brokers' key sets by URL, with the freshness rules of PROTOCOL §8, as pure state.

use crate::code::Code;
use crate::freshness::{Entry, Lack, Rules, State};
use crate::jwks::JwkSet;
use crate::time::Timestamp;
use std::collections::HashMap;
use std::sync::Arc;

const RULES: Rules = Rules {
    default_fresh: 300,
    min_fresh: 300,
    max_fresh: 86_400,
    stale: 3600,
    stale_after_fresh: true,
    negative: 60,
    retry: 60,
};

/// Key sets of the configured brokers and ad networks; nothing else ever enters, so the map needs no bound.
#[derive(Debug)]
pub(crate) struct JwksCache {
    sets: HashMap<String, Entry<Arc<JwkSet>>>,
}

impl JwksCache {
    /// A cache for exactly these URLs.
    pub(crate) fn new(urls: impl IntoIterator<Item = String>) -> Self {
        Self { sets: urls.into_iter().map(|url| (url, Entry::default())).collect() }
    }

    /// Whether the URL is one of the configured ones.
    pub(crate) fn is_configured(&self, url: &str) -> bool {
        self.sets.contains_key(url)
    }

    pub(crate) fn look_up(&self, url: &str, now: Timestamp) -> State<Arc<JwkSet>> {
        match self.sets.get(url).map(|entry| entry.state(&RULES, now)) {
            Some(State::Fresh(set)) => State::Fresh(Arc::clone(set)),
            Some(State::Stale(set)) => State::Stale(Arc::clone(set)),
            Some(State::Failed(_)) => State::Failed(Code::PaymentJwksUnavailable),
            Some(State::Needed) | None => State::Needed,
        }
    }

    /// What to do about a set that lacks a kid: it is fetched again at most once a minute.
    pub(crate) fn lack(&self, url: &str, now: Timestamp) -> Lack {
        match self.sets.get(url).map(|entry| entry.lack(&RULES, now)) {
            Some(Lack::Needed) => Lack::Needed,
            Some(Lack::Failed(_)) => Lack::Failed(Code::PaymentJwksUnavailable),
            Some(Lack::Certain) | None => Lack::Certain,
        }
    }

    pub(crate) fn supply(&mut self, url: &str, set: JwkSet, max_age: Option<u32>, now: Timestamp) {
        if let Some(entry) = self.sets.get_mut(url) {
            entry.succeed(Arc::new(set), max_age, &RULES, now);
        }
    }

    /// Records a failed fetch; the reason decides how long it is remembered.
    pub(crate) fn fail(&mut self, url: &str, reason: Code, now: Timestamp) {
        if let Some(entry) = self.sets.get_mut(url) {
            entry.fail(reason, now);
        }
    }
}
