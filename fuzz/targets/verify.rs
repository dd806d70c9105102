//! A good request, changed: it passes only if what was signed, and the signature, are still the agent's own.
//!
//! The mutations know the structure: they change headers, the claim's members, its encoding, the request line and the clock.
#![no_main]

use arbitrary::Arbitrary;
use imagxp::Request;
use imagxp::claim::MEMBERS;
use imagxp::crypto::{Algorithm, Signature};
use imagxp::encoding::{base64_decode, base64_encode, base64url_encode};
use imagxp::headers::{self, HeaderLine};
use imagxp::json::{Limits, Value, canonicalize, object_to_canonical, parse_object};
use imagxp::publisher::Outcome;
use imagxp::resource::Resource;
use imagxp_fuzz::world::{self, Lines, TARGET, World};
use imagxp_fuzz::{NOW, introduce};
use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 8] = [
    headers::PAYLOAD,
    headers::SIGNATURE,
    headers::PUBLIC_KEY,
    headers::PAYMENT,
    headers::PROOF,
    headers::AGENT_ID,
    headers::TIMESTAMP,
    headers::ALG,
];

#[derive(Arbitrary, Debug)]
enum Change<'a> {
    Xor { line: u8, place: u16, mask: u8 },
    Insert { line: u8, place: u16, bytes: &'a [u8] },
    Cut { line: u8, from: u16, len: u8 },
    Remove { line: u8 },
    Repeat { line: u8 },
    Swap { one: u8, other: u8 },
    UpperCaseName { line: u8 },
    Add { name: u8, value: &'a [u8] },
    Replace { line: u8, value: &'a [u8] },
    UrlSafeBase64,
    SpacedJson,
    Member { name: u8, text: &'a str },
    MemberNumber { name: u8, number: i32 },
    RemoveMember { name: u8 },
    XorClaim { place: u16, mask: u8 },
    NegateS,
}

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    changes: Vec<Change<'a>>,
    method: Option<&'a str>,
    url: Option<&'a str>,
    later_s: i16,
}

/// Changes the decoded payload, and encodes it again.
fn claim(lines: &mut Lines, change: impl FnOnce(Vec<u8>) -> Option<Vec<u8>>) {
    let Some((_, value)) = lines.iter_mut().find(|(name, _)| name == headers::PAYLOAD) else { return };
    if let Some(changed) = base64_decode(value).and_then(change) {
        *value = base64_encode(&changed).into_bytes();
    }
}

fn member(lines: &mut Lines, name: u8, value: Option<Value<'_>>) {
    let name = MEMBERS[usize::from(name) % MEMBERS.len()];
    claim(lines, |bytes| {
        let mut object = parse_object(&bytes, &Limits::CLAIM).ok()?.into_owned();
        match value {
            Some(value) => drop(object.insert(name, value.into_owned())),
            None => drop(object.remove(name)),
        }
        Some(object_to_canonical(&object))
    });
}

fn apply(lines: &mut Lines, change: &Change<'_>) {
    let count = lines.len();
    let at = |line: u8| usize::from(line) % count.max(1);
    match change {
        _ if count == 0 => {}
        Change::Xor { line, place, mask } => {
            let value = &mut lines[at(*line)].1;
            let len = value.len().max(1);
            if let Some(byte) = value.get_mut(usize::from(*place) % len) {
                *byte ^= mask;
            }
        }
        Change::Insert { line, place, bytes } => {
            let value = &mut lines[at(*line)].1;
            let place = usize::from(*place) % (value.len() + 1);
            value.splice(place..place, bytes.iter().copied());
        }
        Change::Cut { line, from, len } => {
            let value = &mut lines[at(*line)].1;
            let from = usize::from(*from) % (value.len() + 1);
            let to = (from + usize::from(*len)).min(value.len());
            value.drain(from..to);
        }
        Change::Remove { line } => drop(lines.remove(at(*line))),
        Change::Repeat { line } => lines.push(lines[at(*line)].clone()),
        Change::Swap { one, other } => lines.swap(at(*one), at(*other)),
        Change::UpperCaseName { line } => lines[at(*line)].0.make_ascii_uppercase(),
        Change::Add { name, value } => {
            lines.push((NAMES[usize::from(*name) % NAMES.len()].to_owned(), value.to_vec()));
        }
        Change::Replace { line, value } => lines[at(*line)].1 = value.to_vec(),
        Change::UrlSafeBase64 => {
            let Some((_, value)) = lines.iter_mut().find(|(name, _)| name == headers::PAYLOAD) else {
                return;
            };
            if let Some(bytes) = base64_decode(value) {
                *value = base64url_encode(&bytes).into_bytes();
            }
        }
        Change::SpacedJson => claim(lines, |bytes| Some([b" ", bytes.as_slice(), b"\n"].concat())),
        Change::Member { name, text } => member(lines, *name, Some((*text).into())),
        Change::MemberNumber { name, number } => member(lines, *name, Some((*number).into())),
        Change::RemoveMember { name } => member(lines, *name, None),
        Change::XorClaim { place, mask } => claim(lines, |mut bytes| {
            let len = bytes.len().max(1);
            *bytes.get_mut(usize::from(*place) % len)? ^= mask;
            Some(bytes)
        }),
        Change::NegateS => {
            let Some((_, value)) = lines.iter_mut().find(|(name, _)| name == headers::SIGNATURE) else {
                return;
            };
            if let Some(signature) = Signature::from_hex(value) {
                *value = negated(&signature).to_hex().into_bytes();
            }
        }
    }
}

/// The other valid ECDSA signature of the same message: `s` becomes `n - s`. PROTOCOL §3 accepts it.
fn negated(signature: &Signature) -> Signature {
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
        0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let mut bytes = *signature.as_bytes();
    let mut borrow = 0_i16;
    for place in (0..32).rev() {
        let difference = i16::from(ORDER[place]) - i16::from(bytes[32 + place]) - borrow;
        borrow = i16::from(difference < 0);
        bytes[32 + place] = difference.rem_euclid(256) as u8;
    }
    Signature::from_bytes(bytes)
}

fn value<'l>(lines: &'l Lines, name: &str) -> Option<&'l [u8]> {
    lines
        .iter()
        .find(|(candidate, _)| candidate.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim_ascii())
}

