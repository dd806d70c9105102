//! A publisher on the core, faithful or with one fault.

use crate::http::{self, Message};
use imagxp::crypto::{Algorithm, PublicKey, Signature};
use imagxp::digest::content_digest;
use imagxp::encoding::base64_decode;
use imagxp::json::{Limits, Value, parse_object};
use imagxp::publisher::{FetchFailure, Need};
use imagxp::replay::{Insert, MemoryReplayStore, ReplayEntry, ReplayStore, Seen};
use imagxp::{Policy, Publisher, Request, Timestamp, Verdict};

use imagxp_fetch::{Fetcher, Options, Resolver};
use rustls::ServerConfig;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// What a verifier does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    AcceptsReplays,
    SpendsEarly,
    RefusesHighS,
    IgnoresMethod,
    IgnoresResource,
    IgnoresTime,
    HidesDuplicates,
    TrustsTheHint,
    FetchesForGarbage,
    SellsNothing,
    /// A visa that says no amount, or none that can be read, has paid.
    BelievesAnyAmount,
    /// No fault: the profile does not say which refusal a relative resource meets.
    RelativeIsInvalid,
    SpeaksInStatuses,
}

/// How a site is reached, and how it reaches others.
#[derive(Default)]
pub(crate) struct Place {
    /// https for its readers.
    pub(crate) tls: Option<Arc<ServerConfig>>,
    /// All documents are fetched from this address by `Host`: the proxy in front of the grader, without the Internet.
    pub(crate) via: Option<String>,
}

/// Serves a site on this listener until the tests end.
pub(crate) fn open(listener: TcpListener, policy: &str, fault: Fault, place: Place) {
    let policy = match fault {
        Fault::IgnoresResource => {
            policy.replacen('{', "{\"resource_match\":\"off\",\"require_resource\":false,", 1)
        }
        Fault::TrustsTheHint => policy.replacen('{', "{\"identity\":\"key_only\",", 1),
        _ => policy.to_owned(),
    };
    let policy = Policy::from_json(policy.as_bytes()).unwrap();
    let public = policy.public_json();
    let store: Arc<dyn ReplayStore> = match fault {
        Fault::AcceptsReplays => Arc::new(Forgetful),
        _ => Arc::new(MemoryReplayStore::default()),
    };
    let publisher = Publisher::new(policy, [7; 16]).with_replay_store(Arc::clone(&store));
    let fetcher = Fetcher::new(Options { allow_loopback: true, ..Options::default() }).unwrap();
    let (resolver, burnt) = (Resolver::new(fetcher), MemoryReplayStore::default());
    let site = Site { publisher, resolver, via: place.via, fault, burnt };
    http::serve(listener, place.tls, move |message| {
        if message.word(1) == "/.well-known/imagxp-policy.json" {
            return (200, Vec::new(), public.clone());
        }
        site.answer(message)
    });
}

struct Site {
    publisher: Publisher,
    resolver: Resolver,
    via: Option<String>,
    fault: Fault,
    burnt: MemoryReplayStore,
}

impl Site {
    fn answer(&self, message: &Message) -> (u16, Vec<(String, String)>, Vec<u8>) {
        let verdict = self.verdict(message);
        let headers =
            verdict.response_headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        if verdict.is_allowed() {
            let body = if message.word(0) == "HEAD" { Vec::new() } else { b"content\n".to_vec() };
            return (200, headers.collect(), body);
        }
        match self.fault {
            Fault::SpeaksInStatuses if verdict.http == 409 => (403, Vec::new(), verdict.body()),
            Fault::SpeaksInStatuses if verdict.http == 401 => (401, Vec::new(), verdict.body()),
            _ => (verdict.http, headers.collect(), verdict.body()),
        }
    }

