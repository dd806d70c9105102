//! The client: who asks which broker, and how often.

use super::error::BrokerError;
use super::retry::{Effort, again};
use super::send::{API, Caller, Errand, read};
use crate::agent::nonce;
use crate::patience::send_within;
use crate::target::Target;
use crate::{Call, Fetcher};
use core::fmt;
use core::time::Duration;
use imagxp::agent::Identity;
use imagxp::json::{Object, Value, object_to_canonical};
use imagxp::resource::{Origin, Resource};
use imagxp::{AgentId, Error};
use std::sync::{Arc, Mutex, PoisonError};

/// What is done for an answer when nothing else is said.
const EFFORT: Effort = Effort { attempts: 5, deadline: Duration::from_secs(60) };

/// A client of one broker. Cheap to clone, shared between threads; it blocks, and keeps no thread and no connection.
///
/// The identity's manifest must be where the broker can fetch it.
#[derive(Clone)]
pub struct BrokerClient {
    issuer: Arc<str>,
    pub(super) caller: Caller,
    pub(super) fetcher: Fetcher,
    pub(super) effort: Effort,
    endpoints: Arc<Mutex<Option<Endpoints>>>,
}

/// Where a broker says that things are (OpenID Connect Discovery 1.0).
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoints {
    /// Where visas and tokens are asked for.
    pub token: String,
    /// Its keys.
    pub jwks: String,
    /// All that the document says.
    pub document: Object<'static>,
}

impl BrokerClient {
    /// A client for an agent or a publisher, who signs each request. `issuer` is the broker's origin, for example `https://broker.example`.
    ///
    /// Error: `usage.argument` for what is not an https origin with a domain name (http for loopback hosts when the fetcher admits them): the
    /// fetch rules deny an IP address in any notation.
    pub fn new(issuer: &str, identity: Identity, fetcher: Fetcher) -> Result<Self, BrokerError> {
        Self::of(issuer, Caller::Party(identity), fetcher)
    }

    /// A client for an operator with a token. Errors: as there, and for what is no token.
    pub fn operator(issuer: &str, token: &str, fetcher: Fetcher) -> Result<Self, BrokerError> {
        if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Error::argument("the operator's token is not one").into());
        }
        Self::of(issuer, Caller::Operator(token.into()), fetcher)
    }

    fn of(issuer: &str, caller: Caller, fetcher: Fetcher) -> Result<Self, BrokerError> {
        let refused = |why: String| Error::argument(format!("broker `{}`: {why}", issuer.escape_debug()));
        let origin = read_issuer(issuer, fetcher.options().allow_loopback).map_err(refused)?;
        let issuer: Arc<str> = origin.to_string().into();
        Ok(Self { issuer, caller, fetcher, effort: EFFORT, endpoints: Arc::default() })
    }

    /// Sends at most this often; 1 never asks again. 5 when nothing is said: about three seconds of pauses.
    #[must_use]
    pub const fn with_attempts(mut self, attempts: u32) -> Self {
        self.effort.attempts = attempts;
        self
    }

    /// Gives up after so long, all attempts and pauses together: whatever stands between, and never answers. 60 s when nothing is said; one
    /// attempt waits 15 s at most.
    #[must_use]
    pub const fn with_deadline(mut self, deadline: Duration) -> Self {
        self.effort.deadline = deadline;
        self
    }

    /// The broker's origin.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Whether its broker pays this client for the page at this URL: a broker pays each host by its own name. It pays an operator for none.
    pub fn is_paid_for(&self, url: &str) -> bool {
        let Caller::Party(identity) = &self.caller else { return false };
        let origin = Resource::parse(url).and_then(|resource| resource.origin);
        let owner = origin.and_then(|origin| AgentId::of_origin(&origin, true));
        owner.is_some_and(|owner| owner == *identity.agent_id())
    }

    /// Where things are: asked once. The endpoints must have the issuer's origin, since assertions are sent there.
    pub fn endpoints(&self) -> Result<Endpoints, BrokerError> {
        if let Some(known) = self.known().clone() {
            return Ok(known);
        }
        let url = format!("{}/.well-known/openid-configuration", self.issuer);
        let document = again(self.effort, |left| {
            read(&send_within(&self.fetcher, &Call::get(url.as_str()), API, left)?)
        });
        // Reading changes nothing.
        let document = document.map_err(|error| BrokerError { unknown: false, ..error })?;
        let text = |name: &str| document.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        if text("issuer") != *self.issuer {
            return Err(BrokerError::new("broker.answer", "the broker's metadata names another issuer"));
        }
        let own = |url: &str| {
            let origin = Resource::parse(url).and_then(|resource| resource.origin);
            origin.is_some_and(|origin| origin.to_string() == *self.issuer)
        };
        let (token, jwks) = (text("token_endpoint"), text("jwks_uri"));
        if !own(&token) || !own(&jwks) {
            return Err(BrokerError::new(
                "broker.answer",
                "the broker's metadata names endpoints of another origin",
            ));
        }
        let found = Endpoints { token, jwks, document };
        *self.known() = Some(found.clone());
        Ok(found)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Option<Endpoints>> {
        self.endpoints.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn identity(&self) -> Result<&Identity, BrokerError> {
        match &self.caller {
            Caller::Party(identity) => Ok(identity),
            Caller::Operator(_) => {
                Err(Error::argument("this is for agents and publishers, not for operators").into())
            }
        }
    }

    /// Whose rows: the caller's own when nobody is named.
    pub(super) fn owner<'a>(&'a self, named: Option<&'a str>) -> Result<&'a str, BrokerError> {
        match (named, &self.caller) {
            (Some(name), _) => Ok(name),
            (None, Caller::Party(identity)) => Ok(identity.agent_id().as_str()),
            (None, Caller::Operator(_)) => Err(Error::argument("an operator names the owner").into()),
        }
    }

    /// The key of something that counts once.
    pub(super) fn key(&self, given: Option<&str>) -> Result<String, BrokerError> {
        let Some(given) = given else { return Ok(nonce()?) };
        // What the token request takes, and a batch may add a number to.
        if !(16..=128).contains(&given.len()) || !given.bytes().all(is_plain) {
            return Err(Error::argument(
                "an idempotency key has 16 to 128 characters of A-Z a-z 0-9 - . _ ~",
            )
            .into());
        }
        Ok(given.to_owned())
    }

    pub(super) fn get(&self, path: &str) -> Result<Object<'static>, BrokerError> {
        let errand = Errand { method: "GET", url: format!("{}{path}", self.issuer), body: b"", key: None };
        // Reading changes nothing.
        again(self.effort, |left| self.caller.send(&self.fetcher, &errand, left))
            .map_err(|error| BrokerError { unknown: false, ..error })
    }

    pub(super) fn post(
        &self,
        path: &str,
        body: &Object<'_>,
        key: Option<&str>,
    ) -> Result<Object<'static>, BrokerError> {
        self.post_bytes(path, &object_to_canonical(body), key)
    }

    pub(super) fn post_bytes(
        &self,
        path: &str,
        body: &[u8],
        key: Option<&str>,
    ) -> Result<Object<'static>, BrokerError> {
        let key = self.key(key)?;
        again(self.effort, |left| self.post_once(path, body, &key, left))
            .map_err(|error| BrokerError { key: Some(key), ..error })
    }

    pub(super) fn post_once(
        &self,
        path: &str,
        body: &[u8],
        key: &str,
        left: Duration,
    ) -> Result<Object<'static>, BrokerError> {
        let errand = Errand { method: "POST", url: format!("{}{path}", self.issuer), body, key: Some(key) };
        self.caller.send(&self.fetcher, &errand, left)
    }
}

