//! The pipeline: PROTOCOL §5 in exactly its order. Nothing before step 9 has a side effect.

use super::read::Decoded;
use super::refusal::Refusal;
use super::request::{KEEP_S, MAX_PENDING_S, Pending, Progress, Request, Verification};
use super::verdict::{KeyBinding, PaymentFacts, PaymentState, Visitor, Warning};
use super::{Publisher, rate};
use crate::agent_id::AgentId;
use crate::claim::{Claim, Version};
use crate::code::{Code, Retry};
use crate::crypto::{PublicKey, Thumbprint};
use crate::directory::Known;
#[cfg(feature = "explain")]
use crate::explain::Explanation;
use crate::explain::{Step, StepResult};
use crate::headers::RequestHeaders;
use crate::policy::{Decision, Question};
use crate::purpose::Purpose;
use crate::resource::path_readings;
use crate::time::Timestamp;
use std::sync::Arc;

/// What is known so far. Fields that PROTOCOL §6 gives "only when verified" are set after step 8.
pub(super) struct Facts {
    pub(super) visitor: Visitor,
    pub(super) agent_id: Option<AgentId>,
    pub(super) key_id: Option<Thumbprint>,
    pub(super) purpose: Option<Purpose>,
    pub(super) resource: Option<String>,
    pub(super) binding: KeyBinding,
    pub(super) payment: PaymentFacts,
    pub(super) warnings: Vec<Warning>,
    pub(super) decision: Option<Decision>,
    /// The key that made the signature, and the manifest in force that lists it.
    pub(super) key: Option<PublicKey>,
    pub(super) manifest: Option<Arc<Known>>,
}

/// What the first three steps found.
#[expect(clippy::large_enum_variant, reason = "nearly every request that is verified is signed")]
pub(super) enum Start<'r> {
    Unsigned(RequestHeaders<'r>),
    Signed(RequestHeaders<'r>, Decoded, Claim),
}

/// One run of the pipeline.
pub(super) struct Run<'r> {
    pub(super) publisher: &'r Publisher,
    pub(super) request: &'r Request<'r>,
    /// By this time the claim and its tokens are judged.
    pub(super) received_at: Timestamp,
    /// By this time the caches are judged; later than `received_at` after a resumption.
    pub(super) now: Timestamp,
    pub(super) progress: Progress,
    pub(super) facts: Facts,
    /// Present in a dry run that explains itself.
    pub(super) steps: Option<Vec<Step>>,
}

pub(super) fn run(
    publisher: &Publisher,
    request: &Request<'_>,
    received_at: Timestamp,
    now: Timestamp,
    progress: Progress,
    trace_id: [u8; 16],
) -> Verification {
    let mut run = Run::new(publisher, request, received_at, now, progress);
    let start = run.start();
    run.conclude(start, trace_id)
}

#[cfg(feature = "explain")]
pub(super) fn explain(
    publisher: &Publisher,
    request: &Request<'_>,
    now: Timestamp,
    trace_id: [u8; 16],
) -> Explanation {
    let mut run = Run::new(publisher, request, now, now, Progress::default());
    run.steps = Some(Vec::new());
    let result = run.start().and_then(|start| run.finish(start));
    run.note_audit();
    let steps = run.steps.take().unwrap_or_default();
    Explanation { steps, verdict: run.verdict(result, trace_id) }
}

impl<'r> Run<'r> {
    pub(super) fn new(
        publisher: &'r Publisher,
        request: &'r Request<'r>,
        received_at: Timestamp,
        now: Timestamp,
        progress: Progress,
    ) -> Self {
        let facts = Facts {
            visitor: Visitor::UnsignedClient,
            agent_id: None,
            key_id: None,
            purpose: None,
            resource: None,
            binding: KeyBinding::None,
            payment: PaymentFacts::new(PaymentState::NotRequired),
            warnings: Vec::new(),
            decision: None,
            key: None,
            manifest: None,
        };
        Self { publisher, request, received_at, now, progress, facts, steps: None }
    }

    /// Whether nothing may be spent.
    pub(super) const fn is_dry(&self) -> bool {
        cfg!(feature = "explain") && self.steps.is_some()
    }

