//! Visas: buying, reading, redeeming, and saying what they were worth (BROKER §2).

use super::client::{BrokerClient, path_part, query};
use super::error::BrokerError;
use super::retry::again;
use super::send;
use crate::agent::{nonce, now};
use crate::patience::send_within;
use crate::{Call, Profile};
use imagxp::agent::spend::Purchase;
use imagxp::agent::token_request::{TokenAnswer, TokenRequest, Visa};
use imagxp::amount::Amount;
use imagxp::feedback::Feedback;
use imagxp::json::Object;
use imagxp::policy::Money;
use imagxp::visa::{Presented, Redeemed, read_redeemed, redeem_body};
use imagxp::{Error, Purpose};

/// Bytes of visas in one request: what a broker reads when nobody has told it otherwise (`limits.redeem_bytes`).
pub const MAX_REDEEM_BYTES: usize = 2 * 1024 * 1024;

/// A visa that an agent wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// The publisher's origin, for example `https://pub.example`.
    pub resource: String,
    /// For how much, a decimal string.
    pub amount: String,
    /// In which asset, for example `USD`.
    pub currency: String,
    /// What for.
    pub purpose: Purpose,
}

impl BrokerClient {
    /// Buys a visa at the token endpoint (`private_key_jwt`), as the agent does that meets a 402: the amount is reserved until the visa is
    /// settled. `key` names the purchase, a random one when absent; the same key again is answered with the same visa.
    ///
    /// Errors: the broker's (`account.insufficient` …), `usage.argument`; see [`BrokerError::is_unknown`].
    pub fn issue(&self, want: &Want, key: Option<&str>) -> Result<Visa, BrokerError> {
        let identity = self.identity()?;
        let amount = Amount::parse(&want.amount)
            .ok_or_else(|| Error::argument(format!("`{}` is not an amount", want.amount.escape_debug())))?;
        let key = self.key(key)?;
        let purchase = Purchase {
            id: key.clone(),
            agent_id: identity.agent_id().clone(),
            issuer: self.issuer().to_owned(),
            audience: want.resource.clone(),
            purpose: want.purpose,
            price: Money { amount, currency: want.currency.clone() },
        };
        let endpoint = self.endpoints()?.token;
        let bought = again(self.effort, |left| {
            // The assertion is new each time, the purchase is not.
            let request = TokenRequest::new(identity, &purchase, &endpoint, &nonce()?, now())?;
            let headers = request.headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            let call = Call {
                method: "POST".to_owned(),
                url: request.url,
                headers,
                body: request.body.into_bytes(),
            };
            let answer = send_within(&self.fetcher, &call, Profile::TOKEN, left)?;
            send::check(&answer)?;
            let thumbprint = identity.public_key().thumbprint();
            match TokenAnswer::read(answer.status, &answer.body, &purchase, thumbprint, now()) {
                TokenAnswer::Visa(visa) => Ok(*visa),
                TokenAnswer::Expired => {
                    Err(BrokerError::new("visa.expired", "the visa was bought and has expired since"))
                }
                TokenAnswer::Refused(code) => Err(BrokerError::new(
                    code.unwrap_or_else(|| "broker.answer".to_owned()),
                    "the broker refuses",
                )),
                TokenAnswer::OtherKey(error) | TokenAnswer::Unclear(error) => {
                    Err(BrokerError::answer(error.message()))
                }
            }
        });
        bought.map_err(|error| BrokerError { key: Some(key), ..error })
    }

