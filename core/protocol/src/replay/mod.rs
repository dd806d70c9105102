//! Replay protection: each nonce of an agent counts once (PROTOCOL §5, replay store contract).

mod memory;

pub use memory::MemoryReplayStore;

use crate::time::Timestamp;
use siphasher::sip128::SipHasher24;

/// What to remember: 16-byte keyed hashes, so that a store never sees a nonce and an attacker cannot choose collisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayEntry {
    /// Keyed hash over what must be unique.
    pub key: [u8; 16],
    /// Keyed hash over the agent_id, for per-agent quotas.
    pub agent: [u8; 16],
    /// Until when the entry must be kept.
    pub expires_at: Timestamp,
}

/// The answer of [`ReplayStore::insert_if_absent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insert {
    /// The key was absent and is stored now.
    Fresh,
    /// The key was present.
    Seen,
    /// The store, or the agent's share of it, is full; nothing was stored and nothing evicted.
    Full,
    /// The store does not answer; nothing is known.
    Error,
    /// The store answers later, and the caller has to ask it: the verification is pending, and names the entry
    /// ([`crate::publisher::Pending::insertion`]).
    Later,
}

impl Insert {
    /// The answer with this name: `fresh`, `seen`, `full` or `error`, the names of every language's stores.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "fresh" => Self::Fresh,
            "seen" => Self::Seen,
            "full" => Self::Full,
            "error" => Self::Error,
            _ => return None,
        })
    }

    /// The answer in words.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Seen => "seen before",
            Self::Full => "the store is full",
            Self::Error => "the store does not answer",
            Self::Later => "the store answers later",
        }
    }
}

/// The answer of [`ReplayStore::seen`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The key is absent, or the store cannot tell without inserting.
    No,
    /// The key is present.
    Yes,
    /// The store does not answer.
    Error,
}

impl Seen {
    /// The answer in words.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::No => "not seen",
            Self::Yes => "seen before",
            Self::Error => "the store does not answer",
        }
    }
}

/// A set of keys with expiry. Every doubt must fail closed: answer [`Insert::Error`] rather than [`Insert::Fresh`].
///
/// A key must be kept until `expires_at`, however the clock moves, and the insertion must be atomic across everything that shares
/// the store.
pub trait ReplayStore: Send + Sync {
    /// Stores the key unless it is present.
    fn insert_if_absent(&self, entry: &ReplayEntry, now: Timestamp) -> Insert;

    /// Looks without storing. A store that cannot may answer [`Seen::No`]: a replay then costs a signature check, and a visa of many uses
    /// one insertion for each use that it has had.
    fn seen(&self, key: &[u8; 16], now: Timestamp) -> Seen;

    /// Everything that expired at or before this time may have been forgotten; claims from then are refused (PROTOCOL §5).
    ///
    /// `None` when nothing has been forgotten that a clock stepping back could reopen.
    fn horizon(&self) -> Option<Timestamp> {
        None
    }

    /// Whether an entry that expired at this time may have been forgotten. A store that knows more than its horizon may refuse less.
    fn forgotten(&self, expires_at: Timestamp) -> bool {
        self.horizon().is_some_and(|horizon| expires_at <= horizon)
    }
}

/// A store that answers later: it lives behind a network, and only the caller can wait for it (a Durable Object, a database without
/// threads). Nothing is stored here.
///
/// Every insertion makes the verification pending. Ask the real store to insert [`crate::publisher::Pending::insertion`], tell
/// [`crate::publisher::Pending::inserted`] what it answered, and resume.
#[derive(Clone, Copy, Debug, Default)]
pub struct LaterReplayStore;

impl ReplayStore for LaterReplayStore {
    fn insert_if_absent(&self, _: &ReplayEntry, _: Timestamp) -> Insert {
        Insert::Later
    }

    fn seen(&self, _: &[u8; 16], _: Timestamp) -> Seen {
        Seen::No
    }
}

/// Makes the keyed hashes of [`ReplayEntry`] (SipHash-2-4, 128 bits).
#[derive(Clone)]
pub(crate) struct Keyer {
    secret: [u8; 16],
}

impl Keyer {
    pub(crate) const fn new(secret: [u8; 16]) -> Self {
        Self { secret }
    }

