//! Error objects: what went wrong when a status is not `IMAGXP_OK`.

use crate::boundary::accessor;
use crate::bytes::imagxp_slice;
use crate::status::{IMAGXP_OK, imagxp_status};
use imagxp::Error;

/// Why a call failed: a number, a stable dotted string, and one sentence that holds no secret.
///
/// Every fallible function takes an `imagxp_error **` last; NULL is accepted there. Free the object with `imagxp_error_free`.
pub struct imagxp_error {
    error: Error,
}

impl imagxp_error {
    pub(crate) fn new(error: Error) -> Self {
        Self { error }
    }
}

/// The number: the same as the status that the call returned. `IMAGXP_OK` for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_error_status(error: Option<&imagxp_error>) -> imagxp_status {
    accessor(IMAGXP_OK, || error.map_or(IMAGXP_OK, |error| error.error.kind().number()))
}

/// The dotted string, for example `usage.policy`; it lives forever.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_error_code(error: Option<&imagxp_error>) -> imagxp_slice<'static> {
    accessor(imagxp_slice::NONE, || error.map(|error| error.error.code()).into())
}

/// One sentence that says what happened; it lives as long as the error.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_error_message(error: Option<&imagxp_error>) -> imagxp_slice<'_> {
    accessor(imagxp_slice::NONE, || error.map(|error| error.error.message()).into())
}

/// Frees the error. NULL is accepted.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_error_free(error: Option<Box<imagxp_error>>) {
    accessor((), || drop(error));
}
