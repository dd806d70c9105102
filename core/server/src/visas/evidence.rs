//! The agent's own request, which a publisher presents with a visa: proof that the holder asked for a page, of this publisher, at this
//! time, for this purpose. One request stands for one visa.

use super::redeem::SignedRequest;
use crate::problem::Problem;
use imagxp::crypto::{HotKeys, PublicKey, Signature};
use imagxp::digest::sha256;
use imagxp::encoding::{base64_decode, base64url_encode};
use imagxp::json::{Number, Object, Value};
use imagxp::visa::LEEWAY_S;
use imagxp::{AgentId, Claim, Limits, Timestamp};
use imagxp_broker::{Actor, Id, Owner, Reference, Refusal, RefusalCode, Request, UseAssertion};

/// Seconds: how old a claim may be where it is shown, how far ahead at most (PROTOCOL §5), and how much clocks may differ.
const PAST_S: i64 = 300;
const FUTURE_S: i64 = 300;
const SKEW_S: i64 = 60;
/// Seconds: no visa for which a claim is in time can be redeemed so long after it. Visas live an hour at most.
const KEPT_S: i64 = 2 * 3600;

/// A request that stands for a visa.
#[derive(Debug)]
pub(super) struct Evidence {
    /// The key that signed it.
    pub(super) key: PublicKey,
    agent: Owner,
    publisher: Owner,
    nonce: String,
    time: Timestamp,
}

impl Evidence {
    /// Reads a request that must be the visa's holder's, name a page of this publisher, and be in time and of a purpose for this visa.
    ///
    /// Refusals: `visa.request`, `visa.not_yours`.
    pub(super) fn read(
        request: &SignedRequest,
        visa: &Object<'_>,
        publisher: &Owner,
        loopback: bool,
        hot: &HotKeys,
    ) -> Result<Self, Problem> {
        let malformed = |message: &'static str| Problem::bad("visa.request", message);
        let payload = base64_decode(request.payload.as_bytes())
            .ok_or_else(|| malformed("the request's payload is not base64"))?;
        let claim = Claim::parse(&payload, &Limits::DEFAULT, loopback)
            .map_err(|_| malformed("the request's payload is no claim"))?;
        let key = PublicKey::from_spki_base64(request.public_key.as_bytes())
            .map_err(|_| malformed("the request's public key cannot be read"))?;
        let signature = Signature::from_hex(request.signature.as_bytes())
            .ok_or_else(|| malformed("the request's signature is not 128 hex digits"))?;
        let signed = hot.verify(&key, claim.canonical(), &signature)
            || claim.other_form().is_some_and(|bytes| hot.verify(&key, bytes, &signature));
        if !signed {
            return Err(malformed("the request is not signed by its key"));
        }
        if visa.get("sub").and_then(Value::as_str) != Some(claim.agent_id.as_str()) {
            return Err(Problem::forbidden_as("visa.not_yours", "the request is not the visa's holder's"));
        }
        let origin = claim.resource().and_then(|resource| resource.origin);
        let origin = origin.ok_or_else(|| malformed("the request does not name the page's whole address"))?;
        let host = AgentId::of_origin(&origin, loopback);
        if host.is_none_or(|host| host.as_str() != publisher.as_str()) {
            return Err(Problem::forbidden_as("visa.not_yours", "the request was meant for somebody else"));
        }
        let time = |name: &str| {
            let seconds = visa.get(name).and_then(Value::as_number).and_then(Number::as_i64);
            seconds.map(Timestamp::from_secs).ok_or_else(|| malformed("the visa says no time"))
        };
        let (issued, ends) = (time("iat")?, time("exp")?);
        if claim.ts < issued.saturating_add_secs(-(PAST_S + SKEW_S)) {
            return Err(malformed("the request was signed before the visa was bought"));
        }
        // As late as any publisher lets it in: with a visa that has just ended, by a clock that is ahead.
        if claim.ts > ends.saturating_add_secs(LEEWAY_S + FUTURE_S) {
            return Err(malformed("the request was signed after the visa had ended"));
        }
        let purposes = visa.get("purposes").and_then(Value::as_array);
        let fits = |purposes: &[Value<'_>]| {
            purposes.iter().any(|purpose| purpose.as_str() == Some(claim.purpose.as_str()))
        };
        if purposes.is_some_and(|purposes| !fits(purposes)) {
            return Err(malformed("the request is of a purpose for which the visa does not count"));
        }
        Ok(Self {
            key,
            agent: Owner::parse(claim.agent_id.as_str())?,
            publisher: publisher.clone(),
            nonce: claim.nonce().to_owned(),
            time: claim.ts,
        })
    }

    /// The command that notes for which visa the request stands: the same again is answered again, another visa is refused. A nonce is one
    /// publisher's: what the agent has asked of another site, with the same one, is another request.
    pub(super) fn note(&self, visa: Id, publisher: &Actor, now_ms: i64) -> Result<Request, Problem> {
        let nonce = base64url_encode(&sha256(format!("{} {}", self.publisher, self.nonce).as_bytes()));
        let command = UseAssertion {
            agent: self.agent.clone(),
            jti: Reference::parse(&format!("request:{nonce}"))?,
            expires_at: self.time.saturating_add_secs(KEPT_S).as_millis(),
        };
        let key = Reference::parse(&format!("request:{visa}:{nonce}"))?;
        let about = sha256(format!("{} {visa} {nonce}", self.agent).as_bytes());
        Ok(Request::new(command, publisher.clone(), now_ms).with_idempotency(key, about))
    }

    /// What the ledger's refusal of the note means.
    pub(super) fn refused(refusal: Refusal) -> Problem {
        if refusal.code() == RefusalCode::AssertionUsed {
            return Problem::new(
                axum::http::StatusCode::CONFLICT,
                "visa.request_used",
                "the request was presented with another visa",
            );
        }
        refusal.into()
    }
}
