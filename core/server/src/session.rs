//! Operators at the dashboard: a token becomes a cookie, and the page never sees it again.

use crate::app::App;
use crate::auth::{Caller, SESSION_COOKIE, cookie};
use crate::body::{Body, json, json_read};
use crate::clock;
use crate::operators::{Operators, TOKEN_PREFIX};
use crate::problem::{ErrorBody, Problem};
use crate::tokens::{Kind, SESSION_S, Said, mint};
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;
use zeroize::Zeroizing;

/// A login.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Login {
    /// The token that `imagxp operator add` has shown.
    token: String,
}

/// Who is logged in.
#[derive(Serialize, ToSchema)]
pub(crate) struct Session {
    /// The operator's name.
    name: String,
    /// `depositor`, `viewer`, `cashier` or `admin`.
    role: &'static str,
}

/// Log in: the operator's token in exchange for a cookie
#[utoipa::path(
    post, path = "/v1/session", tag = "dashboard", security(()), request_body = Login,
    responses((status = 200, description = "logged in; `Set-Cookie` has the session", body = Session), (status = 401, body = ErrorBody))
)]
pub(crate) async fn log_in(
    State(app): State<Arc<App>>,
    Body { value, .. }: Body<Login>,
) -> Result<Response, Problem> {
    let token = Zeroizing::new(value.token);
    let live = app.live();
    let operator = token.starts_with(TOKEN_PREFIX).then(|| live.operators.by_token(&token)).flatten();
    let operator = operator
        .ok_or_else(|| Problem::unauthorized("auth.token_invalid", "there is no operator with this token"))?;
    let said = Said { subject: operator.name.clone(), key_id: Some(Operators::stamp(operator)) };
    let issuer = &app.config.issuer;
    let session =
        mint(&live.keys, Kind::Session, issuer, issuer, &said, clock::now()).map_err(Problem::internal)?;
    tracing::info!(operator = %operator.name, "logged in");
    let mut response =
        json(StatusCode::OK, &Session { name: operator.name.clone(), role: operator.role.as_str() });
    set_cookie(&app, &mut response, &session, SESSION_S);
    Ok(response)
}

/// Who is logged in
#[utoipa::path(
    get, path = "/v1/session", tag = "dashboard",
    security(("operator_token" = ["viewer"]), ("operator_session" = ["viewer"])),
    responses((status = 200, body = Session), (status = 304, description = "not modified"))
)]
pub(crate) async fn who(
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Caller::Operator { name, role } = caller else {
        return Err(Problem::forbidden("this is for operators"));
    };
    Ok(json_read(&headers, &Session { name, role: role.as_str() }))
}

/// Log out: ends the session, and takes the cookie back
#[utoipa::path(
    delete, path = "/v1/session", tag = "dashboard",
    security(("operator_token" = ["viewer"]), ("operator_session" = ["viewer"])),
    responses((status = 200, description = "logged out", body = Session))
)]
pub(crate) async fn log_out(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Caller::Operator { name, role } = caller else {
        return Err(Problem::forbidden("this is for operators"));
    };
    if let Some(session) = cookie(&headers) {
        let app = Arc::clone(&app);
        let revoked = tokio::task::spawn_blocking(move || app.revoke(&session)).await;
        revoked.map_err(Problem::internal)?.map_err(Problem::internal)?;
    }
    let mut response = json(StatusCode::OK, &Session { name, role: role.as_str() });
    set_cookie(&app, &mut response, "", 0);
    Ok(response)
}

fn set_cookie(app: &App, response: &mut Response, value: &str, seconds: i64) {
    let secure = if app.config.issuer.starts_with("https://") { "; Secure" } else { "" };
    let cookie =
        format!("{SESSION_COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}
