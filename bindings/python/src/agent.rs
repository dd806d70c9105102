//! The agent as a client, and one read of it as a machine without I/O.

use crate::headers::Headers;
use crate::identity::{Identity, random_uuid};
use crate::json::{self, Text};
use crate::time::{self, Time};
use crate::wallet::Wallet;
use crate::{boundary, errors, purpose};
use imagxp::agent::offer::TrustedBroker;
use imagxp::agent::reader::{Purse, ReaderOptions, Receipts, Redirects};
use imagxp::agent::visit::{self, Event, Refusal, Report};
use imagxp_fetch::agent as client;
use imagxp_fetch::{Fetcher, Options};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};
use std::sync::{Arc, Mutex, PoisonError};

/// An agent that reads pages: robots.txt, signature, payment within the wallet's caps, receipt. Shared between threads.
///
/// `product` is the token that robots.txt may name. `brokers` are issuer URLs, or pairs of issuer and token endpoint. `redirects` is
/// `same_origin`, `any_origin` or `return`; `receipts` is `verify`, `require` or `ignore`. `discover=False` asks neither robots.txt nor the
/// policy, for callers that do so themselves.
#[pyclass(frozen, module = "imagxp")]
pub(crate) struct Agent {
    inner: client::Agent,
}

#[pymethods]
impl Agent {
    #[new]
    #[pyo3(signature = (identity, purpose, product, *, wallet = None, brokers = Vec::new(), user_agent = "", discover = true,
        redirects = "same_origin", receipts = "verify", compatible = false, allow_loopback = false))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn new(
        py: Python<'_>,
        identity: &Identity,
        purpose: &str,
        product: &str,
        wallet: Option<&Wallet>,
        brokers: Vec<Broker>,
        user_agent: &str,
        discover: bool,
        redirects: &str,
        receipts: &str,
        compatible: bool,
        allow_loopback: bool,
    ) -> PyResult<Self> {
        let redirects = match redirects {
            "same_origin" => Redirects::SameOrigin,
            "any_origin" => Redirects::AnyOrigin,
            "return" => Redirects::Return,
            _ => return Err(errors::argument(py, "redirects is same_origin, any_origin or return")),
        };
        let receipts = match receipts {
            "verify" => Receipts::Verify,
            "require" => Receipts::Require,
            "ignore" => Receipts::Ignore,
            _ => return Err(errors::argument(py, "receipts is verify, require or ignore")),
        };
        let purpose = purpose::parse(py, purpose)?;
        let purse = wallet.map_or_else(|| Arc::new(Purse::in_memory([])), |wallet| Arc::clone(&wallet.0));
        boundary::call(py, || {
            let brokers = brokers.into_iter().map(|broker| broker.trust(allow_loopback));
            let options = ReaderOptions {
                user_agent: user_agent.to_owned(),
                brokers: brokers.collect::<imagxp::Result<_>>()?,
                discover,
                redirects,
                receipts,
                compatible,
                allow_loopback,
                ..ReaderOptions::new(purpose, product)
            };
            let fetcher = Fetcher::new(Options { allow_loopback, ..Options::default() })?;
            client::Agent::new(identity.inner.clone(), options, purse, fetcher).map(|inner| Self { inner })
        })
    }

    /// Reads one page with GET or HEAD, without holding the interpreter. Pays at most once. Raises `ReadError`.
    #[pyo3(signature = (url, /, *, method = "GET"))]
    fn read(&self, py: Python<'_>, url: &str, method: &str) -> PyResult<Page> {
        match boundary::compute(py, || self.inner.request(method, url))? {
            Ok(page) => Ok(Page(page)),
            Err(refusal) => Err(refused(py, &refusal)),
        }
    }

    /// Begins one read without I/O: `Visit.start` and its answers say what to send.
    #[pyo3(signature = (method, url, /, *, content_digest = None))]
    fn visit(
        &self,
        py: Python<'_>,
        method: &str,
        url: &str,
        content_digest: Option<&str>,
    ) -> PyResult<Visit> {
        let reader = self.inner.reader();
        let visit = boundary::call(py, || reader.visit(method, url, content_digest))?;
        Ok(Visit(Mutex::new(visit)))
    }
}

