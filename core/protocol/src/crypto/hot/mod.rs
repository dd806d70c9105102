//! Keys that are seen often: precomputed multiples make verification several times faster (PROTOCOL §4 says whose keys they are).
//!
//! A table of multiples of a public key, and one of the generator's, turn u1·G + u2·Q into some additions and nine doublings. All
//! values are public, so time may vary. The verdict is that of the plain path, always: what the tables cannot decide, the plain path decides.

mod batch;
mod cache;
mod comb;
mod generator;
mod inverses;
#[cfg(test)]
mod key_tests;
mod point;
mod table;
#[cfg(test)]
mod tests;
mod verify;

use super::key::Point as KeyPoint;
use super::{PublicKey, Signature};
use cache::{Cache, KeyName};
use core::fmt;
use generator::Generator;
use point::{Affine, Order};
use sha2::{Digest as _, Sha256};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use table::{NARROW, Table};
use verify::Equation;

/// Precomputed tables for the keys that are seen often, bounded in memory. Shared between threads without further locks.
///
/// A key has no table until it has been [credited](HotKeys::credit) twice; whoever calls that has verified the key's signature and
/// knows whose key it is, so a stranger can cause no table to be built. Once the memory is used up, a key gets a table when it has been
/// credited more often than the one that would have to go.
pub struct HotKeys {
    cache: Mutex<Cache>,
    generator: Generator,
}

impl HotKeys {
    /// 16 MiB: some 1 300 keys.
    pub const DEFAULT_BYTES: usize = 16 << 20;

    /// Tables that take at most `max_bytes` in all, besides at most 128 KiB of counters; with 0 there are none.
    ///
    /// The first of a process also makes what all of them share, the table of the curve's generator: 512 KiB, in a millisecond, which no request has
    /// to wait for. The last one frees it.
    pub fn new(max_bytes: usize) -> Self {
        let has_tables = max_bytes >= cache::cost(NARROW);
        let generator = if has_tables { Generator::shared() } else { Generator::none() };
        Self { cache: Mutex::new(Cache::new(max_bytes)), generator }
    }

    /// [`PublicKey::verify`], faster for a key that has a table: the same answer for every input.
    pub fn verify(&self, key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
        self.verify_hot(key, message, signature).unwrap_or_else(|| key.verify(message, signature))
    }

    /// Counts a verified request of this key, and builds its table at the second one (0.1 ms).
    pub fn credit(&self, key: &PublicKey) {
        let KeyPoint::P256(point) = key.point() else { return };
        let Some(name) = name(key) else { return };
        let Some(shape) = self.cache().credit(&name) else { return };
        let table = Affine::of(point).and_then(|point| Table::new(point, shape));
        if let Some(table) = table {
            self.cache().insert(name, Arc::new(table));
        }
    }

    /// Keys that have a table.
    pub fn len(&self) -> usize {
        self.cache().len()
    }

    /// Whether no key has a table.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The memory of the tables in bytes: never more than the bound.
    pub fn bytes(&self) -> usize {
        self.cache().bytes()
    }

    /// [`HotKeys::verify`] of each, in order. Signatures of keys with tables share their inversions: eight of them cost a sixth less, 64 a quarter.
    pub fn verify_batch(&self, checks: &[SignatureCheck<'_>]) -> Vec<bool> {
        let plain = |check: &SignatureCheck<'_>| check.key.verify(check.message, check.signature);
        let answers = self.answers(checks);
        checks.iter().zip(answers).map(|(check, answer)| answer.unwrap_or_else(|| plain(check))).collect()
    }

    /// What the tables say; `None` where there is no table, or it cannot say.
    pub(crate) fn answers(&self, checks: &[SignatureCheck<'_>]) -> Vec<Option<bool>> {
        let mut answers = vec![None; checks.len()];
        let tables: Vec<_> = {
            let cache = self.cache();
            checks.iter().map(|check| cache.table(&name(check.key)?)).collect()
        };
        let (mut hot, mut places) = (Vec::with_capacity(checks.len()), Vec::with_capacity(checks.len()));
        for ((check, table), answer) in checks.iter().zip(tables).zip(&mut answers) {
            let Some(table) = table else { continue };
            match Equation::new(Sha256::digest(check.message).into(), check.signature.as_bytes()) {
                Some(equation) => {
                    hot.push((equation, table));
                    places.push(answer);
                }
                None => *answer = Some(false),
            }
        }
        if let Some(generator) = self.generator.table().filter(|_| !hot.is_empty()) {
            for (place, answer) in places.into_iter().zip(batch::hold(&hot, generator)) {
                *place = answer;
            }
        }
        answers
    }

    /// `None`: the key has no table, or the tables cannot say.
    fn verify_hot(&self, key: &PublicKey, message: &[u8], signature: &Signature) -> Option<bool> {
        let table = self.table(key)?;
        check(self.generator.table()?, &table, Sha256::digest(message).into(), signature)
    }

    fn table(&self, key: &PublicKey) -> Option<Arc<Table>> {
        self.cache().table(&name(key)?)
    }

    // The tables are derived, and each is put in whole: a poisoned lock guards nothing broken.
    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One signature of a batch.
#[derive(Clone, Copy, Debug)]
pub struct SignatureCheck<'a> {
    /// The key that is said to have signed.
    pub key: &'a PublicKey,
    /// What is said to have been signed.
    pub message: &'a [u8],
    /// The signature.
    pub signature: &'a Signature,
}

/// The compressed point of a P-256 key, from its SubjectPublicKeyInfo, which ends with the uncompressed one.
fn name(key: &PublicKey) -> Option<KeyName> {
    let KeyPoint::P256(_) = key.point() else { return None };
    let (x, y) = key.to_spki_der().last_chunk::<64>()?.split_at(32);
    let mut name = [2; 33];
    let (sign, rest) = name.split_first_mut()?;
    *sign |= y.last()? & 1;
    rest.copy_from_slice(x);
    Some(name)
}

/// One equation; `None` when the tables cannot say.
fn check(generator: &Table, key: &Table, hash: [u8; 32], signature: &Signature) -> Option<bool> {
    let Some(equation) = Equation::new(hash, signature.as_bytes()) else { return Some(false) };
    let inverse = Order::ONE / equation.s();
    equation.holds(&equation.entries(inverse, generator, key)?.sum()?)
}

impl Default for HotKeys {
    fn default() -> Self {
        Self::new(Self::DEFAULT_BYTES)
    }
}

impl fmt::Debug for HotKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HotKeys")
            .field("keys", &self.len())
            .field("bytes", &self.bytes())
            .finish_non_exhaustive()
    }
}
