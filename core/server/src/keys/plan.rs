//! When each key signs, and which no longer count: what is the same wherever keys are kept.

use super::{KEEP_S, NOTICE_S};
use crate::error::SetupError;
use imagxp::Timestamp;
use imagxp::crypto::Thumbprint;

pub(super) const EXIST: &str = "there are signing keys already; rotate them instead";
pub(super) const MISSING: &str = "there are no signing keys; `imagxp keys create` makes them";

/// A key under another passphrase than its neighbours is one that no server can open beside them.
pub(super) const SEALED: &str = "the passphrase does not open the keys that stay beside the new one: set `keys.passphrase_file` to theirs, or drop those first";

/// One key's time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) kid: Thumbprint,
    /// From when on it signs.
    pub(crate) use_from: Timestamp,
    pub(crate) dropped: Option<Dropped>,
}

/// Since when nothing that a key signed counts, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dropped {
    pub(crate) at: Timestamp,
    pub(crate) reason: String,
}

/// What a command does to the keys.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// The first key, which signs at once.
    Create,
    /// The next key, which signs a day from now.
    Rotate,
    /// An end to one key, at once; another takes over when it was the one that signs.
    Drop { kid: Thumbprint, reason: String },
}

/// The keys, in the order in which they sign.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan(Vec<Entry>);

impl Plan {
    /// Error: `keys.malformed` when the order is not that of their times.
    pub(crate) fn new(entries: Vec<Entry>) -> Result<Self, SetupError> {
        if !entries.is_sorted_by_key(|entry| entry.use_from) {
            return Err(SetupError::new(
                "keys.malformed",
                "the keys are not in the order in which they sign",
            ));
        }
        Ok(Self(entries))
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.0
    }

    /// Those of which nothing counts any more.
    pub(super) fn dropped(&self) -> impl Iterator<Item = Thumbprint> {
        self.0.iter().filter(|entry| entry.dropped.is_some()).map(|entry| entry.kid)
    }

    /// Those that stay beside a key that is new; none when it was not needed.
    pub(super) fn beside(&self, new: &Thumbprint) -> impl Iterator<Item = &Thumbprint> {
        let needed = self.0.iter().any(|entry| entry.kid == *new);
        self.0
            .iter()
            .filter(move |entry| needed && entry.kid != *new && entry.dropped.is_none())
            .map(|entry| &entry.kid)
    }

    /// Does a step, with `spare` as the key that is new if one is needed. Returns the key that signs from when.
    ///
    /// Errors: `keys.exist`, `keys.missing`, `rotation.order`, `usage.argument`.
    pub(crate) fn step(
        &mut self,
        step: &Step,
        spare: Thumbprint,
        now: Timestamp,
    ) -> Result<(Thumbprint, Timestamp), SetupError> {
        match step {
            Step::Create if self.0.is_empty() => Ok(self.add(spare, now)),
            Step::Create => Err(SetupError::new("keys.exist", EXIST)),
            Step::Rotate if self.0.is_empty() => Err(SetupError::new("keys.missing", MISSING)),
            Step::Rotate if self.waiting(now).is_some() => {
                Err(SetupError::new("rotation.order", "a new key waits for its day already"))
            }
            Step::Rotate => {
                self.forget(now);
                Ok(self.add(spare, now.saturating_add_secs(NOTICE_S)))
            }
            Step::Drop { kid, reason } => self.drop(kid, reason, spare, now),
        }
    }

    fn drop(
        &mut self,
        kid: &Thumbprint,
        reason: &str,
        spare: Thumbprint,
        now: Timestamp,
    ) -> Result<(Thumbprint, Timestamp), SetupError> {
        let entry = self.0.iter_mut().find(|entry| entry.kid == *kid && entry.dropped.is_none());
        let entry = entry.ok_or_else(|| {
            SetupError::new("usage.argument", "there is no key of this name, or it was dropped before")
        })?;
        entry.dropped = Some(Dropped { at: now, reason: reason.to_owned() });
        let due = self.turns().rev().find(|(entry, _)| entry.use_from <= now);
        if let Some((due, _)) = due
            && due.dropped.is_none()
        {
            return Ok((due.kid, due.use_from));
        }
        // The one that waits is known to those who have fetched the keys since; a new one is known to nobody.
        match self.waiting(now).and_then(|at| self.0.get_mut(at)) {
            Some(next) => {
                next.use_from = now;
                let turn = (next.kid, now);
                self.0.sort_by_key(|entry| entry.use_from);
                Ok(turn)
            }
            None => Ok(self.add(spare, now)),
        }
    }

    fn add(&mut self, kid: Thumbprint, use_from: Timestamp) -> (Thumbprint, Timestamp) {
        self.0.push(Entry { kid, use_from, dropped: None });
        self.0.sort_by_key(|entry| entry.use_from);
        (kid, use_from)
    }

    /// Where the key stands that waits for its day.
    fn waiting(&self, now: Timestamp) -> Option<usize> {
        self.0.iter().position(|entry| entry.use_from > now && entry.dropped.is_none())
    }

    /// Forgets what nobody can meet any more.
    fn forget(&mut self, now: Timestamp) {
        let over = |end: Timestamp| now > end.saturating_add_secs(KEEP_S);
        let turns: Vec<_> = self.turns().map(|(entry, end)| (entry.kid, end)).collect();
        self.0.retain(|entry| match &entry.dropped {
            Some(dropped) => !over(dropped.at),
            None => !turns.iter().any(|(kid, end)| *kid == entry.kid && end.is_some_and(over)),
        });
    }

    /// The keys that sign, have signed or will sign, each with the time from which another does. One that was dropped before its day never did.
    pub(crate) fn turns(&self) -> impl DoubleEndedIterator<Item = (&Entry, Option<Timestamp>)> {
        let turns: Vec<&Entry> = self
            .0
            .iter()
            .filter(|entry| entry.dropped.as_ref().is_none_or(|dropped| dropped.at >= entry.use_from))
            .collect();
        let ends: Vec<_> = turns.iter().skip(1).map(|next| Some(next.use_from)).chain([None]).collect();
        turns.into_iter().zip(ends)
    }

    /// Since when this key signs no more, when another has taken over or will.
    pub(crate) fn end(&self, kid: &Thumbprint) -> Option<Timestamp> {
        self.turns().find(|(entry, _)| entry.kid == *kid)?.1
    }
}
