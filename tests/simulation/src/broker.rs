//! The broker: the real money logic on a store in memory that survives restarts, behind what its server checks.

use crate::fault::{Fault, Shelf, is_late, note_nonce};
use crate::message::{Message, Node, Purchase};
use crate::people::{AGENTS, ISSUER, JWKS, PRICE, PUBLISHERS, origin, owner, party, people};
use crate::presentation::Presentation;
use crate::random::Random;
use imagxp::crypto::{HotKeys, Jws};
use imagxp::feedback::SignedFeedback;
use imagxp::json::{Number, Value};
use imagxp::policy::Money;
use imagxp::visa::{NewVisa, issue};
use imagxp::{Code, Timestamp};
use imagxp_broker::{
    Actor, Amount, Asset, Command, Deposit, Due, Evidence, GiveFeedback, Id, IssueVisa, Outcome, Owner,
    PresentedRequest, Reader, Redeem, Reference, Refusal, RefusalCode, Request, Rules, TimeOrdered,
    VisaToken, apply,
};

/// What each agent, and the thief, has at the beginning: more than it can spend.
pub(crate) const DEPOSIT: u128 = 20_000_000;

/// The longest token, in bytes.
const MAX_TOKEN: usize = 16 * 1024;

/// Where new ids come from.
type Source = Box<dyn FnMut() -> u128>;

/// What was presented: the visa's name as far as it could be read, the redemption and the note that goes before it.
type Checked = (Option<Id>, Result<(Redeem, Option<Request>), Refusal>);

/// A generator that has given no id yet.
fn ids(seed: u64) -> TimeOrdered<Source> {
    let mut random = Random::new(seed);
    TimeOrdered::new(Box::new(move || (u128::from(random.next()) << 64) | u128::from(random.next())))
}

pub(crate) struct Broker {
    pub(crate) shelf: Shelf,
    rules: Rules,
    ids: TimeOrdered<Source>,
    hot: HotKeys,
    random: Random,
    /// At which times of its clock it has settled, in order.
    pub(crate) settled: Vec<i64>,
    fault: Option<Fault>,
}

impl Broker {
    /// A broker whose agents have paid in.
    pub(crate) fn new(fault: Option<Fault>, seed: u64, now_ms: i64) -> Result<Self, String> {
        let (shelf, rules, ids) = (Shelf::new(None), Rules::default(), ids(seed));
        let (hot, random, settled) = (HotKeys::new(0), Random::new(!seed), Vec::new());
        let mut broker = Self { shelf, rules, ids, hot, random, settled, fault };
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
            Message::Buy { call, key, purchase } => self.buy(from, *call, key, purchase, now_ms).map(Some),
            Message::Redeem { call, presentation } => self.redeem(*call, presentation, now_ms),
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
        purchase: &Purchase,
        now_ms: i64,
    ) -> Result<Message, String> {
        let publisher = purchase.publisher % PUBLISHERS;
        let identity = people()?.identity(from)?;
        let command = IssueVisa {
            jti: None,
            agent: owner(from)?,
            publisher: owner(Node::Publisher(publisher))?,
            asset: Asset::USD,
            amount: Amount::from_units(PRICE.0),
            jkt: purchase.is_bound.then(|| *identity.public_key().thumbprint()),
            purposes: (!purchase.purposes.is_empty()).then(|| purchase.purposes.to_vec()),
            paths: None,
            lifetime_s: purchase.lifetime_s,
        };
        let visa = match self.keyed(command, from, key, format!("{purchase:?}").as_bytes(), now_ms)? {
            Ok(Outcome { visa: Some(visa), .. }) => visa,
            _ => return Ok(Message::Sold { call, visa: None }),
        };
        let amount = imagxp::amount::Amount::parse(PRICE.1).ok_or("the price cannot be read")?;
        let paid = Money { amount, currency: "USD".to_owned() };
        let (jti, audience) = (visa.jti.to_string(), origin(publisher));
        let new = NewVisa {
            issuer: ISSUER,
            audience: &audience,
            agent_id: identity.agent_id(),
            key: visa.jkt.as_ref(),
            jti: &jti,
            issued_at: Timestamp::from_millis(visa.issued_at),
            lifetime_s: purchase.lifetime_s,
            paid: &paid,
            purposes: purchase.purposes,
            max_uses: 1,
        };
        let token = issue(&new, &people()?.broker).map_err(text)?;
        Ok(Message::Sold { call, visa: Some((visa.jti, token)) })
    }

