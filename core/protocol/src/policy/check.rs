//! What the types of a policy document cannot say: ranges, URLs, names.

use super::{Document, Money, Price, policy_error, policy_refused};
use crate::amount::{Amount, is_currency};
use crate::error::Result;
use crate::resource::{Origin, Resource};

impl Price {
    #[cold]
    pub(super) fn read(&self, place: &str) -> Result<Money> {
        let amount = Amount::parse(&self.amount).ok_or_else(|| {
            policy_refused(format_args!("`{place}.amount`: `{}` is not a decimal amount", self.amount))
        })?;
        if !is_currency(&self.currency) {
            return Err(policy_refused(format_args!(
                "`{place}.currency`: `{}` is not a currency",
                self.currency
            )));
        }
        Ok(Money { amount, currency: self.currency.clone() })
    }
}

impl Document {
    /// Checks what the types do not: ranges, URLs, names. Returns the origins.
    #[cold]
    pub(super) fn check(&self) -> Result<Vec<Origin>> {
        if self.version != 1 {
            return Err(policy_refused(format_args!("`version`: {} is not supported; use 1", self.version)));
        }
        if self.origins.is_empty() {
            return Err(policy_error("`origins`: at least one origin is needed"));
        }
        let origins = self
            .origins
            .iter()
            .enumerate()
            .map(|(index, text)| {
                Origin::parse(text, self.allow_loopback)
                    .map_err(|reason| policy_refused(format_args!("`origins[{index}]`: `{text}`: {reason}")))
            })
            .collect::<Result<Vec<_>>>()?;
        if self.clock.past_s > 300 || self.clock.future_s > 300 {
            return Err(policy_error("`clock`: past_s and future_s are at most 300"));
        }
        let is_method = |m: &String| {
            !m.is_empty() && m.len() <= 32 && m.bytes().all(|b| b.is_ascii_uppercase() || b == b'-')
        };
        if let Some(method) = self.methods.iter().find(|method| !is_method(method)) {
            return Err(policy_refused(format_args!("`methods`: `{method}` is not an upper-case method")));
        }
        let rates =
            self.agents.iter().enumerate().map(|(i, agent)| (format!("agents[{i}].rate"), agent.rate));
        for (place, rate) in rates.chain([("rate".to_owned(), self.rate)]) {
            if rate.is_some_and(|rate| rate.requests == 0 || !(1..=86_400).contains(&rate.per_s)) {
                return Err(policy_refused(format_args!(
                    "`{place}`: requests is at least 1, per_s 1 to 86400"
                )));
            }
        }
        self.check_payment()?;
        Ok(origins)
    }

    #[cold]
    fn check_payment(&self) -> Result<()> {
        let brokers = self.payment.brokers.iter().map(|b| ("brokers", &b.issuer, &b.jwks_uri));
        let networks = self.payment.ad_networks.iter().map(|n| ("ad_networks", &n.issuer, &n.jwks_uri));
        let mut seen: Vec<(&str, &String)> = Vec::new();
        for (list, issuer, jwks_uri) in brokers.chain(networks) {
            for (member, url) in [("issuer", issuer), ("jwks_uri", jwks_uri)] {
                let fetchable = Resource::parse(url)
                    .and_then(|resource| resource.origin)
                    .is_some_and(|origin| Origin::parse(&origin.to_string(), self.allow_loopback).is_ok());
                if !fetchable {
                    return Err(policy_refused(format_args!(
                        "`payment.{list}`: {member} `{url}` is not an https URL"
                    )));
                }
            }
            if seen.contains(&(list, issuer)) {
                return Err(policy_refused(format_args!("`payment.{list}`: issuer `{issuer}` occurs twice")));
            }
            seen.push((list, issuer));
        }
        match self.payment.ad_networks.iter().find(|network| network.audience.is_empty()) {
            Some(network) => Err(policy_refused(format_args!(
                "`payment.ad_networks`: `{}` has no audience",
                network.issuer
            ))),
            None => Ok(()),
        }
    }
}
