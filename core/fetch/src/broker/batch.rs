//! Visas that a redeemer presents together, under one key.

use super::{BrokerError, Presented, Redeemed};
use imagxp::encoding::uuid_v4;
use std::collections::VecDeque;
use std::time::Instant;

/// Bytes of visas in one request: less than the broker reads ([`super::MAX_REDEEM_BYTES`]), and less than a proxy before it lets through when
/// nobody has told it (nginx: 1 MiB). One publisher's agents must not be able to make a batch that is refused.
const MOST_BYTES: usize = 1_000_000;

/// Visas that are presented together until each of them is reported.
pub(super) struct Batch {
    pub(super) visas: Vec<Presented>,
    pub(super) key: String,
    /// Since when they are presented, under this key or as a part of a larger batch.
    pub(super) begun: Instant,
    /// The key of a larger batch of which nobody knows what became: its visas may have been redeemed under that.
    before: Option<String>,
}

impl Batch {
    /// The visas that have waited longest, up to `most` of them and as many as fit into one request: one at least.
    pub(super) fn take(queue: &mut VecDeque<(Presented, Instant)>, most: usize) -> Self {
        let mut visas = Vec::new();
        let mut bytes = 0;
        while visas.len() < most
            && let Some((next, _)) = queue.front()
        {
            bytes += next.size();
            if bytes > MOST_BYTES && !visas.is_empty() {
                break;
            }
            visas.extend(queue.pop_front().map(|(presented, _)| presented));
        }
        Self { visas, key: random_key(), begun: Instant::now(), before: None }
    }

    /// Two batches of half the visas, when the whole is larger than the broker reads: a visa that nobody reads fails alone. Their keys are new,
    /// for the old one stands for the old body. `unknown`: an earlier attempt under the old key may have worked.
    pub(super) fn halve(self, unknown: bool) -> Result<[Self; 2], Self> {
        if self.visas.len() < 2 {
            return Err(self);
        }
        let Self { mut visas, key, begun, before } = self;
        let before = before.or_else(|| unknown.then_some(key));
        let rest = visas.split_off(visas.len() / 2);
        Ok([visas, rest].map(|visas| Self { visas, key: random_key(), begun, before: before.clone() }))
    }

    /// What is reported of a visa. That it is redeemed already says nothing when this may have been done under an earlier key.
    pub(super) fn judge(&self, result: Redeemed) -> Result<Redeemed, BrokerError> {
        match (&self.before, &result.refusal) {
            (Some(before), Some((code, message))) if code == "visa.state" => Err(BrokerError {
                unknown: true,
                key: Some(before.clone()),
                ..BrokerError::new(code.clone(), message.clone())
            }),
            _ => Ok(result),
        }
    }

    /// Why nothing is known of its visas, with the key under which they may have been redeemed.
    pub(super) fn failed(&self, error: BrokerError) -> BrokerError {
        let key = self.before.as_ref().filter(|_| !error.unknown).unwrap_or(&self.key);
        BrokerError { unknown: error.unknown || self.before.is_some(), key: Some(key.clone()), ..error }
    }
}

fn random_key() -> String {
    let mut random = [0; 16];
    // Without randomness the visas' own states still keep them from being redeemed twice.
    let _ = getrandom::fill(&mut random);
    uuid_v4(random)
}

#[cfg(test)]
mod tests {
    use super::super::MAX_REDEEM_BYTES;
    use super::*;
    use imagxp::visa::redeem_body;

    fn queue(sizes: &[usize]) -> VecDeque<(Presented, Instant)> {
        sizes.iter().map(|size| (Presented::bearer("v".repeat(*size)), Instant::now())).collect()
    }

    #[test]
    fn a_batch_is_smaller_than_what_the_broker_reads() {
        // 200 visas of 8 KiB among 300 usual ones.
        let mut queue = queue(&[vec![8192; 200], vec![1500; 300]].concat());
        let mut left = queue.len();
        while !queue.is_empty() {
            let batch = Batch::take(&mut queue, 500);
            left -= batch.visas.len();
            let body = redeem_body(&batch.visas).unwrap();
            assert!(body.len() <= MOST_BYTES + 12 && body.len() < MAX_REDEEM_BYTES / 2, "{}", body.len());
        }
        assert_eq!(left, 0);
    }

    #[test]
    fn a_visa_that_is_too_large_is_alone() {
        let mut queue = queue(&[MOST_BYTES, 10, 10]);
        assert_eq!(Batch::take(&mut queue, 500).visas.len(), 1);
        assert_eq!(Batch::take(&mut queue, 1).visas.len(), 1);
        assert_eq!(queue.len(), 1);
    }

    #[test]
    fn halves_hold_everything_once_under_new_keys() {
        let batch = Batch::take(&mut queue(&[1, 2, 3, 4, 5]), 5);
        let (key, visas) = (batch.key.clone(), batch.visas.clone());
        let Ok([first, second]) = batch.halve(false) else { panic!("one visa") };
        assert_eq!([first.visas.as_slice(), &second.visas].concat(), visas);
        assert!(first.key != key && second.key != key && first.key != second.key);
        let mut alone = first;
        while let Ok([half, _]) = alone.halve(false) {
            alone = half;
        }
        // `halve` gave it back.
        let one = Batch::take(&mut queue(&[1]), 5);
        let key = one.key.clone();
        assert!(one.halve(true).is_err_and(|one| one.key == key && one.visas.len() == 1));
    }

    #[test]
    fn what_an_earlier_key_may_have_redeemed_is_not_refused() {
        let refused = |code: &str| Redeemed {
            refusal: Some((code.to_owned(), "no".to_owned())),
            ..Redeemed::default()
        };
        let batch = |unknown| {
            let batch = Batch::take(&mut queue(&[1, 2, 3, 4]), 4);
            let key = batch.key.clone();
            let Ok([half, _]) = batch.halve(unknown) else { panic!("one visa") };
            (key, half)
        };
        let too_large = || BrokerError::refused(413, None, b"");
        let (_, half) = batch(false);
        assert!(half.judge(refused("visa.state")).is_ok());
        let error = half.failed(too_large());
        assert_eq!((error.is_unknown(), error.idempotency_key()), (false, Some(half.key.as_str())));
        let (key, half) = batch(true);
        for half in half.halve(false).unwrap_or_else(|_| panic!("one visa")) {
            let error = half.judge(refused("visa.state")).unwrap_err();
            assert_eq!((error.code(), error.idempotency_key()), ("visa.state", Some(key.as_str())));
            assert!(error.is_unknown());
            assert!(half.judge(refused("visa.expired")).is_ok());
            assert!(half.judge(refused("visa.request_used")).is_ok(), "another visa had the request");
            assert!(half.judge(Redeemed { accepted: true, ..Redeemed::default() }).is_ok());
            let error = half.failed(too_large());
            assert_eq!((error.is_unknown(), error.idempotency_key()), (true, Some(key.as_str())));
        }
    }
}
