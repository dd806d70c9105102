//! The size limits of PROTOCOL §14, settable downwards, and upwards to the cap.

/// Sizes in bytes and counts that a publisher accepts. Setters clamp to the caps of PROTOCOL §14.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    payload_header: usize,
    key_header: usize,
    token: usize,
    header_lines: usize,
    header_bytes: usize,
    string: usize,
    resource: usize,
    manifest: usize,
    directory: usize,
}

const KIB: usize = 1024;

macro_rules! limit {
    ($(#[$doc:meta])* $name:ident, $with:ident, $cap:expr) => {
        $(#[$doc])*
        pub const fn $name(&self) -> usize {
            self.$name
        }

        #[doc = concat!("Sets `", stringify!($name), "`, at most ", stringify!($cap), ".")]
        #[must_use]
        pub const fn $with(mut self, value: usize) -> Self {
            self.$name = if value < $cap { value } else { $cap };
            self
        }
    };
}

impl Limits {
    /// The defaults of PROTOCOL §14.
    pub const DEFAULT: Self = Self {
        payload_header: 12 * KIB,
        key_header: 512,
        token: 8 * KIB,
        header_lines: 100,
        header_bytes: 32 * KIB,
        string: 4 * KIB,
        resource: 4 * KIB,
        manifest: 16 * KIB,
        directory: 10_000,
    };

    limit!(/// Bytes of the base64 payload header; the decoded claim is at most 8 KiB in any case.
        payload_header, with_payload_header, 16 * KIB);
    limit!(/// Bytes of the public-key header.
        key_header, with_key_header, 512);
    limit!(/// Bytes of a visa or ad proof.
        token, with_token, 16 * KIB);
    limit!(/// Header lines in a request.
        header_lines, with_header_lines, 100);
    limit!(/// Bytes of all header names and values together.
        header_bytes, with_header_bytes, 64 * KIB);
    limit!(/// Bytes of one string in a claim.
        string, with_string, 8 * KIB);
    limit!(/// Bytes of the claim's resource.
        resource, with_resource, 8 * KIB);
    limit!(/// Bytes of a manifest.
        manifest, with_manifest, 64 * KIB);
    limit!(/// Agents whose keys are cached.
        directory, with_directory, 100_000);
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setters_clamp_to_the_caps() {
        let limits = Limits::DEFAULT.with_payload_header(usize::MAX).with_token(1).with_directory(usize::MAX);
        assert_eq!(limits.payload_header(), 16 * KIB);
        assert_eq!(limits.token(), 1);
        assert_eq!(limits.directory(), 100_000);
    }
}
