//! A visa as its holder shows it, and a publisher presents it: the token that the broker has signed.

use super::Redeem;
use crate::evidence::{Evidence, PresentedRequest};
use crate::id::Id;
use crate::refusal::{Refusal, RefusalCode};
use crate::text::Owner;
use imagxp::crypto::{HotKeys, Jws, Thumbprint};
use imagxp::json::{Number, Object, Value};
use imagxp::visa::VISA_TYP;
use imagxp::{Purpose, Timestamp};

/// What the token of a visa says to the broker that has signed it.
#[derive(Clone, Debug)]
pub struct VisaToken<'a> {
    /// The visa's name.
    pub jti: Id,
    /// The key that it is bound to, when it is.
    pub jkt: Option<Thumbprint>,
    claims: Object<'a>,
}

impl<'a> VisaToken<'a> {
    /// The most bytes that it has.
    pub const MAX_BYTES: usize = 8192;

    /// Reads the form of a token, whoever signed it. Refusal: `payment.malformed`.
    pub fn parse(token: &str) -> Result<Jws<'_>, Refusal> {
        Jws::parse(token.as_bytes(), Self::MAX_BYTES)
            .map_err(|error| Refusal::new(RefusalCode::PaymentMalformed, error.message()))
    }

    /// Reads what a token of this broker says. `has_signed` knows the broker's keys. Refusal: `payment.invalid_token`.
    pub fn read(
        jws: &'a Jws<'_>,
        issuer: &str,
        has_signed: impl FnOnce(&Jws<'_>) -> bool,
    ) -> Result<Self, Refusal> {
        let invalid = |message: &'static str| Refusal::new(RefusalCode::PaymentInvalidToken, message);
        if jws.typ() != Some(VISA_TYP) || !has_signed(jws) {
            return Err(invalid("the visa is not one that this broker has signed"));
        }
        let claims = jws.claims().map_err(|_| invalid("the visa has no claims"))?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        if text("iss") != Some(issuer) {
            return Err(invalid("the visa is another broker's"));
        }
        let jti =
            text("jti").and_then(|jti| Id::parse(jti).ok()).ok_or_else(|| invalid("the visa has no name"))?;
        let cnf = claims.get("cnf").and_then(Value::as_object);
        let jkt = cnf.and_then(|cnf| cnf.get("jkt")).and_then(Value::as_str).and_then(Thumbprint::parse);
        Ok(Self { jti, jkt, claims })
    }

    /// What it comes to when this publisher presents it with the request that brought it: the redemption, and the request as evidence, which
    /// is noted before. What the visa is worth, the ledger says.
    ///
    /// Refusals: `visa.wrong_key` when it is bound to a key and there is no request, and those of [`Evidence::read`].
    pub fn presented(
        &self,
        request: Option<&PresentedRequest<'_>>,
        publisher: &Owner,
        loopback: bool,
        hot: &HotKeys,
    ) -> Result<(Redeem, Option<Evidence>), Refusal> {
        if request.is_none() && self.jkt.is_some() {
            return Err(Refusal::new(
                RefusalCode::VisaWrongKey,
                "the visa is bound to a key: present the agent's request with it",
            ));
        }
        let evidence = request.map(|request| Evidence::read(request, self, publisher, loopback, hot));
        let evidence = evidence.transpose()?;
        let key = evidence.as_ref().map(Evidence::key);
        let request_jkt = key.map(|key| *key.thumbprint());
        // Whoever holds one of our visas is no stranger.
        if let Some(key) = key.filter(|_| request_jkt == self.jkt) {
            hot.credit(key);
        }
        Ok((Redeem { jti: self.jti, request_jkt }, evidence))
    }

    /// A claim that is text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.claims.get(name).and_then(Value::as_str)
    }

    /// A claim that is a time, in seconds.
    pub(crate) fn time(&self, name: &str) -> Option<Timestamp> {
        self.claims.get(name).and_then(Value::as_number).and_then(Number::as_i64).map(Timestamp::from_secs)
    }

    /// Whether it counts for this purpose: it names it, or none.
    pub(crate) fn is_for(&self, purpose: Purpose) -> bool {
        let purposes = self.claims.get("purposes").and_then(Value::as_array);
        purposes.is_none_or(|purposes| purposes.iter().any(|one| one.as_str() == Some(purpose.as_str())))
    }
}
