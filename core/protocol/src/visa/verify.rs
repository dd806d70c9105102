//! Verification of a visa or ad proof against the issuer's keys (step 11 of PROTOCOL §5). Pure: counting uses is the caller's.

use super::{AD_PROOF_TYP, LEEWAY_S, MAX_LIFETIME_S, Opened, TokenClaims, VISA_TYP};
use crate::agent_id::AgentId;
use crate::code::Code;
use crate::crypto::jws::{Jws, JwsError};
use crate::crypto::{Algorithm, HotKeys, PublicKey, Thumbprint};
use crate::json::Value;
use crate::jwks::{Jwk, JwkSet};
use crate::policy::{Binding, Money};
use crate::purpose::Purpose;
use crate::time::Timestamp;
use std::sync::Arc;

/// What kind of token is expected. Tokens of one kind are refused in the place of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// A broker's visa.
    Visa,
    /// An ad network's proof.
    AdProof,
}

/// What a token must say to be accepted.
#[derive(Clone, Debug)]
pub(crate) struct Expectation<'a> {
    /// Visa or ad proof.
    pub(crate) kind: TokenKind,
    /// The exact `iss`.
    pub(crate) issuer: &'a str,
    /// The `aud` values any of which will do.
    pub(crate) audiences: &'a [String],
    /// Whether the token is bound to its agent.
    pub(crate) binding: Binding,
    /// The claim's agent.
    pub(crate) agent_id: &'a AgentId,
    /// The request's key.
    pub(crate) key: &'a Thumbprint,
    /// The claim's purpose.
    pub(crate) purpose: Purpose,
    /// Every reading of the request's path; a limit must cover them all.
    pub(crate) paths: &'a [String],
    /// The price, if there is one.
    pub(crate) price: Option<&'a Money>,
}

/// A refusal: the code, and a sentence for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) code: Code,
    pub(crate) detail: &'static str,
}

/// A token that was verified, or the kid for which a newer key set may have the key.
#[derive(Debug)]
pub(crate) enum Checked {
    Good(Arc<Opened>),
    UnknownKid,
}

const fn refuse(code: Code, detail: &'static str) -> Refused {
    Refused { code, detail }
}

impl From<JwsError> for Refused {
    fn from(error: JwsError) -> Self {
        match error {
            JwsError::Malformed(detail) => refuse(Code::PaymentMalformed, detail),
            JwsError::Refused(detail) => refuse(Code::PaymentInvalidToken, detail),
        }
    }
}

/// The issuer that an unverified token names: to find the keys, never to trust it.
pub(crate) fn read_issuer(token: &[u8], max_bytes: usize) -> Result<String, Refused> {
    let jws = Jws::parse(token, max_bytes)?;
    let claims = jws
        .claims()
        .map_err(|_| refuse(Code::PaymentInvalidToken, "the payload is not a strict JSON object"))?;
    match claims.get("iss") {
        Some(Value::String(issuer)) => Ok(issuer.clone().into_owned()),
        _ => Err(refuse(Code::PaymentInvalidToken, "iss is missing or not a string")),
    }
}

/// What a token's header says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Typ {
    Visa,
    AdProof,
    /// Nothing: RFC 7519 §5.1 leaves `typ` out at will.
    None,
    Other,
}

impl Typ {
    fn of(jws: &Jws<'_>) -> Self {
        match jws.typ() {
            Some(typ) if is_typ(typ, VISA_TYP) || is_typ(typ, "JWT") => Self::Visa,
            Some(typ) if is_typ(typ, AD_PROOF_TYP) => Self::AdProof,
            Some(_) => Self::Other,
            None => Self::None,
        }
    }

    /// Whether a token of this type may stand there.
    fn fits(self, expected: &Expectation<'_>) -> bool {
        match expected.kind {
            // Only brokers of plain bearer tokens may leave it out.
            TokenKind::Visa => {
                self == Self::Visa || (self == Self::None && expected.binding == Binding::Bearer)
            }
            TokenKind::AdProof => self == Self::AdProof,
        }
    }
}

/// Verifies a token: form, type, key and signature. [`accept`] is still to look at each claim.
pub(crate) fn open(
    token: &[u8],
    max_bytes: usize,
    jwks: &Arc<JwkSet>,
    expected: &Expectation<'_>,
    hot: &HotKeys,
) -> Result<Checked, Refused> {
    let invalid = |detail| refuse(Code::PaymentInvalidToken, detail);
    let jws = Jws::parse(token, max_bytes)?;
    let typ = Typ::of(&jws);
    if !typ.fits(expected) {
        return Err(WRONG_TYP);
    }
    let signed_by = |key: &&PublicKey| jws.verify_hot(hot, key);
    let key = match jws.kid() {
        Some(kid) => match jwks.find(kid).map(Jwk::key) {
            Some(key) if key.algorithm() == Algorithm::Es256 => Some(key).filter(signed_by),
            Some(_) => return Err(invalid("the key is not an ES256 key")),
            None => return Ok(Checked::UnknownKid),
        },
        None => es256_keys(jwks).take(3).find(signed_by),
    };
    let key = key.ok_or_else(|| invalid("the signature does not match"))?;
    hot.credit(key);
    let object = jws.claims().map_err(|_| invalid("the payload is not a strict JSON object"))?;
    let claims = TokenClaims::read(&object).map_err(invalid)?;
    Ok(Checked::Good(Arc::new(Opened::new(typ, claims, jwks))))
}

