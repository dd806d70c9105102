//! `/imagxp/dashboard`: the operators' page (BROKER §4). Its files are in the program; it needs no other host and no build.
//!
//! The page itself is asked for anew each time and names a folder after the hash of all files; what is in that folder never changes, so
//! that browsers keep it, and a page never runs with another version's modules.

use crate::body::{etag, is_known};
use crate::problem::{ErrorBody, Problem};
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use imagxp::digest::sha256;
use imagxp::encoding::hex_encode;
use std::sync::LazyLock;

/// A file of the page.
struct Asset {
    name: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
}

macro_rules! assets {
    ($content_type:literal: $($name:literal),+) => {
        &[$(Asset { name: $name, content_type: $content_type, bytes: include_bytes!($name) }),+]
    };
}

const SCRIPTS: &[Asset] = assets!("text/javascript; charset=utf-8":
    "accounts.js", "amount.js", "api.js", "chart.js", "checkpoint.js", "decision.js", "disputes.js", "element.js", "escrow.js", "keys.js",
    "live.js", "login.js", "main.js", "money.js", "notice.js", "statement.js", "table.js", "theme.js", "time.js", "verdicts.js",
    "views.js", "visas.js"
);
const STYLES: &[Asset] = assets!("text/css; charset=utf-8": "style.css");
const IMAGES: &[Asset] = assets!("image/svg+xml": "icon.svg");
const PAGE: &str = include_str!("index.html");

/// Where the page says `{{assets}}`, the folder's path is written.
const FOLDER: &str = "/imagxp/dashboard/assets/";

/// Everything is the page's own: no inline script or style, no other host, no frame around it, and no string that becomes code.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
);

/// The page and its version.
struct Built {
    /// The hash of all files, as the folder's name.
    version: String,
    page: String,
    tag: String,
}

static BUILT: LazyLock<Built> = LazyLock::new(|| {
    let mut hashes = sha256(PAGE.as_bytes()).to_vec();
    for asset in assets() {
        hashes.extend_from_slice(&sha256(asset.name.as_bytes()));
        hashes.extend_from_slice(&sha256(asset.bytes));
    }
    let version: String = hex_encode(&sha256(&hashes)).chars().take(16).collect();
    let page = PAGE.replace("{{assets}}", &format!("{FOLDER}{version}"));
    let tag = etag(&sha256(page.as_bytes()));
    Built { version, page, tag }
});

fn assets() -> impl Iterator<Item = &'static Asset> {
    SCRIPTS.iter().chain(STYLES).chain(IMAGES)
}

/// The dashboard, for browsers
#[utoipa::path(
    get, path = "/imagxp/dashboard", tag = "dashboard", operation_id = "dashboard", security(()),
    responses((status = 200, description = "the page; it asks for an operator's token", content_type = "text/html", body = String), (status = 304, description = "not modified"))
)]
pub(crate) async fn page(headers: HeaderMap) -> Response {
    let built = &*BUILT;
    answer(&headers, built.page.as_bytes(), "text/html; charset=utf-8", "no-cache", &built.tag)
}

/// The same, as people type it
#[utoipa::path(
    get, path = "/imagxp/dashboard/", tag = "dashboard", operation_id = "dashboard_with_slash", security(()),
    responses((status = 200, description = "the page; it asks for an operator's token", content_type = "text/html", body = String), (status = 304, description = "not modified"))
)]
pub(crate) async fn page_with_slash(headers: HeaderMap) -> Response {
    page(headers).await
}

/// A file of the dashboard
#[utoipa::path(
    get, path = "/imagxp/dashboard/assets/{version}/{name}", tag = "dashboard", operation_id = "dashboard_asset", security(()),
    params(("version" = String, Path, description = "the version that the page names"), ("name" = String, Path, description = "the file's name")),
    responses((status = 200, description = "the file", body = String, content_type = "*/*"), (status = 304, description = "not modified"), (status = 404, description = "this version has no such file", body = ErrorBody))
)]
pub(crate) async fn asset(Path((version, name)): Path<(String, String)>, headers: HeaderMap) -> Result<Response, Problem> {
    let built = &*BUILT;
    let found = assets().find(|asset| asset.name == name).filter(|_| version == built.version);
    let asset = found.ok_or_else(|| Problem::not_found("route.not_found", "this version of the dashboard has no such file"))?;
    let tag = etag(&sha256(asset.bytes));
    Ok(answer(&headers, asset.bytes, asset.content_type, "public, max-age=31536000, immutable", &tag))
}

fn answer(headers: &HeaderMap, bytes: &'static [u8], content_type: &'static str, cache: &'static str, tag: &str) -> Response {
    let mut response = if is_known(headers, tag) { StatusCode::NOT_MODIFIED.into_response() } else { bytes.into_response() };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(HeaderName::from_static("permissions-policy"), HeaderValue::from_static("camera=(), geolocation=(), microphone=(), payment=()"));
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

#[cfg(test)]
mod tests;
