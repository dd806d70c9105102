//! Step 14: from what the pipeline found to the verdict.

use super::refusal::Refusal;
use super::verdict::{Outcome, Verdict};
use super::verify::Run;
use crate::code::{Code, Retry};
use crate::encoding::hex_encode;
use crate::headers;
use crate::json::Object;
use crate::policy::{Decision, Document, Mode, public};
use crate::purpose::Purpose;

impl Run<'_> {
    /// Step 14.
    pub(super) fn verdict(self, result: Result<(), Refusal>, trace_id: [u8; 16]) -> Verdict {
        let document = self.publisher.policy.document();
        let facts = self.facts;
        let mut response_headers: Vec<(&'static str, String)> = Vec::new();
        let mode = self.publisher.mode;
        let observed = mode == Mode::Observe;
        let refusal = result.err();
        let offer = refusal
            .as_ref()
            .filter(|refusal| refusal.code.http() == 402)
            .map(|_| offer(document, facts.decision.as_ref(), facts.purpose));
        let (outcome, http) = answer(refusal.as_ref().map(|refusal| refusal.code), mode);
        let retry =
            refusal.as_ref().map_or(Retry::Never, |refusal| refusal.retry.unwrap_or(refusal.code.retry()));
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
            Some(refusal) => {
                (Some(refusal.hint.unwrap_or(refusal.code.hint().into())), refusal.detail, refusal.needs)
            }
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

/// What follows from a refusal, or from none.
pub(super) fn answer(code: Option<Code>, mode: Mode) -> (Outcome, u16) {
    match code {
        None => (Outcome::Allow, 200),
        Some(_) if mode == Mode::Observe => (Outcome::Allow, 200),
        Some(code) if code.is_undecided() => (Outcome::Undecided, code.http()),
        Some(code) => (Outcome::Deny, code.http()),
    }
}

/// The machine-readable offer of a 402 (PROTOCOL §8).
fn offer(document: &Document, decision: Option<&Decision>, purpose: Option<Purpose>) -> Object<'static> {
    let mut offer = Object::new();
    if let Some(price) = decision.and_then(|decision| decision.price.as_ref()) {
        offer.insert("price", price.amount.to_string());
        offer.insert("currency", price.currency.clone());
    }
    offer.insert("purposes", purpose.into_iter().map(|purpose| purpose.as_str().into()).collect::<Vec<_>>());
    offer.insert("brokers", public::brokers(document));
    offer
}