    /// A publisher presents a visa: what the server does, by the same code (`VisaToken`, `Evidence`).
    fn redeem(
        &mut self,
        call: u64,
        presentation: &Presentation,
        now_ms: i64,
    ) -> Result<Option<Message>, String> {
        let answer = |jti, refusal| Ok(Some(Message::Redeemed { call, jti, refusal }));
        if !presentation.holds()? {
            return answer(None, Some(Code::SigInvalid.as_str()));
        }
        let publisher = owner(presentation.name)?;
        let checked = presentation.read(|visa, request| self.check(visa, request, &publisher, now_ms));
        let Some(checked) = checked else { return answer(None, Some(Code::JsonMalformed.as_str())) };
        let (jti, found) = checked?;
        let (command, note) = match found {
            Ok(found) => found,
            Err(refusal) => return answer(jti, Some(refusal.code().as_str())),
        };
        if let Some(note) = note {
            if let Err(refusal) = self.run(note)? {
                return answer(jti, Some(Evidence::refused(refusal).code().as_str()));
            }
            // The process may end between the two. Nobody is answered, and the publisher presents the visa again.
            if self.random.percent(4) {
                let seed = self.random.next();
                self.restart(seed);
                return Ok(None);
            }
        }
        let about = presentation.body.as_bytes();
        let done = self.keyed(command, presentation.name, &presentation.key, about, now_ms)?;
        answer(jti, done.err().map(|refusal| refusal.code().as_str()))
    }

    /// Reads what is presented: the visa's name as far as it can be read, then the redemption, and the note that goes before it.
    fn check(
        &self,
        visa: &str,
        request: Option<&PresentedRequest<'_>>,
        publisher: &Owner,
        now_ms: i64,
    ) -> Result<Checked, String> {
        let key = people()?.broker.public_key();
        let mut jti = None;
        let found = VisaToken::parse(visa).and_then(|jws| {
            let token = VisaToken::read(&jws, ISSUER, |jws| jws.verify_hot(&self.hot, key))?;
            jti = Some(token.jti);
            let (redeem, evidence) = token.presented(request, publisher, false, &self.hot)?;
            let note = evidence.map(|evidence| evidence.note(redeem.jti, now_ms)).transpose()?;
            Ok((redeem, note))
        });
        let found = match (self.fault, request, found) {
            (Some(Fault::RefusesLateClaims), Some(request), Ok(_)) if is_late(visa, request) => {
                Err(RefusalCode::VisaRequest.into())
            }
            (Some(fault), Some(request), Ok((redeem, Some(note)))) => {
                let note = match fault {
                    Fault::NotesNonceAlone => note_nonce(note, redeem.jti, request, None)?,
                    Fault::NotesNonceOfPublisher => note_nonce(note, redeem.jti, request, Some(publisher))?,
                    _ => note,
                };
                Ok((redeem, Some(note)))
            }
            (_, _, found) => found,
        };
        Ok((jti, found))
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
        self.settled.push(now_ms);
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
        about: &[u8],
        now_ms: i64,
    ) -> Result<Result<Outcome, Refusal>, String> {
        let key = Reference::parse(key).map_err(text)?;
        let sha256 = imagxp::digest::sha256(about);
        self.run(Request::new(command, party(from)?, now_ms).with_idempotency(key, sha256))
    }
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

/// When a visa ends, by its own word, in milliseconds since 1970.
pub(crate) fn ends(token: &str) -> Option<i64> {
    let jws = Jws::parse(token.as_bytes(), MAX_TOKEN).ok()?;
    Some(
        jws.claims()
            .ok()?
            .get("exp")
            .and_then(Value::as_number)
            .and_then(Number::as_i64)?
            .saturating_mul(1000),
    )
}

pub(crate) fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
