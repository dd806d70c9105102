//! Who knows what really happened, and says when something happened that must not: the invariants.

use crate::agent::Reader;
use crate::broker::{Broker, DEPOSIT, ends, text, visa_name};
use crate::message::{Message, Node, Wire};
use crate::payment::Payments;
use crate::people::{AGENTS, PRICE, PUBLISHERS, origin, owner};
use crate::publisher::Site;
use imagxp::{Timestamp, Verdict};
use imagxp_broker::{
    AccountKey, Asset, EventKind, Id, Kind, Reader as _, Visa, VisaFilter, VisaState, audit,
};
use std::collections::{BTreeMap, BTreeSet};

/// What was signed, by whom, for where.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Signed {
    node: Node,
    url: String,
}

#[derive(Default)]
pub(crate) struct Witness {
    /// By payload: nobody else can make one with this signature.
    signed: BTreeMap<String, Signed>,
    /// Publisher, its memory of nonces, and the payload that passed.
    passed: BTreeSet<(Node, u64, String)>,
    /// Publisher, its memory, and the visa that paid.
    paid: BTreeSet<(Node, u64, Id)>,
    /// What the broker has told publishers for good.
    redeemed: BTreeSet<Id>,
    payments: Payments,
    head: u64,
    /// How often each code was given, `ok` for what passed and `redeemed` for what was; in which states visas ended, and which were paid.
    pub(crate) codes: BTreeMap<&'static str, u64>,
}

impl Witness {
    /// A request was signed.
    pub(crate) fn signed(&mut self, node: Node, wire: &Wire) {
        let payload = wire.value("x-imagxp-payload").unwrap_or_default().to_owned();
        self.signed.insert(payload, Signed { node, url: wire.url.clone() });
    }

    /// A verdict was given. The nonce and identity invariants.
    pub(crate) fn judged(
        &mut self,
        site: (Node, &Site),
        wire: &Wire,
        verdict: &Verdict,
        broker: &mut Broker,
    ) -> Result<(), String> {
        let code = verdict.code.map_or("ok", imagxp::Code::as_str);
        *self.codes.entry(code).or_default() += 1;
        if !verdict.is_allowed() {
            return Ok(());
        }
        let (publisher, site) = site;
        let payload = wire.value("x-imagxp-payload").unwrap_or_default().to_owned();
        let signed = self.signed.get(&payload).ok_or("a request passed that nobody signed")?;
        let agent = verdict.agent_id.as_ref().map(imagxp::AgentId::as_str).unwrap_or_default();
        if agent != owner(signed.node)?.as_str() {
            return Err(format!("{agent} was let in for a request of {:?}", signed.node));
        }
        let Node::Publisher(index) = publisher else { return Err("a verdict of nobody".to_owned()) };
        if signed.url != wire.url || !signed.url.starts_with(&format!("{}/", origin(index))) {
            return Err(format!("a request for {} passed at {}", signed.url, origin(index)));
        }
        if !self.passed.insert((publisher, site.memory(), payload)) {
            return Err(format!("{publisher:?} let the same request of {agent} pass twice"));
        }
        if !wire.url.contains("/premium/") {
            return Ok(());
        }
        let token = wire.visa().ok_or("a premium page without a visa")?;
        let (jti, ends) = visa_name(token).zip(ends(token)).ok_or("a visa that nobody signed")?;
        if !self.paid.insert((publisher, site.memory(), jti)) {
            return Err(format!("{publisher:?} took the visa {jti} twice"));
        }
        let visa = broker.shelf.memory.visa(jti).map_err(text)?;
        let visa = visa.ok_or_else(|| format!("the visa {jti} is signed, and not in the books"))?;
        let (whose, whom) = (owner(signed.node)?, owner(publisher)?);
        if (&visa.agent, &visa.publisher) != (&whose, &whom) || visa.amount.units() < PRICE.0 {
            return Err(format!("{whom} took a visa of {} for {} from {whose}", visa.agent, visa.publisher));
        }
        self.payments.taken(jti, publisher, ends);
        Ok(())
    }

