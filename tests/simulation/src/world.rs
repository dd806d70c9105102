//! One world, from its seed to its end.

use crate::agent::Reader;
use crate::broker::Broker;
use crate::fault::Fault;
use crate::message::{Message, Node, Wire};
use crate::network::{Event, Network};
use crate::people::{AGENTS, PUBLISHERS};
use crate::publisher::Site;
use crate::random::Random;
use crate::thief::Thief;
use crate::witness::Witness;
use imagxp::digest::Hasher;
use imagxp::encoding::hex_encode;
use imagxp::{Timestamp, Verdict};
use std::collections::BTreeMap;

/// When every world begins, in milliseconds since 1970.
const BEGIN: i64 = 1_790_000_000_000;
/// How long people are busy, in milliseconds.
const BUSY: i64 = 45_000;
/// How much later people come once more, in milliseconds, and for how long: publishers have forgotten nonces by then.
const LATER: i64 = 430_000;
const AGAIN: i64 = 10_000;
const HOUR: i64 = 3_600_000;
/// How often all visas are looked at, in steps.
const ROUND: u64 = 100;

/// What came of one world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Story {
    /// How many things happened.
    pub steps: u64,
    /// How often each code was given, `ok` for what passed; and in which states visas ended.
    pub codes: BTreeMap<&'static str, u64>,
    /// How many rows the broker's log has.
    pub entries: u64,
    /// SHA-256 of everything that happened, in order.
    pub hash: String,
    /// Which invariant broke, and at which step; nothing when all held.
    pub broken: Option<String>,
}

struct World {
    net: Network,
    clocks: BTreeMap<Node, i64>,
    broker: Broker,
    sites: Vec<Site>,
    agents: Vec<Reader>,
    thief: Thief,
    witness: Witness,
    hasher: Hasher,
    steps: u64,
    end: i64,
}

/// Lives one world. With `trace` every step is told.
///
/// Error: the simulation itself is broken, for example by a key that cannot be made.
pub fn live(seed: u64, fault: Option<Fault>, trace: &mut dyn FnMut(&str)) -> Result<Story, String> {
    let mut world = World::new(seed, fault)?;
    let broken = world.run(trace).err();
    use imagxp_broker::Reader as _;
    let head = world.broker.shelf.memory.head().map_err(|error| error.to_string())?;
    world.hasher.update(&head.size.to_be_bytes());
    Ok(Story {
        steps: world.steps,
        codes: world.witness.codes,
        entries: head.size,
        hash: hex_encode(&world.hasher.finish()),
        broken: broken.map(|reason| format!("step {}: {reason}", world.steps)),
    })
}

impl World {
    fn new(seed: u64, fault: Option<Fault>) -> Result<Self, String> {
        let mut random = Random::new(seed);
        let everybody = [Node::Broker, Node::Thief]
            .into_iter()
            .chain((0..PUBLISHERS).map(Node::Publisher))
            .chain((0..AGENTS).map(Node::Agent));
        let clocks = everybody.map(|node| (node, random.between(-2000, 2000))).collect();
        let net = Network::new(BEGIN, Random::new(random.next()));
        let sites = (0..PUBLISHERS).map(|index| Site::new(index, fault)).collect::<Result<_, _>>()?;
        let mut world = Self {
            net,
            clocks,
            broker: Broker::new(fault, random.next(), BEGIN)?,
            sites,
            agents: (0..AGENTS).map(|index| Reader::new(Node::Agent(index))).collect(),
            thief: Thief::default(),
            witness: Witness::default(),
            hasher: Hasher::new(),
            steps: 0,
            end: BEGIN + BUSY,
        };
        world.trouble();
        Ok(world)
    }

