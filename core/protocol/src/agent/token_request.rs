//! Asking a broker for a visa, and reading its answer (BROKER §3; RFC 6749 §§4.4, 5; RFC 7523 §2.2; RFC 8707 `resource`).
//!
//! A purchase is named by its `Idempotency-Key`, which never changes; the client assertion beside it lives a minute and its `jti` counts
//! once, so each sending carries a new one. A broker that has seen the key answers what it answered before.

use super::Identity;
use super::spend::Purchase;
use crate::code::Code;
use crate::crypto::{Jws, JwsError, Thumbprint};
use crate::error::{Error, Result};
use crate::json::{self, Value};
use crate::policy::{Money, PathPattern};
use crate::purpose::Purpose;
use crate::time::Timestamp;
use crate::visa::{LEEWAY_S, MAX_LIFETIME_S, TokenClaims, VISA_TYP};

/// The largest answer of a token endpoint that is read, in bytes.
pub const MAX_TOKEN_ANSWER: usize = 32 * 1024;

const MAX_VISA: usize = 8 * 1024;
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A token request: POST it as it is.
#[derive(Clone)]
pub struct TokenRequest {
    /// Where to.
    pub url: String,
    /// `content-type`, `accept` and `idempotency-key`.
    pub headers: Vec<(&'static str, String)>,
    /// The form.
    pub body: String,
}

impl core::fmt::Debug for TokenRequest {
    /// Without the body: its assertion is a credential for a minute.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("TokenRequest").field("url", &self.url).finish_non_exhaustive()
    }
}

/// A visa as its holder reads it.
///
/// Its signature has *not* been verified: the agent has not the broker's keys and needs none. It reads the visa to learn whether what it paid
/// for is of use to it; the publisher verifies.
#[derive(Clone, PartialEq)]
pub struct Visa {
    pub(super) token: String,
    pub(super) issuer: String,
    pub(super) audience: String,
    pub(super) jti: String,
    pub(super) agent_id: crate::agent_id::AgentId,
    pub(super) key_id: Thumbprint,
    pub(super) price: Money,
    pub(super) purposes: Option<Vec<Purpose>>,
    pub(super) paths: Option<Vec<PathPattern>>,
    pub(super) exp: Timestamp,
    pub(super) uses: u32,
}

impl Visa {
    /// The compact JWS, as good as money.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Its name at the broker.
    pub fn jti(&self) -> &str {
        &self.jti
    }

    /// What was paid.
    pub const fn price(&self) -> &Money {
        &self.price
    }

    /// When it ends.
    pub const fn exp(&self) -> Timestamp {
        self.exp
    }
}

impl core::fmt::Debug for Visa {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Visa").field("issuer", &self.issuer).field("jti", &self.jti).finish_non_exhaustive()
    }
}

impl TokenRequest {
    /// Builds the request for a purchase. `jti` names this sending; the purchase's own id goes into `Idempotency-Key`.
    ///
    /// Errors: as [`Identity::assert_client`].
    pub fn new(
        identity: &Identity,
        purchase: &Purchase,
        token_endpoint: &str,
        jti: &str,
        now: Timestamp,
    ) -> Result<Self> {
        let assertion = identity.assert_client(token_endpoint, jti, now)?;
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", JWT_BEARER),
            ("client_assertion", &assertion),
            ("resource", &purchase.audience),
            ("amount", &purchase.price.amount.to_string()),
            ("currency", &purchase.price.currency),
            ("purposes", purchase.purpose.as_str()),
        ];
        let mut body = String::new();
        for (name, value) in fields {
            if !body.is_empty() {
                body.push('&');
            }
            body.push_str(name);
            body.push('=');
            push_form(&mut body, value);
        }
        let headers = vec![
            ("content-type", "application/x-www-form-urlencoded".to_owned()),
            ("accept", "application/json".to_owned()),
            ("idempotency-key", purchase.id.clone()),
        ];
        Ok(Self { url: token_endpoint.to_owned(), headers, body })
    }
}

/// What a broker's answer means for the money.
#[derive(Debug)]
pub enum TokenAnswer {
    /// The broker gave this visa: paid.
    Visa(Box<Visa>),
    /// The broker gave a visa that was right and has expired since: paid, and of no more use.
    Expired,
    /// The broker gave a visa that is right and bound to another key. When it was asked about an earlier purchase, that was the key of then:
    /// paid, and of no use to this one. When not, whether it was paid is not known.
    OtherKey(Error),
    /// The broker refused: certainly not paid. With its error code, if it named one.
    Refused(Option<String>),
    /// Anything else: whether it was paid is not known.
    Unclear(Error),
}

impl TokenAnswer {
    /// Reads the answer to a token request for `purchase`.
    ///
    /// Only a visa that is exactly what was asked for counts as one: issuer, audience, holder, key, price, currency and purpose. A broker that
    /// sends another may have booked a payment all the same, so that is *unclear* (or, when only the key is another, [`Self::OtherKey`]), and
    /// so are server errors, timeouts (408), conflicts (409: the same key is in progress) and redirects.
    pub fn read(status: u16, body: &[u8], purchase: &Purchase, key: &Thumbprint, now: Timestamp) -> Self {
        match status {
            200 | 201 => match read_visa(body, purchase, key, now) {
                Ok(visa) if visa.key_id != *key => Self::OtherKey(Error::protocol(
                    Code::PaymentWrongHolder,
                    "visa: cnf.jkt is not this agent's key",
                )),
                Ok(visa) if visa.exp <= now => Self::Expired,
                Ok(visa) => Self::Visa(Box::new(visa)),
                Err(error) => Self::Unclear(error),
            },
            400..=407 | 410..=424 | 426..=499 => Self::Refused(error_code(body)),
            _ => Self::Unclear(Error::protocol(
                Code::PaymentInvalidToken,
                format!("the broker answered with status {status}"),
            )),
        }
    }
}

