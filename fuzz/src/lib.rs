//! What several fuzz targets need: fixed keys, a fixed time, and a publisher.

pub mod answer;
pub mod c;
pub mod c_calls;
pub mod log;
pub mod world;

use imagxp::agent::Identity;
use imagxp::crypto::{Algorithm, PrivateKey};
use imagxp::{Policy, Publisher, Timestamp};
use std::sync::LazyLock;

/// The only origin of [`publisher`].
pub const ORIGIN: &str = "https://example.org";

/// The agent that [`identity`] is.
pub const AGENT: &str = "bot.example.com";

/// The time at which targets verify.
pub const NOW: Timestamp = Timestamp::from_secs(1_780_000_000);

/// A key that is the same in every run.
pub fn key(algorithm: Algorithm, seed: u8) -> PrivateKey {
    PrivateKey::generate(algorithm, &mut |bytes| {
        bytes.fill(seed);
        Ok(())
    })
    .expect("a constant that is a valid scalar")
}

/// The good agent.
pub fn identity() -> Identity {
    Identity::parse(AGENT, key(Algorithm::Es256, 7), false).expect("a public domain")
}

/// A publisher that lets only signed retrieval pass and knows the good agent's manifest.
pub fn publisher() -> Publisher {
    let policy = format!(
        r#"{{"version":1,"origins":["{ORIGIN}"],"unsigned":"deny","purposes":{{"RAG_RETRIEVAL":{{"allow":true}}}}}}"#
    );
    let publisher = Publisher::new(Policy::from_json(policy.as_bytes()).expect("a good policy"), [7; 16]);
    introduce(&publisher);
    publisher
}

/// Gives the publisher the good agent's manifest, for longer than a claim is good for.
pub fn introduce(publisher: &Publisher) {
    static MANIFEST: LazyLock<(String, Vec<u8>)> = LazyLock::new(|| {
        let manifest = identity().manifest(None, &[]).expect("a good manifest");
        (manifest.agent_id().manifest_url(), manifest.to_json())
    });
    publisher.supply(&MANIFEST.0, &MANIFEST.1, Some(600), NOW).expect("a manifest that was just made");
}
