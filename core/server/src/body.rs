//! Bodies in and out: strict JSON, with refusals in the service's own form.

use crate::problem::Problem;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use imagxp::digest::sha256;
use imagxp::encoding::base64url_encode;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A JSON body. Duplicate and unknown members are refused, like everything else that the type does not have.
pub(crate) struct Body<T> {
    /// What it says.
    pub(crate) value: T,
    /// SHA-256 of it as it came: what an idempotency key stands for.
    pub(crate) sha256: [u8; 32],
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        must_be_json(request.headers())?;
        let bytes = bytes(request, state).await?;
        Ok(Self { value: parse(&bytes)?, sha256: sha256(&bytes) })
    }
}

/// The whole body, which a layer around this has read already.
pub(crate) async fn bytes<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    Bytes::from_request(request, state)
        .await
        .map_err(|_| Problem::bad("json.malformed", "the body cannot be read"))
}

/// Strict JSON into a type. `json.malformed` says where.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|error| {
        let text: String = error.to_string().chars().filter(|c| !c.is_control()).take(200).collect();
        Problem::bad("json.malformed", format!("the body is not what is expected here: {text}"))
    })
}

fn must_be_json(headers: &HeaderMap) -> Result<(), Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "body.not_json",
        "the body is sent as `application/json`",
    ))
}

/// The query's members. Unknown ones are refused.
pub(crate) struct Ask<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Ask<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(value)) => Ok(Self(value)),
            Err(_) => Err(Problem::bad(
                "query.malformed",
                "the query has a member or a value that is not expected here",
            )),
        }
    }
}

/// The names in a path.
pub(crate) struct Path<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(_) => Err(Problem::bad("path.malformed", "the path has a name that is not UTF-8")),
        }
    }
}

/// A JSON answer.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => with_type(status, body, "no-store"),
        Err(error) => Problem::internal(error).into_response(),
    }
}

/// A JSON answer to a read, with an ETag; 304 when the reader has it already (RFC 9110 §13.1.2).
pub(crate) fn json_read(headers: &HeaderMap, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => document(headers, body, "private, no-cache"),
        Err(error) => Problem::internal(error).into_response(),
    }
}

/// JSON text with an ETag.
pub(crate) fn document(headers: &HeaderMap, body: Vec<u8>, cache: &'static str) -> Response {
    let tag = etag(&sha256(&body));
    let mut response = if is_known(headers, &tag) {
        let mut response = StatusCode::NOT_MODIFIED.into_response();
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
        response
    } else {
        with_type(StatusCode::OK, body, cache)
    };
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// The ETag of what has this hash.
pub(crate) fn etag(sha256: &[u8; 32]) -> String {
    format!("\"{}\"", base64url_encode(sha256))
}

/// Whether the reader has it already: its `If-None-Match` names the ETag.
pub(crate) fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let conditions = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|line| line.to_str().ok());
    conditions
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .any(|candidate| candidate == "*" || candidate.strip_prefix("W/").unwrap_or(candidate) == tag)
}

fn with_type(status: StatusCode, body: Vec<u8>, cache: &'static str) -> Response {
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    response
}