/// `{access_token, token_type, …}` (RFC 6749 §5.1): the visa is the access token.
fn read_visa(body: &[u8], purchase: &Purchase, key: &Thumbprint, now: Timestamp) -> Result<Visa> {
    let limits = json::Limits { max_bytes: MAX_TOKEN_ANSWER, ..json::Limits::JWKS };
    let object = json::parse_object(body, &limits)
        .map_err(|error| invalid(format!("the broker's answer is not acceptable JSON: {}", error.code())))?;
    if object.get("token_type").is_none_or(|kind| kind.as_str().is_none()) {
        return Err(invalid("the broker's answer has no token_type"));
    }
    let token = object.get("access_token").and_then(Value::as_str);
    check(token.ok_or_else(|| invalid("the broker's answer has no access_token"))?, purchase, key, now)
}

/// Holds a visa against what was asked for; its key is for the caller to compare.
fn check(token: &str, purchase: &Purchase, key: &Thumbprint, now: Timestamp) -> Result<Visa> {
    let jws = Jws::parse(token.as_bytes(), MAX_VISA).map_err(|error| match error {
        JwsError::Malformed(message) => Error::protocol(Code::PaymentMalformed, format!("visa: {message}")),
        JwsError::Refused(message) => invalid(format!("visa: {message}")),
    })?;
    let is_visa = |typ: &str| typ.eq_ignore_ascii_case(VISA_TYP) || typ.eq_ignore_ascii_case("JWT");
    if !jws.typ().is_some_and(|typ| is_visa(typ.trim_start_matches("application/"))) {
        return Err(invalid("visa: typ names another kind of token"));
    }
    let object = jws.claims().map_err(|error| invalid(format!("visa: {}", error.message())))?;
    let claims = TokenClaims::read(&object).map_err(|flaw| invalid(format!("visa: {flaw}")))?;
    let wrong = |code, message: &'static str| Err(Error::protocol(code, format!("visa: {message}")));
    if claims.iss != purchase.issuer {
        return wrong(Code::PaymentInvalidToken, "iss is not the broker");
    }
    let bare = purchase.audience.strip_prefix("https://").unwrap_or(&purchase.audience);
    if !claims.aud.iter().any(|aud| *aud == purchase.audience || aud == bare) {
        return wrong(Code::PaymentWrongAudience, "aud is not the publisher");
    }
    if claims.sub.as_deref() != Some(purchase.agent_id.as_str()) {
        return wrong(Code::PaymentWrongHolder, "sub is not this agent");
    }
    let Some(jti) = claims.jti.filter(|jti| (8..=128).contains(&jti.len())) else {
        return wrong(Code::PaymentInvalidToken, "jti is missing or not 8 to 128 bytes");
    };
    let lifetime = claims.exp.millis_since(claims.iat);
    if !(0..=MAX_LIFETIME_S * 1000).contains(&lifetime)
        || claims.iat > now.saturating_add_secs(60)
        || claims.nbf.is_some_and(|nbf| nbf > now.saturating_add_secs(LEEWAY_S))
    {
        return wrong(Code::PaymentInvalidToken, "its times are not those of a visa");
    }
    if claims.payment_status.as_deref().is_some_and(|status| status != "paid") {
        return wrong(Code::PaymentInsufficient, "payment_status is not paid");
    }
    // Less is of no use, and more was not agreed to.
    if claims.amount != Some(purchase.price.amount)
        || claims.currency.as_ref() != Some(&purchase.price.currency)
    {
        return wrong(Code::PaymentInsufficient, "its amount is not the one that was asked for");
    }
    if claims.purposes.as_ref().is_some_and(|purposes| !purposes.contains(&purchase.purpose)) {
        return wrong(Code::PaymentInvalidToken, "purposes does not list the one that was asked for");
    }
    Ok(Visa {
        token: token.to_owned(),
        issuer: claims.iss,
        audience: purchase.audience.clone(),
        jti,
        agent_id: purchase.agent_id.clone(),
        key_id: claims.jkt.unwrap_or(*key),
        price: purchase.price.clone(),
        purposes: claims.purposes,
        paths: claims.paths,
        exp: claims.exp,
        uses: claims.max_uses.unwrap_or(1),
    })
}

/// `{"error": "code"}` (RFC 6749 §5.2) or `{"error": {"code"}}` (BROKER §3), when it is a plain word.
fn error_code(body: &[u8]) -> Option<String> {
    let limits = json::Limits { max_bytes: MAX_TOKEN_ANSWER, ..json::Limits::CLAIM };
    let object = json::parse_object(body, &limits).ok()?;
    let code = match object.get("error")? {
        Value::Object(error) => error.get("code")?.as_str()?,
        error => error.as_str()?,
    };
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    (code.len() <= 64 && code.bytes().all(plain)).then(|| code.to_owned())
}

fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::protocol(Code::PaymentInvalidToken, message)
}

/// `application/x-www-form-urlencoded` (WHATWG URL §5.2).
fn push_form(out: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            _ => {
                out.push('%');
                for digit in [byte >> 4, byte & 15] {
                    out.push(crate::encoding::hex_digit(digit).to_ascii_uppercase());
                }
            }
        }
    }
}
