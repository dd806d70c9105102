//! The refusal codes of PROTOCOL §13: one table, from which every language takes its strings and numbers.

use core::fmt;

/// Whom a refusal concerns and what may follow from it (PROTOCOL §6 `retry`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Retry {
    /// The same request will be refused again; nothing the agent can do by itself.
    Never,
    /// Sign the same request again with a new nonce and time.
    NewNonce,
    /// Obtain a visa, then sign again.
    Pay,
    /// Repair the request first.
    Fix,
    /// Try again after this many seconds.
    After(u32),
}

impl fmt::Display for Retry {
    /// Writes the wire form: `never`, `new_nonce`, `pay`, `fix` or `after:<seconds>`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.write_str("never"),
            Self::NewNonce => f.write_str("new_nonce"),
            Self::Pay => f.write_str("pay"),
            Self::Fix => f.write_str("fix"),
            Self::After(seconds) => write!(f, "after:{seconds}"),
        }
    }
}

macro_rules! codes {
    ($($(#[$meta:meta])* $name:ident = $number:literal, $text:literal, $http:literal, $retry:expr, $message:literal, $hint:literal;)*) => {
        /// A refusal code: stable string, stable number, one HTTP status, one sentence (PROTOCOL §13).
        ///
        /// Codes are never reused. The number is what crosses the C ABI; the string is what everything else shows.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        #[repr(u32)]
        pub enum Code {
            $(#[doc = concat!("`", $text, "`: ", $message, ".")] $(#[$meta])* $name = $number,)*
        }

        impl Code {
            /// Every code, in the order of PROTOCOL §13.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            /// The dotted string, the same in every language.
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$name => $text,)* }
            }

            /// The HTTP status to answer with.
            pub const fn http(self) -> u16 {
                match self { $(Code::$name => $http,)* }
            }

            /// What an agent may do next, unless the verdict knows better.
            pub const fn retry(self) -> Retry {
                match self { $(Code::$name => $retry,)* }
            }

            /// One sentence that says what happened; safe to send to a stranger.
            pub const fn message(self) -> &'static str {
                match self { $(Code::$name => $message,)* }
            }

            /// One sentence that says what to do, unless the verdict knows better.
            pub const fn hint(self) -> &'static str {
                match self { $(Code::$name => $hint,)* }
            }

            /// The code with this C ABI number.
            pub const fn from_number(number: u32) -> Option<Code> {
                match number { $($number => Some(Code::$name),)* _ => None }
            }
        }
    };
}