    /// One visa, as the agent or publisher whom it concerns, or an operator, sees it.
    pub fn visa(&self, jti: &str) -> Result<Object<'static>, BrokerError> {
        self.get(&format!("/v1/visas/{}", path_part(jti)?))
    }

    /// A page of visas, newest first: `{visas, next_cursor}`. `state` is for example `WITHHELD`.
    pub fn visas(
        &self,
        state: Option<&str>,
        cursor: Option<&str>,
        limit: Option<u32>,
    ) -> Result<Object<'static>, BrokerError> {
        let limit = limit.map(|limit| limit.to_string());
        self.get(&query("/v1/visas", &[("state", state), ("cursor", cursor), ("limit", limit.as_deref())]))
    }

    /// Redeems up to 1 000 visas; each has its own result, in their order. Several requests share a few commits at the broker.
    ///
    /// What the broker cannot decide now is asked again under the same key; what it still cannot decide then is transient in its result.
    ///
    /// Errors: the broker's; `usage.argument` for none, for more than 1 000, and for a body of more than [`MAX_REDEEM_BYTES`], before anything
    /// is sent: present fewer at once, or use a [`super::Redeemer`], which sees to that.
    pub fn redeem(&self, visas: &[Presented], key: Option<&str>) -> Result<Vec<Redeemed>, BrokerError> {
        self.identity()?;
        let body = redeem_body(visas)?;
        if body.len() > MAX_REDEEM_BYTES {
            let message = format!(
                "{} visas take {} bytes, and a broker reads {MAX_REDEEM_BYTES}: present fewer at once",
                visas.len(),
                body.len()
            );
            return Err(Error::argument(message).into());
        }
        let key = self.key(key)?;
        self.redeem_bytes(&body, visas.len(), key)
    }

    /// The same for a batch that is made smaller when it is too large.
    pub(super) fn present(&self, visas: &[Presented], key: &str) -> Result<Vec<Redeemed>, BrokerError> {
        self.redeem_bytes(&redeem_body(visas)?, visas.len(), key.to_owned())
    }

    fn redeem_bytes(&self, body: &[u8], visas: usize, key: String) -> Result<Vec<Redeemed>, BrokerError> {
        let mut last = None;
        let redeemed = again(self.effort, |left| {
            let answer = self.post_once("/v1/visas/redeem", body, &key, left)?;
            let results = read_redeemed(&answer, visas);
            let results = results
                .ok_or_else(|| BrokerError::answer("the broker's answer has not one result for each visa"))?;
            if results.iter().any(Redeemed::is_transient) {
                last = Some(results);
                return Err(BrokerError {
                    transient: true,
                    ..BrokerError::new("store.busy", "not all could be decided")
                });
            }
            Ok(results)
        });
        match (redeemed, last) {
            (Ok(results), _) => Ok(results),
            // Some of them have been decided: the caller is told what is known.
            (Err(_), Some(results)) => Ok(results),
            (Err(error), None) => Err(BrokerError { key: Some(key), ..error }),
        }
    }

    /// Says what a visa was worth: 0.5 and better releases the money, less withholds it. Returns the visa.
    ///
    /// The feedback must name the visa (`jti`) and a page of its publisher (`url`). Errors: `feedback.already_given`, `visa.state` …
    pub fn feedback(&self, feedback: &Feedback, key: Option<&str>) -> Result<Object<'static>, BrokerError> {
        let jti =
            feedback.jti.as_deref().ok_or_else(|| Error::argument("the feedback names no visa (`jti`)"))?;
        // Signed once: sent again it is the same feedback.
        let body = feedback.sign(self.identity()?, now(), &nonce()?)?;
        self.post_bytes(&format!("/v1/visas/{}/feedback", path_part(jti)?), &body, key)
    }

    /// Contests, as the publisher, that the money of a visa is withheld: an operator decides. Returns the visa.
    pub fn contest(
        &self,
        jti: &str,
        statement: &str,
        key: Option<&str>,
    ) -> Result<Object<'static>, BrokerError> {
        let mut body = Object::new();
        body.insert("statement", statement);
        self.post(&format!("/v1/visas/{}/contest", path_part(jti)?), &body, key)
    }

    /// Decides a dispute, as an operator of the role `admin`: `release`, `refund`, or `split` with the publisher's part. Returns the visa.
    pub fn decide(
        &self,
        jti: &str,
        decision: &str,
        amount: Option<&str>,
        memo: Option<&str>,
        key: Option<&str>,
    ) -> Result<Object<'static>, BrokerError> {
        let mut body = Object::new();
        body.insert("decision", decision);
        for (name, value) in [("amount", amount), ("memo", memo)] {
            if let Some(value) = value {
                body.insert(name, value);
            }
        }
        self.post(&format!("/v1/visas/{}/decide", path_part(jti)?), &body, key)
    }
}
