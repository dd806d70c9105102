//! The request's headers: which ones are ours, and whether they may stand together (PROTOCOL §1, §5 step 1).

use crate::code::Code;
use crate::limits::Limits;

/// The claim, base64.
pub const PAYLOAD: &str = "x-imagxp-payload";
/// The signature over the claim, 128 hex digits.
pub const SIGNATURE: &str = "x-imagxp-signature";
/// The signing key, base64 SPKI: a hint.
pub const PUBLIC_KEY: &str = "x-imagxp-public-key";
/// The visa, a compact JWS.
pub const PAYMENT: &str = "x-imagxp-payment";
/// The reference SDK's name for [`PAYMENT`].
pub const CREDENTIAL: &str = "x-imagxp-credential";
/// The ad-impression proof, a compact JWS.
pub const PROOF: &str = "x-imagxp-proof";
/// Quality feedback.
pub const FEEDBACK: &str = "x-imagxp-feedback";
/// Unsigned copy of the claim's agent_id.
pub const AGENT_ID: &str = "x-imagxp-agent-id";
/// Unsigned copy of the claim's ts.
pub const TIMESTAMP: &str = "x-imagxp-timestamp";
/// Unsigned copy of the key's algorithm.
pub const ALG: &str = "x-imagxp-alg";
/// Response: HUMAN, SYNTHETIC or HYBRID.
pub const CONTENT_ORIGIN: &str = "x-imagxp-content-origin";
/// Response: the provenance receipt, base64.
pub const PROVENANCE: &str = "x-imagxp-provenance";
/// Response: the receipt's signature, 128 hex digits.
pub const PROVENANCE_SIG: &str = "x-imagxp-provenance-sig";

/// The product token that agents send in `User-Agent` (PROTOCOL §1).
pub const PRODUCT: &str = "IMAGXP/1.0";

/// The most `x-imagxp-` headers that are not known here.
const MAX_OTHERS: usize = 16;

/// One header line: name and value as they came, in bytes. A list keeps duplicates that a map would hide.
pub type HeaderLine<'a> = (&'a [u8], &'a [u8]);

/// The headers that a verification reads.
#[derive(Clone, Debug, Default)]
pub(crate) struct RequestHeaders<'a> {
    pub(crate) payload: Option<&'a [u8]>,
    pub(crate) signature: Option<&'a [u8]>,
    pub(crate) public_key: Option<&'a [u8]>,
    pub(crate) payment: Option<&'a [u8]>,
    pub(crate) proof: Option<&'a [u8]>,
    pub(crate) agent_id: Option<&'a [u8]>,
    pub(crate) timestamp: Option<&'a [u8]>,
    pub(crate) alg: Option<&'a [u8]>,
    pub(crate) user_agent: Option<&'a [u8]>,
    pub(crate) accept_language: Option<&'a [u8]>,
    pub(crate) has_sec_fetch: bool,
}

/// A refusal of step 1, with the header it concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeaderRefusal {
    pub(crate) code: Code,
    pub(crate) header: &'static str,
}

