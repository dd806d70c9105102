//! Times: an aware `datetime`, integer milliseconds since 1970, or RFC 3339 text; the clock when there is none.

use crate::errors;
use imagxp::Timestamp;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyInt, PyString};
use std::time::{SystemTime, UNIX_EPOCH};

/// A time as Python passes it.
#[derive(Clone, Copy)]
pub(crate) struct Time(pub(crate) Timestamp);

impl<'py> FromPyObject<'_, 'py> for Time {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let py = object.py();
        if object.is_instance_of::<PyInt>() && !object.is_instance_of::<PyBool>() {
            let millis = object.extract().map_err(|_| errors::argument(py, "the time is out of range"))?;
            return Ok(Self(Timestamp::from_millis(millis)));
        }
        if let Ok(text) = object.cast::<PyString>() {
            let time = Timestamp::parse(text.to_str()?);
            let message = "the time is not RFC 3339 in UTC: YYYY-MM-DDTHH:MM:SS[.mmm]Z";
            return time.map(Self).ok_or_else(|| errors::argument(py, message));
        }
        from_datetime(&object)
    }
}

fn from_datetime(object: &Bound<'_, PyAny>) -> PyResult<Time> {
    let py = object.py();
    let datetime = py.import("datetime")?;
    if !object.is_instance(&datetime.getattr("datetime")?)? {
        return Err(PyTypeError::new_err(
            "a time is an aware datetime, milliseconds as int, or RFC 3339 text",
        ));
    }
    if object.call_method0("utcoffset")?.is_none() {
        return Err(errors::argument(py, "the datetime is naive; give it a tzinfo"));
    }
    let since = object.call_method1("__sub__", (epoch(py)?,))?;
    let millisecond = datetime.getattr("timedelta")?.call1((0, 0, 1000))?;
    Ok(Time(Timestamp::from_millis(since.call_method1("__floordiv__", (millisecond,))?.extract()?)))
}

/// An aware `datetime` in UTC.
pub(crate) fn to_datetime(py: Python<'_>, time: Timestamp) -> PyResult<Bound<'_, PyAny>> {
    // Adding to 1970 is exact; `fromtimestamp` would go through a float.
    let delta = py.import("datetime")?.getattr("timedelta")?.call1((0, 0, 0, time.as_millis()))?;
    epoch(py)?.call_method1("__add__", (delta,))
}

/// The given time, or the clock's: Python code is the outermost layer, where a clock may be read.
pub(crate) fn or_now(time: Option<Time>) -> Timestamp {
    time.map_or_else(
        || {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
            Timestamp::from_millis(i64::try_from(since).unwrap_or(i64::MAX))
        },
        |time| time.0,
    )
}

fn epoch(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    static EPOCH: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let epoch = EPOCH.get_or_try_init(py, || {
        let datetime = py.import("datetime")?;
        let utc = datetime.getattr("timezone")?.getattr("utc")?;
        PyResult::Ok(datetime.getattr("datetime")?.call1((1970, 1, 1, 0, 0, 0, 0, utc))?.unbind())
    })?;
    Ok(epoch.bind(py).clone())
}
