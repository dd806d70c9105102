//! How each of them is judged.

use super::Evidence;
use super::read::Request;
use super::rooms::{AWAY_TO, BUSY_S, MOVED_TO};
use crate::grade::report::Mark;
use imagxp::Timestamp;
use imagxp::crypto::{PublicKey, Thumbprint};
use imagxp::headers::{CREDENTIAL, PAYMENT, PUBLIC_KEY};
use imagxp::json::{Limits, Value, parse, to_canonical};
use imagxp::resource::Resource;
use std::collections::HashSet;
use std::time::Duration;

/// The last second of the year 2100.
const MAX_SECONDS: i64 = 4_133_980_799;

pub(super) fn check(holds: bool, reason: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(reason()) }
}

pub(super) fn equal(found: Option<&str>, expected: &str) -> Result<(), String> {
    check(found == Some(expected), || format!("expected {expected:?}, got {found:?}"))
}

pub(super) fn once(request: &Request, names: &[&str]) -> Result<(), String> {
    names.iter().try_for_each(|name| {
        let values = request.values(name);
        let whole = matches!(values[..], [value] if !value.contains(','));
        check(whole, || format!("{name} on {} lines", values.len()))
    })
}

pub(super) fn no_duplicates(_: &Evidence, request: &Request) -> Result<(), String> {
    let mut seen = HashSet::new();
    let mut ours = request.headers.iter().filter(|(name, _)| name.starts_with("x-imagxp-"));
    match ours.find(|(name, _)| !seen.insert(name)) {
        Some((name, _)) => Err(format!("{name} came twice")),
        None => Ok(()),
    }
}

pub(super) fn nothing_private(request: &Request) -> Result<(), String> {
    for name in ["cookie", "authorization", "proxy-authorization", PAYMENT, CREDENTIAL] {
        check(request.values(name).is_empty(), || format!("it sends {name}"))?;
    }
    check(!holds_private_key(&request.payload), || "the claim holds a private key".to_owned())
}

/// PEM text, or a JWK with the member that only private keys have. A member `d` that stands beside no `kty` is anybody's.
fn holds_private_key(bytes: &[u8]) -> bool {
    let value = parse(bytes, &Limits::INTERCHANGE).ok();
    // In one form, whatever it was written with; what is no JSON as it is.
    let text = value.as_ref().map_or_else(|| bytes.to_vec(), to_canonical);
    let text = String::from_utf8_lossy(&text);
    let jwk = match &value {
        Some(value) => holds_private_jwk(value),
        None => text.contains("\"kty\"") && text.contains("\"d\""),
    };
    jwk || text.contains("PRIVATE KEY") || text.contains("\"private_key\"")
}

fn holds_private_jwk(value: &Value<'_>) -> bool {
    match value {
        Value::Array(values) => values.iter().any(holds_private_jwk),
        Value::Object(object) => {
            (object.contains("kty") && object.contains("d"))
                || object.iter().any(|(_, value)| holds_private_jwk(value))
        }
        _ => false,
    }
}

pub(super) fn manifest_is_public(all: &Evidence) -> Mark {
    match &all.published.bytes {
        Err(_) => Mark::Skipped("there is no manifest"),
        Ok(bytes) => check(!holds_private_key(bytes), || "it holds a private key".to_owned()).into(),
    }
}

/// The version that a claim is of: without `v` it is 1.0.
pub(super) fn version(request: &Request) -> Result<&str, String> {
    let found = request.member("v").map_or(Some("1.0"), Value::as_str);
    found
        .filter(|found| matches!(*found, "1.1" | "1.0"))
        .ok_or_else(|| format!("got {:?}", request.text("v")))
}

/// When a claim was made: `ts`, or in version 1.0 `timestamp` in whole seconds; never both.
pub(super) fn time(request: &Request) -> Result<Timestamp, String> {
    match (request.member("ts"), request.member("timestamp")) {
        (Some(_), Some(_)) => Err("both ts and timestamp".to_owned()),
        (None, Some(Value::Number(seconds))) if version(request) == Ok("1.0") => {
            let seconds = seconds.as_i64().filter(|seconds| (0..=MAX_SECONDS).contains(seconds));
            seconds.map(Timestamp::from_secs).ok_or_else(|| "timestamp is not in whole seconds".to_owned())
        }
        _ => {
            let ts = request.text("ts");
            ts.and_then(Timestamp::parse).ok_or_else(|| format!("got {ts:?}"))
        }
    }
}

pub(super) fn uuid(request: &Request) -> Result<(), String> {
    let nonce = request.text("nonce").unwrap_or_default();
    let form = nonce.len() == 36
        && nonce.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            14 => byte == b'4',
            19 => matches!(byte, b'8' | b'9' | b'a' | b'b'),
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        });
    check(form, || format!("got {nonce:?}"))
}