codes! {
    HeaderMissing = 100, "header.missing", 400, Retry::Fix,
        "a required header is missing", "send User-Agent, x-imagxp-payload and x-imagxp-signature together";
    HeaderDuplicate = 101, "header.duplicate", 400, Retry::Fix,
        "an IMAGXP header occurs more than once", "send each x-imagxp-* header on one line, once";
    HeaderConflict = 102, "header.conflict", 400, Retry::Fix,
        "two headers contradict each other", "let unsigned copies agree with the claim, or leave them out";
    HeaderBase64Invalid = 103, "header.base64_invalid", 400, Retry::Fix,
        "a header is not valid base64", "use one alphabet, full padding or none, and no white space";
    HeaderTooLarge = 104, "header.too_large", 413, Retry::Fix,
        "the request's headers are too many or too large", "shorten the claim or the header that is named";

    JsonMalformed = 200, "json.malformed", 400, Retry::Fix,
        "the claim is not a JSON object", "send one RFC 8259 object without byte order mark or trailing data";
    JsonDuplicateKey = 201, "json.duplicate_key", 400, Retry::Fix,
        "a JSON object names a member twice", "give each member once";
    JsonTooDeep = 202, "json.too_deep", 400, Retry::Fix,
        "the JSON is nested too deeply", "keep the claim within 8 levels";
    JsonTooMany = 203, "json.too_many", 400, Retry::Fix,
        "the JSON has too many members or values", "keep each object within 64 members";
    JsonNumberRange = 204, "json.number_range", 400, Retry::Fix,
        "a JSON number is outside the I-JSON range", "send large numbers as strings";
    JsonInvalidUnicode = 205, "json.invalid_unicode", 400, Retry::Fix,
        "the JSON is not valid Unicode", "send UTF-8 without lone surrogates";

    ClaimVersionUnsupported = 300, "claim.version_unsupported", 400, Retry::Fix,
        "the claim's version is not supported", "send v \"1.1\"";
    ClaimTsInvalid = 301, "claim.ts_invalid", 400, Retry::Fix,
        "the claim's time is not valid", "send ts as YYYY-MM-DDTHH:MM:SS.mmmZ, in UTC";
    ClaimNonceInvalid = 302, "claim.nonce_invalid", 400, Retry::Fix,
        "the claim's nonce is not valid", "send 16 to 128 characters of A-Z a-z 0-9 - . _ ~";
    ClaimAgentIdInvalid = 303, "claim.agent_id_invalid", 400, Retry::Fix,
        "the claim's agent_id is not a public domain name", "send a lower-case domain name without scheme or port";
    ClaimResourceInvalid = 304, "claim.resource_invalid", 400, Retry::Fix,
        "the claim's resource is missing or not a URL", "send the absolute URL that is being requested";
    ClaimPurposeInvalid = 305, "claim.purpose_invalid", 400, Retry::Fix,
        "the claim's purpose is not known",
        "send CRAWL_TRAINING, RAG_RETRIEVAL, SUMMARY, QUOTATION or EMBEDDING";
    ClaimContextInvalid = 306, "claim.context_invalid", 400, Retry::Fix,
        "the claim's context is not valid", "send an object; ads_displayed is true or false";
    ClaimDigestMismatch = 307, "claim.digest_mismatch", 400, Retry::Fix,
        "the body does not match the claim's content_digest", "sign the digest of the body that is sent";
    ClaimResourceMismatch = 308, "claim.resource_mismatch", 403, Retry::Fix,
        "the claim was signed for another resource", "sign the exact URL that is requested";
    ClaimMethodMismatch = 309, "claim.method_mismatch", 403, Retry::Fix,
        "the claim was signed for another method", "sign the method that is used";

    SigMalformed = 400, "sig.malformed", 400, Retry::Fix,
        "the signature is not 128 hex digits", "send r and s, 32 bytes each, in hex; not DER";
    SigInvalid = 401, "sig.invalid", 401, Retry::Fix,
        "the signature does not match the claim", "sign the RFC 8785 form of the claim with the published key";
    KeyMalformed = 420, "key.malformed", 400, Retry::Fix,
        "the key cannot be read", "send a P-256 or Ed25519 SubjectPublicKeyInfo in base64";

    PaymentMalformed = 500, "payment.malformed", 400, Retry::Fix,
        "the payment token is not a compact JWS", "send the broker's token unchanged";
    PaymentRequired = 501, "payment.required", 402, Retry::Pay,
        "this resource has a price", "obtain a visa from a broker in the offer and send it in x-imagxp-payment";
    PaymentExpired = 502, "payment.expired", 402, Retry::Pay,
        "the visa has expired", "obtain a new visa";
    PaymentWrongAudience = 503, "payment.wrong_audience", 402, Retry::Pay,
        "the visa was issued for another publisher", "obtain a visa whose aud is this site's origin";
    PaymentWrongHolder = 504, "payment.wrong_holder", 402, Retry::Pay,
        "the visa was issued to another agent or key", "send a visa issued to the agent that signs";
    PaymentInsufficient = 505, "payment.insufficient", 402, Retry::Pay,
        "the visa does not cover the price", "obtain a visa for the amount and currency of the offer";
    PaymentInvalidToken = 506, "payment.invalid_token", 402, Retry::Pay,
        "the payment token is not acceptable", "obtain a visa from a broker in the offer";
    PaymentAlreadyUsed = 507, "payment.already_used", 402, Retry::Pay,
        "the visa has been used up", "obtain a new visa";
    PaymentJwksNeeded = 520, "payment.jwks_needed", 503, Retry::After(1),
        "the broker's keys are not at hand yet", "try again shortly";
    PaymentJwksUnavailable = 521, "payment.jwks_unavailable", 503, Retry::After(60),
        "the broker's keys cannot be fetched", "try again later";
    PaymentRedeemNeeded = 522, "payment.redeem_needed", 503, Retry::After(1),
        "the broker has not confirmed the visa yet", "sign a new request shortly";
    PaymentRedeemUnavailable = 523, "payment.redeem_unavailable", 503, Retry::After(60),
        "the broker cannot be asked about the visa", "sign a new request later";
    FeedbackMalformed = 600, "feedback.malformed", 400, Retry::Fix,
        "the feedback cannot be read", "send the feedback object as JSON or base64 JSON";

    AuthRequired = 700, "auth.required", 401, Retry::Fix,
        "this site asks automated readers to identify themselves", "sign the request with IMAGXP";
    TimeExpired = 710, "time.expired", 401, Retry::NewNonce,
        "the claim is too old", "sign each request when it is sent, and check the clock";
    TimeFuture = 711, "time.future", 401, Retry::NewNonce,
        "the claim's time lies in the future", "check the clock";

    IdentityKeyMismatch = 800, "identity.key_mismatch", 401, Retry::Fix,
        "the signing key is not published by the agent's domain", "publish the key in the manifest first";
    IdentityNotFound = 801, "identity.not_found", 401, Retry::Fix,
        "the agent's domain publishes no manifest", "publish /.well-known/imagxp-agent.json";
    IdentityManifestInvalid = 802, "identity.manifest_invalid", 401, Retry::Fix,
        "the agent's manifest is not valid", "repair /.well-known/imagxp-agent.json";
    IdentityAddressDenied = 803, "identity.address_denied", 401, Retry::Fix,
        "the agent's domain does not resolve to a public address", "publish the manifest on a public host";
    IdentityRedirect = 804, "identity.redirect", 401, Retry::Fix,
        "the agent's manifest is redirected", "serve the manifest without a redirect";
    IdentityManifestNeeded = 820, "identity.manifest_needed", 503, Retry::After(1),
        "the agent's manifest is not at hand yet", "try again shortly";
    IdentityFetchFailed = 821, "identity.fetch_failed", 503, Retry::After(60),
        "the agent's manifest cannot be fetched", "try again later";
    IdentityFetchBusy = 822, "identity.fetch_busy", 503, Retry::After(2),
        "too many manifests are being fetched", "try again shortly";

    PolicyPurposeDenied = 900, "policy.purpose_denied", 403, Retry::Never,
        "this purpose is not allowed here", "see the site's policy for what is allowed";
    PolicyAgentDenied = 901, "policy.agent_denied", 403, Retry::Never,
        "this agent is not allowed here", "ask the publisher";
    PolicyDenied = 902, "policy.denied", 403, Retry::Never,
        "the site's policy refuses this request", "see the site's policy for what is allowed";
    PolicyError = 903, "policy.error", 503, Retry::After(60),
        "the site's policy could not be evaluated", "sign a new request later";
    MethodNotAllowed = 910, "method.not_allowed", 403, Retry::Never,
        "agents may not use this method here", "use a method that the policy lists";

    ReplayNonceSeen = 1000, "replay.nonce_seen", 409, Retry::NewNonce,
        "this request has been seen before", "sign each request with a new nonce";
    ReplayStoreFull = 1001, "replay.store_full", 503, Retry::After(60),
        "too many requests are remembered already", "slow down and try again later";
    ReplayStoreError = 1002, "replay.store_error", 503, Retry::After(5),
        "the replay store does not answer", "try again shortly";
    RateAgent = 1100, "rate.agent", 429, Retry::After(1),
        "the agent sends too many requests", "slow down";

    AuditUnavailable = 1300, "audit.unavailable", 503, Retry::After(5),
        "the audit log does not take the record", "sign a new request shortly";

    InternalPanic = 1200, "internal.panic", 500, Retry::After(60),
        "an internal error occurred", "report it to the publisher";
    InternalInvariant = 1201, "internal.invariant", 500, Retry::After(60),
        "an internal check failed", "report it to the publisher";
}

impl Code {
    /// The C ABI number.
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// The code with this dotted string.
    pub fn from_name(name: &str) -> Option<Code> {
        Self::ALL.iter().copied().find(|code| code.as_str() == name)
    }

    /// Whether the verdict is *undecided* (5xx: it may come out otherwise later) rather than *deny*.
    pub const fn is_undecided(self) -> bool {
        self.http() >= 500
    }
}

impl std::error::Error for Code {}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn table_is_consistent() {
        let mut names = HashSet::new();
        let mut numbers = HashSet::new();
        for &code in Code::ALL {
            assert!(names.insert(code.as_str()), "{code} twice");
            assert!(numbers.insert(code.number()), "{code} number twice");
            assert_eq!(Code::from_name(code.as_str()), Some(code));
            assert_eq!(Code::from_number(code.number()), Some(code));
            assert!(code.message().len() <= 120 && code.hint().len() <= 120, "{code} text too long");
            assert!(!code.message().ends_with('.') && !code.message().is_empty(), "{code} message style");
            assert!(
                matches!(code.http(), 400 | 401 | 402 | 403 | 409 | 413 | 429 | 500 | 503),
                "{code} http"
            );
        }
    }
}
