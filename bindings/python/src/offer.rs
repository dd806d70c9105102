//! The offer of a 402 answer.

use crate::boundary;
use crate::json::Text;
use imagxp::agent::offer::Offer;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

/// Reads the body of a 402 answer: a `dict` with `price`, `currency`, `purposes` and `brokers`. Raises `offer.malformed`.
#[pyfunction]
#[pyo3(signature = (body, /, *, allow_loopback = false))]
pub(crate) fn read_offer(py: Python<'_>, body: Text, allow_loopback: bool) -> PyResult<Bound<'_, PyDict>> {
    let offer = boundary::call(py, || Offer::parse(&body.0, allow_loopback))?;
    let dict = PyDict::new(py);
    dict.set_item("price", offer.price.amount.to_string())?;
    dict.set_item("currency", &offer.price.currency)?;
    dict.set_item("purposes", PyList::new(py, offer.purposes.iter().map(|purpose| purpose.as_str()))?)?;
    let brokers = PyList::empty(py);
    for broker in &offer.brokers {
        let member = PyDict::new(py);
        member.set_item("issuer", &broker.issuer)?;
        member.set_item("token_endpoint", &broker.token_endpoint)?;
        brokers.append(member)?;
    }
    dict.set_item("brokers", brokers)?;
    Ok(dict)
}
