//! What an agent wants to buy, and the visa that it gets: the same whether it asked by OAuth or by JSON.

use crate::app::App;
use crate::bank::Once;
use crate::clock;
use crate::keys::Due;
use crate::problem::Problem;
use imagxp::crypto::Thumbprint;
use imagxp::policy::Money;
use imagxp::resource::Origin;
use imagxp::visa::{NewVisa, issue};
use imagxp::{AgentId, Purpose, Timestamp};
use imagxp_broker::{Actor, Amount, Asset, IssueVisa, Outcome, Owner, Visa};

/// Seconds that a visa lives when nobody says how long.
const USUAL_LIFETIME_S: u32 = 900;

/// What an agent wants to buy.
#[derive(Clone, Debug)]
pub(crate) struct Purchase {
    /// The publisher's origin, as the visa will say it.
    origin: String,
    publisher: Owner,
    asset: Asset,
    amount: Amount,
    purposes: Vec<Purpose>,
    lifetime_s: u32,
}

/// The parts of a request from which a purchase is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) resource: &'a str,
    pub(crate) amount: &'a str,
    pub(crate) currency: Option<&'a str>,
    pub(crate) purposes: &'a [&'a str],
    pub(crate) lifetime_s: Option<u32>,
}

impl Purchase {
    /// Reads a purchase. Refusals: `visa.resource`, `visa.purpose`, `asset.unknown`, `amount.*`.
    pub(crate) fn read(app: &App, asked: &Asked<'_>) -> Result<Self, Problem> {
        let (origin, publisher) = publisher(asked.resource, app.identities.allow_loopback())?;
        let asset = app.bank.asset(asked.currency)?;
        let unknown = || Problem::bad("visa.purpose", "a purpose is not one of the five");
        let mut purposes = asked
            .purposes
            .iter()
            .map(|name| Purpose::from_name(name).ok_or_else(unknown))
            .collect::<Result<Vec<_>, _>>()?;
        purposes.sort_unstable();
        purposes.dedup();
        Ok(Self {
            origin,
            publisher,
            asset,
            amount: app.bank.rules.assets.amount(asset, asked.amount)?,
            purposes,
            lifetime_s: asked.lifetime_s.unwrap_or(USUAL_LIFETIME_S),
        })
    }

    /// What makes it the same purchase again: everything but how the agent proved itself.
    pub(crate) fn sha256(&self) -> [u8; 32] {
        let purposes: Vec<_> = self.purposes.iter().map(|purpose| purpose.as_str()).collect();
        let text = format!(
            "{}\n{}\n{}\n{}\n{}",
            self.origin,
            self.asset.as_str(),
            self.amount,
            purposes.join(" "),
            self.lifetime_s
        );
        imagxp::digest::sha256(text.as_bytes())
    }

    /// Reserves the money and signs the visa.
    pub(crate) async fn buy(
        &self,
        app: &App,
        agent: &AgentId,
        key: Option<&Thumbprint>,
        once: Once,
    ) -> Result<Bought, Problem> {
        let command = IssueVisa {
            jti: None,
            agent: Owner::parse(agent.as_str())?,
            publisher: self.publisher.clone(),
            asset: self.asset,
            amount: self.amount,
            jkt: key.copied(),
            purposes: (!self.purposes.is_empty()).then(|| self.purposes.clone()),
            paths: None,
            lifetime_s: self.lifetime_s,
        };
        let actor = Actor::Party(command.agent.clone());
        let outcome = app.bank.command(command, actor, once).await?;
        let Outcome { visa: Some(visa), repeated, .. } = outcome else {
            return Err(Problem::internal("a visa was issued and is not there"));
        };
        let token = self.sign(app, agent, &visa)?;
        Ok(Bought { token, visa, repeated })
    }

    /// The token of a visa, made of its row: asked again, it is the same visa again.
    fn sign(&self, app: &App, agent: &AgentId, visa: &Visa) -> Result<String, Problem> {
        let decimal = app.bank.rules.assets.decimal(visa.asset, visa.amount)?;
        let amount = imagxp::amount::Amount::parse(&decimal)
            .ok_or_else(|| Problem::internal("an amount that cannot be written"))?;
        let lifetime_ms = visa.expires_at.saturating_sub(visa.issued_at);
        let new = NewVisa {
            issuer: &app.config.issuer,
            audience: &self.origin,
            agent_id: agent,
            key: visa.jkt.as_ref(),
            jti: &visa.jti.to_string(),
            issued_at: Timestamp::from_millis(visa.issued_at),
            lifetime_s: u32::try_from(lifetime_ms.div_euclid(1000)).unwrap_or(0),
            paid: &Money { amount, currency: visa.asset.as_str().to_owned() },
            purposes: visa.purposes.as_deref().unwrap_or_default(),
            max_uses: 1,
        };
        let signer = app
            .live()
            .keys
            .signer(clock::now())
            .map(Due)
            .ok_or_else(|| Problem::internal("there is no signing key"))?;
        issue(&new, &signer).map_err(Problem::internal)
    }
}

/// A visa that was bought.
#[derive(Debug)]
pub(crate) struct Bought {
    /// The compact JWS.
    pub(crate) token: String,
    /// The row.
    pub(crate) visa: Visa,
    /// Whether it was bought before, under the same key.
    pub(crate) repeated: bool,
}

impl Bought {
    /// Seconds until it ends.
    pub(crate) fn expires_in(&self) -> i64 {
        self.visa.expires_at.saturating_sub(clock::now().as_millis()).div_euclid(1000).max(0)
    }
}

/// The publisher at an origin, as a visa says it and as the ledger knows it. A bare host is an origin too.
fn publisher(resource: &str, allow_loopback: bool) -> Result<(String, Owner), Problem> {
    let refused = || {
        Problem::bad(
            "visa.resource",
            "the resource is not a publisher's origin such as `https://pub.example`",
        )
    };
    let whole = if resource.contains("://") { resource.to_owned() } else { format!("https://{resource}") };
    let origin = Origin::parse(&whole, allow_loopback).map_err(|_| refused())?;
    let owner = AgentId::of_origin(&origin, allow_loopback).ok_or_else(refused)?;
    Ok((origin.to_string(), Owner::parse(owner.as_str())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publishers() {
        for (resource, origin, owner) in [
            ("https://pub.example", "https://pub.example", "pub.example"),
            ("https://pub.example/", "https://pub.example", "pub.example"),
            ("pub.example", "https://pub.example", "pub.example"),
            ("https://pub.example:8443", "https://pub.example:8443", "pub.example"),
            ("http://127.0.0.1:9000", "http://127.0.0.1:9000", "127.0.0.1:9000"),
        ] {
            let found = publisher(resource, true).unwrap();
            assert_eq!((found.0.as_str(), found.1.as_str()), (origin, owner), "{resource}");
        }
        for bad in [
            "",
            "https://",
            "http://pub.example",
            "https://pub.example/a",
            "https://1.2.3.4",
            "ftp://pub.example",
            "a b",
        ] {
            assert_eq!(publisher(bad, true).unwrap_err().code, "visa.resource", "{bad}");
        }
        assert!(publisher("http://127.0.0.1:9000", false).is_err());
    }
}
