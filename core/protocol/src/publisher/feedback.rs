//! Taking feedback from agents (PROTOCOL §11), with the clock and replay rules of requests.

use super::nonce::insert_refusal;
use super::refusal::Refusal;
use super::verdict::{
    KeyBinding, Need, NeedKind, Outcome, PaymentFacts, PaymentState, Verdict, Visitor, Warning,
};
use super::{Publisher, request::KEEP_S};
use crate::agent_id::AgentId;
use crate::code::{Code, Retry};
use crate::crypto::{PublicKey, Thumbprint};
use crate::directory::{Lack, State};
use crate::encoding::hex_encode;
use crate::feedback::{Feedback, SignedFeedback};
use crate::replay::{Insert, ReplayEntry, Seen};
use crate::resource::Resource;
use crate::time::Timestamp;
use core::sync::atomic::Ordering;

/// The result of [`Publisher::feedback`]: a verdict on the feedback, and the feedback itself when it holds.
#[derive(Debug)]
pub struct FeedbackVerification {
    /// Whether the feedback is this agent's, new, and about this site.
    pub verdict: Verdict,
    /// What it says; only when the verdict allows.
    pub feedback: Option<Feedback>,
    /// What a replay store that answers later has to insert, when the verdict waits for that: then [`Publisher::feedback_inserted`].
    pub insertion: Option<ReplayEntry>,
}

/// Who signed.
struct Author {
    agent_id: AgentId,
    key_id: Thumbprint,
    stale: bool,
}

impl Publisher {
    /// Verifies the value of `x-imagxp-feedback`, or the body of a POST.
    ///
    /// `carrier` is the verdict on the request that carried it, if it was verified: the seed's form of feedback, without `agent_id`, `ts` and
    /// `nonce`, is accepted from its agent only. Nothing is stored before the signature holds. When the verdict has `needs`, fetch the
    /// manifest, [`Publisher::supply`] it and call this again. The policy's `mode` does not matter here.
    pub fn feedback(&self, value: &[u8], carrier: Option<&Verdict>, now: Timestamp) -> FeedbackVerification {
        self.judge_feedback(value, carrier, None, now)
    }

    /// Verifies the same value again, now that a replay store that answers later has answered to
    /// [`FeedbackVerification::insertion`].
    pub fn feedback_inserted(
        &self,
        value: &[u8],
        carrier: Option<&Verdict>,
        insertion: &ReplayEntry,
        answer: Insert,
        now: Timestamp,
    ) -> FeedbackVerification {
        let answer = if answer == Insert::Later { Insert::Error } else { answer };
        self.judge_feedback(value, carrier, Some((insertion, answer)), now)
    }

    fn judge_feedback(
        &self,
        value: &[u8],
        carrier: Option<&Verdict>,
        told: Option<(&ReplayEntry, Insert)>,
        now: Timestamp,
    ) -> FeedbackVerification {
        let trace = self.keyer.trace(self.counter.fetch_add(1, Ordering::Relaxed), now);
        let mut url = None;
        let mut insertion = None;
        let seen = |key: &[u8; 16]| match told {
            // What was stored for this very feedback is not seen *before*.
            Some((inserted, Insert::Fresh)) if inserted.key == *key => Seen::No,
            _ => self.replay.seen(key, now),
        };
        let insert = |entry: &ReplayEntry| {
            let answer = match told {
                Some((inserted, answer)) if inserted.key == entry.key => answer,
                _ => self.replay.insert_if_absent(entry, now),
            };
            insertion = (answer == Insert::Later).then_some(*entry);
            answer
        };
        let result = self.take_feedback(value, carrier, now, &mut url, seen, insert);
        let (author, feedback, refusal) = match result {
            Ok((author, feedback)) => (Some(author), Some(feedback), None),
            Err(refusal) => (None, None, Some(refusal)),
        };
        FeedbackVerification { verdict: conclude(author, url, refusal, trace), feedback, insertion }
    }

    fn take_feedback(
        &self,
        value: &[u8],
        carrier: Option<&Verdict>,
        now: Timestamp,
        url: &mut Option<String>,
        seen: impl FnOnce(&[u8; 16]) -> Seen,
        insert: impl FnOnce(&ReplayEntry) -> Insert,
    ) -> Result<(Author, Feedback), Refusal> {
        if value.len() > self.limits.payload_header() {
            return Err(Refusal::new(Code::HeaderTooLarge).detail(crate::headers::FEEDBACK));
        }
        let signed = SignedFeedback::parse(value)
            .map_err(|error| Refusal::new(Code::FeedbackMalformed).detail(error.message().to_owned()))?;
        let feedback = signed.feedback();
        let agent = self.author_of(feedback, carrier)?;
        let entry = self.feedback_entry(&signed, &agent, now)?;
        match seen(&entry.key) {
            Seen::No => {}
            Seen::Yes => return Err(Refusal::new(Code::ReplayNonceSeen)),
            Seen::Error => return Err(Refusal::new(Code::ReplayStoreError)),
        }
        let resource = Resource::parse(&feedback.url);
        let origin = resource.as_ref().and_then(|resource| resource.origin.as_ref());
        if origin.is_none_or(|origin| !self.policy.origins().contains(origin)) {
            return Err(
                Refusal::new(Code::ClaimResourceMismatch).detail("the feedback is about another site")
            );
        }
        let author = self.signer_of(&signed, agent, carrier, now)?;
        insert_refusal(insert(&entry), Code::ReplayNonceSeen).map_or(Ok(()), Err)?;
        *url = resource.as_ref().map(ToString::to_string);
        Ok((author, feedback.clone()))
    }

