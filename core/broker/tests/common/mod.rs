//! A broker to test with: over any store, with a clock that the test sets.

#![allow(dead_code, reason = "each test uses its part")]

use imagxp::crypto::Thumbprint;
use imagxp_broker::{
    Account, AccountKey, Actor, Amount, Asset, Command, Deposit, Done, Id, IssueVisa, Keys, Memo, Memory,
    Outcome, Owner, Pay, Reader, Reference, Refusal, Request, Rules, Store, TimeOrdered, TrustClock, Visa,
    audit, decide,
};
use std::fmt::Debug;

pub(crate) const NOW: i64 = 1_790_000_000_000;
pub(crate) const HOUR: i64 = 3_600_000;

pub(crate) struct World<S> {
    pub(crate) store: S,
    pub(crate) rules: Rules,
    pub(crate) now: i64,
    pub(crate) ids: TimeOrdered<Box<dyn FnMut() -> u128>>,
    /// How many requests of a batch are decided at once; the next ones on what these will have changed, before anything is written.
    pub(crate) at_once: usize,
}

pub(crate) fn memory() -> World<Memory> {
    World::new(Memory::new())
}

pub(crate) fn owner(name: &str) -> Owner {
    Owner::parse(name).unwrap()
}

pub(crate) fn party(name: &str) -> Actor {
    Actor::Party(owner(name))
}

pub(crate) fn operator(name: &str) -> Actor {
    Actor::Operator(owner(name))
}

pub(crate) fn reference(name: &str) -> Reference {
    Reference::parse(name).unwrap()
}

pub(crate) fn units(units: u128) -> Amount {
    Amount::from_units(units)
}

pub(crate) fn id(number: u128) -> Id {
    Id::from_u128(number).unwrap()
}

pub(crate) fn key(letter: char) -> Thumbprint {
    Thumbprint::parse(&format!("{}A", letter.to_string().repeat(42))).unwrap()
}

pub(crate) fn available(name: &str) -> AccountKey {
    AccountKey::available(Asset::USD, owner(name))
}

pub(crate) fn issue(agent: &str, publisher: &str, amount: u128) -> IssueVisa {
    IssueVisa {
        jti: None,
        agent: owner(agent),
        publisher: owner(publisher),
        asset: Asset::USD,
        amount: units(amount),
        jkt: Some(key('a')),
        purposes: None,
        paths: None,
        lifetime_s: 600,
    }
}

pub(crate) fn pay(from: &str, to: &str, amount: u128) -> Pay {
    Pay {
        id: None,
        asset: Asset::USD,
        from: owner(from),
        to: owner(to),
        amount: units(amount),
        reference: None,
        memo: None,
    }
}

impl<S> World<S>
where
    S: Store + Reader<Error = <S as Store>::Error>,
    <S as Store>::Error: Debug,
{
    pub(crate) fn new(store: S) -> Self {
        let mut seed = 1_u128;
        let random: Box<dyn FnMut() -> u128> = Box::new(move || {
            seed = seed.wrapping_mul(0x2360_ED05_1FC6_5DA4_4385_DF64_9FCC_F645).wrapping_add(1);
            seed ^ (seed >> 64)
        });
        Self { store, rules: Rules::default(), now: NOW, ids: TimeOrdered::new(random), at_once: usize::MAX }
    }

    pub(crate) fn batch(&mut self, requests: &[Request]) -> Done {
        if requests.len() > self.at_once {
            return self.batch_ahead(requests);
        }
        imagxp_broker::apply(&mut self.store, &self.rules, requests, &mut self.ids).unwrap()
    }

    fn batch_ahead(&mut self, requests: &[Request]) -> Done {
        let store = &mut self.store;
        store.begin().unwrap();
        let mut whole: Option<Done> = None;
        for part in requests.chunks(self.at_once) {
            let load = |keys: &Keys| {
                let mut loaded = store.load(keys).unwrap();
                whole.iter().for_each(|before| before.changes.lay_over(keys, &mut loaded));
                Ok::<_, std::convert::Infallible>(loaded)
            };
            let Ok(done) = decide(load, &self.rules, part, &mut self.ids);
            match &mut whole {
                Some(whole) => {
                    whole.results.extend(done.results);
                    whole.changes.append(done.changes);
                }
                none => *none = Some(done),
            }
        }
        let done = whole.unwrap();
        if done.changes.is_empty() {
            store.abort();
        } else {
            store.write(&done.changes).unwrap();
        }
        done
    }

    pub(crate) fn request(&mut self, request: Request) -> Result<Outcome, Refusal> {
        self.batch(&[request]).results.remove(0)
    }

    pub(crate) fn run(&mut self, actor: &Actor, command: impl Into<Command>) -> Result<Outcome, Refusal> {
        let request = Request::new(command, actor.clone(), self.now);
        self.request(request)
    }

    /// Nothing happens for so long, in milliseconds; then an operator says that the clock is right.
    pub(crate) fn idle(&mut self, ms: i64) {
        self.now += ms;
        let memo = Memo::parse("nobody came").unwrap();
        self.run(&operator("watch"), TrustClock { memo, dispute: None }).unwrap();
    }

    /// The code of the refusal; a refused command changes nothing.
    pub(crate) fn refused(&mut self, actor: &Actor, command: impl Into<Command>) -> &'static str {
        let before = self.everything();
        let refusal = self.run(actor, command).unwrap_err();
        assert_eq!(self.everything(), before);
        refusal.code().as_str()
    }

    pub(crate) fn fund(&mut self, name: &str, amount: u128) {
        let count = self.store.head().unwrap().size;
        let deposit = Deposit {
            id: None,
            asset: Asset::USD,
            owner: owner(name),
            amount: units(amount),
            reference: reference(&format!("fund-{count}")),
            memo: None,
        };
        self.run(&operator("bank"), deposit).unwrap();
    }

    pub(crate) fn account(&mut self, key: &AccountKey) -> Account {
        let accounts = self.store.accounts(None, None, usize::MAX).unwrap();
        accounts.into_iter().find(|account| account.id == key.id()).unwrap_or_else(|| Account::new(key, 0))
    }

    /// What can be spent, and what pending transfers would bring.
    pub(crate) fn balance(&mut self, key: &AccountKey) -> (u128, u128) {
        let account = self.account(key);
        (account.spendable().unwrap().units(), account.credits_pending.units())
    }

    pub(crate) fn visa(&mut self, jti: Id) -> Visa {
        self.store.visa(jti).unwrap().unwrap()
    }

    pub(crate) fn everything(&mut self) -> impl Debug + PartialEq + use<S> {
        (
            self.store.head().unwrap(),
            self.store.accounts(None, None, usize::MAX).unwrap(),
            self.store.entries(0, usize::MAX).unwrap(),
            self.store.visas(&Default::default(), None, usize::MAX).unwrap(),
        )
    }

    pub(crate) fn audit(&mut self) -> audit::Report {
        let report = audit::run(&mut self.store).unwrap();
        assert_eq!(report.findings, []);
        assert!(report.is_sound() && audit::balances(&mut self.store).unwrap().is_sound());
        report
    }
}
