//! The network and the clock: what happens next, and what gets lost on the way.

use crate::message::{Message, Node};
use crate::random::Random;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

/// Something that happens at a time.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A message arrives.
    Arrive { from: Node, to: Node, message: Message },
    /// A node does what it does by itself.
    Wake { node: Node },
    /// Nobody has answered.
    Timeout { node: Node, call: u64 },
    /// A node stops: what it had in memory is gone, and what is sent to it is lost.
    Stop { node: Node },
    /// It is there again.
    Start { node: Node },
    /// A node's clock is set to be off by this, in milliseconds.
    Clock { node: Node, off: i64 },
    /// A node is cut off, or no more.
    Cut { node: Node, cut: bool },
}

/// How bad the network is, in percent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    pub(crate) drops: u64,
    pub(crate) doubles: u64,
    pub(crate) delays: u64,
}

/// The queue of what happens, and the links.
#[derive(Debug)]
pub(crate) struct Network {
    /// The true time, in milliseconds since 1970.
    pub(crate) now: i64,
    pub(crate) random: Random,
    weather: Weather,
    queue: BinaryHeap<Reverse<(i64, u64)>>,
    events: BTreeMap<u64, Event>,
    cut: BTreeSet<Node>,
    down: BTreeSet<Node>,
    next: u64,
}

impl Network {
    pub(crate) fn new(now: i64, mut random: Random) -> Self {
        let weather =
            Weather { drops: random.below(15), doubles: random.below(20), delays: random.below(20) };
        let (queue, events, cut, down) =
            (BinaryHeap::new(), BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        Self { now, random, weather, queue, events, cut, down, next: 0 }
    }

    /// A number that was never given before.
    pub(crate) const fn number(&mut self) -> u64 {
        self.next = self.next.wrapping_add(1);
        self.next
    }

    /// Something happens in so many milliseconds.
    pub(crate) fn after(&mut self, millis: i64, event: Event) {
        let number = self.number();
        self.queue.push(Reverse((self.now.saturating_add(millis.max(0)), number)));
        self.events.insert(number, event);
    }

    /// Sends a message, which may be lost, late or doubled.
    pub(crate) fn send(&mut self, from: Node, to: Node, message: &Message) {
        // A fetch is several packets, each of which is sent again; that it fails is remembered for longer than a world is busy.
        let is_fetch = matches!(message, Message::Fetch { .. } | Message::Document { .. });
        let drops = if is_fetch { self.weather.drops / 8 } else { self.weather.drops };
        let copies = 1 + u64::from(self.random.percent(self.weather.doubles));
        for _ in 0..copies {
            if self.random.percent(drops) {
                continue;
            }
            let late = if self.random.percent(self.weather.delays) { 4000 } else { 0 };
            let delay = self.random.between(5, 200) + self.random.between(0, late + 1);
            self.after(delay, Event::Arrive { from, to, message: message.clone() });
        }
    }

    /// Nothing is lost, late or doubled from now on, and nobody is cut off.
    pub(crate) fn calm(&mut self) {
        self.weather = Weather { drops: 0, doubles: 0, delays: 0 };
        self.cut.clear();
    }

    /// Cuts a node off, or joins it again.
    pub(crate) fn cut(&mut self, node: Node, cut: bool) {
        if cut {
            self.cut.insert(node);
        } else {
            self.cut.remove(&node);
        }
    }

    /// Stops a node, or starts it again.
    pub(crate) fn stop(&mut self, node: Node, down: bool) {
        if down {
            self.down.insert(node);
        } else {
            self.down.remove(&node);
        }
    }

    /// Whether a node is stopped.
    pub(crate) fn is_down(&self, node: Node) -> bool {
        self.down.contains(&node)
    }

    /// What happens next; messages from and to those who are cut off do not arrive, nor those to a node that is stopped.
    pub(crate) fn next(&mut self) -> Option<Event> {
        loop {
            let Reverse((at, number)) = self.queue.pop()?;
            self.now = self.now.max(at);
            match self.events.remove(&number)? {
                Event::Arrive { from, to, .. }
                    if self.cut.contains(&from) || self.cut.contains(&to) || self.is_down(to) => {}
                event => return Some(event),
            }
        }
    }
}
