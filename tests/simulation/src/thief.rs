//! The thief: hears everything, and tries what can be tried with it.

use crate::agent::feedback;
use crate::broker::{text, token_name};
use crate::manner::{Manner, sign};
use crate::message::{Message, Node, Purchase, Wire};
use crate::network::Network;
use crate::people::{PUBLISHERS, origin, people};
use crate::presentation::Presentation;
use imagxp::visa::{Presented, redeem_body};
use imagxp::{Purpose, Timestamp};
use imagxp_broker::Id;

/// How much it remembers of each kind.
const MEMORY: usize = 64;

#[derive(Default)]
pub(crate) struct Thief {
    requests: Vec<Wire>,
    visas: Vec<(Id, String)>,
    presented: Vec<Presentation>,
    judgements: Vec<Vec<u8>>,
    own: Vec<(Id, String)>,
}

impl Thief {
    /// Overhears what is on the wire.
    pub(crate) fn overhear(&mut self, message: &Message) {
        match message {
            Message::Read { wire, .. } => {
                keep(&mut self.requests, wire.clone());
                if let Some(visa) = wire.visa()
                    && let Some(jti) = token_name(visa)
                {
                    keep(&mut self.visas, (jti, visa.to_owned()));
                }
            }
            Message::Sold { visa: Some(visa), .. } => keep(&mut self.visas, visa.clone()),
            Message::Redeem { presentation, .. } => keep(&mut self.presented, presentation.clone()),
            Message::Feedback { body } => keep(&mut self.judgements, body.clone()),
            _ => {}
        }
    }

    /// Answers those who ask for its manifest, and keeps what it has bought itself.
    pub(crate) fn hear(&mut self, from: Node, message: &Message, net: &mut Network) -> Result<(), String> {
        match message {
            Message::Fetch { call, url } => {
                let body =
                    people()?.document(url).filter(|(node, _)| *node == Node::Thief).map(|(_, body)| body);
                net.send(Node::Thief, from, &Message::Document { call: *call, url: url.clone(), body });
            }
            Message::Sold { visa: Some(visa), .. } => keep(&mut self.own, visa.clone()),
            _ => {}
        }
        Ok(())
    }

    /// Tries something. What it has signed in its own name comes back.
    pub(crate) fn wake(&mut self, now: Timestamp, net: &mut Network) -> Result<Option<Wire>, String> {
        let host = net.random.place(PUBLISHERS);
        let victim = Node::Publisher(host);
        let url = format!("{}/premium/{}", origin(host), net.random.below(9));
        match net.random.below(10) {
            // The same request again, to the same publisher and to others.
            0 | 1 => {
                if let Some(wire) = pick(&self.requests, net) {
                    net.send(Node::Thief, victim, &Message::Read { call: 0, wire });
                }
            }
            // Another's visa with a request of its own.
            2 => {
                if let Some((_, visa)) = pick(&self.visas, net) {
                    let wire = own(&url, &visa, now, net)?;
                    net.send(Node::Thief, victim, &Message::Read { call: 0, wire: wire.clone() });
                    return Ok(Some(wire));
                }
            }
            // Another's name with a key of its own.
            3 => {
                let people = people()?;
                let name =
                    people.identity(Node::Agent(net.random.place(crate::people::AGENTS)))?.agent_id().clone();
                let own = people.identity(Node::Thief)?;
                let forged =
                    imagxp::agent::Identity::with_signer(name, std::sync::Arc::new(Borrowed(own.clone())));
                let url = format!("{}/posts/{}", origin(host), net.random.below(9));
                let request = imagxp::agent::SignRequest::new("GET", &url, Purpose::RagRetrieval);
                let signed = forged.sign(&request, now, &net.random.uuid()).map_err(text)?;
                let headers = signed.iter().map(|(name, value)| (name, value.to_owned())).collect();
                let wire = Wire { method: "GET", url, headers };
                net.send(Node::Thief, victim, &Message::Read { call: 0, wire });
            }
            // What a publisher presented, presented again: in the thief's name, under a new key, or as it was.
            4 => {
                if let Some(heard) = pick(&self.presented, net) {
                    let presentation = if net.random.percent(70) {
                        Presentation::new(Node::Thief, Node::Thief, net.random.uuid(), heard.body)?
                    } else {
                        heard
                    };
                    net.send(Node::Thief, Node::Broker, &Message::Redeem { call: 0, presentation });
                }
            }
            // A request that was overheard, presented before its publisher does: in the thief's name and in the publisher's.
            7 | 8 => {
                let paid: Vec<&Wire> = self.requests.iter().filter(|wire| wire.visa().is_some()).collect();
                if let Some(wire) = pick(&paid, net)
                    && let Some(body) = body_of(wire)
                {
                    let at = (0..PUBLISHERS).find(|at| wire.url.starts_with(&origin(*at))).unwrap_or(host);
                    let name = if net.random.percent(50) { Node::Thief } else { Node::Publisher(at) };
                    let presentation = Presentation::new(name, Node::Thief, net.random.uuid(), body)?;
                    net.send(Node::Thief, Node::Broker, &Message::Redeem { call: 0, presentation });
                }
            }
            // Another's judgement again, and one of its own on another's visa.
            5 => {
                if let Some(body) = pick(&self.judgements, net) {
                    net.send(Node::Thief, Node::Broker, &Message::Feedback { body });
                }
            }
            6 => {
                if let Some((jti, _)) = pick(&self.visas, net) {
                    let body = feedback(Node::Thief, jti, 0, 0, now, &net.random.uuid())?;
                    net.send(Node::Thief, Node::Broker, &Message::Feedback { body });
                }
            }
            // A visa of its own, shown wherever it may be worth something, again and again.
            _ => {
                let Some((_, visa)) = pick(&self.own, net) else {
                    let (key, publisher) = (net.random.uuid(), net.random.place(PUBLISHERS));
                    let purchase = Purchase { publisher, lifetime_s: 600, purposes: &[], is_bound: true };
                    net.send(Node::Thief, Node::Broker, &Message::Buy { call: 0, key, purchase });
                    return Ok(None);
                };
                let wire = own(&url, &visa, now, net)?;
                net.send(Node::Thief, victim, &Message::Read { call: 0, wire: wire.clone() });
                return Ok(Some(wire));
            }
        }
        Ok(None)
    }
}

/// A request in the thief's own name, with whosever visa.
fn own(url: &str, visa: &str, now: Timestamp, net: &mut Network) -> Result<Wire, String> {
    let (nonce, manner) = (net.random.uuid(), Manner::draw(&mut net.random));
    sign(Node::Thief, url, Purpose::RagRetrieval, Some(visa), now, &nonce, manner)
}

/// What a publisher would present of a request that brings a visa and its key.
fn body_of(wire: &Wire) -> Option<String> {
    let presented = Presented::of_request(&wire.lines()).ok()?;
    String::from_utf8(redeem_body(&[presented]).ok()?).ok()
}

/// The thief's own key, under whatever name.
struct Borrowed(imagxp::agent::Identity);

impl imagxp::crypto::Signer for Borrowed {
    fn public_key(&self) -> &imagxp::crypto::PublicKey {
        self.0.public_key()
    }

    fn sign(&self, message: &[u8]) -> imagxp::Result<imagxp::crypto::Signature> {
        self.0.signer().sign(message)
    }
}

fn keep<T>(list: &mut Vec<T>, item: T) {
    if list.len() == MEMORY {
        list.remove(0);
    }
    list.push(item);
}

fn pick<T: Clone>(list: &[T], net: &mut Network) -> Option<T> {
    list.get(net.random.place(list.len())).cloned()
}
