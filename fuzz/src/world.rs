//! A publisher and good requests for it: making a publisher compiles the list of bots, so one serves many inputs, each signed with a nonce of
//! its own.

use crate::{NOW, ORIGIN, identity, publisher};
use imagxp::agent::{Identity, SignRequest};
use imagxp::{Publisher, Purpose};
use std::sync::Mutex;

/// What [`World::sign`] asks for.
pub const TARGET: &str = "/articles/1?page=2";

/// Below the share of nonces that one agent may have in the store.
const INPUTS_PER_WORLD: u32 = 100_000;
static WORLD: Mutex<Option<World>> = Mutex::new(None);

/// Header lines: names and values.
pub type Lines = Vec<(String, Vec<u8>)>;

/// The publisher, and the agent that it knows.
pub struct World {
    pub publisher: Publisher,
    agent: Identity,
    inputs: u32,
}

impl World {
    /// The lines of a request that passes.
    pub fn sign(&mut self) -> Lines {
        self.inputs += 1;
        let url = format!("{ORIGIN}{TARGET}");
        let request = SignRequest::new("GET", &url, Purpose::RagRetrieval);
        let nonce = format!("6f8a2c3e-0000-4000-8000-{:012}", self.inputs);
        let signed = self.agent.sign(&request, NOW, &nonce).expect("a good request");
        let lines = signed.iter().map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
        lines.chain([("user-agent".to_owned(), b"bot IMAGXP/1.0".to_vec())]).collect()
    }
}

/// Lends the world.
pub fn with<T>(act: impl FnOnce(&mut World) -> T) -> T {
    let mut guard = WORLD.lock().expect("a panic ends the process");
    let world = match &mut *guard {
        Some(world) if world.inputs < INPUTS_PER_WORLD => world,
        other => other.insert(World { publisher: publisher(), agent: identity(), inputs: 0 }),
    };
    act(world)
}