    /// Who wakes when, and what goes wrong.
    fn trouble(&mut self) {
        let net = &mut self.net;
        let mut nodes: Vec<Node> = self.clocks.keys().copied().collect();
        nodes.sort_unstable();
        for node in nodes {
            let first = net.random.between(0, 3000);
            net.after(first, Event::Wake { node });
            let at = net.random.between(0, BUSY);
            if node != Node::Thief && net.random.percent(40) {
                net.after(at, Event::Stop { node });
                let starts = net.random.between(200, 8000);
                net.after(at + starts, Event::Start { node });
            }
            if net.random.percent(25) {
                // Within what two clocks may differ by, up to all of it, and sometimes far beyond it.
                let off = match net.random.below(10) {
                    0..4 => 20_000,
                    4..7 => 60_000,
                    _ => 900_000,
                };
                let off = net.random.between(-off, off);
                net.after(at / 2, Event::Clock { node, off });
                net.after(at / 2 + 15_000, Event::Clock { node, off: 0 });
            }
            if node != Node::Thief && net.random.percent(30) {
                net.after(at, Event::Cut { node, cut: true });
                let heals = net.random.between(1000, 15_000);
                net.after(at + heals, Event::Cut { node, cut: false });
            }
        }
    }

    fn run(&mut self, trace: &mut dyn FnMut(&str)) -> Result<(), String> {
        self.drain(trace)?;
        self.afterwards(trace)
    }

    /// Lets happen what happens, until nothing is left.
    fn drain(&mut self, trace: &mut dyn FnMut(&str)) -> Result<(), String> {
        while let Some(event) = self.net.next() {
            self.steps = self.steps.saturating_add(1);
            let line = format!("{} {} {event:?}\n", self.steps, self.net.now);
            self.hasher.update(line.as_bytes());
            trace(&line);
            self.step(event)?;
            self.witness.books(&mut self.broker)?;
            if self.steps.is_multiple_of(ROUND) {
                self.witness.visas(&mut self.broker, &self.agents)?;
            }
        }
        Ok(())
    }

    /// A node's own idea of the time.
    fn clock(&self, node: Node) -> Timestamp {
        Timestamp::from_millis(self.net.now.saturating_add(self.clocks.get(&node).copied().unwrap_or(0)))
    }

