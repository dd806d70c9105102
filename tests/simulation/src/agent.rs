//! An agent: reads, buys, pays and judges, and tries again when nobody answers.

use crate::broker::ends;
use crate::manner::{Manner, sign};
use crate::message::{Message, Node, Purchase, Wire};
use crate::network::{Event, Network};
use crate::people::{PUBLISHERS, origin, people};
use imagxp::feedback::{Feedback, Reason, Score};
use imagxp::{Purpose, Timestamp};
use imagxp_broker::Id;
use std::collections::BTreeMap;

/// How long an agent waits for an answer, in milliseconds.
const PATIENCE: i64 = 4000;
/// How often it tries.
const TRIES: u32 = 4;
/// How long after its use a nonce is good once more at the same publisher, in milliseconds: `ts` and 365 s (PROTOCOL §5), by clocks that differ.
const FORGOTTEN: i64 = 370_000;

/// What an agent waits for.
#[derive(Clone, Debug)]
enum Task {
    Read { publisher: usize, premium: bool, visa: Option<(Id, String)>, tries: u32 },
    Buy { purchase: Purchase, key: String, tries: u32 },
}

pub(crate) struct Reader {
    node: Node,
    tasks: BTreeMap<u64, Task>,
    /// The nonce of a request with a visa, and where it was used when: elsewhere, and there minutes later, it is good once more (PROTOCOL §5).
    nonce: (String, BTreeMap<usize, i64>),
    /// Purchases whose end is not known, by their keys: on disk, as the spend file.
    pub(crate) unsettled: BTreeMap<String, Purchase>,
    /// What it has bought: by the broker's own word.
    pub(crate) bought: BTreeMap<Id, usize>,
    /// What it has said of visas, in millionths.
    pub(crate) judged: BTreeMap<Id, u32>,
}

impl Reader {
    pub(crate) fn new(node: Node) -> Self {
        let (tasks, nonce, unsettled, bought, judged) = Default::default();
        Self { node, tasks, nonce, unsettled, bought, judged }
    }

    /// What it was doing is forgotten; what it has paid for is not.
    pub(crate) fn restart(&mut self) {
        self.tasks.clear();
        self.nonce = Default::default();
    }

    /// Something new to read, or a purchase to finish.
    pub(crate) fn wake(&mut self, now: Timestamp, net: &mut Network) -> Result<Option<Wire>, String> {
        let first = self.unsettled.first_key_value().map(|(key, purchase)| (key.clone(), purchase.clone()));
        if let Some((key, purchase)) = first
            && !self.tasks.values().any(|task| matches!(task, Task::Buy { .. }))
        {
            self.buy(purchase, key, TRIES, net);
            return Ok(None);
        }
        let publisher = net.random.place(PUBLISHERS);
        if net.random.percent(40) {
            let (key, purchase) = (net.random.uuid(), purchase(publisher, net));
            self.buy(purchase, key, TRIES, net);
            return Ok(None);
        }
        let premium = net.random.percent(10);
        self.read(publisher, premium, None, TRIES, now, net).map(Some)
    }

    fn buy(&mut self, purchase: Purchase, key: String, tries: u32, net: &mut Network) {
        let call = net.number();
        self.unsettled.insert(key.clone(), purchase.clone());
        net.send(
            self.node,
            Node::Broker,
            &Message::Buy { call, key: key.clone(), purchase: purchase.clone() },
        );
        net.after(PATIENCE, Event::Timeout { node: self.node, call });
        self.tasks.insert(call, Task::Buy { purchase, key, tries });
    }

    fn read(
        &mut self,
        publisher: usize,
        premium: bool,
        visa: Option<(Id, String)>,
        tries: u32,
        now: Timestamp,
        net: &mut Network,
    ) -> Result<Wire, String> {
        let page = net.random.below(50);
        let room = if premium { "premium" } else { "posts" };
        let url = format!("{}/{room}/{page}", origin(publisher));
        let purpose = match net.random.below(10) {
            0 => Purpose::CrawlTraining,
            1 => Purpose::Summary,
            _ => Purpose::RagRetrieval,
        };
        let nonce = self.nonce(publisher, visa.is_some(), now, net);
        let token = visa.as_ref().map(|(_, token)| token.as_str());
        let wire = sign(self.node, &url, purpose, token, now, &nonce, Manner::draw(&mut net.random))?;
        let call = net.number();
        net.send(self.node, Node::Publisher(publisher), &Message::Read { call, wire: wire.clone() });
        net.after(PATIENCE, Event::Timeout { node: self.node, call });
        self.tasks.insert(call, Task::Read { publisher, premium, visa, tries });
        Ok(wire)
    }

    /// A nonce that this publisher has not seen, or has forgotten: mostly a new one.
    fn nonce(&mut self, publisher: usize, pays: bool, now: Timestamp, net: &mut Network) -> String {
        let (nonce, places) = &mut self.nonce;
        let again = net.random.percent(if pays { 40 } else { 10 });
        let now_ms = now.as_millis();
        let is_known = places.get(&publisher).is_some_and(|used| now_ms.saturating_sub(*used) < FORGOTTEN);
        if again && !nonce.is_empty() && !is_known {
            places.insert(publisher, now_ms);
            return nonce.clone();
        }
        let new = net.random.uuid();
        if pays {
            self.nonce = (new.clone(), BTreeMap::from([(publisher, now_ms)]));
        }
        new
    }

