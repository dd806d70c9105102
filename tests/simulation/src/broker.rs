//! The broker: the real money logic on a store in memory that survives restarts, behind what its server checks.

use crate::fault::{Fault, Shelf};
use crate::message::{Message, Node, Wire};
use crate::people::{AGENTS, ISSUER, JWKS, PRICE, PUBLISHERS, origin, owner, party, people};
use crate::random::Random;
use imagxp::Timestamp;
use imagxp::crypto::{Jws, PublicKey, Signature};
use imagxp::encoding::base64_decode;
use imagxp::feedback::SignedFeedback;
use imagxp::json::Value;
use imagxp::policy::Money;
use imagxp::visa::{NewVisa, issue};
use imagxp_broker::{
    Actor, Amount, Asset, Command, Deposit, Due, GiveFeedback, Id, IssueVisa, Outcome, Owner, Reader, Redeem,
    Reference, Refusal, Request, Rules, TimeOrdered, apply,
};

/// What each agent, and the thief, has at the beginning: more than it can spend.
pub(crate) const DEPOSIT: u128 = 20_000_000;

/// The longest token, in bytes.
const MAX_TOKEN: usize = 16 * 1024;

/// Where new ids come from.
type Source = Box<dyn FnMut() -> u128>;

/// A generator that has given no id yet.
fn ids(seed: u64) -> TimeOrdered<Source> {
    let mut random = Random::new(seed);
    TimeOrdered::new(Box::new(move || (u128::from(random.next()) << 64) | u128::from(random.next())))
}

pub(crate) struct Broker {
    pub(crate) shelf: Shelf,
    rules: Rules,
    ids: TimeOrdered<Source>,
    fault: Option<Fault>,
}

impl Broker {
    /// A broker whose agents have paid in.
    pub(crate) fn new(fault: Option<Fault>, seed: u64, now_ms: i64) -> Result<Self, String> {
        let mut broker = Self { shelf: Shelf::new(None), rules: Rules::default(), ids: ids(seed), fault };
        let bank = Actor::Operator(Owner::parse("bank").map_err(text)?);
        for index in 0..=AGENTS {
            let node = if index == AGENTS { Node::Thief } else { Node::Agent(index) };
            let deposit = Deposit {
                id: None,
                asset: Asset::USD,
                owner: owner(node)?,
                amount: Amount::from_units(DEPOSIT),
                reference: Reference::parse(&format!("bank-{index}")).map_err(text)?,
                memo: None,
            };
            broker.run(Request::new(deposit, bank.clone(), now_ms))?.map_err(text)?;
        }
        let memory = std::mem::take(&mut broker.shelf.memory);
        broker.shelf = Shelf::new(fault);
        broker.shelf.memory = memory;
        Ok(broker)
    }

    /// Another process on the same books: it knows no id that the one before gave.
    pub(crate) fn restart(&mut self, seed: u64) {
        self.ids = ids(seed);
    }

    fn run(&mut self, request: Request) -> Result<Result<Outcome, Refusal>, String> {
        let done = apply(&mut self.shelf, &self.rules, &[request], &mut self.ids).map_err(text)?;
        done.results.into_iter().next().ok_or_else(|| "a request without a result".to_owned())
    }

    /// Answers a message, or lets it be.
    pub(crate) fn hear(
        &mut self,
        from: Node,
        message: &Message,
        now_ms: i64,
    ) -> Result<Option<Message>, String> {
        match message {
            Message::Fetch { call, url } if url == JWKS => {
                let body = people()?.document(url).map(|(_, body)| body);
                Ok(Some(Message::Document { call: *call, url: url.clone(), body }))
            }
            Message::Buy { call, key, publisher } => self.buy(from, *call, key, *publisher, now_ms).map(Some),
            Message::Redeem { call, key, visa, wire } => {
                self.redeem(from, *call, key, (visa, wire), now_ms).map(Some)
            }
            Message::Feedback { body } => self.feedback(body, now_ms).map(|()| None),
            _ => Ok(None),
        }
    }

    /// An agent buys, under a key that makes a repetition the same purchase.
    fn buy(
        &mut self,
        from: Node,
        call: u64,
        key: &str,
        publisher: usize,
        now_ms: i64,
    ) -> Result<Message, String> {
        let identity = people()?.identity(from)?;
        let command = IssueVisa {
            jti: None,
            agent: owner(from)?,
            publisher: owner(Node::Publisher(publisher % PUBLISHERS))?,
            asset: Asset::USD,
            amount: Amount::from_units(PRICE.0),
            jkt: Some(*identity.public_key().thumbprint()),
            purposes: None,
            paths: None,
            lifetime_s: 600,
        };
        let visa = match self.keyed(command, from, key, now_ms)? {
            Ok(Outcome { visa: Some(visa), .. }) => visa,
            _ => return Ok(Message::Sold { call, visa: None }),
        };
        let amount = imagxp::amount::Amount::parse(PRICE.1).ok_or("the price cannot be read")?;
        let paid = Money { amount, currency: "USD".to_owned() };
        let (jti, audience) = (visa.jti.to_string(), origin(publisher % PUBLISHERS));
        let new = NewVisa {
            issuer: ISSUER,
            audience: &audience,
            agent_id: identity.agent_id(),
            key: visa.jkt.as_ref(),
            jti: &jti,
            issued_at: Timestamp::from_millis(visa.issued_at),
            lifetime_s: 600,
            paid: &paid,
            purposes: &[],
            max_uses: 1,
        };
        let token = issue(&new, &people()?.broker).map_err(text)?;
        Ok(Message::Sold { call, visa: Some((visa.jti, token)) })
    }

