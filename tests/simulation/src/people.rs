//! Who lives in the world: names, keys, clocks.

use crate::message::Node;
use imagxp::agent::Identity;
use imagxp::crypto::{Algorithm, PrivateKey};
use imagxp::{AgentId, Manifest};
use imagxp_broker::{Actor, Owner};
use std::sync::OnceLock;

/// How many publishers there are.
pub(crate) const PUBLISHERS: usize = 3;
/// How many agents, without the thief.
pub(crate) const AGENTS: usize = 5;
/// The broker's issuer.
pub(crate) const ISSUER: &str = "https://broker.example";
/// The broker's key set.
pub(crate) const JWKS: &str = "https://broker.example/jwks.json";
/// What a read of a premium page costs, in millionths of a dollar and as text.
pub(crate) const PRICE: (u128, &str) = (50_000, "0.05");

/// Everybody's keys. Made once: they are the same in every world.
pub(crate) struct People {
    agents: Vec<Identity>,
    publishers: Vec<Identity>,
    pub(crate) broker: PrivateKey,
    jwks: Vec<u8>,
}

/// The people of every world.
pub(crate) fn people() -> Result<&'static People, String> {
    static PEOPLE: OnceLock<Result<People, String>> = OnceLock::new();
    PEOPLE.get_or_init(|| People::new().map_err(|error| error.to_string())).as_ref().map_err(Clone::clone)
}

impl People {
    fn new() -> imagxp::Result<Self> {
        // The thief is the last one.
        let agents = (0..=AGENTS).map(|index| {
            let name =
                if index == AGENTS { "thief.example".to_owned() } else { format!("agent{index}.example") };
            let algorithm = if index == 1 { Algorithm::EdDsa } else { Algorithm::Es256 };
            Identity::parse(&name, key(u8::try_from(index).unwrap_or(u8::MAX), algorithm)?, false)
        });
        let agents = agents.collect::<imagxp::Result<_>>()?;
        let publishers = (0..PUBLISHERS).map(|index| {
            let seed = u8::try_from(index).unwrap_or(u8::MAX).saturating_add(50);
            Identity::parse(&format!("pub{index}.example"), key(seed, Algorithm::Es256)?, false)
        });
        let publishers = publishers.collect::<imagxp::Result<_>>()?;
        let broker = key(99, Algorithm::Es256)?;
        let mut jwk = broker.public_key().to_jwk();
        jwk.insert("kid", broker.public_key().thumbprint().as_str().to_owned());
        let mut set = imagxp::json::Object::new();
        set.insert("keys", vec![imagxp::json::Value::Object(jwk)]);
        let jwks = imagxp::json::object_to_canonical(&set);
        Ok(Self { agents, publishers, broker, jwks })
    }

    /// The identity of an agent, a publisher or the thief.
    pub(crate) fn identity(&self, node: Node) -> Result<&Identity, String> {
        let identity = match node {
            Node::Agent(index) => self.agents.get(index),
            Node::Publisher(index) => self.publishers.get(index),
            _ => self.agents.get(AGENTS),
        };
        identity.ok_or_else(|| "there is nobody of that name".to_owned())
    }

    /// Whose domain this is.
    pub(crate) fn agent_named(&self, name: &str) -> Option<Node> {
        let index = self.agents.iter().position(|identity| identity.agent_id().as_str() == name)?;
        Some(if index == AGENTS { Node::Thief } else { Node::Agent(index) })
    }

    /// What is served under a URL, and by whom.
    pub(crate) fn document(&self, url: &str) -> Option<(Node, Vec<u8>)> {
        if url == JWKS {
            return Some((Node::Broker, self.jwks.clone()));
        }
        let agent = AgentId::from_manifest_url(url)?;
        let node = self.agent_named(agent.as_str())?;
        let manifest: Manifest = self.identity(node).ok()?.manifest(None, &[]).ok()?;
        Some((node, manifest.to_json()))
    }
}

fn key(seed: u8, algorithm: Algorithm) -> imagxp::Result<PrivateKey> {
    PrivateKey::generate(algorithm, &mut |bytes: &mut [u8]| {
        bytes.fill(seed.wrapping_add(1));
        Ok(())
    })
}

/// A publisher's origin.
pub(crate) fn origin(publisher: usize) -> String {
    format!("https://pub{publisher}.example")
}

/// A node as the broker's books know it.
pub(crate) fn owner(node: Node) -> Result<Owner, String> {
    let name = match node {
        Node::Broker => "broker.example".to_owned(),
        Node::Publisher(index) => format!("pub{index}.example"),
        Node::Agent(index) => format!("agent{index}.example"),
        Node::Thief => "thief.example".to_owned(),
    };
    Owner::parse(&name).map_err(|refusal| refusal.to_string())
}

/// The same as somebody who asks.
pub(crate) fn party(node: Node) -> Result<Actor, String> {
    owner(node).map(Actor::Party)
}
