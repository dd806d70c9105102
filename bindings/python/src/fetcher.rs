//! The guarded client.

use crate::headers::Headers;
use crate::{boundary, errors};
use imagxp_fetch::{Call, FetchError, Options, Profile};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyTuple};

/// A client that keeps the fetch rules of the protocol: https only, checked addresses, no redirects, one deadline, limits.
///
/// It blocks without holding the interpreter, and keeps no thread and no connection: it may be used on both sides of a fork.
#[pyclass(frozen, module = "imagxp")]
pub(crate) struct Fetcher(pub(crate) imagxp_fetch::Fetcher);

#[pymethods]
impl Fetcher {
    /// A fetcher. `roots`: PEM certificates of further authorities, with `only_given_roots` the only ones. `nameservers`: `address:port`
    /// each, the system's when there are none. `ports`: besides 443. `allow_loopback` (development) admits http to this machine.
    /// `allow_addresses` and `allowed_port` (development and tests): addresses that are admitted although they are not public, and the
    /// port that is connected to there.
    #[new]
    #[pyo3(signature = (*, allow_loopback = false, roots = None, only_given_roots = false, nameservers = Vec::new(), ports = Vec::new(),
        user_agent = None, allow_addresses = Vec::new(), allowed_port = None))]
    #[expect(clippy::too_many_arguments, reason = "each is a keyword in Python")]
    fn new(
        py: Python<'_>,
        allow_loopback: bool,
        roots: Option<&[u8]>,
        only_given_roots: bool,
        nameservers: Vec<String>,
        ports: Vec<u16>,
        user_agent: Option<String>,
        allow_addresses: Vec<String>,
        allowed_port: Option<u16>,
    ) -> PyResult<Self> {
        let nameservers = nameservers.iter().map(|text| {
            text.parse().map_err(|_| errors::argument(py, &format!("`{text}` is not an address with a port")))
        });
        let allow_addresses = allow_addresses.iter().map(|text| {
            text.parse().map_err(|_| errors::argument(py, &format!("`{text}` is not an address")))
        });
        let mut options = Options {
            allow_loopback,
            only_given_roots,
            nameservers: nameservers.collect::<PyResult<_>>()?,
            ports,
            user_agent,
            allow_addresses: allow_addresses.collect::<PyResult<_>>()?,
            allowed_port,
            ..Options::default()
        };
        boundary::call(py, || {
            if let Some(roots) = roots {
                options.add_roots_pem(roots)?;
            }
            Ok(Self(imagxp_fetch::Fetcher::new(options)?))
        })
    }

    /// Fetches one document; a status other than 200 is a failure. One fetch per URL at a time, failures remembered for 60 s.
    ///
    /// `profile`: `manifest` (1.5 s, 16 KiB), `jwks` (3 s, 64 KiB), `document` (5 s, 512 KiB), `token` (10 s, 32 KiB, any port: a
    /// broker's token endpoint) or `page` (30 s, 32 MiB).
    #[pyo3(signature = (url, profile = "document"))]
    fn get(&self, py: Python<'_>, url: &str, profile: &str) -> PyResult<Answer> {
        let profile = bounds(py, profile)?;
        finish(py, boundary::compute(py, || self.0.get(url, profile))?)
    }

    /// Sends one request and returns whatever the answer is, redirects too. Nothing is shared, remembered or repeated.
    #[pyo3(signature = (method, url, *, headers = None, body = None, profile = "page"))]
    fn send(
        &self,
        py: Python<'_>,
        method: &str,
        url: &str,
        headers: Option<Headers<'_>>,
        body: Option<&[u8]>,
        profile: &str,
    ) -> PyResult<Answer> {
        let profile = bounds(py, profile)?;
        let mut lines = Vec::new();
        for (name, value) in headers.iter().flat_map(Headers::lines) {
            let text = |bytes: &[u8]| {
                String::from_utf8(bytes.to_vec()).map_err(|_| errors::argument(py, "a header is not UTF-8"))
            };
            lines.push((text(name)?, text(value)?));
        }
        let call = Call {
            method: method.into(),
            url: url.into(),
            headers: lines,
            body: body.unwrap_or_default().to_vec(),
        };
        finish(py, boundary::compute(py, || self.0.send(&call, profile))?)
    }

    fn __repr__(&self) -> &'static str {
        "Fetcher(..)"
    }
}

/// What came back.
#[pyclass(frozen, module = "imagxp")]
pub(crate) struct Answer(imagxp_fetch::Answer);

#[pymethods]
impl Answer {
    /// The status: 200 from `get`, any from `send`.
    #[getter]
    fn status(&self) -> u16 {
        self.0.status
    }

    /// Pairs of name (lower case) and value, duplicates included.
    #[getter]
    fn headers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.0.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }

    /// The body.
    #[getter]
    fn body<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.body)
    }

    /// The address that was checked and connected to.
    #[getter]
    fn address(&self) -> String {
        self.0.address.to_string()
    }

    /// The seconds of `Cache-Control: max-age`; 0 for what must not be stored.
    #[getter]
    fn max_age(&self) -> Option<u32> {
        self.0.max_age()
    }

    /// The first header line of this name.
    #[pyo3(signature = (name, /))]
    fn header(&self, name: &str) -> Option<&str> {
        self.0.header(name)
    }

    fn __repr__(&self) -> String {
        format!("Answer({}, {} bytes)", self.0.status, self.0.body.len())
    }
}

fn bounds(py: Python<'_>, name: &str) -> PyResult<Profile> {
    Profile::from_name(name).ok_or_else(|| {
        errors::argument(py, &format!("`{name}` is not one of manifest, jwks, document, token, page"))
    })
}

fn finish(py: Python<'_>, result: Result<imagxp_fetch::Answer, FetchError>) -> PyResult<Answer> {
    static FETCH_ERROR: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let error = match result {
        Ok(answer) => return Ok(Answer(answer)),
        Err(error) => error,
    };
    let class = FETCH_ERROR.get_or_try_init(py, || {
        Ok::<_, PyErr>(py.import("imagxp.errors")?.getattr("FetchError")?.unbind())
    })?;
    let code = error.failure.code().as_str();
    let arguments = (code, error.detail, error.failure.as_str(), error.sent, error.status);
    Err(PyErr::from_value(class.bind(py).call1(arguments)?))
}
