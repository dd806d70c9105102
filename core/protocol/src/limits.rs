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

    const fn figures(limits: &Limits) -> [usize; 9] {
        [
            limits.payload_header(),
            limits.key_header(),
            limits.token(),
            limits.header_lines(),
            limits.header_bytes(),
            limits.string(),
            limits.resource(),
            limits.manifest(),
            limits.directory(),
        ]
    }

    const fn all(value: usize) -> Limits {
        Limits::DEFAULT
            .with_payload_header(value)
            .with_key_header(value)
            .with_token(value)
            .with_header_lines(value)
            .with_header_bytes(value)
            .with_string(value)
            .with_resource(value)
            .with_manifest(value)
            .with_directory(value)
    }

    /// The two columns of PROTOCOL §14.
    #[test]
    fn figures_and_caps() {
        let defaults = [12_288, 512, 8192, 100, 32_768, 4096, 4096, 16_384, 10_000];
        assert_eq!(figures(&Limits::default()), defaults);
        assert_eq!(
            figures(&all(usize::MAX)),
            [16_384, 512, 16_384, 100, 65_536, 8192, 8192, 65_536, 100_000]
        );
        assert_eq!(figures(&all(1)), [1; 9]);
    }
}
