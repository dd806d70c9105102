//! Options of a publisher.

use crate::audit::{Sink, imagxp_audit_fn};
use crate::boundary::{accessor, boundary};
use crate::error::imagxp_error;
use crate::handle::{give, need};
use crate::rate::imagxp_rate_store;
use crate::replay::imagxp_replay_store;
use crate::status::imagxp_status;
use core::ffi::c_void;
use core::mem::MaybeUninit;
use imagxp::audit::AuditSink;
use imagxp::policy::Mode;
use imagxp::publisher::RateStore;
use imagxp::replay::ReplayStore;
use imagxp::{Error, Limits, Publisher};
use std::sync::Arc;

/// Options of a publisher.
pub struct imagxp_publisher_options {
    replay: Option<Arc<dyn ReplayStore>>,
    rates: Option<Arc<dyn RateStore>>,
    audit: Option<Arc<dyn AuditSink>>,
    mode: Option<Mode>,
    first_trace: u64,
    limits: Limits,
}

impl imagxp_publisher_options {
    /// The publisher with these options.
    pub(crate) fn apply(&self, publisher: Publisher) -> Publisher {
        // The limits come first: they bring a rate store of their own.
        let mut publisher = publisher.with_limits(self.limits).with_first_trace(self.first_trace);
        if let Some(store) = &self.replay {
            publisher = publisher.with_replay_store(Arc::clone(store));
        }
        if let Some(store) = &self.rates {
            publisher = publisher.with_rate_store(Arc::clone(store));
        }
        if let Some(sink) = &self.audit {
            publisher = publisher.with_audit(Arc::clone(sink));
        }
        match self.mode {
            Some(mode) => publisher.with_mode(mode),
            None => publisher,
        }
    }
}

/// Whether verdicts are enforced.
pub type imagxp_mode = u32;

/// Refusals are refused.
pub const IMAGXP_MODE_ENFORCE: imagxp_mode = 1;
/// Everything passes; the verdict says what would have happened.
pub const IMAGXP_MODE_OBSERVE: imagxp_mode = 2;

/// A size limit of PROTOCOL section 14.
pub type imagxp_limit = u32;

/// Bytes of the base64 payload header: 12 KiB, at most 16 KiB.
pub const IMAGXP_LIMIT_PAYLOAD_HEADER: imagxp_limit = 1;
/// Bytes of the public-key header: 512, at most 512.
pub const IMAGXP_LIMIT_KEY_HEADER: imagxp_limit = 2;
/// Bytes of a visa or ad proof: 8 KiB, at most 16 KiB.
pub const IMAGXP_LIMIT_TOKEN: imagxp_limit = 3;
/// Header lines in a request: 100, at most 100.
pub const IMAGXP_LIMIT_HEADER_LINES: imagxp_limit = 4;
/// Bytes of all headers together: 32 KiB, at most 64 KiB.
pub const IMAGXP_LIMIT_HEADER_BYTES: imagxp_limit = 5;
/// Bytes of one string in a claim: 4 KiB, at most 8 KiB.
pub const IMAGXP_LIMIT_STRING: imagxp_limit = 6;
/// Bytes of the claim's resource: 4 KiB, at most 8 KiB.
pub const IMAGXP_LIMIT_RESOURCE: imagxp_limit = 7;
/// Bytes of a manifest: 16 KiB, at most 64 KiB.
pub const IMAGXP_LIMIT_MANIFEST: imagxp_limit = 8;
/// Agents whose keys are cached: 10 000, at most 100 000.
pub const IMAGXP_LIMIT_DIRECTORY: imagxp_limit = 9;

/// Options with their defaults: a replay store in memory, the limits of PROTOCOL section 14. Free them with `imagxp_publisher_options_free`.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_publisher_options_new(
    options: Option<&mut MaybeUninit<*mut imagxp_publisher_options>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        give(options, || {
            Ok(imagxp_publisher_options {
                replay: None,
                rates: None,
                audit: None,
                mode: None,
                first_trace: 0,
                limits: Limits::DEFAULT,
            })
        })
    })
}

/// Uses this replay store; it is shared, so its handle may be freed at once.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_publisher_options_set_replay_store(
    options: Option<&mut imagxp_publisher_options>,
    store: Option<&imagxp_replay_store>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        need(options, "options")?.replay = Some(Arc::clone(&need(store, "store")?.store));
        Ok(())
    })
}

/// Uses this rate store; it is shared, so its handle may be freed at once.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_publisher_options_set_rate_store(
    options: Option<&mut imagxp_publisher_options>,
    store: Option<&imagxp_rate_store>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        need(options, "options")?.rates = Some(Arc::clone(&need(store, "store")?.store));
        Ok(())
    })
}

/// Records each decided verdict before it is given; when `record` fails, the verdict is `audit.unavailable`. A verdict with needs is recorded
/// when it has been resumed. `unsigned_too`: visitors without a signature, too. `record` gets `user_data`, which must stay valid until the
/// publisher is freed.
///
/// # Safety
/// `record` keeps the promises of `imagxp_audit_fn`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imagxp_publisher_options_set_audit(
    options: Option<&mut imagxp_publisher_options>,
    user_data: *mut c_void,
    record: imagxp_audit_fn,
    unsigned_too: bool,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        let record = need(record, "record")?;
        need(options, "options")?.audit = Some(Arc::new(Sink::new(user_data, record, unsigned_too)));
        Ok(())
    })
}

/// Enforces or observes, whatever the policy's `mode` says.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_publisher_options_set_mode(
    options: Option<&mut imagxp_publisher_options>,
    mode: imagxp_mode,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        need(options, "options")?.mode = Some(match mode {
            IMAGXP_MODE_ENFORCE => Mode::Enforce,
            IMAGXP_MODE_OBSERVE => Mode::Observe,
            other => return Err(Error::argument(format!("{other} is not a mode"))),
        });
        Ok(())
    })
}

/// Sets from which number trace ids are made, 0 by default. Processes that share a secret begin with different ones (random numbers will do), so
/// that no two verdicts have the same trace id.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_publisher_options_set_first_trace(
    options: Option<&mut imagxp_publisher_options>,
    number: u64,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        need(options, "options")?.first_trace = number;
        Ok(())
    })
}

/// Sets a limit. A value above the limit's maximum becomes that maximum.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_publisher_options_set_limit(
    options: Option<&mut imagxp_publisher_options>,
    limit: imagxp_limit,
    value: usize,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        let options = need(options, "options")?;
        let limits = options.limits;
        options.limits = match limit {
            IMAGXP_LIMIT_PAYLOAD_HEADER => limits.with_payload_header(value),
            IMAGXP_LIMIT_KEY_HEADER => limits.with_key_header(value),
            IMAGXP_LIMIT_TOKEN => limits.with_token(value),
            IMAGXP_LIMIT_HEADER_LINES => limits.with_header_lines(value),
            IMAGXP_LIMIT_HEADER_BYTES => limits.with_header_bytes(value),
            IMAGXP_LIMIT_STRING => limits.with_string(value),
            IMAGXP_LIMIT_RESOURCE => limits.with_resource(value),
            IMAGXP_LIMIT_MANIFEST => limits.with_manifest(value),
            IMAGXP_LIMIT_DIRECTORY => limits.with_directory(value),
            other => return Err(Error::argument(format!("{other} is not a limit"))),
        };
        Ok(())
    })
}

/// Frees the options. NULL is accepted.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_publisher_options_free(options: Option<Box<imagxp_publisher_options>>) {
    accessor((), || drop(options));
}
