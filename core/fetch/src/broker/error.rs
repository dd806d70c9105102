//! Why a broker did not do what was asked.

use crate::FetchError;
use core::fmt;
use imagxp::ErrorKind;
use imagxp::json::{self, Value};
use imagxp::publisher::FetchFailure;

/// Why a broker did not do what was asked. Its message never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerError {
    pub(super) code: String,
    pub(super) message: String,
    pub(super) status: Option<u16>,
    pub(super) request_id: Option<String>,
    pub(super) retry_after: Option<u32>,
    pub(super) key: Option<String>,
    pub(super) unknown: bool,
    pub(super) transient: bool,
}

/// What the broker's ledger alone says, once it has looked for what was done under the key. Everything else (who asks, what the body says, a
/// proxy's own refusals) may be said before that. `idempotency.mismatch` is not one of them: the key may have been used by an earlier attempt.
const OF_THE_LEDGER: [&str; 17] = [
    "account.insufficient",
    "account.frozen",
    "account.closed",
    "account.not_empty",
    "transfer.illegal",
    "transfer.not_pending",
    "transfer.already_resolved",
    "visa.lifetime",
    "visa.state",
    "visa.expired",
    "feedback.already_given",
    "feedback.closed",
    "contest.closed",
    "actor.denied",
    "admin.second_needed",
    "log.continues",
    "clock.dispute",
];

/// What an answer may be read to.
const LIMITS: json::Limits =
    json::Limits { max_bytes: 64 * 1024, max_depth: 16, ..json::Limits::INTERCHANGE };

impl BrokerError {
    pub(super) fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            status: None,
            request_id: None,
            retry_after: None,
            key: None,
            unknown: false,
            transient: false,
        }
    }

    /// An answer with another status than those of success.
    pub(super) fn refused(status: u16, retry_after: Option<u32>, body: &[u8]) -> Self {
        let (code, message, request_id) = read(body).unwrap_or_else(|| {
            ("broker.answer".to_owned(), format!("the broker answered with status {status}"), None)
        });
        let in_progress = code == "idempotency.in_progress";
        Self {
            status: Some(status),
            request_id,
            retry_after,
            transient: in_progress || matches!(status, 408 | 429 | 502 | 503 | 504),
            // A refusal has changed nothing; whether an error of a server has, nobody knows.
            unknown: in_progress || status == 408 || status >= 500,
            ..Self::new(code, message)
        }
    }

    /// An answer that is not what the API promises: what became of the request is not known.
    pub(super) fn answer(message: impl Into<String>) -> Self {
        Self { unknown: true, ..Self::new("broker.answer", message) }
    }

    /// This error where an earlier attempt under the same key may have worked (`unknown`): that is forgotten only when the ledger says that it
    /// has not.
    pub(super) fn after(self, unknown: bool) -> Self {
        let decided = self.status.is_some() && OF_THE_LEDGER.contains(&self.code.as_str());
        Self { unknown: self.unknown || (unknown && !decided), ..self }
    }

    /// Whether the request was larger than somebody reads, the broker or a proxy before it: then the ledger has not seen it.
    pub(super) fn is_too_large(&self) -> bool {
        self.status == Some(413)
    }

    /// The stable dotted code: the broker's own (`account.insufficient`, `visa.state` …), or `broker.unreachable` (no answer),
    /// `broker.answer` (one that is not the API's) and `usage.*`.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// One sentence.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The status, when the broker answered.
    pub const fn status(&self) -> Option<u16> {
        self.status
    }

    /// What the broker's log calls the request.
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// The `Idempotency-Key` that was used: asking again with it is answered with what happened the first time.
    pub fn idempotency_key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Whether it may have happened all the same: then ask again with the same key.
    pub const fn is_unknown(&self) -> bool {
        self.unknown
    }

    /// Whether asking again later may help.
    pub const fn is_transient(&self) -> bool {
        self.transient
    }
}

