//! When a fetched document is fresh, stale or gone: pure state, shared by the key directory and the JWKS cache.

use crate::code::Code;
use crate::time::Timestamp;

/// The times of a cache, in seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Fresh for this long when the answer named no `max-age`.
    pub(crate) default_fresh: i64,
    /// `max-age` is clamped to at least this.
    pub(crate) min_fresh: i64,
    /// `max-age` is clamped to at most this.
    pub(crate) max_fresh: i64,
    /// An old document serves this long after the last success, or after its freshness ended, while refreshing fails.
    pub(crate) stale: i64,
    /// Whether `stale` counts from the end of freshness rather than from the last success.
    pub(crate) stale_after_fresh: bool,
    /// A failure is remembered this long.
    pub(crate) negative: i64,
    /// A document that lacks a key is fetched again at most this often.
    pub(crate) retry: i64,
}

/// A clock that stepped back further than this makes times in the future worthless.
const MAX_STEP_BACK: i64 = 60;

/// For this many seconds nobody asks again after the fetcher was busy, as `Retry-After` tells the agent.
const BUSY: i64 = 2;

impl Rules {
    fn serves_stale(&self, age: i64, until: Timestamp, now: Timestamp) -> bool {
        let counted = if self.stale_after_fresh { now.millis_since(until) } else { age };
        counted <= self.stale * 1000
    }
}

/// What is known about one document.
#[derive(Clone, Debug)]
pub(crate) struct Entry<T> {
    value: Option<(T, Timestamp, Timestamp)>,
    failure: Option<(Code, Timestamp)>,
}

/// What to do about one document now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State<T> {
    /// Use it.
    Fresh(T),
    /// Use it: refreshing failed a moment ago, and it is not too old.
    Stale(T),
    /// Fetch it first.
    Needed,
    /// Fetching failed a moment ago; there is nothing to use.
    Failed(Code),
}

/// What to do about a document that is at hand but lacks a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lack {
    /// Fetch it again: it may have the key by now.
    Needed,
    /// Fetching it again failed a moment ago: nobody can tell.
    Failed(Code),
    /// It was fetched a moment ago, and that is its last word.
    Certain,
}

impl<T> Default for Entry<T> {
    fn default() -> Self {
        Self { value: None, failure: None }
    }
}

impl<T> Entry<T> {
    /// Records a success. `max_age` is the answer's `Cache-Control: max-age` in seconds.
    pub(crate) fn succeed(&mut self, value: T, max_age: Option<u32>, rules: &Rules, now: Timestamp) {
        let fresh =
            max_age.map_or(rules.default_fresh, |age| i64::from(age).clamp(rules.min_fresh, rules.max_fresh));
        self.value = Some((value, now, now.saturating_add_secs(fresh)));
        self.failure = None;
    }

    /// Records a failure; an older value stays.
    pub(crate) fn fail(&mut self, code: Code, now: Timestamp) {
        self.failure = Some((code, now));
    }

    pub(crate) fn state(&self, rules: &Rules, now: Timestamp) -> State<&T> {
        let failure = self.remembered(rules, now);
        let known =
            self.value.as_ref().and_then(|(value, at, until)| age(*at, now).map(|age| (value, age, *until)));
        match (known, failure) {
            (Some((value, _, until)), _) if now < until => State::Fresh(value),
            (Some((value, age, until)), Some(_)) if rules.serves_stale(age, until, now) => {
                State::Stale(value)
            }
            (_, Some((code, _))) => State::Failed(code),
            (_, None) => State::Needed,
        }
    }

    /// What to do when the document lacks a key.
    pub(crate) fn lack(&self, rules: &Rules, now: Timestamp) -> Lack {
        let failure = self.remembered(rules, now);
        let times = [self.value.as_ref().map(|(_, at, _)| *at), failure.map(|(_, at)| at)];
        if times.into_iter().flatten().all(|at| age(at, now).is_none_or(|age| age >= rules.retry * 1000)) {
            return Lack::Needed;
        }
        // A failure is later than the value: a success would have removed it.
        failure.map_or(Lack::Certain, |(code, _)| Lack::Failed(code))
    }

    /// The last attempt to fetch it, if that failed and is not forgotten yet.
    fn remembered(&self, rules: &Rules, now: Timestamp) -> Option<(Code, Timestamp)> {
        self.failure.filter(|(code, at)| age(*at, now).is_some_and(|age| age < memory(*code, rules) * 1000))
    }
}

/// How long a failure is remembered, in seconds. That *we* were busy says nothing about the document: were it remembered like the
/// rest, a stranger who keeps the fetcher busy could shut out every agent that is new in that minute.
fn memory(code: Code, rules: &Rules) -> i64 {
    if code == Code::IdentityFetchBusy { rules.negative.min(BUSY) } else { rules.negative }
}

