//! Floods: requests that nobody signed cost no memory that stays, and a million nonces that are alive cost what PROTOCOL §5 allows.

use crate::allocator;
use crate::common::world::*;
use crate::report::{amount, figures};
use imagxp::agent::{Identity, SignRequest};
use imagxp::crypto::Algorithm;
use imagxp::publisher::FetchFailure;
use imagxp::replay::{Insert, MemoryReplayStore, ReplayEntry, ReplayStore};
use imagxp::{Code, Publisher, Purpose};
use std::sync::Arc;

/// What a flood without authentication may take, at any moment.
const UNAUTHENTICATED: usize = 8 << 20;
/// What a million nonces may take, at any moment.
const LIVE: usize = 64 << 20;
const MIB: u64 = 1 << 20;

/// Requests in the good agent's name, and in names of nobody, whose nonces are all new: no key that was published has signed them.
fn forged(random: &mut Random, template: &Signed, other: &Signed, name: &str) -> Signed {
    let stranger = random.below(4) == 0;
    let mut request = if stranger { other.clone() } else { template.clone() };
    let (nonce, name) = (random.nonce(), if stranger { name } else { AGENT });
    let payload = request.header_mut("x-imagxp-payload");
    let text = String::from_utf8(imagxp::encoding::base64_decode(payload).unwrap()).unwrap();
    let changed = text.replacen("nonce-0000000000000000", &nonce, 1).replacen("nobody.example", name, 1);
    *payload = imagxp::encoding::base64_encode(changed.as_bytes()).into_bytes();
    request
}

/// What a careless cache does with the requests of strangers.
#[derive(Clone, Copy, PartialEq)]
enum Cache {
    None,
    Keeps,
    /// And is empty again at the end.
    Swells,
}

/// Sends so many; how many were refused for what, how many bytes stay, and how many were held at most.
fn flood(count: u64, cache: Cache) -> ([u64; 3], isize, usize) {
    let store = Arc::new(MemoryReplayStore::default());
    let publisher = know(Publisher::new(policy(POLICY), [7; 16]).with_replay_store(Arc::clone(&store) as _));
    let ask = SignRequest::new("GET", URL, Purpose::RagRetrieval);
    // A key that the agent has not published.
    let other = Signed::new(&identity(2), &ask, now(), "nonce-0000000000000000");
    let nobody = Identity::parse("nobody.example", key(3, Algorithm::Es256), false).unwrap();
    let stranger = Signed::new(&nobody, &ask, now(), "nonce-0000000000000000");
    let (mut random, mut refused, mut kept) = (Random(1), [0_u64; 3], Vec::new());
    let before = allocator::live();
    let send = |number: u64| {
        let name = format!("n{}.example", random.below(3_000_000));
        let mut request = forged(&mut random, &other, &stranger, &name);
        // One in 64 comes without a key hint: only then is a signature checked against what is published.
        if !number.is_multiple_of(64) {
            request.header_mut("x-imagxp-signature").fill(b'0');
        } else {
            request = request.without("x-imagxp-public-key");
        }
        let verification = request.start(&publisher, now());
        for need in &verification.verdict.needs {
            publisher.supply_failure(&need.url, FetchFailure::NotFound, now()).unwrap();
        }
        let refused = match verification.verdict.code {
            Some(Code::SigInvalid | Code::IdentityKeyMismatch) => &mut refused[0],
            Some(Code::IdentityManifestNeeded) => &mut refused[1],
            Some(_) => &mut refused[2],
            None => panic!("a forged request passed:\n{request:?}"),
        };
        *refused += 1;
        if cache != Cache::None {
            kept.push(request);
        }
        if cache == Cache::Swells && number == count - 1 {
            kept = Vec::new();
        }
    };
    let ((), most) = allocator::peak(|| (0..count).for_each(send));
    assert!(store.is_empty(), "{} nonces of nobody were kept", store.len());
    (refused, allocator::live() - before, most)
}

#[test]
fn five_million_nonces_that_nobody_signed_leave_nothing_behind() {
    let count = amount("IMAGXP_FLOOD", 20_000);
    let (refused, growth, most) = flood(count, Cache::None);
    assert!(refused[0] > count / 2 && refused[1] > 0, "{refused:?}");
    assert!(most <= UNAUTHENTICATED, "{most} bytes at most, of which {growth} stay");
    let bytes = u64::try_from(growth.max(0)).unwrap();
    figures(
        "flood-unauthenticated",
        1,
        &[
            ("requests", count),
            ("growth_bytes", bytes),
            ("most_bytes", most as u64),
            ("bound_bytes", 8 * MIB),
        ],
    );
}

#[test]
fn a_cache_that_keeps_what_strangers_send_is_found_out() {
    let (_, growth, most) = flood(20_000, Cache::Keeps);
    assert!(growth > 8 << 20 && most > UNAUTHENTICATED, "{growth} bytes stay, and a leak was seeded");
    let (_, growth, most) = flood(20_000, Cache::Swells);
    assert!(growth < 8 << 20 && most > UNAUTHENTICATED, "{most} bytes at most, and a swelling was seeded");
}

/// Entries as a publisher's keyed hashes make them, ending when claims of six minutes do.
fn entry(random: &mut Random, spread: usize) -> ReplayEntry {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&random.next().to_le_bytes());
    key[8..].copy_from_slice(&random.next().to_le_bytes());
    let after = i64::try_from(random.below(spread)).unwrap();
    let agent = u8::try_from(random.below(8)).unwrap();
    ReplayEntry { key, agent: [agent; 16], expires_at: now().saturating_add_millis(after) }
}

const MILLION: usize = 1_000_000;

/// A store with a million entries, and how many bytes they took at most; beside each of them lie so many more.
fn million(spread: usize, beside: usize) -> (MemoryReplayStore, usize) {
    let mut random = Random(2);
    let ((store, _), bytes) = allocator::peak(|| {
        let store = MemoryReplayStore::default();
        let mut more = Vec::new();
        for _ in 0..MILLION {
            assert_eq!(store.insert_if_absent(&entry(&mut random, spread), now()), Insert::Fresh);
            more.resize(more.len() + beside, 0_u8);
        }
        (store, more)
    });
    (store, bytes)
}

#[test]
#[should_panic(expected = "bytes for a million nonces")]
fn a_store_that_keeps_more_of_a_nonce_is_found_out() {
    in_its_place(365_000, million(365_000, 128).1);
}

fn in_its_place(spread: usize, bytes: usize) {
    assert!(bytes <= LIVE, "{bytes} bytes for a million nonces over {spread} ms");
}

#[test]
fn a_million_live_nonces_have_their_place() {
    let mut most = 0;
    // As traffic would have them; in the long form also all in one bucket of time, and in every bucket there can be.
    let spreads = [365_000, 1, 4_000_000];
    for &spread in &spreads[..usize::try_from(amount("IMAGXP_SPREADS", 1)).unwrap()] {
        let (store, bytes) = million(spread, 0);
        assert_eq!(store.insert_if_absent(&entry(&mut Random(3), spread), now()), Insert::Full);
        assert_eq!(store.len(), MILLION);
        // None was evicted for another.
        let mut again = Random(2);
        for number in 0..MILLION {
            let entry = entry(&mut again, spread);
            assert!(number % 16 > 0 || store.insert_if_absent(&entry, now()) == Insert::Seen, "{number}");
        }
        in_its_place(spread, bytes);
        most = most.max(bytes);
    }
    let bytes = u64::try_from(most).unwrap();
    figures("flood-live", 2, &[("nonces", MILLION as u64), ("most_bytes", bytes), ("bound_bytes", 64 * MIB)]);
}
