//! A publisher: the real verifier, whose fetches go through the bad network.

use crate::broker::{text, token_name};
use crate::fault::{Fault, Forgetful, as_it_came};
use crate::message::{Message, Node, Wire};
use crate::network::{Event, Network};
use crate::people::{ISSUER, JWKS, PRICE, origin, people};
use crate::presentation::Presentation;
use imagxp::publisher::{FetchFailure, PaymentState, Pending, Verification};
use imagxp::replay::{MemoryReplayStore, ReplayStore};
use imagxp::visa::{Redeemed, redeem_body};
use imagxp::{Policy, Publisher, Request, Timestamp, Verdict};
use imagxp_broker::Id;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

/// How long a fetch may take, in milliseconds.
const PATIENCE: i64 = 1500;
/// How long the broker may take.
const BROKER_PATIENCE: i64 = 3000;

/// A verification that waits for a document.
struct Waiting {
    from: Node,
    call: u64,
    wire: Wire,
    pending: Pending,
    url: String,
}

pub(crate) struct Site {
    node: Node,
    index: usize,
    publisher: Publisher,
    store: Arc<dyn ReplayStore>,
    fault: Option<Fault>,
    /// Whether the nonces survive a restart, as in Redis or PostgreSQL.
    keeps_nonces: bool,
    /// How often it was started; nonces in memory are good for one life.
    pub(crate) life: u64,
    waiting: BTreeMap<u64, Waiting>,
    /// Visas that were shown here, and of which the broker has said nothing yet: on disk, as the redeemer's spool.
    pub(crate) shown: BTreeMap<Id, Presentation>,
    asking: BTreeMap<u64, Id>,
}

impl Site {
    pub(crate) fn new(index: usize, fault: Option<Fault>) -> Result<Self, String> {
        let store = store(fault);
        let publisher = publisher(index, fault, &store)?;
        let node = Node::Publisher(index);
        let (waiting, shown, asking) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Ok(Self {
            node,
            index,
            publisher,
            store,
            fault,
            keeps_nonces: index != 2,
            life: 0,
            waiting,
            shown,
            asking,
        })
    }

    /// What counts as one memory of nonces.
    pub(crate) const fn memory(&self) -> u64 {
        if self.keeps_nonces { 0 } else { self.life }
    }

    /// Everything in memory is gone: keys, caches, pending verifications, and nonces where they are in memory.
    pub(crate) fn restart(&mut self) -> Result<(), String> {
        self.life = self.life.saturating_add(1);
        if !self.keeps_nonces {
            self.store = store(self.fault);
        }
        self.publisher = publisher(self.index, self.fault, &self.store)?;
        self.waiting.clear();
        self.asking.clear();
        Ok(())
    }