/// `{"error": {code, message, request_id}}` (BROKER §3), or OAuth's `{"error", "error_description", "code", "request_id"}`.
fn read(body: &[u8]) -> Option<(String, String, Option<String>)> {
    let object = json::parse_object(body, &LIMITS).ok()?;
    let own =
        |object: &json::Object<'_>, name: &str| object.get(name).and_then(Value::as_str).map(str::to_owned);
    let (code, message, id) = match object.get("error")? {
        Value::Object(error) => (own(error, "code")?, own(error, "message"), own(error, "request_id")),
        error => {
            let code = own(&object, "code").or_else(|| error.as_str().map(str::to_owned))?;
            (code, own(&object, "error_description"), own(&object, "request_id"))
        }
    };
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    if code.is_empty() || code.len() > 64 || !code.bytes().all(plain) {
        return None;
    }
    let message = message.unwrap_or_default().chars().filter(|c| !c.is_control()).take(500).collect();
    Some((code, message, id.filter(|id| id.len() <= 128 && id.bytes().all(|b| b.is_ascii_graphic()))))
}

impl From<FetchError> for BrokerError {
    fn from(error: FetchError) -> Self {
        let transient = matches!(error.failure, FetchFailure::Failed | FetchFailure::Busy);
        Self {
            unknown: error.sent,
            transient,
            status: error.status,
            ..Self::new("broker.unreachable", error.to_string())
        }
    }
}

impl From<imagxp::Error> for BrokerError {
    fn from(error: imagxp::Error) -> Self {
        // A key's holder that could not be asked may answer the next time; nothing was sent.
        let transient = error.kind() == ErrorKind::Signer;
        Self { transient, ..Self::new(error.code(), error.message()) }
    }
}

impl fmt::Display for BrokerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for BrokerError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_refusal() {
        let own =
            br#"{"error":{"code":"visa.state","message":"it is redeemed","details":null,"request_id":"r1"}}"#;
        let error = BrokerError::refused(409, None, own);
        assert_eq!(
            (error.code(), error.message(), error.request_id()),
            ("visa.state", "it is redeemed", Some("r1"))
        );
        assert!(!error.is_unknown() && !error.is_transient());
        let oauth =
            br#"{"error":"invalid_client","error_description":"no","code":"sig.invalid","request_id":"r2"}"#;
        assert_eq!(BrokerError::refused(401, None, oauth).code(), "sig.invalid");
        assert_eq!(
            BrokerError::refused(400, None, br#"{"error":"invalid_request"}"#).code(),
            "invalid_request"
        );
    }

    #[test]
    fn what_is_no_refusal_of_ours() {
        for body in [&b"<html>"[..], b"{}", br#"{"error":7}"#, br#"{"error":{"code":"a b"}}"#, b"\xff"] {
            let error = BrokerError::refused(502, Some(3), body);
            assert_eq!(
                (error.code(), error.status(), error.retry_after),
                ("broker.answer", Some(502), Some(3))
            );
            assert!(error.is_unknown() && error.is_transient());
        }
        assert!(
            BrokerError::refused(500, None, b"").is_unknown(),
            "the server failed, perhaps after it paid"
        );
        assert!(!BrokerError::refused(500, None, b"").is_transient());
    }

    #[test]
    fn only_the_ledger_says_that_an_earlier_attempt_did_nothing() {
        let refused = |status: u16, code: &str| {
            let body = format!(r#"{{"error":{{"code":"{code}","message":"no"}}}}"#);
            BrokerError::refused(status, None, body.as_bytes())
        };
        for code in OF_THE_LEDGER {
            assert!(!refused(409, code).after(true).is_unknown(), "{code}");
        }
        for (status, code) in [
            (400, "asset.unknown"),
            (400, "text.malformed"),
            (401, "time.expired"),
            (401, "auth.token_invalid"),
            (401, "assertion.used"),
            (403, "auth.forbidden"),
            (404, "route.not_found"),
            (404, "account.not_found"),
            (405, "method.not_allowed"),
            (409, "idempotency.mismatch"),
            (413, "body.too_large"),
            (415, "body.not_json"),
            (402, "payment_required"),
        ] {
            assert!(refused(status, code).after(true).is_unknown(), "{status} {code}");
            assert!(!refused(status, code).after(false).is_unknown(), "{status} {code}");
        }
        // Of a proxy: no code, or no JSON.
        for status in [400, 401, 402, 403, 404, 413] {
            assert!(BrokerError::refused(status, None, b"<html>").after(true).is_unknown(), "{status}");
        }
    }

    #[test]
    fn the_codes_of_the_ledger_are_the_broker_s() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../broker/src/refusal.rs");
        let codes = std::fs::read_to_string(file).unwrap();
        for code in OF_THE_LEDGER {
            assert!(codes.contains(&format!(" = \"{code}\", ")), "{code}");
        }
    }
}
