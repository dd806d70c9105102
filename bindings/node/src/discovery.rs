//! What a site asks: robots.txt, the policy's place, and the report of every statement.

use crate::headers::Joined;
use crate::js::{Anything, JsNumber, JsString, List, Text};
use crate::json::{self, JsonObject};
use crate::options::options;
use crate::{boundary, js, purpose};
use imagxp::discovery::{Access, Sources, link};
use imagxp::json::Limits;
use napi::Result;
use napi::bindgen_prelude::{Buffer, JsObjectValue, Object};
use napi_derive::napi;

options! {
    /// The texts in which a site says what it asks.
    DiscoverOptions {
        /// The body of robots.txt.
        robots: Option<Text>,
        /// The status with which it was answered; 200 unless given.
        robots_status: Option<JsNumber>,
        /// The page's response headers.
        #[napi(ts_type = "Headers | null")]
        headers: Option<Anything>,
        /// RSL documents by their URLs.
        #[napi(ts_type = "Readonly<Record<string, Text>> | null")]
        rsl: Option<Anything>,
        /// The public policy.
        policy: Option<Text>,
    }
}

/// A robots.txt, or what its absence means.
#[napi]
pub struct Robots(Access);

#[napi]
impl Robots {
    /// Reads the text of a robots.txt; any bytes are accepted.
    #[napi(factory)]
    pub fn parse(text: Text) -> Result<Self> {
        boundary::compute(|| Self(Access::from_answer(200, &text.0)))
    }

    /// Reads the answer to `GET /robots.txt`: 4xx but 429 allows everything, anything else but 2xx allows nothing.
    #[napi(factory, ts_args_type = "status: number, body: Text")]
    pub fn from_answer(status: JsNumber, body: Text) -> Result<Self> {
        let status = status.whole("status")?;
        boundary::compute(|| Self(Access::from_answer(status, &body.0)))
    }

    /// Whether a product may fetch a path and query.
    #[napi]
    pub fn allows(&self, product_token: JsString, path_and_query: JsString) -> Result<bool> {
        boundary::compute(|| self.0.allows(&product_token, &path_and_query))
    }

    /// The policy URLs that the file announces to a product, in the order to ask.
    #[napi]
    pub fn policy_urls(&self, product_token: JsString) -> Result<Vec<String>> {
        boundary::compute(|| {
            let urls = self.0.robots().map(|robots| robots.policy_urls(&product_token));
            urls.unwrap_or_default().into_iter().map(|url| url.to_string()).collect()
        })
    }
}

/// Everything a site says about what may be done with a page, and who said what.
#[napi]
pub struct Preferences(imagxp::discovery::Preferences);

#[napi]
impl Preferences {
    /// Whether robots.txt lets the agent fetch the page.
    #[napi(getter)]
    pub fn crawl_allowed(&self) -> bool {
        self.0.crawl.allowed
    }

    /// Whether a text is wrong.
    #[napi(getter)]
    pub fn has_errors(&self) -> bool {
        self.0.has_errors()
    }

    /// Where policies are, in the order to ask.
    #[napi(getter)]
    pub fn policy_urls(&self) -> Vec<String> {
        self.0.policies.iter().filter(|pointer| pointer.applies).map(|pointer| pointer.url.clone()).collect()
    }

    /// Where licences are.
    #[napi(getter)]
    pub fn license_urls(&self) -> Vec<String> {
        self.0.licenses.iter().filter(|pointer| pointer.applies).map(|pointer| pointer.url.clone()).collect()
    }

    /// What is stated about a purpose.
    #[napi(
        ts_args_type = "purpose: Purpose",
        ts_return_type = "'allowed' | 'disallowed' | 'unstated' | 'conflicting'"
    )]
    pub fn state(&self, purpose: JsString) -> Result<&'static str> {
        Ok(self.0.purpose(purpose::parse(&purpose)?).state.as_str())
    }

    /// What the site asks for a purpose.
    #[napi(
        ts_args_type = "purpose: Purpose",
        ts_return_type = "'go_ahead' | 'meet_conditions' | 'no_preference' | 'refrain'"
    )]
    pub fn advice(&self, purpose: JsString) -> Result<&'static str> {
        Ok(self.0.purpose(purpose::parse(&purpose)?).advice.as_str())
    }

    /// The report as RFC 8785 JSON.
    #[napi]
    pub fn to_bytes(&self) -> Result<Buffer> {
        boundary::compute(|| self.0.to_json().into())
    }

    /// The report as an object; `JSON.stringify` calls it.
    #[napi(js_name = "toJSON", ts_return_type = "JsonObject")]
    pub fn to_json(&self) -> Result<JsonObject> {
        json::to_object(&json::Json(self.0.to_json()), &Limits::INTERCHANGE).map(JsonObject)
    }
}

/// Reports what a site asks, from the texts in which it does. Nothing is fetched.
#[napi(
    ts_args_type = "url: string, productToken: string, options?: DiscoverOptions",
    ts_return_type = "Preferences"
)]
pub fn discover(
    url: JsString,
    product_token: JsString,
    headers: Joined,
    count: u32,
    separator: u32,
    options: Option<DiscoverOptions>,
) -> Result<Option<Preferences>> {
    let Some(lines) = headers.lines(count, separator) else { return Ok(None) };
    let options = options.unwrap_or(DiscoverOptions {
        robots: None,
        robots_status: None,
        headers: None,
        rsl: None,
        policy: None,
    });
    // What is not UTF-8 is for the report to find wrong.
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers: Vec<_> = lines.into_iter().map(|(name, value)| (text(name), text(value))).collect();
    let robots_status =
        options.robots_status.map(|status| status.whole::<u16>("robotsStatus")).transpose()?;
    let rsl = options.rsl.map(|documents| documents_of(&documents)).transpose()?.unwrap_or_default();
    boundary::call(|| {
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let rsl: Vec<(&str, &[u8])> =
            rsl.iter().map(|(url, document)| (url.as_str(), document.0.as_slice())).collect();
        let sources = Sources {
            robots: options.robots.as_ref().map(|text| text.0.as_slice()),
            robots_status,
            headers: &headers,
            rsl: &rsl,
            policy: options.policy.as_ref().map(|text| text.0.as_slice()),
            ..Sources::new(&url, &product_token)
        };
        imagxp::discovery::Preferences::read(&sources).map(|found| Some(Preferences(found)))
    })
}

fn documents_of(documents: &Anything) -> Result<Vec<(String, Text)>> {
    js::named("rsl", || {
        let object: Object<'_> =
            documents.read().map_err(|_| js::expected("an object of documents by URL"))?;
        let mut found = Vec::new();
        for url in Object::keys(&object)? {
            let document: Anything = object.get_named_property_unchecked(&url)?;
            found.push((url, document.read()?));
        }
        Ok(found)
    })
}

/// The policy URL that `Link` header values announce for a page.
#[napi(ts_args_type = "values: readonly string[], page: string")]
pub fn link_policy_url(values: List<JsString>, page: JsString) -> Result<Option<String>> {
    boundary::compute(|| {
        let values: Vec<&str> = values.0.iter().map(|value| &**value).collect();
        link::policy_url(&values, &page)
    })
}
