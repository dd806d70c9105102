//! Signing a request: claim, RFC 8785 bytes, signature, headers (PROTOCOL §§1–3).

use super::Identity;
use crate::claim::{MAX_CLAIM_BYTES, is_nonce};
use crate::crypto::Prepared;
use crate::encoding::base64_encode;
use crate::error::{Error, Result};
use crate::headers;
use crate::json::{self, Object, Value};
use crate::purpose::Purpose;
use crate::resource::Resource;
use crate::time::Timestamp;
use std::collections::HashSet;

/// What is to be signed, as an [`Identity`] takes it: its text is borrowed. Only method, URL and purpose are required.
pub type SignRequest<'a> = SignRequestOf<&'a str>;

/// [`SignRequest`] in text of any type: `SignRequestOf<String>` holds its own, and is lent with [`SignRequestOf::as_ref`].
#[derive(Clone)]
pub struct SignRequestOf<T> {
    /// The request's method, for example `GET`.
    pub method: T,
    /// The absolute URL that will be requested.
    pub url: T,
    /// Why.
    pub purpose: Purpose,
    /// Claimed as `context.ads_displayed`.
    pub ads_displayed: Option<bool>,
    /// Further members of `context`, as RFC 8259 JSON text of an object.
    pub context: Option<T>,
    /// The RFC 9530 digest of the body, from [`crate::digest::content_digest`].
    pub content_digest: Option<T>,
    /// A visa, sent as `x-imagxp-payment`.
    pub payment: Option<T>,
    /// An ad proof, sent as `x-imagxp-proof`.
    pub proof: Option<T>,
    /// Also send `x-imagxp-credential`, for publishers that run the reference SDK.
    pub compatible: bool,
}

impl<T> SignRequestOf<T> {
    /// A request without options.
    pub fn new(method: T, url: T, purpose: Purpose) -> Self {
        Self {
            method,
            url,
            purpose,
            ads_displayed: None,
            context: None,
            content_digest: None,
            payment: None,
            proof: None,
            compatible: false,
        }
    }
}

impl<T: AsRef<str>> SignRequestOf<T> {
    /// The same request, borrowed.
    pub fn as_ref(&self) -> SignRequest<'_> {
        SignRequest {
            method: self.method.as_ref(),
            url: self.url.as_ref(),
            purpose: self.purpose,
            ads_displayed: self.ads_displayed,
            context: self.context.as_ref().map(T::as_ref),
            content_digest: self.content_digest.as_ref().map(T::as_ref),
            payment: self.payment.as_ref().map(T::as_ref),
            proof: self.proof.as_ref().map(T::as_ref),
            compatible: self.compatible,
        }
    }
}

/// The headers to send, in order. `User-Agent` is not among them: see [`headers::user_agent`].
///
/// `Debug` shows their names only: a visa is as good as money.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedHeaders(Vec<(&'static str, String)>);

impl SignedHeaders {
    pub(crate) const fn new(lines: Vec<(&'static str, String)>) -> Self {
        Self(lines)
    }

    /// Name and value of each header.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// The value of a header, by its lower-case name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(candidate, _)| *candidate == name).map(|(_, value)| value)
    }
}

impl<T: core::fmt::Debug> core::fmt::Debug for SignRequestOf<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SignRequest")
            .field("method", &self.method)
            .field("url", &self.url)
            .field("purpose", &self.purpose)
            .finish_non_exhaustive()
    }
}

impl core::fmt::Debug for SignedHeaders {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Identity {
    /// Signs one request.
    ///
    /// `now` becomes the claim's `ts`; `nonce` is 16 to 128 bytes of `A-Z a-z 0-9 - . _ ~`, unique for each request: use a random
    /// UUID. Errors: `usage.argument` for a URL, method, nonce or token that no publisher would accept, `usage.signer`.
    pub fn sign(&self, request: &SignRequest<'_>, now: Timestamp, nonce: &str) -> Result<SignedHeaders> {
        self.prepare(request, now, nonce)?.sign_with(self.signer())
    }

