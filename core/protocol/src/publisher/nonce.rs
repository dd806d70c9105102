//! Steps 5 and 9: a nonce is looked up first and spent when everything that can refuse for free has agreed.

use super::refusal::Refusal;
use super::request::KEEP_S;
use super::verdict::{Need, NeedKind};
use super::verify::Run;
use crate::claim::Claim;
use crate::code::Code;
use crate::explain::StepResult;
use crate::replay::{Insert, ReplayEntry, Seen};

impl Run<'_> {
    /// Step 5: read only, so that a replay costs no signature check.
    pub(super) fn look_up_nonce(&mut self, key: &[u8; 16]) -> Result<(), Refusal> {
        if self.progress.nonce_spent {
            self.note(5, "nonce: not seen before", StepResult::Skipped, Default::default);
            return Ok(());
        }
        // What was stored for this very request is not seen *before*.
        let seen = match self.progress.inserted.contains(&(*key, Insert::Fresh)) {
            true => Seen::No,
            false => self.publisher.replay.seen(key, self.now),
        };
        let refusal = match seen {
            Seen::No => None,
            Seen::Yes => Some(Refusal::new(Code::ReplayNonceSeen)),
            Seen::Error => Some(Refusal::new(Code::ReplayStoreError)),
        };
        self.check(5, "nonce: not seen before", refusal, || {
            ("a nonce that has not been seen".into(), seen.as_str().into())
        })
    }

    /// Step 9: atomic, and only now: a bad copy of a request must not burn the good one's nonce.
    pub(super) fn spend_nonce(&mut self, claim: &Claim, subject: &str, key: [u8; 16]) -> Result<(), Refusal> {
        if self.progress.nonce_spent {
            self.note(9, "nonce: spent once", StepResult::Skipped, Default::default);
            return Ok(());
        }
        let window = i64::from(self.publisher.policy.document().clock.past_s);
        let entry = ReplayEntry {
            key,
            agent: self.publisher.keyer.agent(subject),
            expires_at: claim.ts.saturating_add_secs(window + KEEP_S),
        };
        let inserted = self.insert(&entry);
        let refusal = insert_refusal(inserted, Code::ReplayNonceSeen);
        self.check(9, "nonce: spent once", refusal, || {
            ("absent".into(), format!("{}; kept until {}", inserted.as_str(), entry.expires_at))
        })?;
        self.progress.nonce_spent = true;
        Ok(())
    }

    /// Asks the replay store to insert, or takes the answer that the caller got from one that answers later.
    pub(super) fn insert(&mut self, entry: &ReplayEntry) -> Insert {
        if self.is_dry() {
            return Insert::Fresh;
        }
        let told = self.progress.inserted.iter().find(|(key, _)| *key == entry.key);
        let answer = told
            .map_or_else(|| self.publisher.replay.insert_if_absent(entry, self.now), |(_, answer)| *answer);
        self.progress.asked = (answer == Insert::Later).then_some(*entry);
        answer
    }
}

/// What a store's answer means.
pub(super) fn insert_refusal(answer: Insert, seen: Code) -> Option<Refusal> {
    match answer {
        Insert::Fresh => None,
        Insert::Seen => Some(Refusal::new(seen)),
        Insert::Full => Some(Refusal::new(Code::ReplayStoreFull)),
        Insert::Error => Some(Refusal::new(Code::ReplayStoreError)),
        // Who cannot wait for the store has no answer from it: the same 503.
        Insert::Later => {
            let need = Need { kind: NeedKind::Replay, url: String::new() };
            Some(Refusal::new(Code::ReplayStoreError).detail("the store answers later").needing(need))
        }
    }
}
