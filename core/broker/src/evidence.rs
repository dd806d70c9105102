//! The agent's own request, which a publisher presents with a visa: proof that the holder asked for a page, of this publisher, at this
//! time, for this purpose. One request stands for one visa. Which request it is, all that was signed says (PROTOCOL §3), and the key that signed
//! it: not its nonce, which a publisher forgets within minutes and may take again, and not its signature, of which one claim and key may have
//! several. The key counts because it does where `identity` is `key_only`: such a publisher lets one claim in once for each key.

use crate::actor::Actor;
use crate::batch::Request;
use crate::id::Id;
use crate::once::UseAssertion;
use crate::refusal::{Refusal, RefusalCode};
use crate::text::{Owner, Reference};
use crate::visa::VisaToken;
use imagxp::crypto::{HotKeys, PublicKey, Signature};
use imagxp::digest::sha256;
use imagxp::encoding::{base64_decode, base64url_encode};
use imagxp::{AgentId, Claim, Limits, Timestamp};

/// Seconds before a visa was bought: a claim is up to 300 s old where it is shown (PROTOCOL §5), and clocks differ by up to 60 s.
const BEFORE_S: i64 = 360;
/// Seconds after it has ended: publishers take it for 5 s more, by a clock that may be behind the agent's by 300 s at most.
const AFTER_S: i64 = 305;
/// Seconds: no visa for which a claim is in time can be redeemed so long after it. Visas live an hour at most.
const KEPT_S: i64 = 7200;

/// As much as any publisher may let in (PROTOCOL §14), whatever it has set itself.
const LIMITS: Limits = Limits::DEFAULT.with_string(usize::MAX).with_resource(usize::MAX);

/// The headers of an agent's request, as a publisher presents them.
#[derive(Clone, Copy, Debug)]
pub struct PresentedRequest<'a> {
    /// `x-imagxp-payload`.
    pub payload: &'a str,
    /// `x-imagxp-signature`.
    pub signature: &'a str,
    /// `x-imagxp-public-key`, or the key from the agent's manifest in the same form: base64 of its SPKI.
    pub public_key: &'a str,
}

/// A request that stands for a visa.
#[derive(Clone, Debug)]
pub struct Evidence {
    key: PublicKey,
    agent: Owner,
    publisher: Owner,
    /// SHA-256 of the claim's canonical form, base64url, and the thumbprint of the key, with a colon between them.
    name: String,
    time: Timestamp,
}

impl Evidence {
    /// Reads a request that must be the visa's holder's, name a page of this publisher, and be in time and of a purpose for this visa.
    ///
    /// No clock is asked: what a publisher may let in with the visa is in time here, however late it comes. `loopback` is the development
    /// switch of PROTOCOL §2. Refusals: `visa.request`, `visa.not_yours`.
    pub fn read(
        request: &PresentedRequest<'_>,
        visa: &VisaToken<'_>,
        publisher: &Owner,
        loopback: bool,
        hot: &HotKeys,
    ) -> Result<Self, Refusal> {
        let malformed = |message: &'static str| Refusal::new(RefusalCode::VisaRequest, message);
        let stranger = |message: &'static str| Refusal::new(RefusalCode::VisaNotYours, message);
        let payload = base64_decode(request.payload.as_bytes())
            .ok_or_else(|| malformed("the request's payload is not base64"))?;
        let claim = Claim::parse(&payload, &LIMITS, loopback)
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
        if visa.text("sub") != Some(claim.agent_id.as_str()) {
            return Err(stranger("the request is not the visa's holder's"));
        }
        let origin = claim.resource().and_then(|resource| resource.origin);
        let origin = origin.ok_or_else(|| malformed("the request does not name the page's whole address"))?;
        let host = AgentId::of_origin(&origin, loopback);
        if host.is_none_or(|host| host.as_str() != publisher.as_str()) {
            return Err(stranger("the request was meant for somebody else"));
        }
        let time = |name: &str| visa.time(name).ok_or_else(|| malformed("the visa says no time"));
        let (issued, ends) = (time("iat")?, time("exp")?);
        if claim.ts.saturating_add_secs(BEFORE_S) < issued {
            return Err(malformed("the request was signed before the visa was bought"));
        }
        // As late as any publisher lets it in: with a visa that has just ended, by a clock that is ahead.
        if claim.ts > ends.saturating_add_secs(AFTER_S) {
            return Err(malformed("the request was signed after the visa had ended"));
        }
        if !visa.is_for(claim.purpose) {
            return Err(malformed("the request is of a purpose for which the visa does not count"));
        }
        let name = format!("{}:{}", base64url_encode(&sha256(claim.canonical())), key.thumbprint().as_str());
        Ok(Self {
            key,
            agent: Owner::parse(claim.agent_id.as_str())?,
            publisher: publisher.clone(),
            name,
            time: claim.ts,
        })
    }

    /// The key that signed it.
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The request that notes for which visa it stands, to be done before the visa moves: the same again is answered again, another visa is
    /// refused ([`Evidence::refused`]). What the agent has signed anew, of another page, time or site, is another request, also with the same nonce.
    ///
    /// The key of the name is one that has signed the claim; that it is the holder's, the redemption says, of a visa that is bound to a key. A
    /// visa that is not bound needs no request at all.
    ///
    /// Notes share their scope with client assertions: no `jti` of one has a colon, so none is a note's name.
    ///
    /// Older programs named the note by publisher and nonce, or by the claim alone. A request that such a program has noted is not known by this name, and may stand for a
    /// second visa that the agent has shown the same publisher, until 72 minutes after the update: a clock may be 5 minutes ahead, a request is in
    /// time for a visa that is bought 6 minutes later, which lives for an hour and is redeemed a minute after that.
    pub fn note(&self, visa: Id, now_ms: i64) -> Result<Request, Refusal> {
        let Self { agent, name, .. } = self;
        let command = UseAssertion {
            agent: agent.clone(),
            jti: Reference::parse(&format!("request:{name}"))?,
            expires_at: self.time.saturating_add_secs(KEPT_S).as_millis(),
        };
        let key = Reference::parse(&format!("request:{visa}:{name}"))?;
        let about = sha256(format!("{agent} {visa} {name}").as_bytes());
        Ok(Request::new(command, Actor::Party(self.publisher.clone()), now_ms).with_idempotency(key, about))
    }

    /// What the ledger's refusal of the note means: `visa.request_used`, or what it was.
    pub fn refused(refusal: Refusal) -> Refusal {
        match refusal.code() {
            RefusalCode::AssertionUsed => RefusalCode::VisaRequestUsed.into(),
            _ => refusal,
        }
    }
}