    /// [`Identity::sign`] of each request with its time and nonce, in order and byte for byte. ES256 signatures share their inversions: eight and
    /// more take an eighth less time than one by one.
    ///
    /// All or none: an error names the first request that cannot be signed, counted from 0, and nothing is signed then. Errors: as
    /// there, and `usage.argument` for a nonce that occurs twice.
    pub fn sign_batch(&self, requests: &[(SignRequest<'_>, Timestamp, &str)]) -> Result<Vec<SignedHeaders>> {
        let mut nonces = HashSet::with_capacity(requests.len());
        let mut prepared = Vec::with_capacity(requests.len());
        for (at, (request, now, nonce)) in requests.iter().enumerate() {
            let one = match nonces.insert(*nonce) {
                true => self.prepare(request, *now, nonce),
                false => Err(Error::argument("an earlier request has the same nonce")),
            };
            prepared.push(one.map_err(|error| {
                Error::new(error.kind(), format!("request {at}: {}", error.message())).with_source(error)
            })?);
        }
        Prepared::sign_all_with(prepared, self.signer())
    }

    /// What [`Identity::sign`] would sign, for a key that answers later.
    ///
    /// Errors: as there, but for `usage.signer`, which is for [`Prepared::complete`].
    pub fn prepare(
        &self,
        request: &SignRequest<'_>,
        now: Timestamp,
        nonce: &str,
    ) -> Result<Prepared<SignedHeaders>> {
        let claim = self.claim(request, now, nonce)?;
        let bytes = json::object_to_canonical(&claim);
        if bytes.len() > MAX_CLAIM_BYTES {
            return Err(Error::argument(format!(
                "the claim has {} bytes; at most {MAX_CLAIM_BYTES} are accepted",
                bytes.len()
            )));
        }
        // What no publisher could read must not be signed: too many values, or a double that RFC 8785 writes as an integer beyond 2^53.
        json::parse_object(&bytes, &json::Limits::CLAIM).map_err(|error| {
            Error::argument(format!("no publisher would accept the claim: {}", error.code()))
                .with_source(error)
        })?;
        let mut tokens = Vec::new();
        for (name, token) in [(headers::PAYMENT, request.payment), (headers::PROOF, request.proof)] {
            let Some(token) = token else { continue };
            if !token.bytes().all(|b| b.is_ascii_graphic()) || token.is_empty() {
                return Err(Error::argument(format!("the token for {name} is not a compact JWS")));
            }
            tokens.push((name, token.to_owned()));
            if request.compatible && name == headers::PAYMENT {
                tokens.push((headers::CREDENTIAL, token.to_owned()));
            }
        }
        let payload = base64_encode(&bytes);
        let spki = self.public_key().to_spki_base64();
        Ok(Prepared::new(bytes, self.public_key().clone(), move |signature| {
            let mut list = vec![
                (headers::PAYLOAD, payload),
                (headers::SIGNATURE, signature.to_hex()),
                (headers::PUBLIC_KEY, spki),
            ];
            list.append(&mut tokens);
            Ok(SignedHeaders(list))
        }))
    }

    fn claim(&self, request: &SignRequest<'_>, now: Timestamp, nonce: &str) -> Result<Object<'static>> {
        if !is_nonce(nonce) {
            return Err(Error::argument("a nonce has 16 to 128 characters of A-Z a-z 0-9 - . _ ~"));
        }
        if Resource::parse(request.url).is_none_or(|resource| resource.origin.is_none()) {
            return Err(Error::argument(format!(
                "`{}` is not an absolute http or https URL without fragment",
                request.url
            )));
        }
        if request.method.is_empty() || !request.method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-') {
            return Err(Error::argument(format!("`{}` is not an upper-case method", request.method)));
        }
        let ts = now.to_string();
        if Timestamp::parse(&ts).is_none() {
            return Err(Error::argument("the time is not in the years 2000 to 2100"));
        }
        let mut claim = Object::new();
        claim.insert("v", "1.1");
        claim.insert("agent_id", self.agent_id().as_str().to_owned());
        claim.insert("purpose", request.purpose.as_str());
        claim.insert("ts", ts);
        claim.insert("nonce", nonce.to_owned());
        claim.insert("resource", request.url.to_owned());
        claim.insert("method", request.method.to_owned());
        if let Some(digest) = request.content_digest {
            claim.insert("content_digest", digest.to_owned());
        }
        let mut context = match request.context {
            None => Object::new(),
            Some(text) => json::parse_object(text.as_bytes(), &json::Limits::CLAIM)
                .map_err(|error| Error::argument("context is not a strict JSON object").with_source(error))?
                .into_owned(),
        };
        if let Some(displayed) = request.ads_displayed {
            context.insert("ads_displayed", displayed);
        }
        if context.get("ads_displayed").is_some_and(|value| !matches!(value, Value::Bool(_))) {
            return Err(Error::argument("context.ads_displayed is not true or false"));
        }
        if request.context.is_some() || !context.is_empty() {
            claim.insert("context", context);
        }
        Ok(claim)
    }
}

#[cfg(test)]
mod tests;
