//! How an agent writes a request: what PROTOCOL §§1–3 leave to it.

use crate::broker::text;
use crate::message::{Node, Wire};
use crate::people::people;
use crate::random::Random;
use imagxp::agent::{Identity, SignRequest};
use imagxp::encoding::base64_encode;
use imagxp::headers::{PAYLOAD, PAYMENT, PUBLIC_KEY, SIGNATURE};
use imagxp::{Purpose, Timestamp};

/// Under which names a visa is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Named {
    /// Our own.
    #[default]
    Payment,
    /// The reference SDK's.
    Credential,
    Both,
}

/// What an agent does in its own way.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manner {
    /// It leaves out `x-imagxp-public-key`: its manifest has the key.
    is_keyless: bool,
    visa: Named,
    /// It writes claims of version 1.0 in words of its own, and signs them as they stand.
    is_plain: bool,
}

impl Manner {
    pub(crate) fn draw(random: &mut Random) -> Self {
        let is_keyless = random.below(3) == 0;
        let visa = match random.below(8) {
            0 => Named::Credential,
            1 => Named::Both,
            _ => Named::Payment,
        };
        Self { is_keyless, visa, is_plain: random.percent(15) }
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
    manner: Manner,
) -> Result<Wire, String> {
    let identity = people()?.identity(node)?;
    let request = SignRequest {
        payment: visa,
        compatible: manner.visa != Named::Payment,
        ..SignRequest::new("GET", url, purpose)
    };
    let signed = identity.sign(&request, now, nonce).map_err(text)?;
    let mut headers = vec![("user-agent", "reader IMAGXP/1.0".to_owned())];
    headers.extend(signed.iter().map(|(name, value)| (name, value.to_owned())));
    if manner.is_plain {
        let (payload, signature) = plain(identity, url, purpose, now, nonce)?;
        headers.retain(|(name, _)| *name != PAYLOAD && *name != SIGNATURE);
        headers.extend([(PAYLOAD, payload), (SIGNATURE, signature)]);
    }
    let left_out = |name: &str| match name {
        PUBLIC_KEY => manner.is_keyless,
        PAYMENT => manner.visa == Named::Credential,
        _ => false,
    };
    headers.retain(|(name, _)| !left_out(name));
    Ok(Wire { method: "GET", url: url.to_owned(), headers })
}

/// A claim that is not in canonical form, and the signature of its bytes.
fn plain(
    identity: &Identity,
    url: &str,
    purpose: Purpose,
    now: Timestamp,
    nonce: &str,
) -> Result<(String, String), String> {
    let (agent, purpose, seconds) = (identity.agent_id(), purpose.as_str(), now.as_secs());
    let claim = format!(
        r#"{{ "v": "1.0", "timestamp": {seconds}, "resource": "{url}", "nonce": "{nonce}", "purpose": "{purpose}", "agent_id": "{agent}" }}"#
    );
    let signature = identity.signer().sign(claim.as_bytes()).map_err(text)?;
    Ok((base64_encode(claim.as_bytes()), signature.to_hex()))
}
