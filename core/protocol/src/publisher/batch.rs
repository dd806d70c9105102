//! Many requests at once: their signatures share inversions, and the verdicts are those of one after the other.

use super::Publisher;
use super::request::{Progress, Request, Verification};
use super::verify::{Run, Start};
use crate::crypto::SignatureCheck;
use crate::directory::State;
use crate::time::Timestamp;
use core::sync::atomic::Ordering;

impl Publisher {
    /// [`Publisher::verify`] of each request, in order, and with the same verdicts: of two copies of one request the second is a replay.
    ///
    /// Signatures of keys that are [seen often](Publisher::hot_keys) are checked together, which makes eight a sixth cheaper, and 64 a quarter. All
    /// requests are held to have come `now`: collect for milliseconds, not for longer.
    pub fn verify_batch(&self, requests: &[Request<'_>], now: Timestamp) -> Vec<Verification> {
        // Steps 1 to 3 change nothing and depend on nothing but the bytes, so they may be done ahead.
        let mut runs: Vec<_> = requests
            .iter()
            .map(|request| {
                let mut run = Run::new(self, request, now, now, Progress::default());
                let start = run.start();
                (run, start)
            })
            .collect();
        self.check_signatures(&mut runs, now);
        runs.into_iter()
            .map(|(run, start)| {
                let trace_id = self.keyer.trace(self.counter.fetch_add(1, Ordering::Relaxed), now);
                run.conclude(start, trace_id)
            })
            .collect()
    }

    /// Notes for each run whose key has made its signature. What is not noted here is checked in its turn.
    fn check_signatures<E>(&self, runs: &mut [(Run<'_>, Result<Start<'_>, E>)], now: Timestamp) {
        let (mut keys, mut progresses, mut signed) = (Vec::new(), Vec::new(), Vec::new());
        let mut directory = self.directory();
        for (run, start) in runs {
            let Ok(Start::Signed(_, decoded, claim)) = start else { continue };
            let (State::Fresh(manifest) | State::Stale(manifest)) = directory.look_up(&claim.agent_id, now)
            else {
                continue;
            };
            let mut listed = manifest.keys_at(now);
            let key = match &decoded.hint {
                Some(der) => listed.find(|key| key.spki_der_matches(der)),
                None => listed.next(),
            };
            if let Some(key) = key {
                keys.push(key.clone());
                progresses.push(&mut run.progress);
                signed.push((claim.canonical(), &decoded.signature));
            }
        }
        drop(directory);
        let checks: Vec<_> = keys
            .iter()
            .zip(&signed)
            .map(|(key, (message, signature))| SignatureCheck { key, message, signature })
            .collect();
        for ((key, progress), answer) in keys.iter().zip(progresses).zip(self.hot.answers(&checks)) {
            if answer == Some(true) {
                progress.signed_by = Some(*key.thumbprint());
            }
        }
    }
}
