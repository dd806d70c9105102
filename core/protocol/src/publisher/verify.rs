//! The pipeline: PROTOCOL §5 in exactly its order. Nothing before step 9 has a side effect.

use super::request::{Pending, Progress, Request, Verification};
use super::verdict::{KeyBinding, Need, Outcome, PaymentFacts, PaymentState, Verdict, Visitor, Warning};
use super::Publisher;
use crate::agent_id::AgentId;
use crate::claim::Claim;
use crate::code::{Code, Retry};
use crate::crypto::{Signature, Thumbprint};
use crate::digest::digests_agree;
use crate::encoding::{base64_decode, hex_encode};
use crate::explain::{Explanation, Step, StepResult, shown};
use crate::headers::{self, RequestHeaders};
use crate::json::Object;
use crate::policy::{Decision, Mode, Question, ResourceMatch, Unsigned, public};
use crate::purpose::Purpose;
use crate::replay::{Insert, ReplayEntry, Seen};
use crate::resource::Resource;
use crate::time::Timestamp;
use std::borrow::Cow;

/// How much longer than its claim lives a nonce is kept, in seconds.
const MARGIN_S: i64 = 5;

/// Why the pipeline stopped.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) code: Code,
    pub(super) hint: Option<Cow<'static, str>>,
    pub(super) detail: Option<Cow<'static, str>>,
    pub(super) retry: Option<Retry>,
    pub(super) needs: Vec<Need>,
}

impl Refusal {
    pub(super) const fn new(code: Code) -> Self {
        Self { code, hint: None, detail: None, retry: None, needs: Vec::new() }
    }

    pub(super) fn hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    pub(super) fn needing(mut self, need: Need) -> Self {
        self.needs.push(need);
        self
    }
}

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
    let result = run.pipeline();
    let pending = matches!(&result, Err(refusal) if !refusal.needs.is_empty())
        .then(|| Pending::new(request, received_at, run.progress, trace_id));
    Verification { verdict: run.verdict(result, trace_id), pending }
}

pub(super) fn explain(publisher: &Publisher, request: &Request<'_>, now: Timestamp, trace_id: [u8; 16]) -> Explanation {
    let mut run = Run::new(publisher, request, now, now, Progress::default());
    run.steps = Some(Vec::new());
    let result = run.pipeline();
    let steps = run.steps.take().unwrap_or_default();
    Explanation { steps, verdict: run.verdict(result, trace_id) }
}

