//! Times: a `Date`, milliseconds since 1970 as a number, or RFC 3339 text; the clock when there is none.

use crate::errors;
use crate::js::{self, argument};
use imagxp::Timestamp;
use napi::bindgen_prelude::{FromNapiValue, ToNapiValue, TypeName, ValidateNapiValue};
use napi::{Result, ValueType, sys};
use std::time::{SystemTime, UNIX_EPOCH};

/// A time as JavaScript passes it.
#[derive(Clone, Copy)]
pub struct Time(pub(crate) Timestamp);
argument!(Time);

impl FromNapiValue for Time {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        match js::type_of(env, value) {
            // SAFETY: as this function's.
            ValueType::Number => millis(unsafe { f64::from_napi_value(env, value) }?),
            ValueType::String => {
                // SAFETY: as this function's.
                let text = unsafe { String::from_napi_value(env, value) }?;
                let message = "the time is not RFC 3339 in UTC: YYYY-MM-DDTHH:MM:SS[.mmm]Z";
                Timestamp::parse(&text).map(Self).ok_or_else(|| errors::argument(message))
            }
            _ => {
                let mut number = 0.0;
                // SAFETY: as this function's; a value that is no date is told by the status.
                let status = unsafe { sys::napi_get_date_value(env, value, &raw mut number) };
                if status != sys::Status::napi_ok {
                    return Err(js::expected("a Date, milliseconds, or RFC 3339 text"));
                }
                millis(number)
            }
        }
    }
}

fn millis(number: f64) -> Result<Time> {
    // The range of a Date; NaN is outside of it. What is beyond the protocol's years is refused where it matters.
    const RANGE: f64 = 8.64e15;
    if !(-RANGE..=RANGE).contains(&number) {
        return Err(errors::argument("the time is out of range"));
    }
    #[expect(clippy::cast_possible_truncation, reason = "within the range of an i64")]
    Ok(Time(Timestamp::from_millis(number.floor() as i64)))
}

/// A time that JavaScript gets: a `Date`.
pub struct DateTime(pub(crate) Timestamp);

impl ToNapiValue for DateTime {
    unsafe fn to_napi_value(env: sys::napi_env, time: Self) -> Result<sys::napi_value> {
        let mut value = core::ptr::null_mut();
        // SAFETY: as this function's.
        let status = unsafe { sys::napi_create_date(env, number(time.0), &raw mut value) };
        napi::check_status!(status)?;
        Ok(value)
    }
}

/// Milliseconds as a number.
pub(crate) fn number(time: Timestamp) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "the protocol's years need 43 bits")]
    {
        time.as_millis() as f64
    }
}

/// The given time, or the clock's: JavaScript is the outermost layer, where a clock may be read.
pub(crate) fn or_now(time: Option<Time>) -> Timestamp {
    time.map_or_else(
        || {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
            Timestamp::from_millis(i64::try_from(since).unwrap_or(i64::MAX))
        },
        |time| time.0,
    )
}