/// Compares what an opened token says with what is expected of it now.
pub(crate) fn accept(opened: &Opened, expected: &Expectation<'_>, now: Timestamp) -> Result<(), Refused> {
    if !opened.typ.fits(expected) {
        return Err(WRONG_TYP);
    }
    check(&opened.claims, expected, now)
}

const WRONG_TYP: Refused = refuse(Code::PaymentInvalidToken, "typ names another kind of token");

fn es256_keys(jwks: &JwkSet) -> impl Iterator<Item = &PublicKey> {
    jwks.keys().iter().map(Jwk::key).filter(|key| key.algorithm() == Algorithm::Es256)
}

/// Media types compare without case, with or without `application/` (RFC 7515 §4.1.9).
fn is_typ(typ: &str, expected: &str) -> bool {
    let prefix = "application/";
    let short = match typ.get(..prefix.len()) {
        Some(start) if start.eq_ignore_ascii_case(prefix) => typ.get(prefix.len()..).unwrap_or(typ),
        _ => typ,
    };
    short.eq_ignore_ascii_case(expected)
}

fn check(claims: &TokenClaims, expected: &Expectation<'_>, now: Timestamp) -> Result<(), Refused> {
    let invalid = |detail| Err(refuse(Code::PaymentInvalidToken, detail));
    if claims.iss != expected.issuer {
        return invalid("iss is not the configured issuer");
    }
    if !claims.aud.iter().any(|aud| expected.audiences.contains(aud)) {
        return Err(refuse(Code::PaymentWrongAudience, "aud does not name this publisher"));
    }
    if now > claims.exp.saturating_add_secs(LEEWAY_S) {
        return Err(refuse(Code::PaymentExpired, "exp has passed"));
    }
    let latest = now.saturating_add_secs(LEEWAY_S);
    if claims.iat > latest {
        return invalid("iat lies in the future");
    }
    if claims.nbf.is_some_and(|nbf| nbf > latest) {
        return invalid("nbf lies in the future");
    }
    if !(0..=MAX_LIFETIME_S * 1000).contains(&claims.exp.millis_since(claims.iat)) {
        return invalid("exp - iat is not 0 to 3600 seconds");
    }
    if expected.binding == Binding::Agent {
        match &claims.jti {
            Some(jti) if (8..=128).contains(&jti.len()) => {}
            _ => return invalid("jti is missing or not 8 to 128 bytes"),
        }
        match &claims.sub {
            None => return invalid("sub is missing"),
            Some(sub) if sub != expected.agent_id.as_str() => {
                return Err(refuse(Code::PaymentWrongHolder, "sub is not the claim's agent_id"));
            }
            Some(_) => {}
        }
        if claims.jkt.as_ref().is_some_and(|jkt| jkt != expected.key) {
            return Err(refuse(Code::PaymentWrongHolder, "cnf.jkt is not the request's key"));
        }
    }
    if expected.kind == TokenKind::Visa {
        check_amount(claims, expected)?;
    }
    if claims.purposes.as_ref().is_some_and(|purposes| !purposes.contains(&expected.purpose)) {
        return invalid("purposes does not list the claim's purpose");
    }
    if claims.paths.as_ref().is_some_and(|limits| {
        !expected.paths.iter().all(|path| limits.iter().any(|limit| limit.matches(path)))
    }) {
        return invalid("path does not cover the request");
    }
    Ok(())
}

fn check_amount(claims: &TokenClaims, expected: &Expectation<'_>) -> Result<(), Refused> {
    let insufficient = |detail| Err(refuse(Code::PaymentInsufficient, detail));
    if claims.payment_status.as_deref().is_some_and(|status| status != "paid") {
        return insufficient("payment_status is not paid");
    }
    let Some(price) = expected.price else { return Ok(()) };
    match (&claims.amount, &claims.currency) {
        (Some(amount), Some(currency)) if *currency == price.currency && *amount >= price.amount => Ok(()),
        (Some(_), Some(currency)) if *currency == price.currency => insufficient("amount is below the price"),
        (Some(_), Some(_)) => insufficient("currency is not the price's"),
        _ => insufficient("amount or currency is missing"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Limits, parse_object};

    /// The issuer is found by what the token says, so that it cannot be another; it is looked at all the same.
    #[test]
    fn a_token_of_another_issuer_or_kind_is_not_accepted() {
        let claims = br#"{"iss":"https://broker.example","aud":"https://pub.example","iat":1772366400,"exp":1772367000}"#;
        let claims = TokenClaims::read(&parse_object(claims, &Limits::JWT).unwrap()).unwrap();
        let keys = Arc::new(JwkSet::parse(br#"{"keys":[]}"#).unwrap());
        let agent_id = AgentId::parse("agent.example", false).unwrap();
        let key = Thumbprint::parse(&"A".repeat(43)).unwrap();
        let good = "https://broker.example";
        for (typ, issuer, code) in [
            (Typ::Visa, good, None),
            (Typ::Visa, "https://broker.example/", Some(Code::PaymentInvalidToken)),
            // Of an issuer who is an ad network as well, and whose proof was seen before.
            (Typ::AdProof, good, Some(Code::PaymentInvalidToken)),
        ] {
            let opened = Opened::new(typ, claims.clone(), &keys);
            let expected = Expectation {
                kind: TokenKind::Visa,
                issuer,
                audiences: &["https://pub.example".to_owned()],
                binding: Binding::Bearer,
                agent_id: &agent_id,
                key: &key,
                purpose: Purpose::Summary,
                paths: &[],
                price: None,
            };
            let accepted = accept(&opened, &expected, Timestamp::from_secs(1_772_366_400));
            assert_eq!(accepted.err().map(|refused| refused.code), code, "{typ:?} {issuer}");
        }
    }
}
