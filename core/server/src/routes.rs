//! Every route, and the layers around them.

use crate::app::App;
use crate::error::SetupError;
use crate::gate::{self, Gate};
use crate::money::{account, bond, correction, deposit, overview, payment, statement, transfers, withdrawal};
use crate::problem::Problem;
use crate::visas::{dispute, feedback, issue, read, redeem, token};
use crate::{
    accept, auth, body, dashboard, discovery, events, forward, intake, log, openapi, request_id, session,
    time, verdicts,
};
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::response::{IntoResponse as _, Response};
use std::sync::Arc;
use std::time::Duration;
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The document as bytes, made once.
#[derive(Clone)]
struct OpenApiText(Arc<[u8]>);

/// The public service.
pub(crate) fn public(app: &Arc<App>) -> Result<Router, SetupError> {
    let (router, mut document) = operations().split_for_parts();
    let access = openapi::complete(&mut document, &app.config.issuer)?;
    let text = document.to_json().map_err(|error| SetupError::new("internal.routes", error.to_string()))?;
    let text = OpenApiText(text.into_bytes().into());
    let gate = Gate::new(app.config.limits.requests, Duration::from_secs(app.config.limits.handler_s));
    let router = router
        .route_layer(from_fn_with_state((Arc::clone(app), Arc::new(access)), auth::layer))
        .with_state(Arc::clone(app));
    Ok(router
        .layer(axum::Extension(text))
        // Bodies are bounded where they are read, by the configured limits.
        .layer(DefaultBodyLimit::disable())
        .fallback(async || Problem::not_found("route.not_found", "there is nothing here"))
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method.not_allowed", "this path has no such method")
        })
        .layer(from_fn_with_state(gate, gate::layer))
        .layer(from_fn_with_state(Arc::clone(app), intake::layer))
        .layer(tower_http::catch_panic::CatchPanicLayer::custom(panicked))
        .layer(map_response(harden))
        .layer(from_fn(request_id::layer)))
}

/// The operations with their documentation.
fn operations() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(openapi::Document::openapi())
        .routes(routes!(document))
        .routes(routes!(discovery::configuration))
        .routes(routes!(discovery::jwks))
        .routes(routes!(forward::verify, forward::verify_post))
        .routes(routes!(forward::verify_prefixed, forward::verify_prefixed_post))
        .routes(routes!(forward::verify_root, forward::verify_root_post))
        .routes(routes!(token::token))
        .routes(routes!(read::list, issue::buy))
        .routes(routes!(issue::buy_alias))
        .routes(routes!(redeem::redeem))
        .routes(routes!(read::one))
        .routes(routes!(feedback::give))
        .routes(routes!(dispute::contest))
        .routes(routes!(dispute::decide))
        .routes(routes!(deposit::book))
        .routes(routes!(withdrawal::ask))
        .routes(routes!(withdrawal::post))
        .routes(routes!(withdrawal::void))
        .routes(routes!(payment::pay))
        .routes(routes!(bond::lock))
        .routes(routes!(bond::unlock))
        .routes(routes!(bond::slash))
        .routes(routes!(correction::propose))
        .routes(routes!(correction::approve))
        .routes(routes!(correction::reject))
        .routes(routes!(account::list))
        .routes(routes!(account::one))
        .routes(routes!(statement::statement))
        .routes(routes!(account::freeze))
        .routes(routes!(account::unfreeze))
        .routes(routes!(account::close))
        .routes(routes!(transfers::list))
        .routes(routes!(overview::overview))
        .routes(routes!(log::checkpoint))
        .routes(routes!(log::entries))
        .routes(routes!(log::proof))
        .routes(routes!(log::verify))
        .routes(routes!(accept::accept))
        .routes(routes!(time::trust))
        .routes(routes!(session::who, session::log_in, session::log_out))
        .routes(routes!(events::events))
        .routes(routes!(verdicts::list))
        .routes(routes!(dashboard::page))
        .routes(routes!(dashboard::page_with_slash))
        .routes(routes!(dashboard::asset))
}

/// This document
#[utoipa::path(
    get, path = "/openapi.json", tag = "discovery", security(()),
    responses((status = 200, description = "OpenAPI 3.1", body = Object), (status = 304, description = "not modified"))
)]
async fn document(
    State(_): State<Arc<App>>,
    axum::Extension(OpenApiText(text)): axum::Extension<OpenApiText>,
    headers: HeaderMap,
) -> Response {
    body::document(&headers, text.to_vec(), "public, max-age=300")
}

/// Headers that no answer should lack.
async fn harden(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
        headers.insert(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
        );
    }
    headers.insert(
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    );
    response
}

fn panicked(cause: Box<dyn core::any::Any + Send>) -> Response {
    let text = cause
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| cause.downcast_ref::<String>().cloned());
    Problem::internal(format_args!("a panic: {}", text.unwrap_or_default())).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Rule, operations_mut};
    use axum::http::Method;

    #[test]
    fn every_operation_declares_its_security_and_its_errors() {
        let (_, mut document) = operations().split_for_parts();
        let access = openapi::complete(&mut document, "https://broker.example").unwrap();
        let mut count = 0;
        let mut ids = std::collections::BTreeSet::new();
        for (path, item) in &mut document.paths.paths {
            for (_, operation) in operations_mut(item) {
                count += 1;
                let id = operation.operation_id.clone().unwrap();
                assert!(ids.insert(id.clone()), "two operations are called `{id}`");
                assert!(operation.security.as_ref().is_some_and(|declared| !declared.is_empty()), "{path}");
                assert!(operation.summary.as_ref().is_some_and(|summary| !summary.is_empty()), "{path}");
                for status in ["400", "413", "500", "503"] {
                    assert!(operation.responses.responses.contains_key(status), "{path} {status}");
                }
            }
        }
        assert!(count >= 40, "{count}");
        assert_eq!(access.rules(&Method::GET, "/openapi.json"), Some([Rule::Public].as_slice()));
        assert_eq!(access.rules(&Method::GET, "/nowhere"), None);
    }

    #[test]
    fn a_route_without_a_rule_is_refused() {
        let (_, mut document) = operations().split_for_parts();
        let item = document.paths.paths.get_mut("/v1/events").unwrap();
        item.get.as_mut().unwrap().security = None;
        assert_eq!(
            openapi::complete(&mut document, "https://broker.example").unwrap_err().code(),
            "internal.routes"
        );
    }
}