impl Evidence {
    fn to(&self, target: &str) -> Vec<&Request> {
        self.visits.iter().filter(|request| request.target == target).collect()
    }

    pub(super) fn visited(&self) -> Result<(), String> {
        let missing: Vec<&str> =
            self.rooms.targets().into_iter().filter(|room| self.to(room).is_empty()).collect();
        check(missing.is_empty(), || format!("nobody asked for {}", missing.join(" ")))?;
        check(self.late.is_empty(), || {
            format!("the command was still running when its time was over: {}", self.late.join(" "))
        })
    }

    /// Judges what was done in one room, if anything of a signer was.
    pub(super) fn of(&self, target: &str, judge: fn(&Self) -> Result<(), String>) -> Mark {
        if self.to(target).iter().any(|request| request.is_signed()) {
            judge(self).into()
        } else {
            Mark::Skipped("no signed request came for that room")
        }
    }

    /// The published key that made a request's signature.
    pub(super) fn signer(&self, request: &Request) -> Option<&PublicKey> {
        let signature = request.signature?;
        let made = |key: &&PublicKey| request.signable().iter().any(|bytes| key.verify(bytes, &signature));
        self.published.manifest.as_ref().ok()?.keys_at(request.at).find(made)
    }

    pub(super) fn hint_is_right(&self, request: &Request) -> Result<(), String> {
        let hints = request.values(PUBLIC_KEY);
        let Some(hint) = hints.first() else { return Ok(()) };
        let key = PublicKey::from_spki_base64(hint.as_bytes()).map_err(|error| error.to_string())?;
        let signer: Option<&Thumbprint> = self.signer(request).map(PublicKey::thumbprint);
        check(signer.is_none_or(|signer| signer == key.thumbprint()), || {
            format!("it names {}", key.thumbprint().as_str())
        })
    }

    pub(super) fn nonces_differ(&self) -> Mark {
        if self.visits.iter().filter(|request| request.text("nonce").is_some()).nth(1).is_none() {
            return Mark::Skipped("fewer than two nonces came");
        }
        let mut seen: Vec<(&str, &str)> = Vec::new();
        for request in &self.visits {
            let Some(nonce) = request.text("nonce") else { continue };
            if let Some((_, before)) =
                seen.iter().find(|(found, target)| *found == nonce && *target != request.target)
            {
                // What follows a redirect with its claim is judged there.
                if ![MOVED_TO, AWAY_TO].contains(&request.target.as_str()) {
                    return Mark::Fail(format!("{before} and {} have the same", request.target));
                }
            }
            seen.push((nonce, &request.target));
        }
        Mark::Pass
    }

    pub(super) fn tries_differ(&self, target: &str) -> Result<(), String> {
        let mut seen = HashSet::new();
        let all = self.to(target);
        let repeated =
            all.iter().filter_map(|request| request.text("nonce")).find(|nonce| !seen.insert(*nonce));
        check(repeated.is_none(), || format!("{target} was asked for again with the same nonce"))
    }

    pub(super) fn at_most(&self, target: &str, most: usize) -> Result<(), String> {
        let count = self.to(target).len();
        check(count <= most, || format!("{target} was asked for {count} times"))
    }

    pub(super) fn waits(&self, target: &str) -> Result<(), String> {
        self.tries_differ(target)?;
        let all = self.to(target);
        let [first, second, ..] = all[..] else { return Ok(()) };
        let waited = second.since.duration_since(first.since);
        check(waited >= Duration::from_secs(BUSY_S), || format!("it waited for {} ms", waited.as_millis()))
    }

    pub(super) fn resource_is_right(&self, request: &Request, origin: &str) -> Result<(), String> {
        let expected = format!("{origin}{}", request.target);
        let found = request.text("resource");
        let same = found.and_then(Resource::parse).zip(Resource::parse(&expected));
        let same = same
            .is_some_and(|(found, expected)| found.origin == expected.origin && found.same_target(&expected));
        check(same, || format!("expected {expected:?}, got {found:?}"))
    }

    /// What came where a redirect leads: a claim for that place, or none at all.
    pub(super) fn followed(&self, target: &str, origin: &str) -> Mark {
        let followed = self.to(target);
        if followed.is_empty() {
            return Mark::Skipped("the signer does not follow redirects");
        }
        let judged = followed.iter().filter(|request| request.is_signed()).try_for_each(|request| {
            self.resource_is_right(request, origin)?;
            let authority = origin.split_once("://").map_or("", |(_, authority)| authority);
            check(request.host == authority, || format!("it came to {:?}", request.host))
        });
        judged.into()
    }
}
