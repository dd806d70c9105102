//! How a request is refused: `{"error":{"code","message","details","request_id"}}` (BROKER §3).

use crate::request_id;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::borrow::Cow;
use utoipa::ToSchema;

/// The body of every refusal.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorBody {
    /// What went wrong.
    pub(crate) error: ErrorDetail,
}

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorDetail {
    /// A stable dotted code.
    #[schema(example = "account.insufficient")]
    pub(crate) code: String,
    /// One sentence for people.
    pub(crate) message: String,
    /// More, depending on the code; null when there is no more.
    #[schema(value_type = Option<Object>)]
    pub(crate) details: serde_json::Value,
    /// What the service's log calls this request.
    pub(crate) request_id: String,
}

/// A refused request: a status, a stable code and one sentence, without secrets.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    /// The status to answer with.
    pub(crate) status: StatusCode,
    /// A stable dotted code.
    pub(crate) code: Cow<'static, str>,
    /// One sentence.
    pub(crate) message: Cow<'static, str>,
    /// More, or null.
    pub(crate) details: serde_json::Value,
    /// Seconds after which it is worth trying again.
    pub(crate) retry_after: Option<u64>,
}

impl Problem {
    /// A refusal.
    pub(crate) fn new(
        status: StatusCode,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        let retry_after =
            matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE).then_some(1);
        Self {
            status,
            code: code.into(),
            message: message.into(),
            details: serde_json::Value::Null,
            retry_after,
        }
    }

    /// 400.
    pub(crate) fn bad(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// 401.
    pub(crate) fn unauthorized(
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, message)
    }

    /// 403.
    pub(crate) fn forbidden(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "auth.forbidden", message)
    }

    /// 404. Also what a stranger is told of rows that are not his.
    pub(crate) fn not_found(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    /// 503, with a time to come back.
    pub(crate) fn busy(code: &'static str, message: impl Into<Cow<'static, str>>, retry_after: u64) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message) }
    }

    /// 504: the request took too long. `changes`: it may have taken effect, and asking again is safe with the same key only.
    pub(crate) fn timeout(changes: bool) -> Self {
        if changes {
            let message = "the request took too long and may have taken effect: ask again with the same Idempotency-Key only";
            return Self::new(StatusCode::GATEWAY_TIMEOUT, "server.timeout", message);
        }
        Self::busy("server.timeout", "the request took too long", 2)
    }

    /// 500: a fault of ours. What it was is for the log.
    pub(crate) fn internal(detail: impl core::fmt::Display) -> Self {
        tracing::error!(%detail, "internal error");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal.failed",
            "the service failed; the request_id names it in the log",
        )
    }

    /// The headers of a refusal, around another body.
    pub(crate) fn respond(&self, body: &impl Serialize) -> Response {
        tracing::debug!(code = %self.code, message = %self.message, "refused");
        let body = serde_json::to_vec(body).unwrap_or_default();
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static("IMAGXP"));
            headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let error = ErrorDetail {
            code: self.code.clone().into_owned(),
            message: self.message.clone().into_owned(),
            details: self.details.clone(),
            request_id: request_id::current(),
        };
        self.respond(&ErrorBody { error })
    }
}
