//! Many requests at once: signed by one agent, or verified by one site. What costs most is then done for all of them together.

use crate::boundary::boundary;
use crate::bytes::imagxp_slice;
use crate::error::imagxp_error;
use crate::handle::{give_many, lent, need};
use crate::headers::imagxp_headers;
use crate::identity::{imagxp_identity, nonce_or_random};
use crate::publisher::imagxp_publisher;
use crate::request::imagxp_request;
use crate::sign::imagxp_sign_request;
use crate::status::imagxp_status;
use crate::verdict::imagxp_verdict;
use core::mem::MaybeUninit;
use imagxp::headers::HeaderLine;
use imagxp::{Error, Result, Timestamp};

/// Verifies many requests, in order, with the verdicts of one `imagxp_publisher_verify` after the other: of two copies of one request the
/// second is a replay. Free each verdict with `imagxp_verdict_free`.
///
/// `requests` and `verdicts` are arrays of `count`; each verdict stands where its request does, and those that are pending are resumed one
/// by one. All requests are held to have come at `now_ms`: collect for milliseconds, not for longer. Signatures of agents that are seen
/// often are checked together, which is cheaper from three on. On an error no verdict is written, and no request may pass.
///
/// # Safety
/// `requests` points to `count` handles, `verdicts` to room for as many; either may be NULL when `count` is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imagxp_publisher_verify_batch(
    publisher: Option<&imagxp_publisher>,
    requests: *const Option<&imagxp_request>,
    count: usize,
    now_ms: i64,
    verdicts: *mut MaybeUninit<*mut imagxp_verdict>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        let publisher = need(publisher, "publisher")?.publisher();
        // SAFETY: this function's.
        let requests = unsafe { lent(requests, count, "requests") }?;
        let requests =
            requests.iter().map(|request| need(*request, "a request")).collect::<Result<Vec<_>>>()?;
        let lines: Vec<Vec<HeaderLine<'_>>> = requests.iter().map(|request| request.lines()).collect();
        let views: Vec<_> = requests.iter().zip(&lines).map(|(request, lines)| request.view(lines)).collect();
        let verify = || {
            let verified = publisher.verify_batch(&views, Timestamp::from_millis(now_ms));
            Ok(verified.into_iter().map(imagxp_verdict::new).collect())
        };
        // SAFETY: this function's.
        unsafe { give_many(verdicts, count, "verdicts", verify) }
    })
}

/// Signs many requests, in order, byte for byte as one `imagxp_identity_sign` after the other. Free each `headers` with `imagxp_headers_free`.
///
/// `requests`, `now_ms` and `headers` are arrays of `count`, and so is `nonces`, unless it is NULL: then every request gets a random one.
/// ES256 signatures share their inversions, which makes eight and more an eighth cheaper; a key that signs elsewhere
/// (`imagxp_key_external`) is asked for each. All or none: an error names the first request that cannot be signed, counted from 0, and
/// nothing is written. Errors: those of `imagxp_identity_sign`, and `usage.argument` for a nonce that occurs twice.
///
/// # Safety
/// `requests`, `now_ms` and, unless NULL, `nonces` point to `count` values, `headers` to room for as many; each may be NULL when `count` is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imagxp_identity_sign_batch(
    identity: Option<&imagxp_identity>,
    requests: *const Option<&imagxp_sign_request>,
    now_ms: *const i64,
    nonces: *const imagxp_slice<'_>,
    count: usize,
    headers: *mut MaybeUninit<*mut imagxp_headers>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        let identity = need(identity, "identity")?.identity();
        // SAFETY: this function's.
        let (requests, times) =
            unsafe { (lent(requests, count, "requests")?, lent(now_ms, count, "now_ms")?) };
        let given = match nonces.is_null() {
            true => &[],
            // SAFETY: this function's.
            false => unsafe { lent(nonces, count, "nonces") }?,
        };
        let nonce = |at| nonce_or_random(given.get(at).copied().unwrap_or(imagxp_slice::NONE));
        let nonces = (0..count).map(nonce).collect::<Result<Vec<_>>>()?;
        let requests = requests.iter().zip(times).zip(&nonces).map(|((request, now), nonce)| {
            Ok((need(*request, "a request")?.request.as_ref(), Timestamp::from_millis(*now), &**nonce))
        });
        let requests = requests.collect::<Result<Vec<_>, Error>>()?;
        let sign = || {
            let signed = identity.sign_batch(&requests)?;
            Ok(signed.into_iter().map(|headers| imagxp_headers { headers }).collect())
        };
        // SAFETY: this function's.
        unsafe { give_many(headers, count, "headers", sign) }
    })
}
