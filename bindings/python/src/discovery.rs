//! What a site asks: robots.txt, the policy's place, and the report of every statement.

use crate::boundary;
use crate::headers::Headers;
use imagxp::discovery::{Access, Sources, link};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple, PyType};

/// A robots.txt, or what its absence means.
#[pyclass(frozen, module = "imagxp")]
pub(crate) struct Robots(Access);

#[pymethods]
impl Robots {
    /// Reads the text of a robots.txt, `str` or `bytes`; any bytes are accepted.
    #[classmethod]
    #[pyo3(signature = (text, /))]
    fn parse(cls: &Bound<'_, PyType>, py: Python<'_>, text: crate::json::Text) -> PyResult<Self> {
        Self::from_answer(cls, py, 200, text)
    }

    /// Reads the answer to `GET /robots.txt`: 4xx but 429 allows everything, anything else but 2xx allows nothing.
    #[classmethod]
    #[pyo3(signature = (status, body, /))]
    fn from_answer(
        _cls: &Bound<'_, PyType>,
        py: Python<'_>,
        status: u16,
        body: crate::json::Text,
    ) -> PyResult<Self> {
        boundary::compute(py, || Self(Access::from_answer(status, &body.0)))
    }

    /// Whether a product may fetch a path and query.
    #[pyo3(signature = (product_token, path_and_query, /))]
    fn allows(&self, py: Python<'_>, product_token: &str, path_and_query: &str) -> PyResult<bool> {
        boundary::compute(py, || self.0.allows(product_token, path_and_query))
    }

    /// The policy URLs that the file announces to a product, in the order to ask.
    #[pyo3(signature = (product_token, /))]
    fn policy_urls<'py>(&self, py: Python<'py>, product_token: &str) -> PyResult<Bound<'py, PyTuple>> {
        let urls = boundary::compute(py, || {
            self.0.robots().map(|robots| robots.policy_urls(product_token)).unwrap_or_default()
        })?;
        PyTuple::new(py, urls)
    }

    fn __repr__(&self) -> &'static str {
        match self.0 {
            Access::Rules(_) => "Robots(rules)",
            Access::AllowAll => "Robots(allow all)",
            Access::DisallowAll => "Robots(disallow all)",
        }
    }
}

/// Everything a site says about what may be done with a page, and who said what.
#[pyclass(frozen, module = "imagxp")]
pub(crate) struct Preferences(imagxp::discovery::Preferences);

#[pymethods]
impl Preferences {
    /// Whether robots.txt lets the agent fetch the page.
    #[getter]
    fn crawl_allowed(&self) -> bool {
        self.0.crawl.allowed
    }

    /// Whether a text is wrong.
    #[getter]
    fn has_errors(&self) -> bool {
        self.0.has_errors()
    }

    /// Where policies are, in the order to ask.
    #[getter]
    fn policy_urls<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let urls =
            self.0.policies.iter().filter(|pointer| pointer.applies).map(|pointer| pointer.url.as_str());
        PyTuple::new(py, urls.collect::<Vec<_>>())
    }

    /// Where licences are.
    #[getter]
    fn license_urls<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let urls =
            self.0.licenses.iter().filter(|pointer| pointer.applies).map(|pointer| pointer.url.as_str());
        PyTuple::new(py, urls.collect::<Vec<_>>())
    }

    /// What is stated about a purpose: `allowed`, `disallowed`, `unstated` or `conflicting`.
    #[pyo3(signature = (purpose, /))]
    fn state(&self, py: Python<'_>, purpose: &str) -> PyResult<&'static str> {
        Ok(self.0.purpose(crate::purpose::parse(py, purpose)?).state.as_str())
    }

    /// What the site asks for a purpose: `go_ahead`, `meet_conditions`, `no_preference` or `refrain`.
    #[pyo3(signature = (purpose, /))]
    fn advice(&self, py: Python<'_>, purpose: &str) -> PyResult<&'static str> {
        Ok(self.0.purpose(crate::purpose::parse(py, purpose)?).advice.as_str())
    }

    /// The report as RFC 8785 JSON.
    fn to_json<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.to_json())
    }

    /// The report as a dictionary.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        py.import("json")?.getattr("loads")?.call1((self.to_json(py),))
    }

    fn __repr__(&self) -> String {
        let advice =
            self.0.purposes.iter().map(|report| format!("{}={}", report.purpose, report.advice.as_str()));
        format!("Preferences({}: {})", self.0.url, advice.collect::<Vec<_>>().join(", "))
    }
}

/// Reports what a site asks, from the texts in which it does. Nothing is fetched.
#[pyfunction]
#[pyo3(signature = (url, product_token, *, robots = None, robots_status = None, headers = None, rsl = None, policy = None))]
#[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
pub(crate) fn discover(
    py: Python<'_>,
    url: &str,
    product_token: &str,
    robots: Option<crate::json::Text>,
    robots_status: Option<u16>,
    headers: Option<Headers<'_>>,
    rsl: Option<std::collections::BTreeMap<String, crate::json::Text>>,
    policy: Option<crate::json::Text>,
) -> PyResult<Preferences> {
    let headers = headers.as_ref().map(Headers::lines).unwrap_or_default();
    // What is not UTF-8 is for the report to find wrong.
    let headers: Vec<(String, String)> = headers
        .iter()
        .map(|(name, value)| {
            (String::from_utf8_lossy(name).into_owned(), String::from_utf8_lossy(value).into_owned())
        })
        .collect();
    boundary::call(py, || {
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let rsl: Vec<(&str, &[u8])> =
            rsl.iter().flatten().map(|(url, document)| (url.as_str(), document.0.as_slice())).collect();
        let sources = Sources {
            robots: robots.as_ref().map(|text| text.0.as_slice()),
            robots_status,
            headers: &headers,
            rsl: &rsl,
            policy: policy.as_ref().map(|text| text.0.as_slice()),
            ..Sources::new(url, product_token)
        };
        imagxp::discovery::Preferences::read(&sources).map(Preferences)
    })
}

/// The policy URL that `Link` header values announce for a page.
#[pyfunction]
#[pyo3(signature = (values, page, /))]
pub(crate) fn link_policy_url(py: Python<'_>, values: Vec<String>, page: &str) -> PyResult<Option<String>> {
    boundary::compute(py, || {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        link::policy_url(&values, page)
    })
}
