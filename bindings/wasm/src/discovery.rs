//! What a site asks: robots.txt, the policy's place, and the report of every statement.

use crate::errors::{self, Thrown, raise};
use crate::headers::Lines;
use crate::json::{self, bytes};
use crate::options::Options;
use imagxp::discovery::{Access, Preferences, Sources, link};
use js_sys::{Array, Object};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;

/// A robots.txt, or what its absence means.
#[wasm_bindgen]
pub struct Robots(Access);

#[wasm_bindgen]
impl Robots {
    /// Reads the text of a robots.txt; any bytes are accepted.
    pub fn parse(
        #[wasm_bindgen(unchecked_param_type = "string | Uint8Array")] text: JsValue,
    ) -> Result<Robots, Thrown> {
        Self::from_answer(200, text)
    }

    /// Reads the answer to `GET /robots.txt`: 4xx but 429 allows everything, anything else but 2xx allows nothing.
    #[wasm_bindgen(js_name = fromAnswer)]
    pub fn from_answer(
        status: u16,
        #[wasm_bindgen(unchecked_param_type = "string | Uint8Array")] body: JsValue,
    ) -> Result<Robots, Thrown> {
        Ok(Self(Access::from_answer(status, &bytes(&body)?)))
    }

    /// Whether a product may fetch a path and query.
    pub fn allows(&self, product_token: &str, path_and_query: &str) -> bool {
        self.0.allows(product_token, path_and_query)
    }

    /// The policy URLs that the file announces to a product, in the order to ask.
    #[wasm_bindgen(js_name = policyUrls)]
    pub fn policy_urls(&self, product_token: &str) -> Vec<String> {
        self.0.robots().map(|robots| robots.policy_urls(product_token)).unwrap_or_default()
    }
}

/// Reports what a site asks, from the texts in which it does: `robots`, `robotsStatus`, `headers`, `rsl` (by URL), `policy`. Nothing is
/// fetched.
#[wasm_bindgen(unchecked_return_type = "Record<string, unknown>")]
pub fn discover(
    url: &str,
    product_token: &str,
    #[wasm_bindgen(unchecked_optional_param_type = "DiscoverOptions")] options: JsValue,
) -> Result<JsValue, Thrown> {
    let options = Options::new(options, &["robots", "robotsStatus", "headers", "rsl", "policy"])?;
    let (robots, policy) = (options.bytes("robots")?, options.bytes("policy")?);
    let status = options.whole("robotsStatus")?.map(u16::try_from).transpose();
    let robots_status = status.map_err(|_| errors::argument("`robotsStatus` is not a status"))?;
    let lines = options.value("headers")?.map(|headers| Lines::read(&headers)).transpose()?;
    let lines = lines.as_ref().map(Lines::lines).unwrap_or_default();
    let text = |bytes| core::str::from_utf8(bytes).unwrap_or_default();
    let headers: Vec<_> = lines.iter().map(|(name, value)| (text(name), text(value))).collect();
    let rsl =
        options.value("rsl")?.map(|documents| documents_by_url(&documents)).transpose()?.unwrap_or_default();
    let rsl: Vec<_> = rsl.iter().map(|(url, document)| (url.as_str(), document.as_slice())).collect();
    let sources = Sources {
        robots: robots.as_deref(),
        robots_status,
        headers: &headers,
        rsl: &rsl,
        policy: policy.as_deref(),
        ..Sources::new(url, product_token)
    };
    let report = Preferences::read(&sources).map_err(raise)?;
    js_sys::JSON::parse(&json::text(report.to_json()))
}

fn documents_by_url(documents: &JsValue) -> Result<Vec<(String, Vec<u8>)>, Thrown> {
    let object = documents.dyn_ref::<Object>().ok_or_else(|| errors::argument("`rsl` is not an object"))?;
    let entry = |entry: JsValue| {
        let pair: Array = entry.dyn_into()?;
        let url = pair.get(0).as_string().unwrap_or_default();
        Ok((url, bytes(&pair.get(1))?))
    };
    Object::entries(object).iter().map(entry).collect()
}

/// The policy URL that `Link` header values announce for a page.
#[wasm_bindgen(js_name = linkPolicyUrl)]
pub fn link_policy_url(values: Vec<String>, page: &str) -> Option<String> {
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    link::policy_url(&values, page)
}
