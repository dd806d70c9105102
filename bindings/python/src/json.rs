//! JSON between Python and the core. Text is parsed by the core's strict parser only.

use crate::{boundary, errors};
use imagxp::json::{Limits, Object, Value, canonicalize as core_canonicalize, parse_object};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyMapping, PyString};

/// Bytes or text, as bytes.
pub(crate) struct Text(pub(crate) Vec<u8>);

impl<'py> FromPyObject<'_, 'py> for Text {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(bytes) = object.cast::<PyBytes>() {
            return Ok(Self(bytes.as_bytes().to_vec()));
        }
        if let Ok(text) = object.cast::<PyString>() {
            return Ok(Self(text.to_str()?.as_bytes().to_vec()));
        }
        Err(PyTypeError::new_err("expected str or bytes"))
    }
}

/// A JSON document: text, bytes, or a mapping that `json.dumps` can write.
pub(crate) struct Document(pub(crate) Vec<u8>);

impl<'py> FromPyObject<'_, 'py> for Document {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        match object.cast::<PyMapping>() {
            Ok(mapping) => from_mapping(&mapping).map(Self),
            Err(_) => object
                .extract::<Text>()
                .map(|text| Self(text.0))
                .map_err(|_| PyTypeError::new_err("expected a mapping, or JSON as str or bytes")),
        }
    }
}

/// A mapping as JSON text. NaN and infinities are refused here, lone surrogates and duplicate names by whoever parses it.
pub(crate) fn from_mapping(mapping: &Bound<'_, PyMapping>) -> PyResult<Vec<u8>> {
    let py = mapping.py();
    let options = PyDict::new(py);
    options.set_item("allow_nan", false)?;
    let plain = PyDict::new(py);
    plain.update(mapping)?;
    let text = py.import("json")?.getattr("dumps")?.call((plain,), Some(&options));
    let text = text.map_err(|cause| {
        let error = errors::argument(py, "the mapping cannot be written as JSON");
        error.set_cause(py, Some(cause));
        error
    })?;
    Ok(text.cast::<PyString>()?.to_str()?.as_bytes().to_vec())
}

/// A JSON object for functions of the core that take one.
pub(crate) fn to_object(py: Python<'_>, document: &Document, limits: &Limits) -> PyResult<Object<'static>> {
    boundary::call(py, || Ok(parse_object(&document.0, limits)?.into_owned()))
}

/// A JSON object as a `dict`.
pub(crate) fn object<'py>(py: Python<'py>, object: &Object<'_>) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (name, member) in object.iter() {
        dict.set_item(name, value(py, member)?)?;
    }
    Ok(dict)
}

/// A JSON value. Whole numbers become `int`, others `float`. The core bounds the depth.
fn value<'py>(py: Python<'py>, value: &Value<'_>) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Null => py.None().into_bound(py),
        Value::Bool(flag) => flag.into_pyobject(py)?.to_owned().into_any(),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => whole.into_pyobject(py)?.into_any(),
            None => number.as_f64().into_pyobject(py)?.into_any(),
        },
        Value::String(text) => PyString::new(py, text).into_any(),
        Value::Array(items) => {
            let list = PyList::empty(py);
            for item in items {
                list.append(self::value(py, item)?)?;
            }
            list.into_any()
        }
        Value::Object(members) => object(py, members)?.into_any(),
    })
}

/// The RFC 8785 form of a strict I-JSON text (at most 16 MiB, 64 levels).
#[pyfunction]
#[pyo3(signature = (json, /))]
pub(crate) fn canonicalize(py: Python<'_>, json: Text) -> PyResult<Bound<'_, PyBytes>> {
    let canonical = boundary::call(py, || Ok(core_canonicalize(&json.0, &Limits::INTERCHANGE)?))?;
    Ok(PyBytes::new(py, &canonical))
}
