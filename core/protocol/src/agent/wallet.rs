//! Visas that were paid for and may still be used.

use super::token_request::Visa;
use crate::agent_id::AgentId;
use crate::crypto::Thumbprint;
use crate::policy::Money;
use crate::purpose::Purpose;
use crate::time::Timestamp;

/// The most visas that are kept; of too many a used-up one leaves, else the one that ends first.
pub const MAX_VISAS: usize = 1024;

/// A visa is not sent in its last seconds: it would expire under way.
const MARGIN_S: i64 = 10;

/// Visas in memory.
///
/// A use is counted when the visa is sent, and given back when the publisher's answer says that it was not used, or when nobody knows:
/// sending a visa that was used up costs nothing but a refusal, and the publisher counts in any case.
#[derive(Debug, Default)]
pub struct Wallet {
    visas: Vec<Visa>,
}

/// What a visa must be good for.
#[derive(Clone, Copy, Debug)]
pub struct Fare<'a> {
    /// Who asks.
    pub agent_id: &'a AgentId,
    /// With which key.
    pub key_id: &'a Thumbprint,
    /// The publisher's origin.
    pub audience: &'a str,
    /// What for.
    pub purpose: Purpose,
    /// Every reading of the path, from [`crate::resource::path_readings`].
    pub paths: &'a [String],
    /// The price.
    pub price: &'a Money,
}

impl Wallet {
    /// An empty wallet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps a visa; the same one (issuer and `jti`) is kept once.
    pub fn put(&mut self, visa: Visa, now: Timestamp) {
        self.visas.retain(|own| own.exp > now && !is_same(own, &visa));
        if self.visas.len() >= MAX_VISAS
            && let Some(first) =
                (0..self.visas.len()).min_by_key(|&at| self.visas.get(at).map(|own| (own.uses > 0, own.exp)))
        {
            self.visas.swap_remove(first);
        }
        self.visas.push(visa);
    }

    /// Takes one use of a visa that is good for this, from a broker that `trusted` accepts; of several the one that ends first.
    pub fn take(&mut self, fare: &Fare<'_>, trusted: impl Fn(&str) -> bool, now: Timestamp) -> Option<Visa> {
        let latest = now.saturating_add_secs(MARGIN_S);
        let good = |visa: &&mut Visa| {
            visa.uses > 0 && visa.exp > latest && trusted(&visa.issuer) && is_good_for(visa, fare)
        };
        let visa = self.visas.iter_mut().filter(good).min_by_key(|visa| visa.exp)?;
        visa.uses -= 1;
        Some(visa.clone())
    }

    /// Gives a use back.
    pub fn give_back(&mut self, visa: &Visa) {
        if let Some(own) = self.visas.iter_mut().find(|own| is_same(own, visa)) {
            own.uses = own.uses.saturating_add(1);
        }
    }

    /// Throws a visa away that a publisher has refused.
    pub fn discard(&mut self, visa: &Visa) {
        self.visas.retain(|own| !is_same(own, visa));
    }

    /// How many visas there are, used-up ones included.
    pub fn len(&self) -> usize {
        self.visas.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.visas.is_empty()
    }
}

fn is_same(left: &Visa, right: &Visa) -> bool {
    left.jti == right.jti && left.issuer == right.issuer
}

fn is_good_for(visa: &Visa, fare: &Fare<'_>) -> bool {
    visa.agent_id == *fare.agent_id
        && visa.key_id == *fare.key_id
        && visa.audience == fare.audience
        && visa.price.currency == fare.price.currency
        && visa.price.amount >= fare.price.amount
        && visa.purposes.as_ref().is_none_or(|purposes| purposes.contains(&fare.purpose))
        && visa
            .paths
            .as_ref()
            .is_none_or(|limits| fare.paths.iter().all(|path| limits.iter().any(|limit| limit.matches(path))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amount::Amount;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn visa(number: usize, uses: u32, lifetime_s: i64) -> Visa {
        Visa {
            token: String::new(),
            issuer: "https://broker.example".into(),
            audience: "https://pub.example".into(),
            jti: format!("visa-{number}"),
            agent_id: AgentId::parse("agent.example", false).unwrap(),
            key_id: Thumbprint::parse(&"A".repeat(43)).unwrap(),
            price: Money { amount: Amount::parse("1").unwrap(), currency: "USD".into() },
            purposes: None,
            paths: None,
            exp: NOW.saturating_add_secs(lifetime_s),
            uses,
        }
    }

    fn kept(wallet: &Wallet, number: usize) -> bool {
        wallet.visas.iter().any(|own| own.jti == format!("visa-{number}"))
    }

    /// What can still be used was paid for.
    #[test]
    fn of_too_many_a_used_up_one_leaves_first() {
        let mut wallet = Wallet::new();
        let put = |wallet: &mut Wallet, number, uses, lifetime_s| {
            wallet.put(visa(number, uses, lifetime_s), NOW);
        };
        for number in 0..MAX_VISAS {
            let (uses, lifetime_s) = match number {
                7 => (0, 3600),
                8 => (0, 3000),
                9 => (1, 60),
                _ => (1, 600),
            };
            put(&mut wallet, number, uses, lifetime_s);
        }
        put(&mut wallet, MAX_VISAS, 1, 600);
        assert!(!kept(&wallet, 8) && kept(&wallet, 7) && kept(&wallet, 9));
        put(&mut wallet, MAX_VISAS + 1, 1, 600);
        assert!(!kept(&wallet, 7) && kept(&wallet, 9), "however long it would have lasted");
        put(&mut wallet, MAX_VISAS + 2, 1, 600);
        assert!(!kept(&wallet, 9) && wallet.len() == MAX_VISAS, "then the one that ends first");
    }
}