/// Milliseconds since `at`, at least 0; `None` when `at` lies too far in the future to be believed.
fn age(at: Timestamp, now: Timestamp) -> Option<i64> {
    let age = now.millis_since(at);
    (age >= -MAX_STEP_BACK * 1000).then_some(age.max(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules {
        default_fresh: 300,
        min_fresh: 60,
        max_fresh: 3600,
        stale: 3600,
        stale_after_fresh: false,
        negative: 60,
        retry: 30,
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(1_800_000_000 + seconds)
    }

    #[test]
    fn fresh_stale_gone() {
        let mut entry = Entry::default();
        assert_eq!(entry.state(&RULES, at(0)), State::Needed);
        entry.succeed("a", None, &RULES, at(0));
        assert_eq!(entry.state(&RULES, at(299)), State::Fresh(&"a"));
        assert_eq!(entry.state(&RULES, at(300)), State::Needed);
        entry.fail(Code::IdentityFetchFailed, at(300));
        assert_eq!(entry.state(&RULES, at(301)), State::Stale(&"a"));
        assert_eq!(entry.state(&RULES, at(360)), State::Needed);
        entry.fail(Code::IdentityFetchFailed, at(3599));
        assert_eq!(entry.state(&RULES, at(3600)), State::Stale(&"a"));
        assert_eq!(entry.state(&RULES, at(3601)), State::Failed(Code::IdentityFetchFailed));
        entry.succeed("b", None, &RULES, at(3602));
        assert_eq!(entry.state(&RULES, at(3602)), State::Fresh(&"b"));
    }

    #[test]
    fn staleness_may_count_from_the_end_of_freshness() {
        let rules = Rules { stale_after_fresh: true, max_fresh: 86_400, ..RULES };
        let mut entry = Entry::default();
        entry.succeed("a", Some(7200), &rules, at(0));
        entry.fail(Code::IdentityFetchFailed, at(7200));
        assert_eq!(entry.state(&rules, at(7201)), State::Stale(&"a"));
        entry.fail(Code::IdentityFetchFailed, at(10_790));
        assert_eq!(entry.state(&rules, at(10_800)), State::Stale(&"a"));
        assert_eq!(entry.state(&rules, at(10_801)), State::Failed(Code::IdentityFetchFailed));
    }

    #[test]
    fn max_age_is_clamped() {
        for (max_age, fresh) in [(0, 60), (120, 120), (u32::MAX, 3600)] {
            let mut entry = Entry::default();
            entry.succeed((), Some(max_age), &RULES, at(0));
            assert_eq!(entry.state(&RULES, at(fresh - 1)), State::Fresh(&()));
            assert_eq!(entry.state(&RULES, at(fresh)), State::Needed);
        }
    }

    #[test]
    fn a_wild_clock_keeps_nothing_fresh_for_ever() {
        let mut entry = Entry::default();
        entry.succeed((), None, &RULES, at(1_000_000_000));
        assert_eq!(entry.state(&RULES, at(0)), State::Needed);
        entry.succeed((), None, &RULES, at(30));
        assert_eq!(entry.state(&RULES, at(0)), State::Fresh(&()));
    }

    #[test]
    fn being_busy_is_soon_forgotten() {
        let mut entry = Entry::<()>::default();
        entry.fail(Code::IdentityFetchBusy, at(0));
        assert_eq!(entry.state(&RULES, at(1)), State::Failed(Code::IdentityFetchBusy));
        assert_eq!(entry.state(&RULES, at(2)), State::Needed);
        assert_eq!(Code::IdentityFetchBusy.retry(), crate::code::Retry::After(2));
    }

    #[test]
    fn retries_are_spaced() {
        let mut entry = Entry::default();
        assert_eq!(entry.lack(&RULES, at(0)), Lack::Needed);
        entry.succeed((), None, &RULES, at(0));
        assert_eq!(entry.lack(&RULES, at(29)), Lack::Certain);
        assert_eq!(entry.lack(&RULES, at(30)), Lack::Needed);
        entry.fail(Code::IdentityFetchFailed, at(30));
        assert_eq!(entry.lack(&RULES, at(59)), Lack::Failed(Code::IdentityFetchFailed));
        assert_eq!(entry.lack(&RULES, at(60)), Lack::Needed);
        entry.succeed((), None, &RULES, at(60));
        assert_eq!(entry.lack(&RULES, at(60)), Lack::Certain);
    }

    #[test]
    fn being_busy_delays_a_retry_for_a_moment_only() {
        let busy = Code::IdentityFetchBusy;
        let mut entry = Entry::default();
        entry.succeed((), None, &RULES, at(0));
        entry.fail(busy, at(30));
        assert_eq!(entry.lack(&RULES, at(31)), Lack::Failed(busy));
        assert_eq!(entry.lack(&RULES, at(32)), Lack::Needed);
        // Forgotten, it leaves what is certain certain.
        entry.succeed((), None, &RULES, at(40));
        entry.fail(busy, at(41));
        assert_eq!(entry.lack(&RULES, at(42)), Lack::Failed(busy));
        assert_eq!(entry.lack(&RULES, at(43)), Lack::Certain);
    }
}