    fn verdict(&self, message: &Message) -> Verdict {
        let mut now = now();
        let payload = message.value("x-imagxp-payload").and_then(|text| base64_decode(text.as_bytes()));
        let claim = payload.as_deref().and_then(|bytes| parse_object(bytes, &Limits::CLAIM).ok());
        let claimed =
            |name: &str| claim.as_ref().and_then(|claim| claim.get(name)?.as_str().map(str::to_owned));
        let mut message = message.clone();
        let mut method = message.word(0).to_owned();
        match self.fault {
            Fault::IgnoresMethod => method = claimed("method").unwrap_or(method).to_uppercase(),
            Fault::IgnoresTime => now = claimed("ts").and_then(|ts| Timestamp::parse(&ts)).unwrap_or(now),
            Fault::HidesDuplicates => {
                let mut seen = Vec::new();
                message.headers.retain(|(name, _)| {
                    let name = name.to_ascii_lowercase();
                    let fresh = !seen.contains(&name);
                    seen.push(name);
                    fresh
                });
            }
            Fault::FetchesForGarbage => message.headers.retain(|(name, _)| name != b"x-imagxp-public-key"),
            _ => {}
        }
        let lines: Vec<(&[u8], &[u8])> =
            message.headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect();
        let digest = content_digest(&message.body);
        let request =
            Request { method: &method, url: message.word(1), headers: &lines, body_digest: Some(&digest) };
        if self.fault == Fault::SpendsEarly
            && let Some(nonce) = claimed("nonce")
        {
            // Before anything else has been looked at: whoever sees a request can burn it.
            let mut key = [0; 16];
            let digest = imagxp::digest::sha256(nonce.as_bytes());
            key.copy_from_slice(&digest[..16]);
            let entry = ReplayEntry { key, agent: [0; 16], expires_at: now.saturating_add_secs(400) };
            if self.burnt.insert_if_absent(&entry, now) == Insert::Seen {
                let mut verdict = self.publisher.verify(&request, now).verdict;
                verdict.outcome = imagxp::publisher::Outcome::Deny;
                verdict.code = Some(imagxp::Code::ReplayNonceSeen);
                verdict.http = 409;
                return verdict;
            }
        }
        let mut verification = self.publisher.verify(&request, now);
        for _ in 0..6 {
            let Some(pending) = verification.pending.take() else { break };
            for need in &verification.verdict.needs {
                self.fetch(need, now);
            }
            verification = self.publisher.resume(pending, now);
        }
        let mut verdict = verification.verdict;
        if self.fault == Fault::SellsNothing {
            verdict.offer = None;
        }
        if self.fault == Fault::BelievesAnyAmount && !says_amount(&message) {
            let unpaid = [imagxp::Code::PaymentInsufficient, imagxp::Code::PaymentInvalidToken];
            if verdict.code.is_some_and(|code| unpaid.contains(&code)) {
                verdict.outcome = imagxp::publisher::Outcome::Allow;
            }
        }
        if self.fault == Fault::RelativeIsInvalid
            && verdict.code == Some(imagxp::Code::ClaimResourceMismatch)
            && claimed("resource").is_some_and(|resource| resource.starts_with('/'))
        {
            verdict.code = Some(imagxp::Code::ClaimResourceInvalid);
            verdict.http = 400;
        }
        let signature =
            message.value("x-imagxp-signature").and_then(|hex| Signature::from_hex(hex.as_bytes()));
        let key = message.value("x-imagxp-public-key");
        let key = key.and_then(|text| PublicKey::from_spki_base64(text.as_bytes()).ok());
        let es256 = key.is_some_and(|key| key.algorithm() == Algorithm::Es256);
        let high = signature.is_some_and(|signature| signature.normalized(Algorithm::Es256) != signature);
        if self.fault == Fault::RefusesHighS && es256 && high {
            verdict.outcome = imagxp::publisher::Outcome::Deny;
            verdict.code = Some(imagxp::Code::SigInvalid);
            verdict.http = 401;
        }
        verdict
    }
}

impl Site {
    fn fetch(&self, need: &Need, now: Timestamp) {
        let Some(via) = &self.via else {
            let _ = self.resolver.supply(&self.publisher, need, now);
            return;
        };
        let (host, path) = need.url.strip_prefix("https://").unwrap().split_once('/').unwrap();
        let answer = http::ask(via, host, &format!("GET /{path}"), &[]);
        let failure = match answer.word(1) {
            "200" => {
                let _ = self.publisher.supply(&need.url, &answer.body, None, now);
                return;
            }
            "404" => FetchFailure::NotFound,
            "302" => FetchFailure::Redirect,
            _ => FetchFailure::Failed,
        };
        self.publisher.supply_failure(&need.url, failure, now).unwrap();
    }
}

/// Whether the visa has an amount of a type that one may have; so it is without a visa.
fn says_amount(message: &Message) -> bool {
    let Some(visa) = message.value("x-imagxp-payment") else { return true };
    let claims = visa.split('.').nth(1).and_then(|part| base64_decode(part.as_bytes()));
    let claims = claims.as_deref().and_then(|bytes| parse_object(bytes, &Limits::CLAIM).ok());
    claims.is_none_or(|claims| matches!(claims.get("amount"), Some(Value::String(_) | Value::Number(_))))
}

/// Every nonce is new to it.
struct Forgetful;

impl ReplayStore for Forgetful {
    fn insert_if_absent(&self, _: &ReplayEntry, _: Timestamp) -> Insert {
        Insert::Fresh
    }

    fn seen(&self, _: &[u8; 16], _: Timestamp) -> Seen {
        Seen::No
    }
}

pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap())
}
