//! What a publisher allows, to whom, for what and at which price.

use crate::boundary;
use crate::error::ImagxpError;
use imagxp::discovery::emit::{self, Site};
use imagxp::encoding::hex_encode;
use std::sync::Arc;

pub(crate) use imagxp::discovery::emit::Kind as EmitKind;
pub(crate) use imagxp::policy::{ContentOrigin, Mode as PolicyMode};

/// What a policy can be written as.
#[uniffi::remote(Enum)]
pub(crate) enum EmitKind {
    /// Lines for robots.txt.
    Robots,
    /// Response headers.
    Headers,
    /// An RSL document.
    Rsl,
}

/// Whether a policy is applied.
#[uniffi::remote(Enum)]
pub(crate) enum PolicyMode {
    /// Refuse what the policy refuses.
    Enforce,
    /// Compute everything, let everything pass, and report `wouldDeny`.
    Observe,
}

/// Who made the content.
#[uniffi::remote(Enum)]
pub(crate) enum ContentOrigin {
    /// People (`HUMAN`).
    Human,
    /// Machines (`SYNTHETIC`).
    Synthetic,
    /// Both (`HYBRID`).
    Hybrid,
}

/// The wire name of a content origin, for example `HUMAN`; `ContentOrigin.description` is the same.
#[uniffi::export]
pub(crate) fn content_origin_name(origin: ContentOrigin) -> String {
    origin.as_str().to_owned()
}

/// The content origin with this exact wire name; `ContentOrigin(_:)` is the same.
#[uniffi::export]
pub(crate) fn content_origin_from_name(name: &str) -> Option<ContentOrigin> {
    ContentOrigin::from_name(name)
}

/// A policy document whose every rule holds (PROTOCOL §7).
#[derive(uniffi::Object)]
#[uniffi::export(Debug)]
pub(crate) struct Policy(pub(crate) Arc<imagxp::Policy>);

#[uniffi::export]
impl Policy {
    /// Reads a policy: strict JSON. Throws `usage.policy`, whose message names the member that is wrong, and its line.
    #[uniffi::constructor]
    pub(crate) fn from_json(document: &[u8]) -> Result<Arc<Self>, ImagxpError> {
        boundary::call(|| imagxp::Policy::from_json(document).map(|policy| Arc::new(Self(Arc::new(policy)))))
    }

    /// The public part, to be served at `/.well-known/imagxp-policy.json`.
    pub(crate) fn public_json(&self) -> Vec<u8> {
        self.0.public_json()
    }

    /// The policy in other words: lines for robots.txt, the headers of the page with this path, or an RSL document.
    ///
    /// `origin` is one of the policy's when it has several; `rslUrl` says where the RSL document will be.
    #[uniffi::method(default(path = "/", origin = None, rsl_url = None))]
    pub(crate) fn emit(
        &self,
        kind: EmitKind,
        path: &str,
        origin: Option<String>,
        rsl_url: Option<String>,
    ) -> Result<String, ImagxpError> {
        boundary::call(|| {
            let mut site = Site::new(&self.0, origin.as_deref())?;
            if let Some(url) = rsl_url {
                site.rsl_url = imagxp::discovery::link::absolute_url(&site.policy_url, &url)
                    .ok_or_else(|| imagxp::Error::argument("`rslUrl` is not an https URL"))?;
            }
            emit::emit(&site, kind, path)
        })
    }

    /// Sentences about what is allowed but hardly meant.
    pub(crate) fn remarks(&self) -> Vec<String> {
        self.0.remarks()
    }

    /// The publisher's origins.
    pub(crate) fn origins(&self) -> Vec<String> {
        self.0.origins().iter().map(ToString::to_string).collect()
    }

    /// Whether the policy is applied.
    pub(crate) fn mode(&self) -> PolicyMode {
        self.0.document().mode
    }

    /// Whether loopback origins and agents are admitted: for development only.
    pub(crate) fn allow_loopback(&self) -> bool {
        self.0.document().allow_loopback
    }

    /// What the policy says of the content.
    pub(crate) fn content_origin(&self) -> Option<ContentOrigin> {
        self.0.document().provenance.map(|provenance| provenance.origin)
    }

    /// SHA-256 of the document's RFC 8785 form, in hex.
    pub(crate) fn hash(&self) -> String {
        hex_encode(self.0.hash())
    }
}

impl std::fmt::Debug for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Policy({})", self.origins().join(" "))
    }
}

/// The JSON Schema (2020-12) of policy documents.
#[uniffi::export]
pub(crate) fn policy_schema() -> String {
    imagxp::Policy::schema()
}