    /// The broker gave an answer: who has bought, and who is paid.
    pub(crate) fn answered(
        &mut self,
        asked: &Message,
        answer: &Message,
        now: Timestamp,
        broker: &mut Broker,
    ) -> Result<(), String> {
        match (asked, answer) {
            (_, Message::Sold { visa: Some((jti, _)), .. }) => self.payments.sold(*jti, broker.settled.len()),
            (Message::Redeem { presentation, .. }, Message::Redeemed { jti, refusal, .. }) => {
                *self.codes.entry(refusal.unwrap_or("redeemed")).or_default() += 1;
                let Some(jti) = *jti else { return Ok(()) };
                self.payments.presented(jti, presentation.name, now.as_millis(), &broker.settled);
                if refusal.is_none() {
                    self.redeemed(presentation.name, jti, broker)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The broker told a publisher that the money stands behind a visa.
    fn redeemed(&mut self, to: Node, jti: Id, broker: &mut Broker) -> Result<(), String> {
        let visa = broker.shelf.memory.visa(jti).map_err(text)?;
        let visa = visa.ok_or_else(|| format!("{jti} was redeemed and is not there"))?;
        if visa.publisher != owner(to)? {
            return Err(format!("{to:?} redeemed a visa for {}", visa.publisher));
        }
        self.redeemed.insert(jti);
        Ok(())
    }

    /// After each step: the money. Costly only when the books have changed.
    pub(crate) fn books(&mut self, broker: &mut Broker) -> Result<(), String> {
        let memory = &mut broker.shelf.memory;
        let size = memory.head().map_err(text)?.size;
        if size == self.head {
            return Ok(());
        }
        let report = audit::balances(memory).map_err(text)?;
        if let Some(finding) = report.findings.first() {
            return Err(format!("the balances: {}", finding.message));
        }
        self.head = size;
        let outside = AccountKey::outside(Asset::USD).id();
        let accounts = memory.accounts(None, None, usize::MAX).map_err(text)?;
        let paid_in = DEPOSIT * (AGENTS as u128 + 1);
        let booked = accounts
            .iter()
            .find(|account| account.id == outside)
            .map(|account| account.debits_posted.units());
        if booked != Some(paid_in) {
            return Err(format!("{paid_in} came in, and {booked:?} is booked"));
        }
        // The thief has no site: whatever it presents is another's.
        let thief = owner(Node::Thief)?;
        let gained = accounts.iter().filter(|account| account.owner.as_ref() == Some(&thief));
        if gained
            .filter(|account| account.kind == Kind::Available)
            .any(|account| account.credits_posted.units() > DEPOSIT)
        {
            return Err("the thief has earned something".to_owned());
        }
        Ok(())
    }

    /// Now and then, and at the end: every visa by itself, and what was acknowledged.
    pub(crate) fn visas(&self, broker: &mut Broker, agents: &[Reader]) -> Result<(), String> {
        let memory = &mut broker.shelf.memory;
        let visas = memory.visas(&VisaFilter::default(), None, usize::MAX).map_err(text)?;
        let report = audit::run(memory).map_err(text)?;
        if let Some(finding) = report.findings.first() {
            return Err(format!("the audit: {}", finding.message));
        }
        for visa in &visas {
            let events = memory.events(visa.jti, usize::MAX).map_err(text)?;
            let count = |kind: EventKind| events.iter().filter(|event| event.kind == kind).count();
            if count(EventKind::VisaRedeemed) > 1 || count(EventKind::VisaIssued) != 1 {
                return Err(format!("{} was redeemed {} times", visa.jti, count(EventKind::VisaRedeemed)));
            }
            settled(visa)?;
            judged(visa, agents)?;
            if self.redeemed.contains(&visa.jti)
                && matches!(visa.state, VisaState::Issued | VisaState::Expired)
            {
                return Err(format!(
                    "{} was acknowledged as redeemed and is {}",
                    visa.jti,
                    visa.state.as_str()
                ));
            }
        }
        for (index, agent) in agents.iter().enumerate() {
            let owner = owner(Node::Agent(index))?;
            let issued: BTreeSet<Id> =
                visas.iter().filter(|visa| visa.agent == owner).map(|visa| visa.jti).collect();
            if let Some(lost) = agent.bought.keys().find(|jti| !issued.contains(*jti)) {
                return Err(format!("{owner} was sold {lost}, which is not in the books"));
            }
            // One purchase is one visa: what is more than was acknowledged must be a purchase whose end is not known yet.
            let unknown = issued.len().saturating_sub(agent.bought.len());
            if unknown > agent.unsettled.len() {
                return Err(format!(
                    "{owner} made {} purchases and has {} visas",
                    agent.bought.len(),
                    issued.len()
                ));
            }
        }
        Ok(())
    }

    /// At the end, when everything has had its time.
    pub(crate) fn end(
        &mut self,
        broker: &mut Broker,
        agents: &[Reader],
        sites: &[Site],
    ) -> Result<(), String> {
        self.visas(broker, agents)?;
        let visas = broker.shelf.memory.visas(&VisaFilter::default(), None, usize::MAX).map_err(text)?;
        let (paid, late) = self.payments.end(&visas)?;
        self.codes.extend([("paid", paid), ("late", late)].into_iter().filter(|(_, count)| *count > 0));
        if let Some(open) = visas.iter().find(|visa| visa.state.is_open()) {
            return Err(format!("{} is still {}", open.jti, open.state.as_str()));
        }
        let accounts = broker.shelf.memory.accounts(None, None, usize::MAX).map_err(text)?;
        if accounts
            .iter()
            .any(|account| !account.debits_pending.is_zero() || !account.credits_pending.is_zero())
        {
            return Err("money is pending with nobody".to_owned());
        }
        // What publishers hold, with the fees, is what was released to them.
        let released: u128 = visas.iter().map(|visa| visa.released.units()).sum();
        let held = |node: Node| {
            let owner = owner(node).ok();
            let theirs = accounts.iter().filter(|account| account.owner == owner && owner.is_some());
            theirs.filter_map(|account| account.spendable()).map(|amount| amount.units()).sum::<u128>()
        };
        let publishers: u128 = (0..PUBLISHERS).map(|index| held(Node::Publisher(index))).sum();
        let fees: u128 = visas.iter().map(|visa| visa.fee.units()).sum();
        for visa in &visas {
            *self.codes.entry(visa.state.as_str()).or_default() += 1;
        }
        if publishers + fees != released {
            return Err(format!(
                "{released} was released, and publishers hold {publishers} and the treasury {fees}"
            ));
        }
        if sites.iter().any(|site| !site.shown.is_empty()) {
            return Err("a publisher has visas whose end it does not know".to_owned());
        }
        Ok(())
    }
}

/// Where a visa's money is, by its state.
fn settled(visa: &Visa) -> Result<(), String> {
    let fee = visa.released.basis_points(visa.fee_bps);
    let right = match visa.state {
        VisaState::Released => visa.released == visa.amount && visa.fee == fee,
        VisaState::Split => visa.released <= visa.amount && visa.fee == fee,
        _ => visa.released.is_zero() && visa.fee.is_zero(),
    };
    let paid = visa.released.is_zero() || visa.redeemed_at.is_some();
    if right && paid {
        Ok(())
    } else {
        Err(format!("{} is {} with {}", visa.jti, visa.state.as_str(), visa.released))
    }
}

/// Whether what counts as the agent's judgement is one.
fn judged(visa: &Visa, agents: &[Reader]) -> Result<(), String> {
    let Some(feedback) = &visa.feedback else { return Ok(()) };
    for (index, agent) in agents.iter().enumerate() {
        if owner(Node::Agent(index))? == visa.agent {
            let said = agent.judged.get(&visa.jti);
            if said != Some(&feedback.score.millionths()) {
                return Err(format!("{} is said to have judged {}, and has not", visa.agent, visa.jti));
            }
        }
    }
    Ok(())
}
