//! A verification, step by step.

use crate::boundary::boundary;
use crate::bytes::{give_bytes, imagxp_bytes};
use crate::error::imagxp_error;
use crate::handle::need;
use crate::publisher::imagxp_publisher;
use crate::request::imagxp_request;
use crate::status::imagxp_status;
use core::mem::MaybeUninit;
use imagxp::{Error, Timestamp, json};

/// How an explanation is written.
pub type imagxp_format = u32;

/// A few lines per step, for people; whatever a stranger sent is escaped.
pub const IMAGXP_FORMAT_TEXT: imagxp_format = 1;
/// `{"steps": [...], "verdict": {...}}`.
pub const IMAGXP_FORMAT_JSON: imagxp_format = 2;

/// Tells each step of a verification, with what was expected and received, and spends nothing.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_publisher_explain(
    publisher: Option<&imagxp_publisher>,
    request: Option<&imagxp_request>,
    now_ms: i64,
    format: imagxp_format,
    explanation: Option<&mut MaybeUninit<imagxp_bytes>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        give_bytes(explanation, || {
            let publisher = need(publisher, "publisher")?.publisher();
            let request = need(request, "request")?;
            let explain =
                || request.with(|request| publisher.explain(request, Timestamp::from_millis(now_ms)));
            match format {
                IMAGXP_FORMAT_TEXT => Ok(explain().to_string().into_bytes()),
                IMAGXP_FORMAT_JSON => Ok(json::object_to_canonical(&explain().to_json())),
                other => Err(Error::argument(format!("{other} is not a format"))),
            }
        })
    })
}
