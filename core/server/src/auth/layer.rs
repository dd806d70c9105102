//! The innermost layer: finds out who asks and whether the route is for them.

use super::access::Rule;
use super::{Access, Caller, Place};
use crate::app::App;
use crate::clock;
use crate::listen::Peer;
use crate::operators::{Operators, TOKEN_PREFIX};
use crate::problem::Problem;
use crate::request_id;
use crate::tokens::{self, Kind};
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use imagxp::digest::content_digest;
use imagxp::{AgentId, Timestamp};
use std::sync::Arc;

/// The cookie of the dashboard.
pub(crate) const SESSION_COOKIE: &str = "imagxp_session";

/// Lets a request through to its handler, with the [`Caller`] among its extensions.
pub(crate) async fn layer(
    State((app, access)): State<(Arc<App>, Arc<Access>)>,
    request: Request,
    next: Next,
) -> Response {
    request_id::note_route(&request);
    match admit(&app, &access, request).await {
        Ok((request, _place)) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

async fn admit(app: &App, access: &Access, request: Request) -> Result<(Request, Option<Place>), Problem> {
    let path = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let rules = path.and_then(|path| access.rules(request.method(), &path));
    // A route without a row would be a hole; there is none, because the document is made from the routes.
    let rules = rules.ok_or_else(|| {
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method.not_allowed", "there is no such operation here")
    })?;
    let (mut parts, body) = request.into_parts();
    // It was read already, within its bounds.
    let body = axum::body::to_bytes(body, usize::MAX).await.map_err(Problem::internal)?;
    let caller = if rules.contains(&Rule::Public) {
        Caller::Anonymous
    } else {
        authenticate(app, &parts, &body, rules).await?
    };
    check(
        &caller,
        rules,
        parts.extensions.get::<Peer>().is_some_and(|peer| app.is_trusted_proxy(peer.0.ip())),
    )?;
    let mut place = None;
    if let Caller::Tenant { id, .. } = &caller {
        place = Some(app.enter(id)?);
    }
    parts.extensions.insert(caller);
    Ok((Request::from_parts(parts, Body::from(body)), place))
}

async fn authenticate(
    app: &App,
    parts: &axum::http::request::Parts,
    body: &[u8],
    rules: &[Rule],
) -> Result<Caller, Problem> {
    if rules == [Rule::Proxy] {
        return Ok(Caller::Anonymous);
    }
    let now = clock::now();
    let signed = parts.headers.contains_key(imagxp::headers::PAYLOAD)
        || parts.headers.contains_key(imagxp::headers::SIGNATURE);
    match (bearer(&parts.headers)?, signed) {
        (Some(_), true) => {
            Err(Problem::bad("auth.conflict", "the request is signed and bears a token; one of them, please"))
        }
        (Some(token), false) => by_token(app, token, now),
        (None, true) => by_signature(app, parts, body, now).await,
        (None, false) => by_session(app, parts, now),
    }
}

pub(crate) fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let malformed =
        || Problem::unauthorized("auth.malformed", "the Authorization header is not `Bearer TOKEN`");
    let mut lines = headers.get_all(header::AUTHORIZATION).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    let (scheme, token) = line.to_str().ok().and_then(|line| line.split_once(' ')).ok_or_else(malformed)?;
    if lines.next().is_some() || !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(malformed());
    }
    Ok(Some(token))
}

pub(crate) fn by_token(app: &App, token: &str, now: Timestamp) -> Result<Caller, Problem> {
    let unknown =
        || Problem::unauthorized("auth.token_invalid", "the token is not one of ours, or has expired");
    let live = app.live();
    if token.starts_with(TOKEN_PREFIX) {
        let operator = live.operators.by_token(token).ok_or_else(unknown)?;
        return Ok(Caller::Operator { name: operator.name.clone(), role: operator.role });
    }
    let said =
        tokens::read(&live.keys, app.identities.hot_keys(), Kind::Access, &app.config.issuer, token, now)
            .ok_or_else(unknown)?;
    let id = AgentId::parse(&said.subject, app.config.allow_loopback).ok_or_else(unknown)?;
    let key = said.key_id.as_deref().and_then(imagxp::crypto::Thumbprint::parse);
    Ok(Caller::Tenant { id, key })
}

async fn by_signature(
    app: &App,
    parts: &axum::http::request::Parts,
    body: &[u8],
    now: Timestamp,
) -> Result<Caller, Problem> {
    let digest = (!body.is_empty()).then(|| content_digest(body));
    let lines: Vec<_> =
        parts.headers.iter().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes())).collect();
    let target = parts.uri.path_and_query().map_or("/", axum::http::uri::PathAndQuery::as_str);
    let request = imagxp::Request {
        method: parts.method.as_str(),
        url: target,
        headers: &lines,
        body_digest: digest.as_deref(),
    };
    let (id, key) = app.identities.verify(&app.bank, &request, now).await?;
    Ok(Caller::Tenant { id, key: Some(key) })
}

/// An operator at the dashboard. A cookie comes along by itself, so what changes something must come from our own page.
fn by_session(app: &App, parts: &axum::http::request::Parts, now: Timestamp) -> Result<Caller, Problem> {
    let Some(token) = cookie(&parts.headers) else {
        return Err(Problem::unauthorized("auth.required", "sign the request, or send a token"));
    };
    let text = |name: &str| parts.headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let foreign = text("sec-fetch-site").is_some_and(|site| site != "same-origin")
        || text("origin").is_some_and(|origin| origin != app.config.issuer);
    let reads = parts.method.is_safe();
    let ours = text("sec-fetch-site").is_some() || text("origin").is_some();
    if !reads && (foreign || !ours) {
        return Err(Problem::forbidden("a session counts only for requests from the dashboard's own page"));
    }
    by_session_cookie(app, &token, now)
}

/// The operator whose session this is, as long as the token with which it began is the operator's, in the same role.
pub(crate) fn by_session_cookie(app: &App, token: &str, now: Timestamp) -> Result<Caller, Problem> {
    let expired = || Problem::unauthorized("auth.session_expired", "log in again");
    let live = app.live();
    if live.revoked.has(token) {
        return Err(expired());
    }
    let said =
        tokens::read(&live.keys, app.identities.hot_keys(), Kind::Session, &app.config.issuer, token, now)
            .ok_or_else(expired)?;
    let operator = live.operators.by_name(&said.subject).ok_or_else(expired)?;
    if said.key_id != Some(Operators::stamp(operator)) {
        return Err(expired());
    }
    Ok(Caller::Operator { name: operator.name.clone(), role: operator.role })
}

/// The session's cookie, when there is exactly one.
pub(crate) fn cookie(headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut found = lines.flat_map(|line| line.split(';')).filter_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == SESSION_COOKIE).then(|| value.to_owned())
    });
    match (found.next(), found.next()) {
        (Some(value), None) => Some(value),
        _ => None,
    }
}

fn check(caller: &Caller, rules: &[Rule], from_proxy: bool) -> Result<(), Problem> {
    let fits = rules.iter().any(|rule| match (rule, caller) {
        (Rule::Public, _) => true,
        (Rule::Signature | Rule::AccessToken, Caller::Tenant { .. }) => true,
        (Rule::Operator(least), Caller::Operator { role, .. }) => role.may(*least),
        (Rule::Proxy, _) => from_proxy,
        _ => false,
    });
    if fits { Ok(()) } else { Err(Problem::forbidden("this is not for you")) }
}
