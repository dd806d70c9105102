//! One request to a broker's API: signed anew for each sending, or with an operator's token.

use super::BrokerError;
use crate::patience::send_within;
use crate::{Answer, Call, Fetcher, Profile};
use core::time::Duration;
use imagxp::agent::{Identity, SignRequest};
use imagxp::digest::content_digest;
use imagxp::json::{self, Object};
use imagxp::{Purpose, headers};
use std::sync::Arc;

/// The API: more than its own 10 s for an answer, and room for a statement of ten thousand transfers.
pub(super) const API: Profile = Profile {
    deadline: Duration::from_secs(15),
    max_body: 8 * 1024 * 1024,
    any_port: true,
    accept: "application/json",
    ..Profile::DOCUMENT
};

const LIMITS: json::Limits =
    json::Limits { max_bytes: API.max_body, max_depth: 16, ..json::Limits::INTERCHANGE };

/// Who asks.
#[derive(Clone)]
pub(super) enum Caller {
    /// An agent or a publisher, who signs.
    Party(Identity),
    /// An operator with a token.
    Operator(Arc<str>),
}

/// A request that is the same each time it is sent.
pub(super) struct Errand<'a> {
    pub(super) method: &'static str,
    pub(super) url: String,
    pub(super) body: &'a [u8],
    pub(super) key: Option<&'a str>,
}

impl Caller {
    /// Sends once, and waits for `left` at most. Any 2xx is an answer; everything else is an error.
    pub(super) fn send(
        &self,
        fetcher: &Fetcher,
        errand: &Errand<'_>,
        left: Duration,
    ) -> Result<Object<'static>, BrokerError> {
        let mut lines = vec![("accept".to_owned(), API.accept.to_owned())];
        match self {
            Self::Operator(token) => {
                lines.push(("user-agent".to_owned(), headers::user_agent("imagxp-broker-client")));
                lines.push(("authorization".to_owned(), format!("Bearer {token}")));
            }
            Self::Party(identity) => {
                lines.push(("user-agent".to_owned(), headers::user_agent("imagxp-broker-client")));
                let digest = content_digest(errand.body);
                let request = SignRequest {
                    content_digest: (!errand.body.is_empty()).then_some(digest.as_str()),
                    // The broker asks who it is, not what for.
                    ..SignRequest::new(errand.method, &errand.url, Purpose::Summary)
                };
                let signed = identity.sign(&request, crate::agent::now(), &crate::agent::nonce()?)?;
                lines.extend(signed.iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
            }
        }
        if !errand.body.is_empty() {
            lines.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        if let Some(key) = errand.key {
            lines.push(("idempotency-key".to_owned(), key.to_owned()));
        }
        let (method, url, body) = (errand.method.to_owned(), errand.url.clone(), errand.body.to_vec());
        read(&send_within(fetcher, &Call { method, url, headers: lines, body }, API, left)?)
    }
}

/// The object of an answer of success.
pub(super) fn read(answer: &Answer) -> Result<Object<'static>, BrokerError> {
    check(answer)?;
    let object = json::parse_object(&answer.body, &LIMITS).map_err(|error| {
        BrokerError::answer(format!("the broker's answer is not acceptable JSON: {}", error.code()))
    })?;
    Ok(object.into_owned())
}

/// Whether it is one.
pub(super) fn check(answer: &Answer) -> Result<(), BrokerError> {
    if (200..300).contains(&answer.status) {
        return Ok(());
    }
    let retry_after = answer.header("retry-after").and_then(|value| value.parse().ok());
    Err(BrokerError::refused(answer.status, retry_after, &answer.body))
}
