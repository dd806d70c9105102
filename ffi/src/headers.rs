//! The headers that an agent sends.

use crate::boundary::{accessor, boundary};
use crate::bytes::{give_bytes, imagxp_bytes, imagxp_slice};
use crate::error::imagxp_error;
use crate::status::imagxp_status;
use core::mem::MaybeUninit;
use imagxp::agent::SignedHeaders;
use imagxp::headers::user_agent;

/// Headers to send, in order, as `imagxp_identity_sign` made them.
pub struct imagxp_headers {
    pub(crate) headers: SignedHeaders,
}

/// How many there are. 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_headers_count(headers: Option<&imagxp_headers>) -> usize {
    accessor(0, || headers.map_or(0, |headers| headers.headers.iter().len()))
}

/// The name of the n-th header, counted from 0, in lower case; empty beyond the last. Lives as long as the headers.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_headers_name(headers: Option<&imagxp_headers>, index: usize) -> imagxp_slice<'_> {
    accessor(imagxp_slice::NONE, || {
        headers.and_then(|headers| headers.headers.iter().nth(index)).map(|line| line.0).into()
    })
}

/// The value of the n-th header; empty beyond the last. Lives as long as the headers.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_headers_value(headers: Option<&imagxp_headers>, index: usize) -> imagxp_slice<'_> {
    accessor(imagxp_slice::NONE, || {
        headers.and_then(|headers| headers.headers.iter().nth(index)).map(|line| line.1).into()
    })
}

/// Frees the headers. NULL is accepted.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_headers_free(headers: Option<Box<imagxp_headers>>) {
    accessor((), || drop(headers));
}

/// The `User-Agent` to send: `own`, with the product token `IMAGXP/1.0` added when it is missing.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_user_agent(
    own: imagxp_slice<'_>,
    value: Option<&mut MaybeUninit<imagxp_bytes>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || give_bytes(value, || Ok(user_agent(own.text("own")?))))
}