    fn author_of(&self, feedback: &Feedback, carrier: Option<&Verdict>) -> Result<AgentId, Refusal> {
        let carrier = carrier.and_then(|verdict| verdict.agent_id.as_ref());
        match (&feedback.agent_id, carrier) {
            (Some(named), Some(carrier)) if named != carrier => Err(Refusal::new(Code::HeaderConflict)
                .detail("the feedback is by another agent than the request")),
            (Some(named), None) if feedback.signed_at.is_none() => {
                Err(Refusal::new(Code::AuthRequired).detail(format!("`{named}` gives neither ts nor nonce")))
            }
            (Some(named), _) if named.is_loopback() && !self.policy.document().allow_loopback => {
                Err(Refusal::new(Code::FeedbackMalformed).detail("agent_id is a loopback name"))
            }
            (Some(agent), _) | (None, Some(agent)) => Ok(agent.clone()),
            (None, None) => Err(Refusal::new(Code::AuthRequired).detail("the feedback names no agent")),
        }
    }

    /// The time window, and what to remember. Feedback counts once: by its nonce, or within the window by what it says.
    fn feedback_entry(
        &self,
        signed: &SignedFeedback,
        agent: &AgentId,
        now: Timestamp,
    ) -> Result<ReplayEntry, Refusal> {
        let clock = self.policy.document().clock;
        let window = i64::from(clock.past_s);
        let subject = format!("{agent} feedback");
        let (key, ts) = match &signed.feedback().signed_at {
            Some((ts, nonce)) => (self.keyer.nonce(&subject, nonce), *ts),
            None => {
                (self.keyer.nonce(&subject, &hex_encode(&crate::digest::sha256(signed.signed_bytes()))), now)
            }
        };
        let age = now.millis_since(ts);
        let end = ts.saturating_add_secs(window);
        if age < -i64::from(clock.future_s) * 1000 {
            return Err(Refusal::new(Code::TimeFuture));
        }
        if age > window * 1000 || self.replay.forgotten(end) {
            return Err(Refusal::new(Code::TimeExpired));
        }
        Ok(ReplayEntry {
            key,
            agent: self.keyer.agent(agent.as_str()),
            expires_at: ts.saturating_add_secs(window + KEEP_S),
        })
    }

    /// The published key that signed; the one of the carrying request is tried first.
    fn signer_of(
        &self,
        signed: &SignedFeedback,
        agent_id: AgentId,
        carrier: Option<&Verdict>,
        now: Timestamp,
    ) -> Result<Author, Refusal> {
        let need = |why: &'static str| {
            let need = Need { kind: NeedKind::Manifest, url: agent_id.manifest_url() };
            Refusal::new(Code::IdentityManifestNeeded).detail(why).needing(need)
        };
        let known = self.directory().look_up(&agent_id, now);
        let (manifest, stale) = match known {
            State::Fresh(manifest) => (manifest, false),
            State::Stale(manifest) => (manifest, true),
            State::Failed(code) => return Err(Refusal::new(code)),
            State::Needed => return Err(need("no manifest at hand")),
        };
        let first = carrier.and_then(|verdict| verdict.key_id);
        let is_first = |key: &&PublicKey| Some(*key.thumbprint()) == first;
        let (named, others): (Vec<&PublicKey>, Vec<_>) = manifest.keys_at(now).partition(is_first);
        match named.into_iter().chain(others).find(|key| signed.verify_hot(&self.hot, key)) {
            Some(key) => {
                let key_id = *key.thumbprint();
                Ok(Author { agent_id, key_id, stale })
            }
            None => Err(match self.directory().lack(&agent_id, now) {
                Lack::Needed => need("no key of the cached manifest made this signature"),
                Lack::Failed(code) => Refusal::new(code),
                Lack::Certain => Refusal::new(Code::SigInvalid),
            }),
        }
    }
}

fn conclude(
    author: Option<Author>,
    url: Option<String>,
    refusal: Option<Refusal>,
    trace: [u8; 16],
) -> Verdict {
    let code = refusal.as_ref().map(|refusal| refusal.code);
    let outcome = match code {
        None => Outcome::Allow,
        Some(code) if code.is_undecided() => Outcome::Undecided,
        Some(_) => Outcome::Deny,
    };
    let retry = code.map_or(Retry::Never, Code::retry);
    let mut response_headers = Vec::new();
    if let Retry::After(seconds) = retry {
        response_headers.push(("retry-after", seconds.to_string()));
    }
    let (hint, detail, needs) = refusal.map_or((None, None, Vec::new()), |refusal| {
        (Some(refusal.hint.unwrap_or(refusal.code.hint().into())), refusal.detail, refusal.needs)
    });
    let stale = author.as_ref().is_some_and(|author| author.stale);
    Verdict {
        outcome,
        code,
        http: code.map_or(200, Code::http),
        message: code.map_or("the feedback is accepted", Code::message),
        hint,
        detail,
        retry,
        visitor: if author.is_some() { Visitor::VerifiedAgent } else { Visitor::InvalidAgent },
        would_deny: false,
        binding: if author.is_some() { KeyBinding::Domain } else { KeyBinding::None },
        key_id: author.as_ref().map(|author| author.key_id),
        agent_id: author.map(|author| author.agent_id),
        purpose: None,
        resource: url,
        payment: PaymentFacts::new(PaymentState::NotRequired),
        warnings: if stale { vec![Warning::ManifestStale] } else { Vec::new() },
        needs,
        response_headers,
        offer: None,
        trace_id: hex_encode(&trace),
    }
}
