//! What a publisher presents: a token of this broker, and the headers of a request.

#![allow(dead_code, reason = "each test uses its part")]

use crate::common::{NOW, id, owner};
use imagxp::agent::{Identity, SignRequest};
use imagxp::crypto::{Algorithm, HotKeys, PrivateKey, jws};
use imagxp::encoding::base64_encode;
use imagxp::json::Object;
use imagxp::visa::VISA_TYP;
use imagxp::{Purpose, Timestamp};
use imagxp_broker::*;

pub(crate) const AGENT: &str = "agent.example";
pub(crate) const PUB: &str = "pub.example";
pub(crate) const ISSUER: &str = "https://broker.example";
pub(crate) const NONCE: &str = "a-nonce-of-some-length";
/// When the visas here were bought, and how long they live, in seconds.
pub(crate) const BOUGHT: i64 = NOW / 1000;
pub(crate) const LIFE: i64 = 600;

pub(crate) fn private(seed: u8) -> PrivateKey {
    let mut fill = |bytes: &mut [u8]| {
        bytes.fill(seed);
        Ok(())
    };
    PrivateKey::generate(Algorithm::Es256, &mut fill).unwrap()
}

pub(crate) fn agent() -> Identity {
    Identity::parse(AGENT, private(1), false).unwrap()
}

pub(crate) fn claims(more: &str) -> String {
    let jti = id(7);
    let ends = BOUGHT + LIFE;
    format!(r#"{{"iss":"{ISSUER}","jti":"{jti}","sub":"{AGENT}","iat":{BOUGHT},"exp":{ends}{more}}}"#)
}

pub(crate) fn signed(typ: &str, claims: &str) -> String {
    let mut header = Object::new();
    header.insert("typ", typ.to_owned());
    jws::sign(&header, claims.as_bytes(), &private(99)).unwrap()
}

pub(crate) fn visa(more: &str) -> String {
    signed(VISA_TYP, &claims(more))
}

pub(crate) fn bound() -> String {
    visa(&format!(r#","cnf":{{"jkt":"{}"}}"#, agent().public_key().thumbprint().as_str()))
}

pub(crate) fn token<T>(token: &str, then: impl FnOnce(VisaToken<'_>) -> T) -> Result<T, Refusal> {
    let jws = VisaToken::parse(token)?;
    VisaToken::read(&jws, ISSUER, |jws| jws.verify(private(99).public_key())).map(then)
}

/// The three headers of a request, as they are presented.
#[derive(Clone)]
pub(crate) struct Headers(pub(crate) [String; 3]);

impl Headers {
    pub(crate) fn of(identity: &Identity, url: &str, purpose: Purpose, at: Timestamp) -> Self {
        let signed = identity.sign(&SignRequest::new("GET", url, purpose), at, NONCE).unwrap();
        let value = |name: &str| signed.get(name).unwrap().to_owned();
        Self([value("x-imagxp-payload"), value("x-imagxp-signature"), value("x-imagxp-public-key")])
    }

    pub(crate) fn at(seconds: i64) -> Self {
        Self::of(&agent(), "https://pub.example/page", Purpose::Summary, Timestamp::from_secs(seconds))
    }

    pub(crate) fn usual() -> Self {
        Self::at(BOUGHT + 10)
    }

    /// A claim as it stands, signed as it stands.
    pub(crate) fn raw(claim: &str) -> Self {
        Self::raw_by(&agent(), claim)
    }

    pub(crate) fn raw_by(identity: &Identity, claim: &str) -> Self {
        let signature = identity.signer().sign(claim.as_bytes()).unwrap().to_hex();
        Self([base64_encode(claim.as_bytes()), signature, identity.public_key().to_spki_base64()])
    }

    pub(crate) fn with(&self, at: usize, text: &str) -> Self {
        let mut changed = self.clone();
        changed.0[at] = text.to_owned();
        changed
    }

    pub(crate) fn presented(&self) -> PresentedRequest<'_> {
        let [payload, signature, public_key] = &self.0;
        PresentedRequest { payload, signature, public_key }
    }
}

pub(crate) fn present(
    visa: &str,
    headers: Option<&Headers>,
    publisher: &str,
) -> Result<(Redeem, Option<Evidence>), Refusal> {
    let hot = HotKeys::new(0);
    let request = headers.map(Headers::presented);
    token(visa, |token| token.presented(request.as_ref(), &owner(publisher), false, &hot))?
}

pub(crate) fn refusal(visa: &str, headers: &Headers) -> String {
    let refusal = present(visa, Some(headers), PUB).unwrap_err();
    format!("{}: {}", refusal.code().as_str(), refusal.message())
}