/// An issuer, or an issuer and its token endpoint.
#[derive(FromPyObject)]
enum Broker {
    Issuer(String),
    Pinned(String, String),
}

impl Broker {
    fn trust(self, allow_loopback: bool) -> imagxp::Result<TrustedBroker> {
        match self {
            Self::Issuer(issuer) => TrustedBroker::new(&issuer, allow_loopback),
            Self::Pinned(issuer, endpoint) => {
                TrustedBroker::new(&issuer, allow_loopback)?.with_token_endpoint(&endpoint, allow_loopback)
            }
        }
    }
}

/// What was read.
#[pyclass(frozen, module = "imagxp")]
pub(crate) struct Page(client::Page);

#[pymethods]
impl Page {
    /// The status.
    #[getter]
    fn status(&self) -> u16 {
        self.0.status
    }

    /// Header lines in their order, names in lower case.
    #[getter]
    fn headers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.0.headers.iter().map(|(name, value)| (name, value)))
    }

    /// The body.
    #[getter]
    fn body<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.body)
    }

    /// The URL that was read last.
    #[getter]
    fn url(&self) -> &str {
        &self.0.report.url
    }

    /// What happened: `url`, `status`, `offer`, `payment`, `receipt` and each of the `steps`.
    #[getter]
    fn report<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        report(py, &self.0.report)
    }

    fn __repr__(&self) -> String {
        format!("Page({} {})", self.0.status, self.0.report.url)
    }
}

/// One read as a machine without I/O, for HTTP clients of one's own. Each answer is handed back once, in order.
#[pyclass(frozen, module = "imagxp")]
pub(crate) struct Visit(Mutex<visit::Visit>);

#[pymethods]
impl Visit {
    /// The first thing to do.
    #[pyo3(signature = (*, now = None, nonce = None))]
    fn start(&self, py: Python<'_>, now: Option<Time>, nonce: Option<String>) -> PyResult<Action> {
        self.step(py, &Event::Start, now, nonce)
    }

    /// Hands an answer back; `body` may be empty where nobody reads it (a page without receipts, for example). Headers and body must match: a
    /// robots.txt or policy with a `Content-Encoding` counts as one that cannot be had, so leave that line out where your client has decoded
    /// the body.
    #[pyo3(signature = (status, headers, body, *, now = None, nonce = None))]
    fn answered(
        &self,
        py: Python<'_>,
        status: u16,
        headers: Headers<'_>,
        body: Text,
        now: Option<Time>,
        nonce: Option<String>,
    ) -> PyResult<Action> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let headers: Vec<_> =
            headers.lines().into_iter().map(|(name, value)| (text(name), text(value))).collect();
        self.step(py, &Event::Answered { status, headers: &headers, body: &body.0 }, now, nonce)
    }

    /// Says that no answer came; `sent`: bytes of the request may have reached the peer. When in doubt, they have.
    #[pyo3(signature = (detail, *, sent = true, now = None, nonce = None))]
    fn failed(
        &self,
        py: Python<'_>,
        detail: &str,
        sent: bool,
        now: Option<Time>,
        nonce: Option<String>,
    ) -> PyResult<Action> {
        self.step(py, &Event::Failed { sent, detail }, now, nonce)
    }

    /// Says that nothing was sent, because too much else is under way here. Nothing is remembered of the site: the next visit asks it the same
    /// again. This one ends: `io.failed`.
    #[pyo3(signature = (detail, *, now = None, nonce = None))]
    fn busy(
        &self,
        py: Python<'_>,
        detail: &str,
        now: Option<Time>,
        nonce: Option<String>,
    ) -> PyResult<Action> {
        self.step(py, &Event::Busy { detail }, now, nonce)
    }
}

