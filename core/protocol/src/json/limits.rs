//! How much of a document is read at most.

const KIB: usize = 1024;

/// Bounds on one JSON document (PROTOCOL §14). A document beyond one of them is refused, never cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole document; more is `header.too_large`.
    pub max_bytes: usize,
    /// Objects and arrays around a value, itself included: `{}` is depth 1; more is `json.too_deep`.
    ///
    /// Values above [`Limits::DEPTH_CAP`] count as that: the parser recurses once per level.
    pub max_depth: usize,
    /// Members of one object; more is `json.too_many`.
    pub max_members: usize,
    /// Values of the whole document, objects and arrays included; more is `json.too_many`.
    pub max_values: usize,
    /// Bytes of one string or member name in UTF-8, after unescaping; more is `header.too_large`.
    pub max_string: usize,
    /// Bytes of one number as written; more is `json.number_range`.
    pub max_number: usize,
}

impl Limits {
    /// The greatest depth that any limits can admit.
    pub const DEPTH_CAP: usize = 64;

    /// A claim (PROTOCOL §2). 256 values in all, a decimal of more than 20 bytes counting for eight, are more than any claim needs, and keep the worst 8 KiB within 20 µs.
    pub const CLAIM: Self = Self {
        max_bytes: 8 * KIB,
        max_depth: 8,
        max_members: 64,
        max_values: 256,
        max_string: 4 * KIB,
        max_number: 32,
    };
    /// An agent's manifest (PROTOCOL §4).
    pub const MANIFEST: Self = Self { max_bytes: 16 * KIB, max_values: 1024, ..Self::CLAIM };
    /// A broker's key set.
    pub const JWKS: Self = Self { max_bytes: 64 * KIB, max_values: 4096, max_string: 8 * KIB, ..Self::CLAIM };
    /// Header or claims of a JWS (PROTOCOL §8).
    pub const JWT: Self = Self { max_bytes: 16 * KIB, max_depth: 4, max_string: 8 * KIB, ..Self::CLAIM };
    /// A publisher's policy document (PROTOCOL §7).
    pub const POLICY: Self =
        Self { max_bytes: 256 * KIB, max_members: 4096, max_values: 65_536, ..Self::CLAIM };
    /// Documents of one's own: test suites and [`canonicalize`](super::canonicalize). Not for hostile input.
    pub const INTERCHANGE: Self = Self {
        max_bytes: 16 * KIB * KIB,
        max_depth: Self::DEPTH_CAP,
        max_members: 65_536,
        max_values: 1 << 20,
        max_string: 16 * KIB * KIB,
        max_number: KIB,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The figures of PROTOCOL §2 and §14.
    #[test]
    fn figures() {
        let figures =
            |limits: Limits| (limits.max_bytes, limits.max_depth, limits.max_members, limits.max_values);
        assert_eq!(figures(Limits::CLAIM), (8192, 8, 64, 256));
        assert_eq!(figures(Limits::MANIFEST), (16_384, 8, 64, 1024));
        assert_eq!(figures(Limits::JWKS), (65_536, 8, 64, 4096));
        assert_eq!(figures(Limits::JWT), (16_384, 4, 64, 256));
        assert_eq!(figures(Limits::POLICY), (262_144, 8, 4096, 65_536));
        let strings = [Limits::CLAIM, Limits::MANIFEST, Limits::JWKS, Limits::JWT, Limits::POLICY]
            .map(|limits| (limits.max_string, limits.max_number));
        assert_eq!(strings, [(4096, 32), (4096, 32), (8192, 32), (8192, 32), (4096, 32)]);
        assert_eq!(figures(Limits::INTERCHANGE), (16_777_216, 64, 65_536, 1_048_576));
        assert_eq!((Limits::INTERCHANGE.max_string, Limits::INTERCHANGE.max_number), (16_777_216, 1024));
    }
}