    /// A publisher presents a visa. The server verifies the visa and the signature of the request that brought it.
    fn redeem(
        &mut self,
        from: Node,
        call: u64,
        key: &str,
        (token, wire): (&str, &Wire),
        now_ms: i64,
    ) -> Result<Message, String> {
        let jti = visa_name(token);
        let refused = Message::Redeemed { call, jti, accepted: false };
        let (Some(jti), Some(signer)) = (jti, signer(wire)) else { return Ok(refused) };
        let command = Redeem { jti, request_jkt: Some(*signer.thumbprint()) };
        let accepted = self.keyed(command, from, key, now_ms)?.is_ok();
        Ok(Message::Redeemed { call, jti: Some(jti), accepted })
    }

    /// An agent tells how good it was. The server verifies the signature by the agent's manifest, and acts in the agent's name.
    fn feedback(&mut self, body: &[u8], now_ms: i64) -> Result<(), String> {
        let Ok(signed) = SignedFeedback::parse(body) else { return Ok(()) };
        let told = signed.feedback();
        let (Some(agent), Some(jti), Some((at, nonce))) =
            (&told.agent_id, told.jti.as_deref().and_then(|jti| Id::parse(jti).ok()), &told.signed_at)
        else {
            return Ok(());
        };
        let Some(node) = people()?.agent_named(agent.as_str()) else { return Ok(()) };
        let age = now_ms.saturating_sub(at.as_millis());
        if !(-60_000..=300_000).contains(&age) {
            return Ok(());
        }
        let key = people()?.identity(node)?.public_key();
        let mut actor = party(node)?;
        let mut jkt = *key.thumbprint();
        if self.fault == Some(Fault::TakesAnyFeedback) {
            // In the name of whoever the visa is, whoever signed.
            let Some(visa) = self.shelf.memory.visa(jti).map_err(text)? else { return Ok(()) };
            jkt = visa.request_jkt.unwrap_or(jkt);
            actor = Actor::Party(visa.agent);
        } else if !signed.verify(key) {
            return Ok(());
        }
        let command = GiveFeedback {
            jti,
            jkt,
            score: told.quality_score,
            reason: told.reason,
            sha256: imagxp::digest::sha256(body),
            nonce: Some(Reference::parse(nonce).map_err(text)?),
        };
        self.run(Request::new(command, actor, now_ms)).map(drop)
    }

    /// Settles what time has made due.
    pub(crate) fn settle(&mut self, now_ms: i64) -> Result<(), String> {
        let due = self.shelf.memory.due(now_ms, None, 1000).map_err(text)?;
        for visa in due {
            // A refusal is for an operator; the next round asks again.
            let _ = self.run(Request::new(Due { jti: visa.jti }, Actor::Clock, now_ms))?;
        }
        Ok(())
    }

    fn keyed(
        &mut self,
        command: impl Into<Command>,
        from: Node,
        key: &str,
        now_ms: i64,
    ) -> Result<Result<Outcome, Refusal>, String> {
        let key = Reference::parse(key).map_err(text)?;
        let sha256 = imagxp::digest::sha256(key.as_str().as_bytes());
        self.run(Request::new(command, party(from)?, now_ms).with_idempotency(key, sha256))
    }
}

/// Whose request this is: the key that signed it, if the signature holds.
fn signer(wire: &Wire) -> Option<PublicKey> {
    let payload = base64_decode(wire.value("x-imagxp-payload")?.as_bytes())?;
    let signature = Signature::from_hex(wire.value("x-imagxp-signature")?.as_bytes())?;
    let key = PublicKey::from_spki_base64(wire.value("x-imagxp-public-key")?.as_bytes()).ok()?;
    key.verify(&payload, &signature).then_some(key)
}

/// The name of a visa that the broker has signed.
pub(crate) fn visa_name(token: &str) -> Option<Id> {
    let jws = Jws::parse(token.as_bytes(), MAX_TOKEN).ok()?;
    jws.verify(people().ok()?.broker.public_key()).then(|| named(&jws)).flatten()
}

/// The name that a token gives itself, whoever signed it.
pub(crate) fn token_name(token: &str) -> Option<Id> {
    named(&Jws::parse(token.as_bytes(), MAX_TOKEN).ok()?)
}

fn named(jws: &Jws<'_>) -> Option<Id> {
    Id::parse(jws.claims().ok()?.get("jti").and_then(Value::as_str)?).ok()
}

pub(crate) fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
