//! What a site asks: robots.txt, the policy's place, and the report of every statement.

use crate::boundary;
use crate::error::ImagxpError;
use crate::headers::{Header, pairs};
use imagxp::Purpose;
use imagxp::discovery::{Access, Sources, link};
use std::collections::HashMap;
use std::sync::Arc;

pub(crate) use imagxp::discovery::{Advice, State as PreferenceState};

/// What all applicable statements together say about a purpose.
#[uniffi::remote(Enum)]
pub(crate) enum PreferenceState {
    /// Every statement that speaks of it allows it.
    Allowed,
    /// Every statement that speaks of it disallows it.
    Disallowed,
    /// No statement speaks of it.
    Unstated,
    /// Some allow it, some do not.
    Conflicting,
}

/// What the site asks of an agent; the agent decides.
#[uniffi::remote(Enum)]
pub(crate) enum Advice {
    /// Allowed, and nothing is asked in return.
    GoAhead,
    /// Allowed on conditions: a payment, a licence, an audience.
    MeetConditions,
    /// Nothing is said about this purpose.
    NoPreference,
    /// Not wanted: disallowed, conflicting (the stricter counts), or not to be fetched at all.
    Refrain,
}

/// A robots.txt, or what its absence means (RFC 9309).
#[derive(uniffi::Object)]
pub(crate) struct Robots(Access);

#[uniffi::export]
impl Robots {
    /// Reads the text of a robots.txt; any bytes are accepted.
    #[uniffi::constructor]
    pub(crate) fn parse(text: &[u8]) -> Result<Arc<Self>, ImagxpError> {
        Self::from_answer(200, text)
    }

    /// Reads the answer to `GET /robots.txt`: 4xx but 429 allows everything, anything else but 2xx allows nothing.
    #[uniffi::constructor]
    pub(crate) fn from_answer(status: u16, body: &[u8]) -> Result<Arc<Self>, ImagxpError> {
        boundary::compute(|| Arc::new(Self(Access::from_answer(status, body))))
    }

    /// Whether a product may fetch a path and query.
    pub(crate) fn allows(&self, product_token: &str, path_and_query: &str) -> Result<bool, ImagxpError> {
        boundary::compute(|| self.0.allows(product_token, path_and_query))
    }

    /// The policy URLs that the file announces to a product, in the order to ask.
    pub(crate) fn policy_urls(&self, product_token: &str) -> Result<Vec<String>, ImagxpError> {
        boundary::compute(|| {
            self.0.robots().map(|robots| robots.policy_urls(product_token)).unwrap_or_default()
        })
    }
}

/// Everything a site says about what may be done with a page, and who said what.
#[derive(uniffi::Object)]
pub(crate) struct Preferences(imagxp::discovery::Preferences);

#[uniffi::export]
impl Preferences {
    /// Whether robots.txt lets the agent fetch the page.
    pub(crate) fn crawl_allowed(&self) -> bool {
        self.0.crawl.allowed
    }

    /// Whether a text is wrong.
    pub(crate) fn has_errors(&self) -> bool {
        self.0.has_errors()
    }

    /// Where policies are, in the order to ask.
    pub(crate) fn policy_urls(&self) -> Vec<String> {
        self.0.policies.iter().filter(|at| at.applies).map(|at| at.url.clone()).collect()
    }

    /// Where licences are.
    pub(crate) fn license_urls(&self) -> Vec<String> {
        self.0.licenses.iter().filter(|at| at.applies).map(|at| at.url.clone()).collect()
    }

    /// What is stated about a purpose.
    pub(crate) fn state(&self, purpose: Purpose) -> PreferenceState {
        self.0.purpose(purpose).state
    }

    /// What the site asks for a purpose.
    pub(crate) fn advice(&self, purpose: Purpose) -> Advice {
        self.0.purpose(purpose).advice
    }

    /// The report as RFC 8785 JSON.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        self.0.to_json()
    }
}

/// Reports what a site asks, from the texts in which it does. Nothing is fetched. Texts that are wrong are findings of the report.
///
/// `robots` and `robotsStatus`: the answer to `GET /robots.txt`. `headers`: the page's. `rsl`: documents by their URL. `policy`: the
/// public policy. Throws `usage.argument` for a URL that is none.
#[uniffi::export(default(robots = None, robots_status = None, headers = [], rsl = None, policy = None))]
pub(crate) fn discover(
    url: &str,
    product_token: &str,
    robots: Option<Vec<u8>>,
    robots_status: Option<u16>,
    headers: Vec<Header>,
    rsl: Option<HashMap<String, Vec<u8>>>,
    policy: Option<Vec<u8>>,
) -> Result<Arc<Preferences>, ImagxpError> {
    let headers = pairs(headers);
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (&**name, &**value)).collect();
    let mut rsl: Vec<(&str, &[u8])> =
        rsl.iter().flatten().map(|(url, document)| (url.as_str(), document.as_slice())).collect();
    // A dictionary has no order, and a report should not depend on luck.
    rsl.sort_unstable();
    let sources = Sources {
        robots: robots.as_deref(),
        robots_status,
        headers: &headers,
        rsl: &rsl,
        policy: policy.as_deref(),
        ..Sources::new(url, product_token)
    };
    boundary::call(|| {
        imagxp::discovery::Preferences::read(&sources).map(|found| Arc::new(Preferences(found)))
    })
}

/// The policy URL that `Link` header values announce for a page.
#[uniffi::export]
pub(crate) fn link_policy_url(values: Vec<String>, page: &str) -> Result<Option<String>, ImagxpError> {
    boundary::compute(|| {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        link::policy_url(&values, page)
    })
}
