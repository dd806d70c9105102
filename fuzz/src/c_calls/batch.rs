//! Many requests in one call: signed and verified, with handles that are missing, arrays that are, and counts that nobody has.

use super::caller::{Blob, Caller, Pick};
use super::tables::Kind::*;
use crate::c::*;
use arbitrary::Arbitrary;
use std::ptr::{null, null_mut};

/// No more in one call: each signature takes its time under a sanitizer.
const MOST: usize = 16;

#[rustfmt::skip] // a line for each call
#[derive(Arbitrary, Debug)]
pub enum Batch<'a> {
    Sign { identity: Pick, each: Vec<(Pick, i64, bool, Blob<'a>)>, own_nonces: bool },
    Verify { publisher: Pick, requests: Vec<Pick>, now: i64, at_now: bool },
    /// Arrays that are not there, with whatever count.
    Absent { identity: Pick, publisher: Pick, count: usize, now: i64 },
}

impl Batch<'_> {
    pub fn run(&self, caller: &mut Caller) {
        // SAFETY (all of them): as in the target; arrays have `count` elements, or are NULL.
        unsafe {
            match self {
                Self::Sign { identity, each, own_nonces } => {
                    let each = &each[..each.len().min(MOST)];
                    let identity = caller.handle(Identity, *identity);
                    let requests: Vec<Handle> =
                        each.iter().map(|(request, ..)| caller.handle(SignRequest, *request)).collect();
                    let times: Vec<i64> =
                        each.iter().map(|(_, now, at_now, _)| caller.time(*now, *at_now)).collect();
                    let nonces: Vec<Slice> = each.iter().map(|(.., nonce)| caller.slice(nonce)).collect();
                    let nonces = if *own_nonces { nonces.as_ptr() } else { null() };
                    caller.make_many(Headers, each.len(), |out, error| {
                        let (requests, times) = (requests.as_ptr(), times.as_ptr());
                        imagxp_identity_sign_batch(identity, requests, times, nonces, each.len(), out, error)
                    });
                }
                Self::Verify { publisher, requests, now, at_now } => {
                    let publisher = caller.handle(Publisher, *publisher);
                    let requests: Vec<Handle> =
                        requests.iter().take(MOST).map(|request| caller.handle(Request, *request)).collect();
                    let (count, now) = (requests.len(), caller.time(*now, *at_now));
                    caller.make_many(Verdict, count, |out, error| {
                        imagxp_publisher_verify_batch(publisher, requests.as_ptr(), count, now, out, error)
                    });
                }
                Self::Absent { identity, publisher, count, now } => {
                    let identity = caller.handle(Identity, *identity);
                    let publisher = caller.handle(Publisher, *publisher);
                    let signed = caller.call(|error| {
                        imagxp_identity_sign_batch(
                            identity,
                            null(),
                            null(),
                            null(),
                            *count,
                            null_mut(),
                            error,
                        )
                    });
                    let verified = caller.call(|error| {
                        imagxp_publisher_verify_batch(publisher, null(), *count, *now, null_mut(), error)
                    });
                    assert!(*count == 0 || !(signed || verified), "what is not there cannot be taken");
                }
            }
        }
    }
}