    /// Takes a message. A decided verdict comes back, with what it was about.
    pub(crate) fn hear(
        &mut self,
        from: Node,
        message: &Message,
        now: Timestamp,
        net: &mut Network,
    ) -> Result<Option<(Wire, Verdict)>, String> {
        match message {
            Message::Read { call, wire } => {
                let lines = wire.lines();
                let target = wire
                    .url
                    .strip_prefix("https://")
                    .and_then(|rest| rest.find('/').map(|at| rest.split_at(at).1));
                let request = Request {
                    method: wire.method,
                    url: target.unwrap_or("/"),
                    headers: &lines,
                    body_digest: None,
                };
                let verification = self.publisher.verify(&request, now);
                Ok(self.go_on(from, *call, wire.clone(), verification, net))
            }
            Message::Document { call, url, body } => {
                let Some(waiting) = self.waiting.remove(call).filter(|waiting| waiting.url == *url) else {
                    return Ok(None);
                };
                match body {
                    // What is wrong with it is in the next verdict.
                    Some(body) => drop(self.publisher.supply(url, body, None, now)),
                    None => drop(self.publisher.supply_failure(url, FetchFailure::NotFound, now)),
                }
                let verification = self.publisher.resume(waiting.pending, now);
                Ok(self.go_on(waiting.from, waiting.call, waiting.wire, verification, net))
            }
            Message::Redeemed { call, jti, refusal } => {
                let refusal = refusal.map(|code| (code.to_owned(), String::new()));
                let answer = Redeemed { accepted: refusal.is_none(), refusal, ..Redeemed::default() };
                // Accepted or refused for good: either way it need not be asked again.
                if let (Some(asked), Some(jti)) = (self.asking.remove(call), jti)
                    && asked == *jti
                    && !answer.is_transient()
                {
                    self.shown.remove(jti);
                }
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    /// Nobody has answered in time.
    pub(crate) fn timeout(
        &mut self,
        call: u64,
        now: Timestamp,
        net: &mut Network,
    ) -> Option<(Wire, Verdict)> {
        self.asking.remove(&call);
        let waiting = self.waiting.remove(&call)?;
        let _ = self.publisher.supply_failure(&waiting.url, FetchFailure::Failed, now);
        let verification = self.publisher.resume(waiting.pending, now);
        self.go_on(waiting.from, waiting.call, waiting.wire, verification, net)
    }

    /// Fetches what the verdict needs, or answers.
    fn go_on(
        &mut self,
        from: Node,
        call: u64,
        wire: Wire,
        verification: Verification,
        net: &mut Network,
    ) -> Option<(Wire, Verdict)> {
        let verdict = verification.verdict;
        let need = verdict.needs.first().map(|need| need.url.clone());
        if let (Some(pending), Some(url)) = (verification.pending, need) {
            let fetch = net.number();
            if let Some((whom, _)) = people().ok().and_then(|people| people.document(&url)) {
                net.send(self.node, whom, &Message::Fetch { call: fetch, url: url.clone() });
            }
            net.after(PATIENCE, Event::Timeout { node: self.node, call: fetch });
            self.waiting.insert(fetch, Waiting { from, call, wire, pending, url });
            return None;
        }
        let code = verdict.code.map_or("ok", imagxp::Code::as_str);
        net.send(self.node, from, &Message::Page { call, http: verdict.http, code });
        Some((wire, verdict))
    }

    /// Keeps a visa that paid for a read, with the request that brought it, to be redeemed.
    pub(crate) fn keep(
        &mut self,
        wire: &Wire,
        verdict: &Verdict,
        now: Timestamp,
        net: &mut Network,
    ) -> Result<(), String> {
        let Some(jti) = wire.visa().and_then(token_name) else { return Ok(()) };
        if verdict.payment.state != PaymentState::Visa {
            return Ok(());
        }
        let body = if self.fault == Some(Fault::PresentsNoKey) {
            as_it_came(wire)
        } else {
            let presented = self.publisher.presented_of(verdict, &wire.lines(), now).map_err(text)?;
            String::from_utf8(redeem_body(&[presented]).map_err(text)?).map_err(text)?
        };
        if let Entry::Vacant(place) = self.shown.entry(jti) {
            place.insert(Presentation::new(self.node, self.node, net.random.uuid(), body)?);
        }
        Ok(())
    }

    /// Presents what has been kept, again and again until the broker has answered.
    pub(crate) fn wake(&mut self, net: &mut Network) {
        for (jti, presentation) in &self.shown {
            let call = net.number();
            net.send(self.node, Node::Broker, &Message::Redeem { call, presentation: presentation.clone() });
            net.after(BROKER_PATIENCE, Event::Timeout { node: self.node, call });
            self.asking.insert(call, *jti);
        }
    }
}

fn store(fault: Option<Fault>) -> Arc<dyn ReplayStore> {
    if fault == Some(Fault::ReplayStoreForgets) {
        return Arc::new(Forgetful::default());
    }
    Arc::new(MemoryReplayStore::default())
}

fn publisher(index: usize, fault: Option<Fault>, store: &Arc<dyn ReplayStore>) -> Result<Publisher, String> {
    let identity = if fault == Some(Fault::TrustsAnyKey) { "key_only" } else { "bound" };
    let (_, price) = PRICE;
    let policy = format!(
        r#"{{"version":1,"origins":["{}"],"identity":"{identity}","purposes":{{"RAG_RETRIEVAL":{{"allow":true}},
        "SUMMARY":{{"allow":true}},"CRAWL_TRAINING":{{"allow":false}}}},"paths":[{{"match":"/premium/*","price":{{"amount":"{price}","currency":"USD"}}}}],
        "payment":{{"brokers":[{{"issuer":"{ISSUER}","jwks_uri":"{JWKS}"}}]}}}}"#,
        origin(index)
    );
    let policy = Policy::from_json(policy.as_bytes()).map_err(text)?;
    Ok(Publisher::new(policy, [7; 16]).with_replay_store(Arc::clone(store)))
}
