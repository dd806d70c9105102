//! The core alone, in this very addon: what `make bench` compares Node with (tests/bench/node/ours.mjs). Only with the feature `bench`, which nothing that is shipped has.

use crate::headers::Joined;
use crate::js::{ClassInstance, JsString, List};
use crate::publisher::Publisher;
use crate::time::Time;
use imagxp::Request;
use napi::Result;
use napi_derive::napi;
use std::time::Instant;

/// Verifies each request once; returns nanoseconds for all, and how many were allowed.
#[napi(js_name = "_verifyAll", skip_typescript)]
pub fn verify_all(
    publisher: ClassInstance<Publisher>,
    method: JsString,
    target: JsString,
    requests: List<Joined>,
    count: u32,
    now: Time,
) -> Result<(f64, u32)> {
    let lines = requests.0.iter().map(|request| request.lines(count, 10));
    let lines: Vec<_> = lines.flatten().collect();
    let mut allowed = 0;
    let start = Instant::now();
    for headers in &lines {
        let request = Request { method: &method, url: &target, headers, body_digest: None };
        allowed += u32::from(publisher.inner.verify(&request, now.0).verdict.is_allowed());
    }
    Ok((start.elapsed().as_secs_f64() * 1e9, allowed))
}
