//! Compact JWS (RFC 7515 §3.1), ES256 only (PROTOCOL §8).
//!
//! ```text
//! base64url(header) . base64url(payload) . base64url(r ‖ s)
//! ```

// Why jsonwebtoken is not the verifier: it reads claims through serde, so a member of the wrong type counts as absent and the
// last of two duplicate members wins; it needs a claims struct for each kind of token; and it links RSA and HMAC back ends
// into a library that must stay below 1 MB. It is the independent peer in tests/jws_interop.rs instead: each side
// verifies what the other issued, and nothing that we accept is refused by it.

use super::{Algorithm, HotKeys, Prepared, PublicKey, Signature, Signer};
use crate::encoding::{base64url_decode, base64url_encode};
use crate::error::{Error, Result};
use crate::json::{self, Limits, Object};
use core::fmt;

/// Header members that change how a token is to be read or where its key comes from (RFC 7515 §4.1, RFC 7797).
const REFUSED_MEMBERS: [&str; 5] = ["jku", "x5u", "jwk", "crit", "b64"];

/// A parsed token; its signature has not been checked until [`Jws::verify`] says so.
#[derive(Clone, Debug)]
pub struct Jws<'a> {
    signing_input: &'a [u8],
    header: Object<'static>,
    payload: Vec<u8>,
    signature: Signature,
}

/// Why a token is not acceptable. The sentences are fixed and hold nothing of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JwsError {
    /// Not a compact JWS: too large, not three base64url parts, or a header or payload that is not a strict JSON object.
    Malformed(&'static str),
    /// A compact JWS of a kind that this protocol refuses: another algorithm, a header that must not be there.
    Refused(&'static str),
}

impl JwsError {
    /// One sentence that says what is wrong.
    pub const fn message(self) -> &'static str {
        match self {
            Self::Malformed(message) | Self::Refused(message) => message,
        }
    }
}

impl fmt::Display for JwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for JwsError {}

impl<'a> Jws<'a> {
    /// Reads a token of at most `max_bytes` bytes: three parts of strict, unpadded base64url.
    ///
    /// # Errors
    /// [`JwsError::Malformed`]: too large, not three such parts, header not a strict JSON object ([`Limits::JWT`]).
    /// [`JwsError::Refused`]: `alg` other than exactly `ES256`, a header member `jku`, `x5u`, `jwk`, `crit` or `b64`, `kid` or `typ`
    /// that is not a string, a signature that is not 64 bytes.
    pub fn parse(token: &'a [u8], max_bytes: usize) -> Result<Self, JwsError> {
        if token.len() > max_bytes {
            return Err(JwsError::Malformed("the token is too large"));
        }
        let not_base64 = JwsError::Malformed("a part of the token is not base64url");
        let (signing_input, header, payload, signature) = split(token)?;
        let header = base64url_decode(header).ok_or(not_base64)?;
        let header = json::parse_object(&header, &Limits::JWT)
            .map_err(|_| JwsError::Malformed("the token's header is not a strict JSON object"))?
            .into_owned();
        check_header(&header)?;
        let payload = base64url_decode(payload).ok_or(not_base64)?;
        let signature = base64url_decode(signature)
            .ok_or(not_base64)?
            .try_into()
            .map_err(|_| JwsError::Refused("the token's signature is not 64 bytes"))?;
        Ok(Self { signing_input, header, payload, signature: Signature::from_bytes(signature) })
    }

    /// The protected header.
    pub fn header(&self) -> &Object<'static> {
        &self.header
    }

    /// The payload, decoded.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The payload as claims.
    ///
    /// # Errors
    /// [`JwsError::Malformed`] when it is not a strict JSON object within [`Limits::JWT`].
    pub fn claims(&self) -> Result<Object<'_>, JwsError> {
        json::parse_object(&self.payload, &Limits::JWT)
            .map_err(|_| JwsError::Malformed("the token's claims are not a strict JSON object"))
    }

    /// The header's `kid`.
    pub fn kid(&self) -> Option<&str> {
        self.header.get("kid")?.as_str()
    }

    /// The header's `typ`, as it was written.
    pub fn typ(&self) -> Option<&str> {
        self.header.get("typ")?.as_str()
    }

    /// Whether `key` signed this token; `false` for a key that is not P-256.
    pub fn verify(&self, key: &PublicKey) -> bool {
        key.algorithm() == Algorithm::Es256 && key.verify(self.signing_input, &self.signature)
    }

    /// [`Jws::verify`], faster for a key that has a table.
    pub fn verify_hot(&self, hot: &HotKeys, key: &PublicKey) -> bool {
        key.algorithm() == Algorithm::Es256 && hot.verify(key, self.signing_input, &self.signature)
    }

    /// The bytes that are signed: header and payload as they were sent, with the dot between them.
    pub fn signing_input(&self) -> &'a [u8] {
        self.signing_input
    }

    /// The signature, `r ‖ s`.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }
}

/// Issues a token: the header is `{"alg":"ES256"}` and the members of `header_extra` (`typ`, `kid`), in canonical form.
///
/// # Errors
/// `usage.argument` when the signer is not ES256 or `header_extra` holds what [`Jws::parse`] refuses; whatever the signer
/// returns.
pub fn sign(header_extra: &Object<'_>, payload: &[u8], signer: &dyn Signer) -> Result<String> {
    prepare(header_extra, payload, signer.public_key())?.sign_with(signer)
}

/// What [`sign`] would sign, for a key that answers later. Error: `usage.argument`, as there.
pub fn prepare(header_extra: &Object<'_>, payload: &[u8], key: &PublicKey) -> Result<Prepared<String>> {
    let algorithm = key.algorithm();
    if algorithm != Algorithm::Es256 {
        return Err(Error::argument("tokens are signed with a P-256 key"));
    }
    let mut header = header_extra.clone();
    if header.contains("alg") {
        return Err(Error::argument("the token's algorithm is not for the caller to choose"));
    }
    header.insert("alg", algorithm.as_str());
    check_header(&header).map_err(|error| Error::argument(error.message()))?;
    let mut token = base64url_encode(&json::object_to_canonical(&header));
    token.push('.');
    token.push_str(&base64url_encode(payload));
    Ok(Prepared::new(token.clone().into_bytes(), key.clone(), move |signature| {
        token.push('.');
        token.push_str(&base64url_encode(signature.as_bytes()));
        Ok(token)
    }))
}

type Parts<'a> = (&'a [u8], &'a [u8], &'a [u8], &'a [u8]);

/// Splits `header.payload.signature` into signing input, header, payload, signature.
fn split(token: &[u8]) -> Result<Parts<'_>, JwsError> {
    let not_three = JwsError::Malformed("the token does not have three parts");
    let mut parts = token.split(|byte| *byte == b'.');
    let (Some(header), Some(payload), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(not_three);
    };
    let signed = header.len() + 1 + payload.len();
    Ok((token.get(..signed).ok_or(not_three)?, header, payload, signature))
}

fn check_header(header: &Object<'_>) -> Result<(), JwsError> {
    if header.get("alg").and_then(|alg| alg.as_str()) != Some("ES256") {
        return Err(JwsError::Refused("the token's algorithm is not ES256"));
    }
    if REFUSED_MEMBERS.iter().any(|name| header.contains(name)) {
        return Err(JwsError::Refused("the token's header has a member that is not allowed"));
    }
    let is_text = |name| header.get(name).is_none_or(|value| value.as_str().is_some());
    if !is_text("kid") || !is_text("typ") {
        return Err(JwsError::Refused("the token's kid or typ is not a string"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
