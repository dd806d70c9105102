//! Sizes that a publisher accepts.

use imagxp::limits::Limits as CoreLimits;

/// Sizes in bytes and counts that a publisher accepts (PROTOCOL §14); nil means the default. What is above the protocol's cap is
/// lowered to it: `inForce()` tells.
#[derive(Clone, Default, uniffi::Record)]
pub(crate) struct Limits {
    /// Bytes of the base64 payload header.
    #[uniffi(default = None)]
    pub(crate) payload_header: Option<u64>,
    /// Bytes of the public-key header.
    #[uniffi(default = None)]
    pub(crate) key_header: Option<u64>,
    /// Bytes of a visa or ad proof.
    #[uniffi(default = None)]
    pub(crate) token: Option<u64>,
    /// Header lines in a request.
    #[uniffi(default = None)]
    pub(crate) header_lines: Option<u64>,
    /// Bytes of all header names and values together.
    #[uniffi(default = None)]
    pub(crate) header_bytes: Option<u64>,
    /// Bytes of one string in a claim.
    #[uniffi(default = None)]
    pub(crate) string: Option<u64>,
    /// Bytes of the claim's resource.
    #[uniffi(default = None)]
    pub(crate) resource: Option<u64>,
    /// Bytes of a manifest.
    #[uniffi(default = None)]
    pub(crate) manifest: Option<u64>,
    /// Agents whose keys are cached.
    #[uniffi(default = None)]
    pub(crate) directory: Option<u64>,
}

#[uniffi::export]
impl Limits {
    /// The limits as they hold: every default filled in, every value at most the protocol's cap.
    pub(crate) fn in_force(&self) -> Self {
        let held = self.core();
        let size = |size: usize| Some(u64::try_from(size).unwrap_or(u64::MAX));
        Self {
            payload_header: size(held.payload_header()),
            key_header: size(held.key_header()),
            token: size(held.token()),
            header_lines: size(held.header_lines()),
            header_bytes: size(held.header_bytes()),
            string: size(held.string()),
            resource: size(held.resource()),
            manifest: size(held.manifest()),
            directory: size(held.directory()),
        }
    }
}

impl Limits {
    pub(crate) fn core(&self) -> CoreLimits {
        let start = CoreLimits::DEFAULT;
        let or = |wanted: Option<u64>, default| {
            wanted.map_or(default, |size| usize::try_from(size).unwrap_or(usize::MAX))
        };
        start
            .with_payload_header(or(self.payload_header, start.payload_header()))
            .with_key_header(or(self.key_header, start.key_header()))
            .with_token(or(self.token, start.token()))
            .with_header_lines(or(self.header_lines, start.header_lines()))
            .with_header_bytes(or(self.header_bytes, start.header_bytes()))
            .with_string(or(self.string, start.string()))
            .with_resource(or(self.resource, start.resource()))
            .with_manifest(or(self.manifest, start.manifest()))
            .with_directory(or(self.directory, start.directory()))
    }
}
