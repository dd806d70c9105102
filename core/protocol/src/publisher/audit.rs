//! Step 13: the audit record, after everything that decides and before the verdict (PROTOCOL §§5, 12).

use super::conclude::answer;
use super::refusal::Refusal;
use super::verdict::{KeyBinding, Visitor};
use super::verify::Run;
use crate::audit::{AuditSink, ManifestSnapshot, Record};
use crate::claim::MAX_CLAIM_BYTES;
use crate::code::Code;
use crate::crypto::Signature;
use crate::encoding::{base64_decode, hex_encode};
#[cfg(feature = "explain")]
use crate::explain::StepResult;
use crate::headers::RequestHeaders;
use crate::policy::Mode;
use sha2::{Digest, Sha256};

impl Run<'_> {
    /// Records what was decided, if the sink wants it, and passes it on; a sink that fails leaves nothing decided. A request whose body has not been
    /// read is not decided: it is verified again with the digest that its claim asks for.
    pub(super) fn audit(
        &self,
        sink: &dyn AuditSink,
        result: Result<(), Refusal>,
        trace_id: &[u8; 16],
    ) -> Result<(), Refusal> {
        let refusal = result.as_ref().err();
        let code = refusal.map(|refusal| refusal.code);
        let unread = self.request.body_digest.is_none() && code == Some(Code::ClaimDigestMismatch);
        let waits = unread || refusal.is_some_and(|refusal| !refusal.needs.is_empty());
        let signed = matches!(self.facts.visitor, Visitor::VerifiedAgent | Visitor::InvalidAgent);
        if waits || !(signed || sink.wants_unsigned()) {
            return result;
        }
        match self.record(code, trace_id, |record| sink.record(record)) {
            Ok(()) => result,
            Err(error) => Err(Refusal::failed(Code::AuditUnavailable, &error)),
        }
    }

    /// Whether the sink, as far as it knows, will take the record: asked before a visa is spent, which a record that cannot be kept would waste.
    pub(super) fn sink_is_ready(&self) -> Result<(), Refusal> {
        match &self.publisher.audit {
            Some(sink) if self.progress.redemption.is_none() && !self.is_dry() => {
                sink.ready().map_err(|error| Refusal::failed(Code::AuditUnavailable, &error))
            }
            _ => Ok(()),
        }
    }

    /// For explanations, which leave no record.
    #[cfg(feature = "explain")]
    pub(super) fn note_audit(&mut self) {
        if self.publisher.audit.is_some() {
            self.note(13, "audit record", StepResult::Skipped, || {
                ("one record of the verdict".into(), "none: this is an explanation".into())
            });
        }
    }

    fn record<T>(&self, code: Option<Code>, trace_id: &[u8; 16], act: impl FnOnce(&Record<'_>) -> T) -> T {
        let policy = &self.publisher.policy;
        let mode = self.publisher.mode;
        let (outcome, http) = answer(code, mode);
        let facts = &self.facts;
        // Read once more, so that a publisher without a log carries none of this through the pipeline.
        let headers = RequestHeaders::read(self.request.headers, &self.publisher.limits).ok();
        let header = |pick: fn(&RequestHeaders<'_>) -> Option<Vec<u8>>| headers.as_ref().and_then(pick);
        let payload = header(|headers| headers.payload.and_then(base64_decode))
            .filter(|payload| payload.len() <= MAX_CLAIM_BYTES);
        let signature = headers.as_ref().and_then(|headers| headers.signature).and_then(Signature::from_hex);
        let token = headers.as_ref().and_then(|headers| headers.payment.or(headers.proof));
        let manifest = facts.manifest.as_ref().map(|known| known.bytes());
        let manifest = manifest.as_ref().zip(facts.agent_id.as_ref()).map(|(bytes, agent_id)| {
            ManifestSnapshot { agent_id, bytes, sha256: Sha256::digest(bytes).into() }
        });
        act(&Record {
            received_at: self.received_at,
            decided_at: self.now,
            trace_id: &hex_encode(trace_id),
            outcome,
            code,
            http,
            would_deny: mode == Mode::Observe && code.is_some(),
            visitor: facts.visitor,
            binding: facts.binding,
            agent_id: facts.agent_id.as_ref(),
            key_id: facts.key_id.as_ref(),
            public_key: facts.key.as_ref().filter(|_| facts.binding == KeyBinding::KeyOnly),
            purpose: facts.purpose,
            resource: facts.resource.as_deref(),
            payment: &facts.payment,
            token_sha256: token.map(|token| Sha256::digest(token).into()),
            warnings: &facts.warnings,
            method: self.request.method,
            url: self.request.url,
            // An empty one says that nobody will read the body.
            body_digest: self.request.body_digest.filter(|digest| !digest.is_empty()),
            payload: payload.as_deref(),
            signature: signature.as_ref(),
            manifest,
            policy_sha256: policy.hash(),
        })
    }
}