    /// Takes an answer. What was signed because of it comes back.
    pub(crate) fn hear(
        &mut self,
        from: Node,
        message: &Message,
        now: Timestamp,
        net: &mut Network,
    ) -> Result<Option<Wire>, String> {
        match message {
            Message::Fetch { call, url } => {
                let body =
                    people()?.document(url).filter(|(node, _)| *node == self.node).map(|(_, body)| body);
                net.send(self.node, from, &Message::Document { call: *call, url: url.clone(), body });
                Ok(None)
            }
            Message::Sold { call, visa } => {
                let Some(Task::Buy { purchase, key, .. }) = self.tasks.remove(call) else { return Ok(None) };
                self.unsettled.remove(&key);
                let Some((jti, token)) = visa else { return Ok(None) };
                let (publisher, visa) = (purchase.publisher, Some((*jti, token.clone())));
                self.bought.insert(*jti, publisher);
                let Some(pause) = pause(token, now, net) else {
                    return self.read(publisher, true, visa, TRIES, now, net).map(Some);
                };
                let call = net.number();
                net.after(pause, Event::Timeout { node: self.node, call });
                self.tasks.insert(call, Task::Read { publisher, premium: true, visa, tries: TRIES });
                Ok(None)
            }
            Message::Page { call, http, code } => {
                let Some(Task::Read { publisher, premium, visa, tries }) = self.tasks.remove(call) else {
                    return Ok(None);
                };
                if *http == 200 {
                    if let Some((jti, _)) = visa {
                        self.judge(jti, publisher, now, net)?;
                    }
                    return Ok(None);
                }
                let again = *http >= 500 || *code == "replay.nonce_seen" || *code == "time.expired";
                if again && tries > 0 {
                    return self.read(publisher, premium, visa, tries - 1, now, net).map(Some);
                }
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    /// Nobody has answered: the same purchase again, or a new request for the same page.
    pub(crate) fn timeout(
        &mut self,
        call: u64,
        now: Timestamp,
        net: &mut Network,
    ) -> Result<Option<Wire>, String> {
        match self.tasks.remove(&call) {
            Some(Task::Buy { purchase, key, tries }) if tries > 0 => {
                self.buy(purchase, key, tries - 1, net);
                Ok(None)
            }
            Some(Task::Read { publisher, premium, visa, tries }) if tries > 0 => {
                self.read(publisher, premium, visa, tries - 1, now, net).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Says how good it was, sometimes.
    fn judge(&mut self, jti: Id, publisher: usize, now: Timestamp, net: &mut Network) -> Result<(), String> {
        if net.random.percent(30) || self.judged.contains_key(&jti) {
            return Ok(());
        }
        let millionths = u32::try_from(net.random.below(1_000_001)).unwrap_or(0);
        self.judged.insert(jti, millionths);
        let body = feedback(self.node, jti, publisher, millionths, now, &net.random.uuid())?;
        // Sent more than once, as a careful client does that gets no answer; the broker must count it once.
        for _ in 0..2 {
            let delay = net.random.between(500, 20_000);
            let (from, to, message) = (self.node, Node::Broker, Message::Feedback { body: body.clone() });
            net.after(delay, Event::Arrive { from, to, message });
        }
        Ok(())
    }
}

/// What to buy: often a visa that ends soon, sometimes one of some purposes only, or for any key of the agent. The broker's visas are of one use.
fn purchase(publisher: usize, net: &mut Network) -> Purchase {
    let lifetime_s = if net.random.percent(40) { net.random.between(1, 20) } else { 600 };
    let purposes: &[Purpose] = match net.random.below(5) {
        0 => &[Purpose::RagRetrieval],
        1 => &[Purpose::RagRetrieval, Purpose::Summary],
        _ => &[],
    };
    let is_bound = net.random.percent(85);
    Purchase { publisher, lifetime_s: u32::try_from(lifetime_s).unwrap_or(600), purposes, is_bound }
}

/// How long an agent keeps a visa that ends soon before it shows it: about until it ends, and some seconds beyond.
fn pause(token: &str, now: Timestamp, net: &mut Network) -> Option<i64> {
    let left = ends(token)?.saturating_sub(now.as_millis());
    let pause = left.saturating_add(net.random.between(-3000, 6000));
    ((0..30_000).contains(&pause) && net.random.percent(70)).then_some(pause)
}

/// Signs feedback as a node's agent.
pub(crate) fn feedback(
    node: Node,
    jti: Id,
    publisher: usize,
    millionths: u32,
    now: Timestamp,
    nonce: &str,
) -> Result<Vec<u8>, String> {
    let score = Score::from_millionths(millionths).ok_or("a score beyond 1")?;
    let told = Feedback::new(format!("{}/premium/1", origin(publisher)), score, Reason::Other);
    let told = Feedback { jti: Some(jti.to_string()), ..told };
    told.sign(people()?.identity(node)?, now, nonce).map_err(|error| error.to_string())
}
