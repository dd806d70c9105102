//! The uses of a visa at this publisher, counted in the replay store (step 11 of PROTOCOL §5).

use super::nonce::insert_refusal;
use super::pay::Issuer;
use super::refusal::Refusal;
use super::request::KEEP_S;
use super::verify::Run;
use crate::code::Code;
use crate::policy::Binding;
use crate::replay::{Insert, ReplayEntry, Seen};
use crate::time::Timestamp;
use crate::visa::{LEEWAY_S, TokenClaims};

/// One use of a token, of `max`; the answer is that of the store that was asked about it.
pub(super) struct Use<'t> {
    jti: &'t str,
    number: u32,
    max: u32,
    answer: Insert,
    expires_at: Timestamp,
}

impl Use<'_> {
    /// Whether none is left, or the store cannot tell.
    pub(super) fn is_none(&self) -> bool {
        self.answer == Insert::Error || self.number >= self.max
    }
}

impl Run<'_> {
    /// The first use of the token that this publisher has not counted. Each is a key of its own in the replay store, `0 .. max_uses`, so that
    /// insert-if-absent alone makes the count atomic, in every kind of store. `None` for what is not counted.
    pub(super) fn free_use<'t>(
        &self,
        issuer: &Issuer,
        token: &'t TokenClaims,
    ) -> Result<Option<Use<'t>>, Refusal> {
        let max = match (issuer.binding, token.max_uses) {
            (_, Some(max)) => max,
            (Binding::Agent, None) => 1,
            // Plain bearer tokens are meant to be shown again until they expire.
            (Binding::Bearer, None) => return Ok(None),
        };
        let Some(jti) = token.jti.as_deref() else {
            return Err(
                Refusal::new(Code::PaymentInvalidToken).detail("max_uses without jti cannot be counted")
            );
        };
        let publisher = self.publisher;
        let expires_at = token.exp.saturating_add_secs(LEEWAY_S + KEEP_S);
        if publisher.replay.forgotten(expires_at) {
            return Err(Refusal::new(Code::PaymentExpired)
                .detail("uses of that time have been forgotten: the clock has stepped back"));
        }
        // Uses fill the numbers from below, so the first free one is found by bisection; once, or it would go past the one that it has asked for.
        let (mut low, mut high) = self.progress.counting.map_or((0, max), |asked| (asked, asked));
        let mut answer = Insert::Seen;
        while low < high {
            let middle = low + (high - low) / 2;
            match publisher.replay.seen(&publisher.keyer.token_use(&issuer.issuer, jti, middle), self.now) {
                Seen::Yes => low = middle + 1,
                Seen::No => high = middle,
                Seen::Error => {
                    answer = Insert::Error;
                    break;
                }
            }
        }
        Ok(Some(Use { jti, number: low, max, answer, expires_at }))
    }

    /// Counts one use of the token at this publisher.
    pub(super) fn count_use(
        &mut self,
        issuer: &Issuer,
        token: &TokenClaims,
        subject: &str,
    ) -> Result<(), Refusal> {
        if self.progress.use_counted {
            return Ok(());
        }
        let Some(mut found) = self.free_use(issuer, token)? else { return Ok(()) };
        let keyer = &self.publisher.keyer;
        let agent = keyer.agent(subject);
        while found.answer == Insert::Seen && found.number < found.max {
            let key = keyer.token_use(&issuer.issuer, found.jti, found.number);
            found.answer = self.insert(&ReplayEntry { key, agent, expires_at: found.expires_at });
            if found.answer == Insert::Later {
                self.progress.counting = Some(found.number);
            }
            found.number += 1;
        }
        self.judge_use(&found)?;
        self.progress.use_counted = true;
        Ok(())
    }

    pub(super) fn judge_use(&mut self, found: &Use<'_>) -> Result<(), Refusal> {
        let refusal = insert_refusal(found.answer, Code::PaymentAlreadyUsed);
        self.check(11, "payment: uses", refusal, || {
            (format!("at most {}", found.max), format!("use {}: {}", found.number, found.answer.as_str()))
        })
    }
}
