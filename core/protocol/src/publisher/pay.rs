//! Step 11: the visa or ad proof (PROTOCOL §8).

use super::refusal::Refusal;
use super::request::Redemption;
use super::verdict::{Need, NeedKind, PaymentFacts, PaymentState, Warning};
use super::verify::Run;
use crate::claim::Claim;
use crate::code::Code;
use crate::crypto::{Jws, Thumbprint};
use crate::explain::StepResult;
use crate::freshness::{Lack, State};
use crate::headers::RequestHeaders;
use crate::jwks::JwkSet;
use crate::policy::{Binding, Check, Decision};
use crate::visa::{self, Checked, Expectation, Opened, TokenKind};
use std::sync::Arc;

/// An issuer as the policy configures it.
pub(super) struct Issuer {
    pub(super) issuer: String,
    jwks_uri: String,
    pub(super) binding: Binding,
    pub(super) check: Check,
    audience: Option<String>,
}

impl Run<'_> {
    /// Before the nonce is spent: whether the key set that step 11 will need is at hand, with the kid that the token names. Spends nothing.
    pub(super) fn payment_ready(
        &mut self,
        headers: &RequestHeaders<'_>,
        claim: &Claim,
        decision: &Decision,
    ) -> Result<(), Refusal> {
        if decision.refusal.is_some() || !decision.payment_needed {
            return Ok(());
        }
        let Some((kind, token)) = self.token(headers, claim) else { return Ok(()) };
        let opened = self.publisher.visas().get(token);
        let Some(issuer) = self.issuer(kind, token, opened.as_deref()).ok().flatten() else { return Ok(()) };
        let lack = {
            let jwks = self.publisher.jwks();
            match jwks.look_up(&issuer.jwks_uri, self.now) {
                State::Needed => Lack::Needed,
                State::Fresh(set) | State::Stale(set) => {
                    let lacks = !opened.is_some_and(|opened| opened.is_by(&set))
                        && lacks_kid(token, self.publisher.limits.token(), &set);
                    if lacks { jwks.lack(&issuer.jwks_uri, self.now) } else { Lack::Certain }
                }
                State::Failed(code) => Lack::Failed(code),
            }
        };
        let (refusal, received) = match lack {
            Lack::Needed => {
                let need = Need { kind: NeedKind::Jwks, url: issuer.jwks_uri.clone() };
                (Refusal::new(Code::PaymentJwksNeeded).needing(need), "not at hand")
            }
            // The visa may be good: it is not called bad because the broker could not be asked.
            Lack::Failed(code) => {
                self.facts.payment = PaymentFacts::new(PaymentState::Unpaid);
                (Refusal::new(code), "not at hand, and fetching them failed a moment ago")
            }
            Lack::Certain => return Ok(()),
        };
        self.check(11, "payment: issuer's keys", Some(refusal), || (issuer.jwks_uri, received.into()))
    }

    /// Verifies the payment and counts its use.
    pub(super) fn pay(
        &mut self,
        headers: &RequestHeaders<'_>,
        claim: &Claim,
        key_id: &Thumbprint,
        subject: &str,
        paths: &[String],
        decision: &Decision,
    ) -> Result<(), Refusal> {
        if !decision.payment_needed {
            self.note(11, "payment", StepResult::Skipped, Default::default);
            return Ok(());
        }
        self.facts.payment = PaymentFacts::new(PaymentState::Unpaid);
        let price = || match &decision.price {
            Some(price) => format!("{} {}", price.amount, price.currency),
            None => "any visa of a configured broker".into(),
        };
        let token = self.token(headers, claim);
        let refusal = token.is_none().then(|| Refusal::new(Code::PaymentRequired));
        self.check(11, "payment: present", refusal, || {
            (price(), token.map_or("no token", |_| "a token").into())
        })?;
        let (kind, token) = token.ok_or_else(|| Refusal::new(Code::PaymentRequired))?;

        let seen = self.publisher.visas().get(token);
        let issuer = self.issuer(kind, token, seen.as_deref());
        let refusal = match &issuer {
            Ok(Some(_)) => None,
            Ok(None) => {
                Some(Refusal::new(Code::PaymentInvalidToken).detail("iss is not a configured issuer"))
            }
            Err(refused) => Some(Refusal::new(refused.code).detail(refused.detail)),
        };
        self.check(11, "payment: issuer", refusal, || {
            let received = match &issuer {
                Ok(Some(issuer)) => issuer.issuer.clone(),
                Ok(None) => "another issuer".into(),
                Err(refused) => refused.detail.into(),
            };
            ("an issuer that the policy names".into(), received)
        })?;
        let issuer = issuer.ok().flatten().ok_or_else(|| Refusal::new(Code::PaymentInvalidToken))?;
        let jwks = self.issuer_keys(&issuer)?;

        let audiences = self.audiences(claim, &issuer);
        let expected = Expectation {
            kind,
            issuer: &issuer.issuer,
            audiences: &audiences,
            binding: issuer.binding,
            agent_id: &claim.agent_id,
            key: key_id,
            purpose: claim.purpose,
            paths,
            price: decision.price.as_ref(),
        };
        let checked = match seen.filter(|opened| opened.is_by(&jwks)) {
            Some(opened) => Ok(Checked::Good(opened)),
            None => self.open(token, &jwks, &expected),
        };
        let checked = checked.and_then(|checked| match checked {
            Checked::Good(opened) => {
                visa::accept(&opened, &expected, self.received_at).map(|()| Checked::Good(opened))
            }
            Checked::UnknownKid => Ok(Checked::UnknownKid),
        });
        let (opened, refusal) = match checked {
            Ok(Checked::Good(opened)) => (Some(opened), None),
            Ok(Checked::UnknownKid) => {
                (None, Some(Refusal::new(Code::PaymentInvalidToken).detail("kid is not in the key set")))
            }
            Err(refused) => (None, Some(Refusal::new(refused.code).detail(refused.detail))),
        };
        let received = refusal.as_ref().and_then(|refusal| refusal.detail.clone());
        self.check(11, "payment: token", refusal, || {
            let expected = format!(
                "{} for {} from {}, {}",
                price(),
                audiences.join(" or "),
                issuer.issuer,
                claim.agent_id
            );
            (expected, received.map_or("it is".into(), std::borrow::Cow::into_owned))
        })?;
        let opened = opened.ok_or_else(|| Refusal::new(Code::PaymentInvalidToken))?;
        let token = &opened.claims;

        // A request that is refused at step 12 or 13 must not cost a visa: who refuses there is asked here, and not again.
        self.take_rate(subject, decision)?;
        let redeems = issuer.check == Check::Redeem;
        let asks = self.publisher.custom.is_some() && !self.progress.rule_passed;
        // Neither rule nor broker is asked about a visa that is used up here.
        if self.progress.redemption.is_none() && (redeems || asks) {
            self.count_use(&issuer, token, subject, true)?;
        }
        self.ask_own_rule(claim, paths)?;
        self.sink_is_ready()?;
        // Counted after the broker's word: a visa that it could not be asked about is good for the next request.
        if redeems {
            self.redeem(&issuer)?;
        }
        self.count_use(&issuer, token, subject, false)?;
        if issuer.binding == Binding::Bearer {
            self.facts.warnings.push(Warning::PaymentBearer);
        }
        self.facts.payment = PaymentFacts {
            state: if kind == TokenKind::Visa { PaymentState::Visa } else { PaymentState::Ads },
            jti: token.jti.clone(),
            issuer: Some(token.iss.clone()),
            amount: token.amount,
            currency: token.currency.clone(),
        };
        Ok(())
    }

    /// The token that is to pay: the visa, else the ad proof where ads are accepted and were displayed.
    fn token<'h>(&self, headers: &RequestHeaders<'h>, claim: &Claim) -> Option<(TokenKind, &'h [u8])> {
        let ads = self.publisher.policy.document().payment.accept_ads && claim.ads_displayed == Some(true);
        headers
            .payment
            .map(|token| (TokenKind::Visa, token))
            .or_else(|| headers.proof.filter(|_| ads).map(|token| (TokenKind::AdProof, token)))
    }

    /// Checks form and signature of a token that has not been seen, and remembers it when both are good.
    fn open(
        &self,
        token: &[u8],
        jwks: &Arc<JwkSet>,
        expected: &Expectation<'_>,
    ) -> Result<Checked, visa::Refused> {
        let publisher = self.publisher;
        let checked = visa::open(token, publisher.limits.token(), jwks, expected, &publisher.hot)?;
        if let Checked::Good(opened) = &checked {
            publisher.visas().insert(token, opened);
        }
        Ok(checked)
    }

    /// The configured issuer that the token names; `None` when it names another one.
    fn issuer(
        &self,
        kind: TokenKind,
        token: &[u8],
        seen: Option<&Opened>,
    ) -> Result<Option<Issuer>, visa::Refused> {
        let named = match seen {
            Some(opened) => opened.claims.iss.clone(),
            None => visa::read_issuer(token, self.publisher.limits.token())?,
        };
        let payment = &self.publisher.policy.document().payment;
        Ok(match kind {
            TokenKind::Visa => {
                payment.brokers.iter().find(|broker| broker.issuer == named).map(|broker| Issuer {
                    issuer: named,
                    jwks_uri: broker.jwks_uri.clone(),
                    binding: broker.binding,
                    check: broker.check,
                    audience: None,
                })
            }
            TokenKind::AdProof => {
                payment.ad_networks.iter().find(|network| network.issuer == named).map(|network| Issuer {
                    issuer: named,
                    jwks_uri: network.jwks_uri.clone(),
                    binding: Binding::Agent,
                    check: Check::Offline,
                    audience: Some(network.audience.clone()),
                })
            }
        })
    }

    fn issuer_keys(&mut self, issuer: &Issuer) -> Result<Arc<JwkSet>, Refusal> {
        let state = self.publisher.jwks().look_up(&issuer.jwks_uri, self.now);
        let (found, refusal) = match state {
            State::Fresh(set) => (Some(set), None),
            State::Stale(set) => {
                self.facts.warnings.push(Warning::JwksStale);
                (Some(set), None)
            }
            State::Failed(code) => (None, Some(Refusal::new(code))),
            // Between steps 8 and 11 only a set that expired this instant can get here.
            State::Needed => {
                let need = Need { kind: NeedKind::Jwks, url: issuer.jwks_uri.clone() };
                (None, Some(Refusal::new(Code::PaymentJwksNeeded).needing(need)))
            }
        };
        self.check(11, "payment: issuer's keys", refusal, || {
            (
                issuer.jwks_uri.clone(),
                found.as_ref().map_or("not at hand".into(), |set| format!("a set of {}", set.keys().len())),
            )
        })?;
        found.ok_or_else(|| Refusal::new(Code::PaymentJwksUnavailable))
    }

    /// `https://host` and bare `host` of the origin that was signed, or of every origin when none was.
    fn audiences(&self, claim: &Claim, issuer: &Issuer) -> Vec<String> {
        if let Some(audience) = &issuer.audience {
            return vec![audience.clone()];
        }
        let origins = self.publisher.policy.origins();
        let read = claim.read_resource();
        let signed = read.as_ref().and_then(|resource| resource.view().origin);
        // Only one of ours narrows the list.
        let signed = signed.filter(|signed| origins.iter().any(|origin| signed.is(origin)));
        let ours = origins.iter().filter(|origin| signed.is_none_or(|signed| signed.is(origin)));
        ours.flat_map(|origin| [origin.to_string(), origin.authority()]).collect()
    }

    /// Asks for the broker's word where the policy wants it before the content is served.
    fn redeem(&mut self, issuer: &Issuer) -> Result<(), Refusal> {
        let url = format!("{}/v1/visas/redeem", issuer.issuer.trim_end_matches('/'));
        let refusal = match self.progress.redemption {
            Some(Redemption::Accepted) => None,
            Some(Redemption::Refused) => {
                Some(Refusal::new(Code::PaymentInvalidToken).detail("the broker refuses to redeem the visa"))
            }
            Some(Redemption::Unavailable) => Some(Refusal::new(Code::PaymentRedeemUnavailable)),
            None => {
                let need = Need { kind: NeedKind::Redeem, url: url.clone() };
                Some(Refusal::new(Code::PaymentRedeemNeeded).needing(need))
            }
        };
        // An explanation asks no broker.
        self.check(11, "payment: redemption", refusal, || (url, "not asked yet".into()))
    }
}

/// Whether the token names a kid that the set lacks.
fn lacks_kid(token: &[u8], max_bytes: usize, set: &JwkSet) -> bool {
    Jws::parse(token, max_bytes).is_ok_and(|jws| jws.kid().is_some_and(|kid| set.find(kid).is_none()))
}