impl Visit {
    fn step(
        &self,
        py: Python<'_>,
        event: &Event<'_>,
        now: Option<Time>,
        nonce: Option<String>,
    ) -> PyResult<Action> {
        let now = time::or_now(now);
        let action = boundary::call(py, || {
            let nonce = nonce.map_or_else(random_uuid, Ok)?;
            let mut visit = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(visit.step(event, now, &nonce))
        })?;
        Action::new(py, action)
    }
}

/// What to do next in a visit.
#[pyclass(frozen, module = "imagxp")]
pub(crate) struct Action {
    kind: &'static str,
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    report: Option<Py<PyDict>>,
    error: Option<Py<PyAny>>,
}

impl Action {
    fn new(py: Python<'_>, action: visit::Action) -> PyResult<Self> {
        let plain = |kind, url| Self {
            kind,
            method: "GET".into(),
            url,
            headers: Vec::new(),
            body: Vec::new(),
            report: None,
            error: None,
        };
        // What is fetched for the machine itself is read as it comes.
        let fetch = |kind, url| {
            let line = ("accept-encoding".to_owned(), "identity".to_owned());
            Self { headers: vec![line], ..plain(kind, url) }
        };
        let owned = |lines: Vec<(&'static str, String)>| {
            lines.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
        };
        Ok(match action {
            visit::Action::FetchRobots { url } => fetch("fetch_robots", url),
            visit::Action::FetchPolicy { url } => fetch("fetch_policy", url),
            visit::Action::FetchManifest { url } => fetch("fetch_manifest", url),
            visit::Action::Send(send) => {
                Self { method: send.method, headers: owned(send.headers), ..plain("send", send.url) }
            }
            visit::Action::RequestToken(request) => Self {
                method: "POST".into(),
                headers: owned(request.headers),
                body: request.body.into_bytes(),
                ..plain("request_token", request.url)
            },
            visit::Action::Done(found) => {
                let dict = report(py, &found)?.unbind();
                Self { report: Some(dict), ..plain("done", found.url) }
            }
            visit::Action::Refused(refusal) => {
                let error = refused(py, &refusal).into_value(py).into_any();
                let dict = report(py, &refusal.report)?.unbind();
                Self { report: Some(dict), error: Some(error), ..plain("refused", refusal.report.url) }
            }
        })
    }
}

#[pymethods]
impl Action {
    /// `fetch_robots`, `fetch_policy`, `fetch_manifest`, `send`, `request_token`, `done` or `refused`.
    #[getter]
    fn kind(&self) -> &'static str {
        self.kind
    }

    /// The method to use.
    #[getter]
    fn method(&self) -> &str {
        &self.method
    }

    /// The URL to ask, without following redirects; in the end the one that was read last.
    #[getter]
    fn url(&self) -> &str {
        &self.url
    }

    /// The headers to send.
    #[getter]
    fn headers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.headers.iter().map(|(name, value)| (name, value)))
    }

    /// The body to send: the form of a token request.
    #[getter]
    fn body<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.body)
    }

    /// What happened, in the end.
    #[getter]
    fn report(&self, py: Python<'_>) -> Option<Py<PyDict>> {
        self.report.as_ref().map(|report| report.clone_ref(py))
    }

    /// Why there is no content: a `ReadError`, not raised.
    #[getter]
    fn error(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.error.as_ref().map(|error| error.clone_ref(py))
    }

    fn __repr__(&self) -> String {
        format!("Action({} {} {})", self.kind, self.method, self.url)
    }
}

fn report<'py>(py: Python<'py>, report: &Report) -> PyResult<Bound<'py, PyDict>> {
    json::object(py, &report.to_json())
}

/// A refusal as an exception: `UsageError` for misuse, `ReadError` with the report for everything else.
fn refused(py: Python<'_>, refusal: &Refusal) -> PyErr {
    if refusal.error.code().starts_with("usage.") {
        return errors::raise(py, &refusal.error);
    }
    let make = || {
        let class = py.import("imagxp.errors")?.getattr("ReadError")?;
        let report = report(py, &refusal.report)?;
        class.call1((refusal.error.code(), refusal.error.message(), report))
    };
    make().map_or_else(|error| error, PyErr::from_value)
}