    /// Notes a step; the texts are made only when someone wants to read them.
    pub(super) fn note(
        &mut self,
        number: u8,
        name: &'static str,
        result: StepResult,
        texts: impl FnOnce() -> (String, String),
    ) {
        #[cfg(not(feature = "explain"))]
        let _ = (number, name, result, texts);
        #[cfg(feature = "explain")]
        if let Some(steps) = &mut self.steps {
            let (expected, received) = texts();
            steps.push(Step { number, name, result, expected, received });
        }
    }

    /// Notes a check and passes its result on.
    pub(super) fn check(
        &mut self,
        number: u8,
        name: &'static str,
        refusal: Option<Refusal>,
        texts: impl FnOnce() -> (String, String),
    ) -> Result<(), Refusal> {
        let result = match &refusal {
            None => StepResult::Passed,
            Some(refusal) if refusal.code.is_undecided() => StepResult::Undecided,
            Some(_) => StepResult::Failed,
        };
        self.note(number, name, result, texts);
        refusal.map_or(Ok(()), Err)
    }

    /// Steps 1 to 3: what the request's bytes alone say.
    pub(super) fn start(&mut self) -> Result<Start<'r>, Refusal> {
        let headers = self.read_headers()?;
        if !headers.is_signed() {
            return Ok(Start::Unsigned(headers));
        }
        self.facts.visitor = Visitor::InvalidAgent;
        let (payload, decoded) = self.decode(&headers)?;
        let claim = self.claim(&headers, payload)?;
        Ok(Start::Signed(headers, decoded, claim))
    }

    /// The other steps, and the verdict.
    pub(super) fn conclude(mut self, start: Result<Start<'r>, Refusal>, trace_id: [u8; 16]) -> Verification {
        let result = start.and_then(|start| self.finish(start));
        let result = match &self.publisher.audit {
            Some(sink) => self.audit(&**sink, result, &trace_id),
            None => result,
        };
        let pending = matches!(&result, Err(refusal) if !refusal.needs.is_empty()).then(|| {
            Pending::new(self.request, self.received_at, core::mem::take(&mut self.progress), trace_id)
        });
        Verification { verdict: self.verdict(result, trace_id), pending }
    }

    fn finish(&mut self, start: Start<'r>) -> Result<(), Refusal> {
        let (headers, decoded, claim) = match start {
            Start::Unsigned(headers) => return self.unsigned(&headers),
            Start::Signed(headers, decoded, claim) => (headers, decoded, claim),
        };
        self.version_and_time(&claim)?;
        let subject = self.subject(&claim, &decoded)?;
        let nonce_key = self.publisher.keyer.nonce(&subject, claim.nonce());
        self.look_up_nonce(&nonce_key)?;
        match self.bind(&claim) {
            // "Signed for another resource" is said only of what the agent signed: a forgery is called one.
            Err(refusal) if refusal.code == Code::ClaimResourceMismatch => {
                self.refute(&claim, &decoded)?;
                return Err(refusal);
            }
            bound => bound?,
        }
        let key_id = self.identify(&headers, &claim, &decoded)?;
        // Not before the signature is known to be good: a long URL may have many readings, each a copy.
        let url = self.request.url;
        let paths = match claim.sole_path(url) {
            Some(path) => vec![path.to_owned()],
            // Step 6 has read the URL; without a path nobody would be asked whether it may be read.
            None => path_readings(url).ok_or(Refusal::new(Code::ClaimResourceMismatch))?,
        };

        // Pure: whether a key set will be missing must be known before the nonce is spent.
        let question = Question {
            agent_id: &claim.agent_id,
            domain_bound: self.facts.binding == KeyBinding::Domain,
            purpose: claim.purpose,
            paths: &paths,
        };
        let mut decision = self.publisher.policy.evaluate(&question);
        if decision.refusal.is_none() && !self.progress.serves(claim.purpose) {
            decision.refusal = Some(Code::PolicyPurposeDenied);
        }
        self.payment_ready(&headers, &claim, &decision)?;

        self.spend_nonce(&claim, &subject, nonce_key)?;
        self.apply_policy(&question, &decision)?;
        self.facts.decision = Some(decision.clone());
        self.pay(&headers, &claim, &key_id, &subject, &paths, &decision)?;
        // Who has been asked before a visa was spent is not asked again.
        self.take_rate(&subject, &decision)?;
        self.ask_own_rule(&claim, &paths)
    }

    /// Step 4.
    fn version_and_time(&mut self, claim: &Claim) -> Result<(), Refusal> {
        let refusal = claim.version.is_none().then(|| Refusal::new(Code::ClaimVersionUnsupported));
        self.check(4, "claim: version", refusal, || {
            ("1.0 or 1.1".into(), claim.version.map_or("another version", Version::as_str).into())
        })?;
        let clock = self.publisher.policy.document().clock;
        let age = self.received_at.millis_since(claim.ts);
        let past = i64::from(clock.past_s) * 1000;
        let future = i64::from(clock.future_s) * 1000;
        let end = claim.ts.saturating_add_millis(past);
        let seconds = |millis: i64| millis.unsigned_abs().div_ceil(1000);
        let pending = self.now.millis_since(self.received_at);
        // A resumed claim may end before the horizon without having been forgotten: its nonce would have been kept longer.
        let kept = if pending > 0 { end.saturating_add_secs(KEEP_S) } else { end };
        let refusal = if age < -future {
            let hint = format!(
                "your clock is {} s ahead of ours; at most {} s are accepted",
                seconds(age),
                clock.future_s
            );
            Some(Refusal::new(Code::TimeFuture).hint(hint))
        } else if age > past {
            let hint =
                format!("the claim is {} s old; at most {} s are accepted", seconds(age), clock.past_s);
            Some(Refusal::new(Code::TimeExpired).hint(hint))
        } else if pending > MAX_PENDING_S * 1000 {
            Some(Refusal::new(Code::TimeExpired).detail("the verification was pending for too long"))
        } else if self.publisher.replay.forgotten(kept) {
            Some(
                Refusal::new(Code::TimeExpired)
                    .detail("nonces of that time have been forgotten: the clock has stepped back"),
            )
        } else {
            None
        };
        let received_at = self.received_at;
        self.check(4, "claim: time window", refusal, || {
            (format!("{received_at} - {} s … + {} s", clock.past_s, clock.future_s), claim.ts.to_string())
        })
    }

    /// Step 10.
    fn apply_policy(&mut self, question: &Question<'_>, decision: &Decision) -> Result<(), Refusal> {
        let publisher = self.publisher;
        self.check(10, "policy: purpose, agent, path", decision.refusal.map(Refusal::new), || {
            let (_, reasons) = publisher.policy.explain(question);
            let reasons: Vec<String> =
                reasons.iter().map(|reason| format!("{}: {}", reason.rule, reason.says)).collect();
            ("at least one rule that allows, and none that denies".into(), reasons.join("; "))
        })
    }

    /// Takes the agent's share of its rate, once; an explanation only looks.
    pub(super) fn take_rate(&mut self, subject: &str, decision: &Decision) -> Result<(), Refusal> {
        let Some(rate) = decision.rate.filter(|_| !self.progress.rate_taken) else { return Ok(()) };
        let agent = self.publisher.keyer.agent(subject);
        let taken = match rate::take(&*self.publisher.rates, &agent, rate, self.now, self.is_dry()) {
            Ok(taken) => taken,
            Err(error) => return Err(Refusal::failed(Code::PolicyError, &error)),
        };
        let refusal = taken.err().map(|seconds| {
            let mut refusal =
                Refusal::new(Code::RateAgent).hint(format!("wait {seconds} s, then sign a new request"));
            refusal.retry = Some(Retry::After(seconds));
            refusal
        });
        self.check(12, "rate", refusal, || {
            let received =
                taken.map_or_else(|seconds| format!("too many: wait {seconds} s"), |()| "within it".into());
            (format!("a burst of {}, then {} in {} s", rate.requests, rate.requests, rate.per_s), received)
        })?;
        self.progress.rate_taken = true;
        Ok(())
    }

    /// Asks the publisher's own rule, once.
    pub(super) fn ask_own_rule(&mut self, claim: &Claim, paths: &[String]) -> Result<(), Refusal> {
        let publisher = self.publisher;
        let Some(custom) = publisher.custom.as_ref().filter(|_| !self.progress.rule_passed) else {
            return Ok(());
        };
        // In every reading of the path, as the policy is: which one the server behind takes is not guessed.
        let refusal = paths.iter().find_map(|path| match custom.allows(claim, path) {
            Ok(true) => None,
            Ok(false) => Some(Refusal::new(Code::PolicyDenied)),
            Err(error) => Some(Refusal::failed(Code::PolicyError, &error)),
        });
        self.check(12, "custom policy", refusal, || {
            ("allowed by the publisher's own rule".into(), "its answer".into())
        })?;
        self.progress.rule_passed = true;
        Ok(())
    }
}