/// The claim in canonical form, and the signature whichever of its two forms was sent.
fn signed_part(lines: &Lines) -> Option<(Vec<u8>, String)> {
    let payload = canonicalize(&base64_decode(value(lines, headers::PAYLOAD)?)?, &Limits::CLAIM).ok()?;
    let signature = Signature::from_hex(value(lines, headers::SIGNATURE)?)?.normalized(Algorithm::Es256);
    Some((payload, signature.to_hex()))
}

fuzz_target!(|input: Input<'_>| {
    world::with(|world| judge(world, &input));
});

fn judge(world: &mut World, input: &Input<'_>) {
    // The input before may have been at a time at which the manifest was too old.
    introduce(&world.publisher);
    let signed = world.sign();
    let mut lines = signed.clone();
    for change in &input.changes {
        apply(&mut lines, change);
    }
    let headers: Vec<HeaderLine<'_>> =
        lines.iter().map(|(name, value)| (name.as_bytes(), value.as_slice())).collect();
    let method = input.method.unwrap_or("GET");
    let url = input.url.unwrap_or(TARGET);
    let now = NOW.saturating_add_secs(i64::from(input.later_s));
    let request = Request { method, url, headers: &headers, body_digest: None };

    let expected = world.publisher.explain(&request, now).verdict;
    let verdict = world.publisher.verify(&request, now).verdict;
    assert_eq!(
        (verdict.outcome, verdict.code),
        (expected.outcome, expected.code),
        "verify and explain disagree"
    );
    let passes = verdict.outcome == Outcome::Allow;
    if passes {
        assert_eq!(signed_part(&lines), signed_part(&signed), "what passed is not what was signed");
        assert_eq!(method, "GET");
        let asked = Resource::parse(url).expect("what passed is a URL");
        assert!(asked.same_target(&Resource::parse(TARGET).expect("a path")), "another resource passed");
        assert!((-60..=300).contains(&input.later_s), "the claim is too old or too new");
        assert_ne!(world.publisher.verify(&request, now).verdict.outcome, Outcome::Allow, "a replay passed");
    }
    let untouched = input.changes.is_empty() && input.method.is_none() && input.url.is_none();
    if untouched && (0..=300).contains(&input.later_s) {
        assert!(passes, "the good request was refused: {verdict:?}");
    }
}
