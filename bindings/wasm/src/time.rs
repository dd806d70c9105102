//! Times: a `Date`, milliseconds since 1970, or RFC 3339 text.

use crate::errors::{self, Thrown};
use imagxp::Timestamp;
use js_sys::Date;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;

pub(crate) fn read(value: &JsValue) -> Result<Timestamp, Thrown> {
    if let Some(text) = value.as_string() {
        return Timestamp::parse(&text)
            .ok_or_else(|| errors::argument("the time is not RFC 3339 in UTC: YYYY-MM-DDTHH:MM:SS[.mmm]Z"));
    }
    let millis = value.dyn_ref::<Date>().map_or_else(|| value.as_f64(), |date| Some(date.get_time()));
    millis
        .filter(|millis| millis.abs() <= 8.64e15)
        .map(from_millis)
        .ok_or_else(|| errors::argument("a time is a Date, milliseconds since 1970, or RFC 3339 text"))
}

pub(crate) fn clock() -> Timestamp {
    from_millis(Date::now())
}

/// RFC 3339 in UTC, with milliseconds.
pub(crate) fn text(time: Timestamp) -> String {
    time.to_string()
}

/// Milliseconds since 1970, as `Date` has them.
#[expect(clippy::cast_precision_loss, reason = "times of these centuries are exact in a double")]
pub(crate) fn millis(time: Timestamp) -> f64 {
    time.as_millis() as f64
}

#[expect(clippy::cast_possible_truncation, reason = "the range of a Date, which is less than 2^53")]
fn from_millis(millis: f64) -> Timestamp {
    Timestamp::from_millis(millis.floor() as i64)
}
