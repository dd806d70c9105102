//! The publisher's side: a request in, a verdict out.

use crate::boundary::{accessor, boundary};
use crate::bytes::imagxp_slice;
use crate::error::imagxp_error;
use crate::handle::{give, need};
use crate::options::imagxp_publisher_options;
use crate::policy::imagxp_policy;
use crate::request::imagxp_request;
use crate::status::imagxp_status;
use crate::verdict::imagxp_verdict;
use core::mem::MaybeUninit;
use imagxp::publisher::FetchFailure;
use imagxp::{Error, Publisher, Timestamp};

/// A site that verifies its readers: a policy and what it has learned (keys, nonces, rates). It may be used by several threads at once.
///
/// After `fork()` the child has a copy of its own, so nonces in memory are no longer common knowledge: processes that serve the
/// same site share a store (`imagxp_replay_store_new`). The copy goes on with its parent's trace ids, and so do its siblings: make the
/// publisher in each child (`imagxp_publisher_options_set_first_trace`). Fork while no other thread is inside a call on the publisher.
pub struct imagxp_publisher {
    publisher: Publisher,
}

impl imagxp_publisher {
    #[cfg(feature = "full")]
    pub(crate) const fn publisher(&self) -> &Publisher {
        &self.publisher
    }
}

/// Why a document could not be fetched.
pub type imagxp_fetch_failure = u32;

/// Network, TLS, deadline, or a 5xx status: it may work later.
pub const IMAGXP_FETCH_FAILED: imagxp_fetch_failure = 1;
/// There is no such document (404, 410).
pub const IMAGXP_FETCH_NOT_FOUND: imagxp_fetch_failure = 2;
/// The server redirects; redirects are not followed.
pub const IMAGXP_FETCH_REDIRECT: imagxp_fetch_failure = 3;
/// The name resolves to an address that must not be fetched from.
pub const IMAGXP_FETCH_ADDRESS_DENIED: imagxp_fetch_failure = 4;
/// The fetcher has too much to do.
pub const IMAGXP_FETCH_BUSY: imagxp_fetch_failure = 5;
/// The answer is too large, encoded, or not what it should be.
pub const IMAGXP_FETCH_INVALID: imagxp_fetch_failure = 6;

/// The answer had no `Cache-Control: max-age`.
pub const IMAGXP_MAX_AGE_NONE: u32 = u32::MAX;

/// Makes a publisher. Policy and options are copied: their handles may be freed at once. Free it with `imagxp_publisher_free`.
///
/// `secret` is 16 random bytes, the same in every process that shares a replay store; empty: 16 bytes from the operating system.
/// `options` may be NULL.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_publisher_new(
    policy: Option<&imagxp_policy>,
    secret: imagxp_slice<'_>,
    options: Option<&imagxp_publisher_options>,
    publisher: Option<&mut MaybeUninit<*mut imagxp_publisher>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        give(publisher, || {
            let policy = need(policy, "policy")?.policy.clone();
            let secret = secret.bytes()?;
            let mut key = [0_u8; 16];
            if secret.is_empty() {
                crate::random::os_random(&mut key)?;
            } else {
                key = secret
                    .try_into()
                    .map_err(|_| Error::argument(format!("a secret has 16 bytes, not {}", secret.len())))?;
            }
            let publisher = Publisher::new(policy, key);
            Ok(imagxp_publisher {
                publisher: match options {
                    Some(options) => options.apply(publisher),
                    None => publisher,
                },
            })
        })
    })
}

/// Verifies one request. A refusal is a verdict, not an error. Free the verdict with `imagxp_verdict_free`.
///
/// `now_ms` is the time in milliseconds since 1970. When `imagxp_verdict_is_pending`, fetch what the verdict needs, hand it in by
/// `imagxp_publisher_supply` or `imagxp_publisher_supply_failure`, and call `imagxp_publisher_resume`.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_publisher_verify(
    publisher: Option<&imagxp_publisher>,
    request: Option<&imagxp_request>,
    now_ms: i64,
    verdict: Option<&mut MaybeUninit<*mut imagxp_verdict>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        give(verdict, || {
            let publisher = &need(publisher, "publisher")?.publisher;
            let request = need(request, "request")?;
            let now = Timestamp::from_millis(now_ms);
            Ok(imagxp_verdict::new(request.with(|request| publisher.verify(request, now))))
        })
    })
}