impl<'r> Run<'r> {
    fn new(
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
        };
        Self { publisher, request, received_at, now, progress, facts, steps: None }
    }

    /// Whether nothing may be spent.
    pub(super) fn is_dry(&self) -> bool {
        self.steps.is_some()
    }

    /// Notes a step; the texts are made only when someone wants to read them.
    pub(super) fn note(
        &mut self,
        number: u8,
        name: &'static str,
        result: StepResult,
        texts: impl FnOnce() -> (String, String),
    ) {
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

    fn pipeline(&mut self) -> Result<(), Refusal> {
        let headers = self.read_headers()?;
        if !headers.is_signed() {
            return self.unsigned(&headers);
        }
        self.facts.visitor = Visitor::InvalidAgent;
        let (payload, signature) = self.signed_headers(&headers)?;
        let (payload, signature, hint) = self.decode(&headers, payload, signature)?;
        let claim = self.claim(&headers, &payload)?;
        self.version_and_time(&claim)?;
        let nonce_key = self.publisher.keyer.nonce(&claim.agent_id, &claim.nonce);
        self.look_up_nonce(&nonce_key)?;
        let requested = match self.bind(&claim) {
            // "Signed for another resource" is said only of what the agent signed: a forgery is called one.
            Err(refusal) if refusal.code == Code::ClaimResourceMismatch => {
                self.refute(&claim, &payload, &signature, hint.as_deref())?;
                return Err(refusal);
            }
            bound => bound?,
        };
        let path = requested.routed_path();
        let key_id = self.identify(&headers, &claim, &payload, &signature, hint.as_deref())?;

        // Pure: whether a key set will be missing must be known before the nonce is spent.
        let question = Question {
            agent_id: &claim.agent_id,
            domain_bound: self.facts.binding == KeyBinding::Domain,
            purpose: claim.purpose,
            path: &path,
        };
        let decision = self.publisher.policy.evaluate(&question);
        self.payment_ready(&headers, &claim, &decision)?;

        self.spend_nonce(&claim, nonce_key)?;
        self.apply_policy(&question, &decision)?;
        self.facts.decision = Some(decision.clone());
        self.pay(&headers, &claim, &key_id, &path, &decision)?;
        self.rate_and_custom(&claim, &path, &decision)
    }

    /// Step 1.
    fn read_headers(&mut self) -> Result<RequestHeaders<'r>, Refusal> {
        let lines = self.request.headers;
        let read = RequestHeaders::read(lines, &self.publisher.limits);
        let refusal = read.as_ref().err().map(|refusal| Refusal::new(refusal.code).detail(refusal.header));
        self.check(1, "headers: count, sizes, duplicates, conflicts", refusal, || {
            let received = match &read {
                Ok(_) => format!("{} header lines", lines.len()),
                Err(refusal) => format!("{}: {}", refusal.header, refusal.code.message()),
            };
            ("each x-imagxp-* header at most once, within the limits".into(), received)
        })?;
        read.map_err(|refusal| Refusal::new(refusal.code))
    }

    fn unsigned(&mut self, headers: &RequestHeaders<'_>) -> Result<(), Refusal> {
        let rule = match Resource::parse(self.request.url) {
            Some(resource) => self.publisher.policy.unsigned_at(&resource.routed_path()),
            None => self.publisher.policy.unsigned_strictest(),
        };
        let browser = self.publisher.bots.is_browser(headers);
        self.facts.visitor = if browser { Visitor::UnsignedBrowser } else { Visitor::UnsignedClient };
        let allowed = match rule {
            Unsigned::Allow => true,
            Unsigned::Browsers => browser,
            Unsigned::Deny => false,
        };
        let refusal = (!allowed).then(|| Refusal::new(Code::AuthRequired));
        self.check(10, "visitors without a signature", refusal, || {
            let expected = match rule {
                Unsigned::Allow => "anyone",
                Unsigned::Browsers => "what looks like a browser",
                Unsigned::Deny => "a signed request",
            };
            let received = if browser { "looks like a browser (a guess)" } else { "does not look like a browser" };
            (expected.into(), received.into())
        })
    }

    /// Still step 1: what a signed request must have.
    fn signed_headers<'h>(&mut self, headers: &RequestHeaders<'h>) -> Result<(&'h [u8], &'h [u8]), Refusal> {
        let missing = |name: &'static str| Refusal::new(Code::HeaderMissing).detail(name);
        let refusal = if headers.payload.is_none() {
            Some(missing(headers::PAYLOAD))
        } else if headers.signature.is_none() {
            Some(missing(headers::SIGNATURE))
        } else if !headers.has_product() && self.publisher.policy.document().require_user_agent {
            Some(missing("User-Agent with IMAGXP/1.0"))
        } else {
            None
        };
        self.check(1, "headers: present", refusal, || {
            let have = [(headers::PAYLOAD, headers.payload), (headers::SIGNATURE, headers.signature)];
            let have: Vec<&str> = have.iter().filter(|(_, value)| value.is_some()).map(|(name, _)| *name).collect();
            let product = if headers.has_product() { "with" } else { "without" };
            (
                format!("{}, {}, User-Agent with {}", headers::PAYLOAD, headers::SIGNATURE, headers::PRODUCT),
                format!("{}; User-Agent {product} {}", have.join(", "), headers::PRODUCT),
            )
        })?;
        if !headers.has_product() {
            self.facts.warnings.push(Warning::UserAgentMissing);
        }
        headers.payload.zip(headers.signature).ok_or_else(|| Refusal::new(Code::HeaderMissing))
    }

    /// Step 2, as far as it concerns encodings.
    fn decode(
        &mut self,
        headers: &RequestHeaders<'_>,
        payload: &[u8],
        signature: &[u8],
    ) -> Result<(Vec<u8>, Signature, Option<Vec<u8>>), Refusal> {
        let decoded = base64_decode(payload);
        let refusal = decoded.is_none().then(|| Refusal::new(Code::HeaderBase64Invalid).detail(headers::PAYLOAD));
        self.check(2, "payload: base64", refusal, || {
            ("one base64 alphabet, padded fully or not at all".into(), shown(payload))
        })?;
        let hint = headers.public_key.map(base64_decode);
        let refusal = matches!(hint, Some(None)).then(|| Refusal::new(Code::HeaderBase64Invalid).detail(headers::PUBLIC_KEY));
        if let Some(text) = headers.public_key {
            self.check(2, "public key: base64", refusal, || ("base64 of a SubjectPublicKeyInfo".into(), shown(text)))?;
        }
        let parsed = Signature::from_hex(signature);
        let refusal = parsed.is_none().then(|| Refusal::new(Code::SigMalformed));
        self.check(2, "signature: encoding", refusal, || ("128 hex digits".into(), shown(signature)))?;
        decoded
            .zip(parsed)
            .map(|(payload, signature)| (payload, signature, hint.flatten()))
            .ok_or_else(|| Refusal::new(Code::SigMalformed))
    }

    /// The rest of step 2, step 3, and the unsigned copies, which only now can be compared.
    fn claim(&mut self, headers: &RequestHeaders<'_>, payload: &[u8]) -> Result<Claim, Refusal> {
        let limits = &self.publisher.limits;
        let object = Claim::parse_json(payload, limits);
        let refusal = object.as_ref().err().map(|code| Refusal::new(*code));
        self.check(2, "payload: strict JSON", refusal, || ("one I-JSON object within the limits".into(), shown(payload)))?;
        let object: Object<'_> = object.map_err(Refusal::new)?;
        let claim = Claim::from_object(&object, limits, self.publisher.policy.document().allow_loopback);
        let refusal = claim.as_ref().err().map(|code| Refusal::new(*code));
        self.check(3, "claim: types and values", refusal, || {
            let received = match &claim {
                Ok(claim) => format!("{} for {}", claim.agent_id, claim.purpose),
                Err(code) => code.message().into(),
            };
            ("agent_id, purpose, ts, nonce, resource as PROTOCOL §2 has them".into(), received)
        })?;
        let claim = claim.map_err(Refusal::new)?;
        let agent_ok = headers.agent_id.is_none_or(|copy| copy == claim.agent_id.as_str().as_bytes());
        let time_ok = headers.timestamp.is_none_or(|copy| {
            let text = core::str::from_utf8(copy).ok();
            copy == claim.ts_text.as_bytes() || text.and_then(Timestamp::parse) == Some(claim.ts)
        });
        if !agent_ok || !time_ok {
            let header = if agent_ok { headers::TIMESTAMP } else { headers::AGENT_ID };
            let refusal = Refusal::new(Code::HeaderConflict).detail(header);
            self.check(3, "unsigned copies", Some(refusal), || {
                ("the claim's own values".into(), format!("another value in {header}"))
            })?;
        }
        Ok(claim)
    }

    /// Step 4.
    fn version_and_time(&mut self, claim: &Claim) -> Result<(), Refusal> {
        let refusal = claim.version.is_none().then(|| Refusal::new(Code::ClaimVersionUnsupported));
        self.check(4, "claim: version", refusal, || {
            ("1.0 or 1.1".into(), claim.version.map_or("another version".into(), |version| format!("{version:?}")))
        })?;
        let clock = self.publisher.policy.document().clock;
        let age = self.received_at.millis_since(claim.ts);
        let past = i64::from(clock.past_s) * 1000;
        let future = i64::from(clock.future_s) * 1000;
        let end = claim.ts.saturating_add_millis(past);
        let seconds = |millis: i64| millis.unsigned_abs().div_ceil(1000);
        let refusal = if age < -future {
            let hint = format!("your clock is {} s ahead of ours; at most {} s are accepted", seconds(age), clock.future_s);
            Some(Refusal::new(Code::TimeFuture).hint(hint))
        } else if age > past {
            let hint = format!("the claim is {} s old; at most {} s are accepted", seconds(age), clock.past_s);
            Some(Refusal::new(Code::TimeExpired).hint(hint))
        } else if self.publisher.replay.horizon().is_some_and(|horizon| end <= horizon) {
            Some(Refusal::new(Code::TimeExpired).detail("nonces of that time have been forgotten: the clock has stepped back"))
        } else {
            None
        };
        let received_at = self.received_at;
        self.check(4, "claim: time window", refusal, || {
            (format!("{received_at} - {} s … + {} s", clock.past_s, clock.future_s), claim.ts.to_string())
        })
    }

    /// Step 5: read only, so that a replay costs no signature check.
    fn look_up_nonce(&mut self, key: &[u8; 16]) -> Result<(), Refusal> {
        if self.progress.nonce_spent {
            self.note(5, "nonce: not seen before", StepResult::Skipped, Default::default);
            return Ok(());
        }
        let seen = self.publisher.replay.seen(key, self.now);
        let refusal = match seen {
            Seen::No => None,
            Seen::Yes => Some(Refusal::new(Code::ReplayNonceSeen)),
            Seen::Error => Some(Refusal::new(Code::ReplayStoreError)),
        };
        self.check(5, "nonce: not seen before", refusal, || ("a new nonce".into(), format!("seen: {seen:?}")))
    }

    /// Step 6; returns the request's resource.
    fn bind(&mut self, claim: &Claim) -> Result<Resource, Refusal> {
        let policy = &self.publisher.policy;
        let document = policy.document();
        let mismatch = |detail: &'static str| Some(Refusal::new(Code::ClaimResourceMismatch).detail(detail));
        let requested = Resource::parse(self.request.url);
        let refusal = match (&claim.resource, &requested) {
            (_, None) => mismatch("the request's own URL cannot be read"),
            (None, _) if document.require_resource => {
                Some(Refusal::new(Code::ClaimResourceInvalid).detail("the claim names no resource"))
            }
            (None, _) => None,
            (Some(_), _) if document.resource_match == ResourceMatch::Off => None,
            (Some(claimed), Some(requested)) => match (&claimed.origin, &requested.origin) {
                _ if !claimed.same_target(requested) => mismatch("path or query differ"),
                _ if document.resource_match == ResourceMatch::Path => None,
                (None, _) => mismatch("the claim names no origin"),
                (Some(origin), _) if !policy.origins().contains(origin) => mismatch("the claim names another site"),
                (Some(origin), Some(other)) if origin != other => mismatch("the request came to another origin"),
                (Some(_), _) => None,
            },
        };
        let shown = |resource: &Option<Resource>| resource.as_ref().map_or("none".into(), ToString::to_string);
        self.check(6, "claim: resource", refusal, || (shown(&requested), shown(&claim.resource)))?;

        let method = self.request.method;
        let refusal = claim.method.as_deref().filter(|signed| *signed != method).map(|_| Refusal::new(Code::ClaimMethodMismatch));
        self.check(6, "claim: method", refusal, || {
            (method.into(), claim.method.clone().unwrap_or_else(|| "none, which fits any".into()))
        })?;
        let refusal = (!document.methods.iter().any(|allowed| allowed == method)).then(|| Refusal::new(Code::MethodNotAllowed));
        self.check(6, "request: method", refusal, || (document.methods.join(", "), method.into()))?;

        if let Some(claimed) = &claim.content_digest {
            let actual = self.request.body_digest;
            let agree = actual.is_some_and(|actual| digests_agree(claimed, actual));
            let refusal = (!agree).then(|| Refusal::new(Code::ClaimDigestMismatch));
            self.check(6, "claim: body digest", refusal, || {
                (actual.unwrap_or("none: the caller passed no digest").into(), claimed.clone())
            })?;
        }
        requested.ok_or_else(|| Refusal::new(Code::ClaimResourceMismatch))
    }

    /// Step 9: atomic, and only now: a bad copy of a request must not burn the good one's nonce.
    fn spend_nonce(&mut self, claim: &Claim, key: [u8; 16]) -> Result<(), Refusal> {
        if self.progress.nonce_spent {
            self.note(9, "nonce: spent once", StepResult::Skipped, Default::default);
            return Ok(());
        }
        let window = i64::from(self.publisher.policy.document().clock.past_s);
        let entry = ReplayEntry {
            key,
            agent: self.publisher.keyer.agent(&claim.agent_id),
            expires_at: claim.ts.saturating_add_secs(window + MARGIN_S),
        };
        let inserted = if self.is_dry() { Insert::Fresh } else { self.publisher.replay.insert_if_absent(&entry, self.now) };
        let refusal = insert_refusal(inserted, Code::ReplayNonceSeen);
        self.check(9, "nonce: spent once", refusal, || {
            ("absent".into(), format!("{inserted:?}; kept until {}", entry.expires_at))
        })?;
        self.progress.nonce_spent = true;
        Ok(())
    }

    /// Step 10.
    fn apply_policy(&mut self, question: &Question<'_>, decision: &Decision) -> Result<(), Refusal> {
        let publisher = self.publisher;
        self.check(10, "policy: purpose, agent, path", decision.refusal.map(Refusal::new), || {
            let (_, reasons) = publisher.policy.explain(question);
            let reasons: Vec<String> = reasons.iter().map(|reason| format!("{}: {}", reason.rule, reason.says)).collect();
            ("at least one rule that allows, and none that denies".into(), reasons.join("; "))
        })
    }

    /// Step 12.
    fn rate_and_custom(&mut self, claim: &Claim, path: &str, decision: &Decision) -> Result<(), Refusal> {
        let publisher = self.publisher;
        if let Some(rate) = decision.rate {
            let taken = publisher.rates().take(&claim.agent_id, rate, self.now, self.is_dry());
            let refusal = taken.err().map(|seconds| {
                let mut refusal = Refusal::new(Code::RateAgent).hint(format!("wait {seconds} s"));
                refusal.retry = Some(Retry::After(seconds));
                refusal
            });
            self.check(12, "rate", refusal, || {
                (format!("at most {} requests in {} s", rate.requests, rate.per_s), format!("{taken:?}"))
            })?;
        }
        let Some(custom) = &publisher.custom else { return Ok(()) };
        let refusal = match custom.allows(claim, path) {
            Ok(true) => None,
            Ok(false) => Some(Refusal::new(Code::PolicyDenied)),
            Err(error) => Some(Refusal::new(Code::PolicyError).detail(error.to_string())),
        };
        self.check(12, "custom policy", refusal, || ("allowed by the publisher's own rule".into(), "its answer".into()))
    }

    /// Step 14.
    fn verdict(self, result: Result<(), Refusal>, trace_id: [u8; 16]) -> Verdict {
        let document = self.publisher.policy.document();
        let facts = self.facts;
        let mut response_headers: Vec<(&'static str, String)> = Vec::new();
        let observed = document.mode == Mode::Observe;
        let refusal = result.err();
        let offer = refusal
            .as_ref()
            .filter(|refusal| refusal.code.http() == 402)
            .map(|_| offer(document, facts.decision.as_ref(), facts.purpose));
        let (outcome, http) = match &refusal {
            None => (Outcome::Allow, 200),
            Some(_) if observed => (Outcome::Allow, 200),
            Some(refusal) if refusal.code.is_undecided() => (Outcome::Undecided, refusal.code.http()),
            Some(refusal) => (Outcome::Deny, refusal.code.http()),
        };
        let retry = refusal.as_ref().map_or(Retry::Never, |refusal| refusal.retry.unwrap_or(refusal.code.retry()));
        match http {
            200 => {
                if let Some(provenance) = document.provenance {
                    response_headers.push((headers::CONTENT_ORIGIN, provenance.origin.as_str().into()));
                }
            }
            _ => {
                response_headers.push(("cache-control", "no-store".into()));
                if http == 401 {
                    response_headers.push(("www-authenticate", "IMAGXP".into()));
                }
                if let Retry::After(seconds) = retry {
                    response_headers.push(("retry-after", seconds.to_string()));
                }
            }
        }
        let code = refusal.as_ref().map(|refusal| refusal.code);
        let (hint, detail, needs) = match refusal {
            None => (None, None, Vec::new()),
            Some(refusal) => (Some(refusal.hint.unwrap_or(refusal.code.hint().into())), refusal.detail, refusal.needs),
        };
        Verdict {
            outcome,
            code,
            http,
            message: code.map_or("the request may pass", Code::message),
            hint,
            detail,
            retry,
            visitor: facts.visitor,
            would_deny: observed && code.is_some(),
            agent_id: facts.agent_id,
            key_id: facts.key_id,
            purpose: facts.purpose,
            resource: facts.resource,
            binding: facts.binding,
            payment: facts.payment,
            warnings: facts.warnings,
            needs,
            response_headers,
            offer,
            trace_id: hex_encode(&trace_id),
        }
    }
}

/// What a store's answer means.
pub(super) fn insert_refusal(answer: Insert, seen: Code) -> Option<Refusal> {
    match answer {
        Insert::Fresh => None,
        Insert::Seen => Some(Refusal::new(seen)),
        Insert::Full => Some(Refusal::new(Code::ReplayStoreFull)),
        Insert::Error => Some(Refusal::new(Code::ReplayStoreError)),
    }
}

/// The machine-readable offer of a 402 (PROTOCOL §8).
fn offer(document: &crate::policy::Document, decision: Option<&Decision>, purpose: Option<Purpose>) -> Object<'static> {
    let mut offer = Object::new();
    if let Some(price) = decision.and_then(|decision| decision.price.as_ref()) {
        offer.insert("price", price.amount.to_string());
        offer.insert("currency", price.currency.clone());
    }
    offer.insert("purposes", purpose.into_iter().map(|purpose| purpose.as_str().into()).collect::<Vec<_>>());
    offer.insert("brokers", public::brokers(document));
    offer
}