/// The origin of a broker. Nothing could ever be sent to an IP address in any notation (the fetch rules deny it), neither by clients nor by
/// publishers that want its keys. Error: why it is none, in a few words.
pub fn read_issuer(issuer: &str, allow_loopback: bool) -> Result<Origin, String> {
    let origin = Origin::parse(issuer, allow_loopback)?;
    Target::parse(&origin.to_string(), &API, allow_loopback, &[]).map_err(|refused| refused.detail)?;
    Ok(origin)
}

impl fmt::Debug for BrokerClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrokerClient").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

const fn is_plain(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~')
}

/// A name in a path: of a visa, or a domain with its port. Error: `usage.argument`.
pub(super) fn path_part(name: &str) -> Result<&str, BrokerError> {
    let fits = (1..=255).contains(&name.len()) && name.bytes().all(|b| is_plain(b) || b == b':');
    if !fits || name.bytes().all(|b| b == b'.') {
        return Err(Error::argument(format!("`{}` is not a name", name.escape_debug())).into());
    }
    Ok(name)
}

/// A path with those members of a query that have a value.
pub(super) fn query(path: &str, members: &[(&str, Option<&str>)]) -> String {
    let mut out = path.to_owned();
    let mut separator = '?';
    for (name, value) in members {
        let Some(value) = value else { continue };
        out.push(separator);
        out.push_str(name);
        out.push('=');
        for byte in value.bytes() {
            if is_plain(byte) { out.push(char::from(byte)) } else { out.push_str(&format!("%{byte:02X}")) }
        }
        separator = '&';
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_queries() {
        assert_eq!(path_part("127.0.0.1:8000").unwrap(), "127.0.0.1:8000");
        for bad in ["", "..", ".", "a/b", "a?b", "a b", "a%2f", "é"] {
            assert_eq!(path_part(bad).unwrap_err().code(), "usage.argument", "{bad}");
        }
        let members = [("a", None), ("b", Some("2026-01-01T00:00:00Z&x=1")), ("c", Some("é"))];
        assert_eq!(query("/v1/x", &members), "/v1/x?b=2026-01-01T00%3A00%3A00Z%26x%3D1&c=%C3%A9");
        assert_eq!(query("/v1/x", &members[..1]), "/v1/x");
    }

    #[test]
    fn issuers_and_tokens() {
        let fetcher = Fetcher::new(crate::Options::default()).unwrap();
        for bad in [
            "",
            "broker.example",
            "http://broker.example",
            "https://broker.example/a",
            "https://192.0.2.1",
            "https://[2001:db8::1]:8443",
            "https://127.1",
            "https://broker.0x7f",
        ] {
            assert_eq!(
                BrokerClient::operator(bad, "t", fetcher.clone()).unwrap_err().code(),
                "usage.argument",
                "{bad}"
            );
        }
        for bad in ["", "a b", "a\r\nb"] {
            assert!(BrokerClient::operator("https://broker.example", bad, fetcher.clone()).is_err());
        }
        let client = BrokerClient::operator("https://broker.example/", "TOPSECRET", fetcher).unwrap();
        assert_eq!(client.issuer(), "https://broker.example");
        assert!(!format!("{client:?}").contains("TOPSECRET"));
        assert_eq!(client.redeem(&[], None).unwrap_err().code(), "usage.argument");
        assert_eq!(client.account(None).unwrap_err().code(), "usage.argument");
        assert_eq!(
            client.deposit("a", "1", None, "r", None, Some("short")).unwrap_err().code(),
            "usage.argument"
        );
    }
}