    fn step(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Arrive { from, to, message } => self.arrive(from, to, &message),
            Event::Wake { node } => self.wake(node),
            Event::Timeout { node, call } => self.timeout(node, call),
            Event::Stop { node } => {
                self.net.stop(node, true);
                match node {
                    Node::Publisher(index) => self.sites.get_mut(index).map_or(Ok(()), Site::restart),
                    Node::Agent(index) => {
                        self.agents.get_mut(index).into_iter().for_each(Reader::restart);
                        Ok(())
                    }
                    // Its books are on disk; where its ids come from is not, and what was under way is in its clients' hands.
                    Node::Broker => {
                        self.broker.restart(self.net.random.next());
                        Ok(())
                    }
                    Node::Thief => Ok(()),
                }
            }
            Event::Start { node } => {
                self.net.stop(node, false);
                Ok(())
            }
            Event::Clock { node, off } => {
                self.clocks.insert(node, off);
                Ok(())
            }
            Event::Cut { node, cut } => {
                self.net.cut(node, cut);
                Ok(())
            }
        }
    }

    fn arrive(&mut self, from: Node, to: Node, message: &Message) -> Result<(), String> {
        let now = self.clock(to);
        if from != Node::Thief {
            self.thief.overhear(message);
        }
        match to {
            Node::Broker => {
                let Some(answer) = self.broker.hear(from, message, now.as_millis())? else { return Ok(()) };
                self.witness.answered(message, &answer, now, &mut self.broker)?;
                self.net.send(Node::Broker, from, &answer);
                Ok(())
            }
            Node::Publisher(index) => {
                let Some(site) = self.sites.get_mut(index) else { return Ok(()) };
                let decided = site.hear(from, message, now, &mut self.net)?;
                self.decided(index, decided)
            }
            Node::Agent(index) => {
                let Some(agent) = self.agents.get_mut(index) else { return Ok(()) };
                let wire = agent.hear(from, message, now, &mut self.net)?;
                wire.iter().for_each(|wire| self.witness.signed(to, wire));
                Ok(())
            }
            Node::Thief => self.thief.hear(from, message, &mut self.net),
        }
    }

    fn decided(&mut self, index: usize, decided: Option<(Wire, Verdict)>) -> Result<(), String> {
        let now = self.clock(Node::Publisher(index));
        let (Some((wire, verdict)), Some(site)) = (decided, self.sites.get_mut(index)) else { return Ok(()) };
        self.witness.judged((Node::Publisher(index), site), &wire, &verdict, &mut self.broker)?;
        if verdict.is_allowed() {
            site.keep(&wire, &verdict, now, &mut self.net)?;
        }
        Ok(())
    }

    fn wake(&mut self, node: Node) -> Result<(), String> {
        let now = self.clock(node);
        let (signed, pause) = match node {
            node if self.net.is_down(node) => (None, 2000),
            Node::Broker => {
                self.broker.settle(now.as_millis())?;
                (None, 5000)
            }
            Node::Publisher(index) => {
                self.sites.get_mut(index).into_iter().for_each(|site| site.wake(&mut self.net));
                (None, 6000)
            }
            Node::Agent(index) => match self.agents.get_mut(index) {
                Some(agent) => (agent.wake(now, &mut self.net)?, 5000),
                None => (None, 5000),
            },
            Node::Thief => (self.thief.wake(now, &mut self.net)?, 2000),
        };
        signed.iter().for_each(|wire| self.witness.signed(node, wire));
        if self.net.now < self.end {
            let pause = self.net.random.between(pause / 4, pause);
            self.net.after(pause, Event::Wake { node });
        }
        Ok(())
    }

    fn timeout(&mut self, node: Node, call: u64) -> Result<(), String> {
        let now = self.clock(node);
        match node {
            Node::Publisher(index) => {
                let Some(site) = self.sites.get_mut(index) else { return Ok(()) };
                let decided = site.timeout(call, now, &mut self.net);
                self.decided(index, decided)
            }
            Node::Agent(index) => {
                let Some(agent) = self.agents.get_mut(index) else { return Ok(()) };
                let wire = agent.timeout(call, now, &mut self.net)?;
                wire.iter().for_each(|wire| self.witness.signed(node, wire));
                Ok(())
            }
            Node::Broker | Node::Thief => Ok(()),
        }
    }

    /// What is unfinished is finished on a good network, people come once more, and time does the rest.
    fn afterwards(&mut self, trace: &mut dyn FnMut(&str)) -> Result<(), String> {
        self.net.calm();
        self.clocks.values_mut().for_each(|off| *off = 0);
        self.finish(trace)?;
        self.come_again(trace)?;
        self.finish(trace)?;
        for hours in [25, 73, 25, 73] {
            self.net.now = self.net.now.saturating_add(hours * HOUR);
            self.broker.settle(self.net.now)?;
            self.witness.books(&mut self.broker)?;
        }
        self.witness.end(&mut self.broker, &self.agents, &self.sites)
    }

    /// Some minutes later: publishers have forgotten which nonces they had seen, and the broker has not.
    fn come_again(&mut self, trace: &mut dyn FnMut(&str)) -> Result<(), String> {
        self.net.now = self.net.now.saturating_add(LATER);
        self.end = self.net.now.saturating_add(AGAIN);
        for node in self.clocks.keys().copied() {
            let first = self.net.random.between(0, 3000);
            self.net.after(first, Event::Wake { node });
        }
        self.drain(trace)
    }

    /// Publishers present what they have, and agents ask what became of their purchases.
    fn finish(&mut self, trace: &mut dyn FnMut(&str)) -> Result<(), String> {
        for _ in 0..8 {
            for index in 0..PUBLISHERS {
                self.wake(Node::Publisher(index))?;
            }
            let unfinished = |agent: &Reader| !agent.unsettled.is_empty();
            for index in 0..AGENTS {
                if self.agents.get(index).is_some_and(unfinished) {
                    self.wake(Node::Agent(index))?;
                }
            }
            self.drain(trace)?;
        }
        Ok(())
    }
}