    /// The key of an agent's nonce: a hash over the length-prefixed agent_id and nonce.
    pub(crate) fn nonce(&self, subject: &str, nonce: &str) -> [u8; 16] {
        self.hash(b"nonce", &[subject.as_bytes(), nonce.as_bytes()])
    }

    /// The key of an agent, for quotas and rates.
    pub(crate) fn agent(&self, subject: &str) -> [u8; 16] {
        self.hash(b"agent", &[subject.as_bytes()])
    }

    /// The key of the n-th use of a token at this publisher.
    pub(crate) fn token_use(&self, issuer: &str, id: &str, number: u32) -> [u8; 16] {
        self.hash(b"token", &[issuer.as_bytes(), id.as_bytes(), &number.to_le_bytes()])
    }

    /// A trace id: unique per publisher, of no meaning to anyone else.
    pub(crate) fn trace(&self, counter: u64, now: Timestamp) -> [u8; 16] {
        self.hash(b"trace", &[&counter.to_le_bytes(), &now.as_millis().to_le_bytes()])
    }

    fn hash(&self, domain: &[u8; 5], parts: &[&[u8]]) -> [u8; 16] {
        let hasher = SipHasher24::new_with_key(&self.secret);
        // In one piece, which is hashed quicker than many; nearly always there is room for it.
        let (mut room, mut more) = ([0; 160], Vec::new());
        let length = parts.iter().map(|part| part.len() + 8).sum::<usize>() + domain.len();
        let whole = match room.get_mut(..length) {
            Some(room) => room,
            None => {
                more.resize(length, 0);
                &mut *more
            }
        };
        let mut rest = &mut *whole;
        let mut put = |bytes: &[u8]| {
            let (place, after) = core::mem::take(&mut rest).split_at_mut_checked(bytes.len())?;
            place.copy_from_slice(bytes);
            rest = after;
            Some(())
        };
        let _ = put(domain);
        for part in parts {
            let _ = put(&(part.len() as u64).to_le_bytes());
            let _ = put(part);
        }
        hasher.hash(whole).as_bytes()
    }
}

impl Drop for Keyer {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.secret);
    }
}

impl core::fmt::Debug for Keyer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Keyer(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::hash::Hasher as _;
    use siphasher::sip128::Hasher128 as _;

    #[test]
    fn answers_have_names_and_words() {
        let names = ["fresh", "seen", "full", "error"];
        let named = [Insert::Fresh, Insert::Seen, Insert::Full, Insert::Error];
        assert_eq!(names.map(Insert::from_name), named.map(Some));
        // Nobody else's store answers later: that is what the caller's waiting is for.
        assert_eq!(["later", "Fresh", ""].map(Insert::from_name), [None; 3]);
        let words = named.map(Insert::as_str);
        assert_eq!(words, ["fresh", "seen before", "the store is full", "the store does not answer"]);
        let words = [Seen::No, Seen::Yes, Seen::Error].map(Seen::as_str);
        assert_eq!(words, ["not seen", "seen before", "the store does not answer"]);
    }

    #[test]
    fn a_key_is_the_hash_of_all_its_parts() {
        for length in 0..300 {
            let long = vec![b'x'; length];
            let parts: [&[u8]; 3] = [b"a", &long, b"b"];
            let mut hasher = SipHasher24::new_with_key(&[7; 16]);
            hasher.write(b"nonce");
            for part in parts {
                hasher.write(&(part.len() as u64).to_le_bytes());
                hasher.write(part);
            }
            assert_eq!(Keyer::new([7; 16]).hash(b"nonce", &parts), hasher.finish128().as_bytes());
        }
    }

    #[test]
    fn keys_are_separated_by_length_kind_and_secret() {
        let keyer = Keyer::new([7; 16]);
        assert_ne!(keyer.nonce("a.bc", "d"), keyer.nonce("a.b", "cd"));
        assert_ne!(keyer.nonce("a.b", ""), keyer.agent("a.b"));
        assert_ne!(keyer.agent("a.b"), Keyer::new([8; 16]).agent("a.b"));
        assert_ne!(keyer.token_use("i", "j", 0), keyer.token_use("i", "j", 1));
    }
}