/// Takes up a pending verification where it stopped, and spends nothing twice. Free the new verdict with `imagxp_verdict_free`.
///
/// `pending` keeps its fields and its owner, but is no longer pending: it can be resumed once, on the publisher that made it, and
/// within 60 s; later the new verdict is `time.expired`.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_publisher_resume(
    publisher: Option<&imagxp_publisher>,
    pending: Option<&mut imagxp_verdict>,
    now_ms: i64,
    verdict: Option<&mut MaybeUninit<*mut imagxp_verdict>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        give(verdict, || {
            let publisher = &need(publisher, "publisher")?.publisher;
            let pending = need(pending, "pending")?.take_pending()?;
            Ok(imagxp_verdict::new(publisher.resume(pending, Timestamp::from_millis(now_ms))))
        })
    })
}

/// The seconds to hand to `imagxp_publisher_supply` for the value of a `Cache-Control` header; several header lines are joined by commas.
/// `IMAGXP_MAX_AGE_NONE` when it says nothing about that.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_max_age(cache_control: imagxp_slice<'_>) -> u32 {
    accessor(IMAGXP_MAX_AGE_NONE, || {
        let text = cache_control.text("cache_control").ok();
        imagxp::cache_control::max_age(text.into_iter()).unwrap_or(IMAGXP_MAX_AGE_NONE)
    })
}

/// Hands in the body that a URL from a verdict's needs answered with status 200, and the answer's `Cache-Control: max-age` in seconds or
/// `IMAGXP_MAX_AGE_NONE`.
///
/// Errors: `identity.manifest_invalid` or `key.malformed` for a body that breaks a rule (resuming then gives the verdict),
/// `usage.argument` for a URL that this publisher cannot need.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_publisher_supply(
    publisher: Option<&imagxp_publisher>,
    url: imagxp_slice<'_>,
    body: imagxp_slice<'_>,
    max_age_s: u32,
    now_ms: i64,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        let publisher = &need(publisher, "publisher")?.publisher;
        let max_age = (max_age_s != IMAGXP_MAX_AGE_NONE).then_some(max_age_s);
        publisher.supply(url.text("url")?, body.bytes()?, max_age, Timestamp::from_millis(now_ms))
    })
}

/// Reports that a URL from a verdict's needs could not be fetched. It is remembered for 60 s, `IMAGXP_FETCH_BUSY` for 2 s.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_publisher_supply_failure(
    publisher: Option<&imagxp_publisher>,
    url: imagxp_slice<'_>,
    failure: imagxp_fetch_failure,
    now_ms: i64,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        let publisher = &need(publisher, "publisher")?.publisher;
        let failure = match failure {
            IMAGXP_FETCH_FAILED => FetchFailure::Failed,
            IMAGXP_FETCH_NOT_FOUND => FetchFailure::NotFound,
            IMAGXP_FETCH_REDIRECT => FetchFailure::Redirect,
            IMAGXP_FETCH_ADDRESS_DENIED => FetchFailure::AddressDenied,
            IMAGXP_FETCH_BUSY => FetchFailure::Busy,
            IMAGXP_FETCH_INVALID => FetchFailure::Invalid,
            other => return Err(Error::argument(format!("{other} is not a fetch failure"))),
        };
        publisher.supply_failure(url.text("url")?, failure, Timestamp::from_millis(now_ms))
    })
}

/// Frees the publisher. NULL is accepted.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_publisher_free(publisher: Option<Box<imagxp_publisher>>) {
    accessor((), || drop(publisher));
}
