//! The manifest that the signer's domain publishes.

use crate::grade::Site;
use imagxp::{AgentId, Manifest};

/// The longest manifest, in bytes (PROTOCOL §4).
const MAX: usize = 16 * 1024;

/// What was fetched, and what it holds.
pub(super) struct Published {
    /// The bytes, or why there are none.
    pub(super) bytes: Result<Vec<u8>, String>,
    /// The manifest, or what is wrong with it.
    pub(super) manifest: Result<Manifest, String>,
}

impl Published {
    pub(super) fn fetch(home: &Site, agent: &AgentId) -> Self {
        let bytes = home.exchange("GET", "/.well-known/imagxp-agent.json", &[], &[]).and_then(|answer| {
            if answer.status != 200 {
                return Err(format!("expected 200 from {}, got {}", agent.manifest_url(), answer.status));
            }
            match answer.header("content-encoding") {
                Some(coding) if coding != "identity" => {
                    Err(format!("it comes with content-encoding {coding}"))
                }
                _ => Ok(answer.body),
            }
        });
        let manifest = bytes
            .clone()
            .and_then(|bytes| Manifest::parse(&bytes, agent, MAX).map_err(|error| error.to_string()));
        Self { bytes, manifest }
    }
}
