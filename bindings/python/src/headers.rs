//! Header lists, as each framework has them, without collapsing duplicates.

use imagxp::agent::SignedHeaders;
use imagxp::headers::HeaderLine;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

/// One name or value. Bytes are immutable in Python, so they are borrowed even while the interpreter is released.
enum Field<'py> {
    Bytes(Bound<'py, PyBytes>),
    Owned(Vec<u8>),
}

impl Field<'_> {
    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes.as_bytes(),
            Self::Owned(bytes) => bytes,
        }
    }
}

/// Every header line of a request, in order.
///
/// Accepts an iterable of pairs (ASGI's byte pairs, lists of tuples), whatever has `items()` (a `dict`; multi-dicts repeat a name
/// there), and objects with `raw` byte pairs, as `httpx.Headers` and Starlette's have: their `items()` joins or drops duplicates.
pub(crate) struct Headers<'py>(Vec<(Field<'py>, Field<'py>)>);

impl Headers<'_> {
    /// The lines as the core takes them.
    pub(crate) fn lines(&self) -> Vec<HeaderLine<'_>> {
        self.0.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect()
    }
}

impl<'py> FromPyObject<'_, 'py> for Headers<'py> {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if object.is_instance_of::<PyString>() || object.is_instance_of::<PyBytes>() {
            return Err(not_headers());
        }
        // A plain list, which ASGI has, is asked for nothing: two attributes that are missing cost more than twelve pairs.
        if let Ok(pairs) = object.cast_exact::<PyList>() {
            let mut lines = Vec::with_capacity(pairs.len());
            for pair in pairs.iter() {
                lines.push(line(&pair)?);
            }
            return Ok(Self(lines));
        }
        let pairs = match (object.getattr_opt("raw")?, object.getattr_opt("items")?) {
            (Some(raw), _) => raw,
            (None, Some(items)) => items.call0()?,
            (None, None) => object.to_owned(),
        };
        let mut lines = Vec::new();
        for pair in pairs.try_iter().map_err(|_| not_headers())? {
            lines.push(line(&pair?)?);
        }
        Ok(Self(lines))
    }
}

fn line<'py>(pair: &Bound<'py, PyAny>) -> PyResult<(Field<'py>, Field<'py>)> {
    if let Ok(pair) = pair.cast::<PyTuple>() {
        if pair.len() == 2 {
            return Ok((field(&pair.get_item(0)?)?, field(&pair.get_item(1)?)?));
        }
        return Err(not_headers());
    }
    if pair.is_instance_of::<PyString>() || pair.is_instance_of::<PyBytes>() {
        return Err(not_headers());
    }
    let [name, value]: [Bound<'py, PyAny>; 2] = pair.extract().map_err(|_| not_headers())?;
    Ok((field(&name)?, field(&value)?))
}

fn field<'py>(object: &Bound<'py, PyAny>) -> PyResult<Field<'py>> {
    if let Ok(bytes) = object.cast::<PyBytes>() {
        return Ok(Field::Bytes(bytes.clone()));
    }
    let text = object.cast::<PyString>().map_err(|_| not_headers())?;
    // Our headers are ASCII; what is not only has to stay different from it. Frameworks give Latin-1, a character for each byte that came, or
    // decode a stranger's bytes to lone surrogates, so encoding must not fail: it would turn a bad request into an exception.
    match text.to_str() {
        Ok(text) if text.is_ascii() => Ok(Field::Owned(text.as_bytes().to_vec())),
        Ok(text) => {
            let latin: Option<Vec<u8>> = text.chars().map(|character| u8::try_from(character).ok()).collect();
            Ok(Field::Owned(latin.unwrap_or_else(|| text.as_bytes().to_vec())))
        }
        Err(_) => {
            let bytes = text.call_method1("encode", ("utf-8", "surrogatepass"))?;
            Ok(Field::Bytes(bytes.cast_into::<PyBytes>()?))
        }
    }
}

fn not_headers() -> PyErr {
    PyTypeError::new_err("headers are a mapping or pairs of (name, value), each str or bytes")
}

/// Headers to send, as a list of pairs.
pub(crate) fn header_list<'py>(py: Python<'py>, headers: &SignedHeaders) -> PyResult<Bound<'py, PyList>> {
    PyList::new(py, headers.iter())
}

/// The `User-Agent` an agent sends: its own, with the product token `IMAGXP/1.0` added when it is missing.
#[pyfunction]
#[pyo3(signature = (own, /))]
pub(crate) fn user_agent(own: &str) -> String {
    imagxp::headers::user_agent(own)
}