impl<'a> RequestHeaders<'a> {
    /// Step 1 of PROTOCOL §5: count, sizes, duplicates, conflicts, in this order.
    pub(crate) fn read(lines: &[HeaderLine<'a>], limits: &Limits) -> Result<Self, HeaderRefusal> {
        let refuse = |code, header| Err(HeaderRefusal { code, header });
        let total = lines
            .iter()
            .fold(0_usize, |sum, (name, value)| sum.saturating_add(name.len()).saturating_add(value.len()));
        if lines.len() > limits.header_lines() || total > limits.header_bytes() {
            return refuse(Code::HeaderTooLarge, "all headers");
        }
        let mut found = Self::default();
        let mut credential = None;
        let mut duplicate = None;
        let mut others: Vec<Vec<u8>> = Vec::new();
        let mut feedback = None;
        for &(name, value) in lines {
            let value = value.trim_ascii();
            let (target, label) = match match_name(name) {
                Some(Slot::Payload) => (&mut found.payload, PAYLOAD),
                Some(Slot::Signature) => (&mut found.signature, SIGNATURE),
                Some(Slot::PublicKey) => (&mut found.public_key, PUBLIC_KEY),
                Some(Slot::Payment) => (&mut found.payment, PAYMENT),
                Some(Slot::Credential) => (&mut credential, CREDENTIAL),
                Some(Slot::Proof) => (&mut found.proof, PROOF),
                Some(Slot::Feedback) => (&mut feedback, FEEDBACK),
                Some(Slot::AgentId) => (&mut found.agent_id, AGENT_ID),
                Some(Slot::Timestamp) => (&mut found.timestamp, TIMESTAMP),
                Some(Slot::Alg) => (&mut found.alg, ALG),
                Some(Slot::OtherImagxp) => {
                    // A bound of their own: comparing a hundred long names with each other would cost more than a signature.
                    if others.len() == MAX_OTHERS {
                        return refuse(Code::HeaderTooLarge, "x-imagxp- headers");
                    }
                    let name = lower_case(name);
                    if others.contains(&name) {
                        duplicate = duplicate.or(Some("an x-imagxp- header"));
                    }
                    others.push(name);
                    continue;
                }
                Some(Slot::UserAgent) => {
                    found.user_agent = found.user_agent.or(Some(value));
                    continue;
                }
                Some(Slot::AcceptLanguage) => {
                    found.accept_language = found.accept_language.or(Some(value));
                    continue;
                }
                Some(Slot::SecFetch) => {
                    found.has_sec_fetch = true;
                    continue;
                }
                None => continue,
            };
            if target.is_some() {
                duplicate = duplicate.or(Some(label));
            }
            *target = Some(value);
        }
        for (value, limit, label) in [
            (found.payload, limits.payload_header(), PAYLOAD),
            (found.public_key, limits.key_header(), PUBLIC_KEY),
            (found.payment, limits.token(), PAYMENT),
            (credential, limits.token(), CREDENTIAL),
            (found.proof, limits.token(), PROOF),
        ] {
            if value.is_some_and(|value| value.len() > limit) {
                return refuse(Code::HeaderTooLarge, label);
            }
        }
        if let Some(label) = duplicate {
            return refuse(Code::HeaderDuplicate, label);
        }
        // A proxy that joins two lines leaves a comma, which neither base64 nor hex contains.
        for (value, label) in [(found.payload, PAYLOAD), (found.signature, SIGNATURE)] {
            // Every byte, so that the compiler looks at many at a time: nearly never is there one.
            if value.is_some_and(|value| value.iter().fold(false, |found, byte| found | (*byte == b','))) {
                return refuse(Code::HeaderDuplicate, label);
            }
        }
        if found.payment.zip(credential).is_some_and(|(payment, credential)| payment != credential) {
            return refuse(Code::HeaderConflict, CREDENTIAL);
        }
        found.payment = found.payment.or(credential);
        Ok(found)
    }

    /// Whether this request takes the agent path, from which it never falls back to "browser" (PROTOCOL §1).
    pub(crate) fn is_signed(&self) -> bool {
        self.payload.is_some() || self.signature.is_some() || self.payment.is_some() || self.proof.is_some()
    }

    /// Whether `User-Agent` carries the product token.
    pub(crate) fn has_product(&self) -> bool {
        self.user_agent.is_some_and(names_product)
    }
}

/// Whether a header puts its request on the agent path (PROTOCOL §1).
pub(crate) fn marks_agent(name: &[u8]) -> bool {
    matches!(
        match_name(name),
        Some(Slot::Payload | Slot::Signature | Slot::Payment | Slot::Credential | Slot::Proof)
    )
}

/// Whether a header is one that the verification of a signed request reads.
pub(crate) fn concerns_agents(name: &[u8]) -> bool {
    !matches!(match_name(name), None | Some(Slot::AcceptLanguage | Slot::SecFetch))
}

/// The `User-Agent` an agent sends: its own, with the product token added when it is missing (PROTOCOL §1).
pub fn user_agent(own: &str) -> String {
    match own.trim() {
        "" => PRODUCT.to_owned(),
        own if names_product(own.as_bytes()) => own.to_owned(),
        own => format!("{own} {PRODUCT}"),
    }
}

/// Whether the product token stands in a `User-Agent` as a whole: `IMAGXP/1.05` and `xIMAGXP/1.0` are other products (RFC 9110 §10.1.5).
pub fn names_product(user_agent: &[u8]) -> bool {
    let is_token = |byte: Option<&u8>| {
        byte.is_some_and(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~/".contains(b))
    };
    // From the end, where agents put it.
    (0..user_agent.len()).rev().any(|start| {
        let end = start + PRODUCT.len();
        user_agent.get(start..end) == Some(PRODUCT.as_bytes())
            && !is_token(user_agent.get(end))
            && !start.checked_sub(1).is_some_and(|before| is_token(user_agent.get(before)))
    })
}

/// The name without capitals, eight bytes at a time: a stranger chooses how long it is.
fn lower_case(name: &[u8]) -> Vec<u8> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x80 * ONES;
    let (words, tail) = name.as_chunks::<8>();
    let mut lower = Vec::with_capacity(name.len());
    for word in words {
        let word = u64::from_le_bytes(*word);
        let low = word & !HIGH;
        // No sum reaches the next byte: the high bit says whether a byte is at least `A`, or beyond `Z`.
        let from_a = low + (0x80 - 0x41) * ONES;
        let beyond_z = low + (0x7f - 0x5a) * ONES;
        let capitals = from_a & !beyond_z & !word & HIGH;
        lower.extend_from_slice(&(word | capitals >> 2).to_le_bytes());
    }
    lower.extend(tail.iter().map(u8::to_ascii_lowercase));
    lower
}

#[derive(Clone, Copy)]
enum Slot {
    Payload,
    Signature,
    PublicKey,
    Payment,
    Credential,
    Proof,
    Feedback,
    AgentId,
    Timestamp,
    Alg,
    OtherImagxp,
    UserAgent,
    AcceptLanguage,
    SecFetch,
}

fn match_name(name: &[u8]) -> Option<Slot> {
    const PREFIX: &[u8] = b"x-imagxp-";
    let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
    match name.first()? {
        b'x' | b'X' if name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX)) => {
            Some(match () {
                () if is(PAYLOAD) => Slot::Payload,
                () if is(SIGNATURE) => Slot::Signature,
                () if is(PUBLIC_KEY) => Slot::PublicKey,
                () if is(PAYMENT) => Slot::Payment,
                () if is(CREDENTIAL) => Slot::Credential,
                () if is(PROOF) => Slot::Proof,
                () if is(FEEDBACK) => Slot::Feedback,
                () if is(AGENT_ID) => Slot::AgentId,
                () if is(TIMESTAMP) => Slot::Timestamp,
                () if is(ALG) => Slot::Alg,
                () => Slot::OtherImagxp,
            })
        }
        b'u' | b'U' if is("user-agent") => Some(Slot::UserAgent),
        b'a' | b'A' if is("accept-language") => Some(Slot::AcceptLanguage),
        b's' | b'S' if name.get(..10).is_some_and(|start| start.eq_ignore_ascii_case(b"sec-fetch-")) => {
            Some(Slot::SecFetch)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<'a>(lines: &[(&'a str, &'a str)]) -> Result<RequestHeaders<'a>, HeaderRefusal> {
        let lines: Vec<HeaderLine<'a>> = lines.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
        RequestHeaders::read(&lines, &Limits::DEFAULT)
    }

    #[test]
    fn names_are_case_insensitive_and_values_trimmed() {
        let found = read(&[("X-Imagxp-Payload", " abc\t"), ("USER-AGENT", "bot IMAGXP/1.0 (x)")]).unwrap();
        assert_eq!(found.payload, Some(&b"abc"[..]));
        assert!(found.has_product() && found.is_signed());
    }

    #[test]
    fn any_of_ours_twice_is_a_duplicate() {
        for name in [
            PAYLOAD,
            SIGNATURE,
            PUBLIC_KEY,
            PAYMENT,
            CREDENTIAL,
            PROOF,
            FEEDBACK,
            AGENT_ID,
            TIMESTAMP,
            ALG,
            "x-imagxp-new",
        ] {
            let upper = name.to_ascii_uppercase();
            assert_eq!(
                read(&[(name, "a"), (&upper, "a")]).unwrap_err().code,
                Code::HeaderDuplicate,
                "{name}"
            );
        }
        assert_eq!(read(&[(PAYLOAD, "a,b")]).unwrap_err().code, Code::HeaderDuplicate);
        assert!(read(&[("accept", "a"), ("accept", "b")]).is_ok());
    }

    #[test]
    fn sizes_come_before_duplicates_and_conflicts() {
        let long = "a".repeat(12 * 1024 + 1);
        assert_eq!(read(&[(PAYLOAD, "a"), (PAYLOAD, &long)]).unwrap_err().code, Code::HeaderTooLarge);
        assert_eq!(read(&[("x", "y"); 101]).unwrap_err().code, Code::HeaderTooLarge);
        let others: Vec<String> = (0..17).map(|number| format!("x-imagxp-{number}")).collect();
        let others: Vec<(&str, &str)> = others.iter().map(|name| (name.as_str(), "")).collect();
        assert!(read(&others[..16]).is_ok());
        assert_eq!(read(&others).unwrap_err().code, Code::HeaderTooLarge);
        assert_eq!(read(&[(PAYMENT, "a"), (CREDENTIAL, "b")]).unwrap_err().code, Code::HeaderConflict);
        assert_eq!(read(&[(CREDENTIAL, "b")]).unwrap().payment, Some(&b"b"[..]));
        assert_eq!(read(&[(PUBLIC_KEY, &"a".repeat(513))]).unwrap_err().code, Code::HeaderTooLarge);
    }

    #[test]
    fn lower_case_is_that_of_ascii() {
        let all: Vec<u8> = (0..=255).collect();
        for start in 0..9 {
            assert_eq!(lower_case(&all[start..]), all[start..].to_ascii_lowercase());
        }
    }

    #[test]
    fn product_token_is_added_once() {
        assert_eq!(user_agent("bot/2"), "bot/2 IMAGXP/1.0");
        assert_eq!(user_agent("bot IMAGXP/1.0"), "bot IMAGXP/1.0");
        assert_eq!(user_agent(" "), "IMAGXP/1.0");
        assert_eq!(user_agent("IMAGXP/1.05"), "IMAGXP/1.05 IMAGXP/1.0");
        for (value, named) in [
            ("bot (IMAGXP/1.0; x)", true),
            ("IMAGXP/1.0", true),
            ("xIMAGXP/1.0", false),
            ("IMAGXP/1.0.1", false),
        ] {
            assert_eq!(names_product(value.as_bytes()), named, "{value}");
        }
    }
}
