//! The uses of a visa at this publisher, counted in the replay store (step 11 of PROTOCOL §5).

use super::nonce::insert_refusal;
use super::pay::Issuer;
use super::refusal::Refusal;
use super::request::{KEEP_S, Redemption};
use super::verify::Run;
use crate::code::Code;
use crate::policy::{Binding, Check};
use crate::replay::{Insert, ReplayEntry, Seen};
use crate::visa::{LEEWAY_S, TokenClaims};

impl Run<'_> {
    /// Counts one use of the token at this publisher, or only looks whether there is one. Each use is a key of its own in the replay store,
    /// `0 .. max_uses`, so that insert-if-absent alone makes the count atomic, in every kind of store. Nothing waits after it, so nothing is counted twice.
    pub(super) fn count_use(
        &mut self,
        issuer: &Issuer,
        token: &TokenClaims,
        subject: &str,
        only_look: bool,
    ) -> Result<(), Refusal> {
        let max = match (issuer.binding, token.max_uses) {
            (_, Some(max)) => max,
            (Binding::Agent, None) => 1,
            // Plain bearer tokens are meant to be shown again until they expire.
            (Binding::Bearer, None) => return Ok(()),
        };
        let Some(jti) = token.jti.as_deref() else {
            return Err(
                Refusal::new(Code::PaymentInvalidToken).detail("max_uses without jti cannot be counted")
            );
        };
        let publisher = self.publisher;
        let key = |number: u32| publisher.keyer.token_use(&issuer.issuer, jti, number);
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
            match publisher.replay.seen(&key(middle), self.now) {
                Seen::Yes => low = middle + 1,
                Seen::No => high = middle,
                Seen::Error => {
                    answer = Insert::Error;
                    break;
                }
            }
        }
        while answer == Insert::Seen && low < max {
            if only_look {
                return Ok(());
            }
            let entry = ReplayEntry { key: key(low), agent: publisher.keyer.agent(subject), expires_at };
            answer = self.insert(&entry);
            if answer == Insert::Later {
                self.progress.counting = Some(low);
            }
            low += 1;
        }
        // The broker has just paid the only use out, and does so once: where the store has no count to give, that is it.
        let paid_out = max == 1
            && issuer.check == Check::Redeem
            && self.progress.redemption == Some(Redemption::Accepted)
            && matches!(answer, Insert::Full | Insert::Error);
        let counts = if paid_out { Insert::Fresh } else { answer };
        let mut refusal = insert_refusal(counts, Code::PaymentAlreadyUsed);
        // The nonce is spent.
        if let Some(refusal) = refusal.as_mut().filter(|refusal| refusal.code != Code::PaymentAlreadyUsed) {
            refusal.hint = Some("sign a new request later".into());
        }
        self.check(11, "payment: uses", refusal, || {
            (format!("at most {max}"), format!("use {low}: {}", answer.as_str()))
        })
    }
}
