//! What is judged, in the order of PROTOCOL.

use super::judge::{
    check, equal, manifest_is_public, no_duplicates, nothing_private, once, time, uuid, version,
};
use super::read::Request;
use super::rooms::{AGAIN, AWAY_TO, BUSY, CLOSED, DENIED, MOVED_TO, PRICE};
use super::{Check, Evidence};
use crate::grade::report::Mark;
use imagxp::Purpose;
use imagxp::digest::digests_agree;
use imagxp::headers::{PAYLOAD, PRODUCT, SIGNATURE, names_product};
use imagxp::json::Value;

/// How far a signer's clock may be from the grader's, in milliseconds.
const CLOCK_MS: u64 = 60_000;

/// Every check.
pub(super) fn all() -> impl Iterator<Item = &'static Check> {
    CHECKS.iter()
}

const CHECKS: &[Check] = &[
    Check { id: "sent.all", section: "-", what: "every room was visited", judge: |all| all.visited().into() },
    Check {
        id: "header.signed",
        section: "§1",
        what: "payload and signature, each on one line",
        judge: |all| each(all, |_, request| once(request, &[PAYLOAD, SIGNATURE])),
    },
    Check {
        id: "header.once",
        section: "§1",
        what: "no x-imagxp- header twice",
        judge: |all| each(all, no_duplicates),
    },
    Check {
        id: "header.user_agent",
        section: "§1",
        what: "User-Agent has IMAGXP/1.0",
        judge: |all| {
            each(all, |_, request| {
                let named = request.values("user-agent").iter().any(|value| names_product(value.as_bytes()));
                check(named, || format!("there is no {PRODUCT} in it"))
            })
        },
    },
    Check {
        id: "header.key",
        section: "§1",
        what: "the key header, if there is one, names the key that signed",
        judge: |all| each(all, |all, request| all.hint_is_right(request)),
    },
    Check {
        id: "header.private",
        section: "§1",
        what: "no private key, cookie, password or visa that nobody sold",
        judge: |all| each(all, |_, request| nothing_private(request)),
    },
    Check {
        id: "payload.base64",
        section: "§2",
        what: "standard base64 with padding",
        judge: |all| each(all, |_, request| check(request.standard, || "it is not".to_owned())),
    },
    Check {
        id: "payload.json",
        section: "§2",
        what: "a strict JSON object",
        judge: |all| each(all, |_, request| check(request.claim.is_some(), || "it is not".to_owned())),
    },
    Check {
        id: "payload.canonical",
        section: "§3",
        what: "exactly the RFC 8785 bytes",
        judge: |all| {
            // Verifiers take a signature over the bytes as they came, too, which is 1.0's meaning.
            each(all, |_, request| {
                let canonical = request.canonical().is_none_or(|bytes| bytes == request.payload);
                check(canonical, || "the claim has another form".to_owned())
            })
            .advised()
        },
    },
    Check {
        id: "claim.version",
        section: "§2",
        what: "version 1.1, or 1.0",
        judge: |all| {
            each(all, |_, request| version(request).map(drop))
                .and(|| each(all, |_, request| equal(Some(version(request)?), "1.1")).advised())
        },
    },
    Check {
        id: "claim.agent_id",
        section: "§2",
        what: "the domain that was named",
        judge: |all| each(all, |all, request| equal(request.text("agent_id"), all.agent.as_str())),
    },
    Check {
        id: "claim.purpose",
        section: "§2",
        what: "one of the five purposes",
        judge: |all| {
            each(all, |_, request| {
                let known = request.text("purpose").and_then(Purpose::from_name).is_some();
                check(known, || format!("got {:?}", request.text("purpose")))
            })
        },
    },
    Check {
        id: "claim.ts",
        section: "§2",
        what: "RFC 3339 in UTC, or in 1.0 seconds, of this minute",
        judge: |all| {
            each(all, |_, request| {
                let ts = time(request)?;
                let away = request.at.millis_since(ts).unsigned_abs();
                check(away <= CLOCK_MS, || format!("{ts} is {} s away", away / 1000))
            })
        },
    },
    Check {
        id: "claim.nonce",
        section: "§2",
        what: "a random UUID (version 4)",
        judge: |all| each(all, |_, request| uuid(request)),
    },
    Check {
        id: "claim.nonce_fresh",
        section: "§2",
        what: "a new nonce for every URL",
        judge: |all| all.nonces_differ(),
    },
    Check {
        id: "claim.resource",
        section: "§2",
        what: "the URL that is asked for",
        judge: |all| each(all, |all, request| all.resource_is_right(request, all.rooms.origin())),
    },
    Check {
        id: "claim.method",
        section: "§2",
        what: "the method that is used, if it claims one",
        judge: |all| {
            each(all, |_, request| match request.member("method") {
                None => Ok(()),
                Some(method) => equal(method.as_str(), &request.method),
            })
        },
    },
    Check {
        id: "claim.digest",
        section: "§2",
        what: "the digest of the body, if it claims one",
        judge: |all| {
            each(all, |_, request| {
                let right = match request.member("content_digest") {
                    None => true,
                    Some(Value::String(claimed)) => digests_agree(claimed, &request.digest),
                    Some(_) => false,
                };
                check(right, || "it is not that".to_owned())
            })
        },
    },
    Check {
        id: "signature.form",
        section: "§3",
        what: "128 lower-case hex digits",
        judge: |all| {
            each(all, |_, request| {
                let value = request.values(SIGNATURE).first().copied().unwrap_or_default();
                let digits = value.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
                check(value.len() == 128 && digits, || format!("got {} characters", value.len()))
            })
        },
    },
    Check {
        id: "signature.good",
        section: "§3",
        what: "made by a key that the domain publishes",
        judge: |all| {
            each(all, |all, request| {
                if request.signature.is_none() {
                    return Ok(());
                }
                check(all.signer(request).is_some(), || "by none of them".to_owned())
            })
        },
    },
    Check {
        id: "signature.low_s",
        section: "§3",
        what: "low-s, as our signers send it",
        judge: |all| {
            each(all, |all, request| {
                let (Some(key), Some(signature)) = (all.signer(request), request.signature) else {
                    return Ok(());
                };
                check(signature.normalized(key.algorithm()) == signature, || "s is above n/2".to_owned())
            })
            .advised()
        },
    },
    Check {
        id: "manifest.served",
        section: "§4",
        what: "200, no redirect, no content-encoding",
        judge: |all| all.published.bytes.as_ref().map(drop).map_err(Clone::clone).into(),
    },
    Check {
        id: "manifest.valid",
        section: "§4",
        what: "agent_id, keys and kids as they must be, within 16 KiB",
        judge: |all| match &all.published.bytes {
            Err(_) => Mark::Skipped("there is no manifest"),
            Ok(_) => all.published.manifest.as_ref().map(drop).map_err(Clone::clone).into(),
        },
    },
    Check {
        id: "manifest.private",
        section: "§4",
        what: "no private key in it",
        judge: |all| manifest_is_public(all),
    },
    Check {
        id: "retry.new_nonce",
        section: "§6",
        what: "after `new_nonce` it signs anew, or lets it be",
        judge: |all| all.of(AGAIN, |all| all.tries_differ(AGAIN)),
    },
    Check {
        id: "retry.never",
        section: "§6",
        what: "after `never` it does not ask again",
        judge: |all| all.of(DENIED, |all| all.at_most(DENIED, 1)),
    },
    Check {
        id: "retry.after",
        section: "§6",
        what: "after `after:2` it waits for two seconds, or lets it be",
        judge: |all| all.of(BUSY, |all| all.waits(BUSY)),
    },
    Check {
        id: "retry.pay",
        section: "§8",
        what: "what it does not pay for it asks for twice at most",
        judge: |all| all.of(PRICE, |all| all.at_most(PRICE, 2)),
    },
    Check {
        id: "redirect.same_site",
        section: "§5",
        what: "whoever follows a redirect signs for where it leads",
        judge: |all| all.followed(MOVED_TO, all.rooms.origin()),
    },
    Check {
        id: "redirect.other_site",
        section: "§5",
        what: "to another site no claim of this one goes along",
        judge: |all| match all.rooms.other_origin() {
            Some(other) => all.followed(AWAY_TO, other),
            None => Mark::Skipped("the grader has one name here; --other-origin gives it another"),
        },
    },
    Check {
        id: "robots.disallow",
        section: "§9",
        what: "whoever asks for robots.txt keeps to it",
        judge: |all| {
            if !all.robots {
                return Mark::Skipped("the signer never asked for robots.txt");
            }
            all.at_most(CLOSED, 0).into()
        },
    },
];

/// Judges every request but those that followed a redirect, which have checks of their own.
fn each(all: &Evidence, judge: fn(&Evidence, &Request) -> Result<(), String>) -> Mark {
    let asked = all.visits.iter().filter(|request| ![MOVED_TO, AWAY_TO].contains(&request.target.as_str()));
    let mut seen = false;
    for request in asked {
        seen = true;
        if let Err(reason) = judge(all, request) {
            return Mark::Fail(format!("{}: {reason}", request.target));
        }
    }
    if seen { Mark::Pass } else { Mark::Fail("no request came".to_owned()) }
}
