//! An agent: reads, buys, pays and judges, and tries again when nobody answers.

use crate::message::{Message, Node, Wire};
use crate::network::{Event, Network};
use crate::people::{PUBLISHERS, origin, people};
use imagxp::agent::SignRequest;
use imagxp::feedback::{Feedback, Reason, Score};
use imagxp::{Purpose, Timestamp};
use imagxp_broker::Id;
use std::collections::BTreeMap;

/// How long an agent waits for an answer, in milliseconds.
const PATIENCE: i64 = 4000;
/// How often it tries.
const TRIES: u32 = 4;

/// What an agent waits for.
#[derive(Clone, Debug)]
enum Task {
    Read { publisher: usize, premium: bool, visa: Option<(Id, String)>, tries: u32 },
    Buy { publisher: usize, key: String, tries: u32 },
}

pub(crate) struct Reader {
    node: Node,
    tasks: BTreeMap<u64, Task>,
    /// Keys of purchases whose end is not known: on disk, as the spend file.
    pub(crate) unsettled: BTreeMap<String, usize>,
    /// What it has bought: by the broker's own word.
    pub(crate) bought: BTreeMap<Id, usize>,
    /// What it has said of visas, in millionths.
    pub(crate) judged: BTreeMap<Id, u32>,
}

impl Reader {
    pub(crate) fn new(node: Node) -> Self {
        let (tasks, unsettled, bought, judged) =
            (BTreeMap::new(), BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { node, tasks, unsettled, bought, judged }
    }

    /// What it was doing is forgotten; what it has paid for is not.
    pub(crate) fn restart(&mut self) {
        self.tasks.clear();
    }

    /// Something new to read, or a purchase to finish.
    pub(crate) fn wake(&mut self, now: Timestamp, net: &mut Network) -> Result<Option<Wire>, String> {
        if let Some((key, publisher)) = self.unsettled.first_key_value().map(|(key, at)| (key.clone(), *at))
            && !self.tasks.values().any(|task| matches!(task, Task::Buy { .. }))
        {
            self.buy(publisher, key, TRIES, net);
            return Ok(None);
        }
        let publisher = net.random.place(PUBLISHERS);
        if net.random.percent(40) {
            let key = net.random.uuid();
            self.buy(publisher, key, TRIES, net);
            return Ok(None);
        }
        let premium = net.random.percent(10);
        self.read(publisher, premium, None, TRIES, now, net).map(Some)
    }

    fn buy(&mut self, publisher: usize, key: String, tries: u32, net: &mut Network) {
        let call = net.number();
        self.unsettled.insert(key.clone(), publisher);
        net.send(self.node, Node::Broker, &Message::Buy { call, key: key.clone(), publisher });
        net.after(PATIENCE, Event::Timeout { node: self.node, call });
        self.tasks.insert(call, Task::Buy { publisher, key, tries });
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
        let purpose = if net.random.percent(90) { Purpose::RagRetrieval } else { Purpose::CrawlTraining };
        let token = visa.as_ref().map(|(_, token)| token.as_str());
        let wire = sign(self.node, &url, purpose, token, now, &net.random.uuid())?;
        let call = net.number();
        net.send(self.node, Node::Publisher(publisher), &Message::Read { call, wire: wire.clone() });
        net.after(PATIENCE, Event::Timeout { node: self.node, call });
        self.tasks.insert(call, Task::Read { publisher, premium, visa, tries });
        Ok(wire)
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
                let Some(Task::Buy { publisher, key, .. }) = self.tasks.remove(call) else { return Ok(None) };
                self.unsettled.remove(&key);
                let Some((jti, token)) = visa else { return Ok(None) };
                self.bought.insert(*jti, publisher);
                self.read(publisher, true, Some((*jti, token.clone())), TRIES, now, net).map(Some)
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
            Some(Task::Buy { publisher, key, tries }) if tries > 0 => {
                self.buy(publisher, key, tries - 1, net);
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

/// Signs a request as a node's agent.
pub(crate) fn sign(
    node: Node,
    url: &str,
    purpose: Purpose,
    visa: Option<&str>,
    now: Timestamp,
    nonce: &str,
) -> Result<Wire, String> {
    let request = SignRequest { payment: visa, ..SignRequest::new("GET", url, purpose) };
    let signed = people()?.identity(node)?.sign(&request, now, nonce).map_err(|error| error.to_string())?;
    let lines = signed.iter().map(|(name, value)| (name, value.to_owned()));
    let headers = std::iter::once(("user-agent", "reader IMAGXP/1.0".to_owned())).chain(lines).collect();
    Ok(Wire { method: "GET", url: url.to_owned(), headers })
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
