//! `POST /oauth/token`: visas, access tokens and ID tokens for agents that prove their IMAGXP key (RFC 6749 §4.4, RFC 7523, RFC 8707).

use super::issue::TOKEN_TYPE;
use super::purchase::{Asked, Purchase};
use crate::app::App;
use crate::bank::{Once, idempotency};
use crate::body::json;
use crate::clock;
use crate::mutation::key;
use crate::problem::Problem;
use crate::request_id;
use crate::tokens::{ACCESS_S, Kind, Said, mint};
use axum::extract::{Form, FromRequest as _, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use imagxp::Code;
use imagxp::Timestamp;
use imagxp::agent::assertion::{Assertion, read_agent, verify_hot};
use imagxp::crypto::{Jws, PublicKey, Thumbprint};
use imagxp::json::{Number, Value};
use imagxp_broker::{Actor, Owner, Reference, UseAssertion};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const MAX_ASSERTION: usize = 4096;
/// Seconds that clocks may differ.
const SKEW_S: i64 = 5;

/// A token request. Without `amount` it asks for an access token to this API.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenForm {
    /// `client_credentials`.
    grant_type: String,
    /// `urn:ietf:params:oauth:client-assertion-type:jwt-bearer`.
    client_assertion_type: String,
    /// A JWT signed with the agent's IMAGXP key: `iss` = `sub` = its domain, `aud` = this endpoint, 60 s at most, `jti` once.
    client_assertion: String,
    /// The agent's domain; it stands in the assertion and need not be said.
    client_id: Option<String>,
    /// The publisher's origin.
    resource: Option<String>,
    /// Another name for `resource`.
    audience: Option<String>,
    /// For how much, a decimal string.
    amount: Option<String>,
    /// In which asset.
    currency: Option<String>,
    /// The purposes to limit the visa to, with spaces between them.
    purposes: Option<String>,
    /// How long the visa lives, in seconds, 3600 at most.
    lifetime_s: Option<u32>,
    /// `openid` adds an ID token.
    scope: Option<String>,
}

/// A token.
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenAnswer {
    /// A visa, or an access token.
    access_token: String,
    /// `imagxp-visa` or `Bearer`.
    token_type: &'static str,
    /// Seconds until it ends.
    expires_in: i64,
    /// Who asks, as OpenID Connect says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
    /// The scope that was granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'static str>,
    /// The visa's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
}

/// A refusal as OAuth says it (RFC 6749 §5.2).
#[derive(Serialize, ToSchema)]
pub(crate) struct OAuthError {
    /// One of OAuth's codes, or the broker's own where OAuth has none.
    error: String,
    /// One sentence.
    error_description: String,
    /// The broker's own code.
    code: String,
    /// What the service's log calls this request.
    request_id: String,
}

/// A visa or an access token for a client assertion
#[utoipa::path(
    post, path = "/oauth/token", tag = "tokens", security(()),
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"),
    params(("idempotency-key" = Option<String>, Header, description = "names the purchase: asked again with a new assertion, the same visa is answered")),
    responses(
        (status = 200, description = "the token", body = TokenAnswer),
        (status = 400, description = "something about the request is malformed", body = OAuthError),
        (status = 401, description = "the assertion does not hold", body = OAuthError),
        (status = 402, description = "the account does not hold enough", body = OAuthError),
        (status = 403, description = "the account may not be debited", body = OAuthError),
        (status = 409, description = "the idempotency key was used for something else", body = OAuthError),
        (status = 415, description = "the body is not a form", body = OAuthError),
        (status = 429, description = "too many requests of this agent; `Retry-After` says when to ask again", body = OAuthError),
        (status = 503, description = "the agent's manifest or the store cannot be reached now", body = OAuthError)
    )
)]
pub(crate) async fn token(State(app): State<Arc<App>>, request: Request) -> Response {
    match answer(&app, request).await {
        Ok(answer) => json(StatusCode::OK, &answer),
        Err(problem) => refused(&problem),
    }
}

/// The path of the token endpoint.
pub(crate) const PATH: &str = "/oauth/token";

/// A refusal in the form of the path on which it happened: OAuth's at the token endpoint, the service's own elsewhere.
pub(crate) fn refused_at(path: &str, problem: Problem) -> Response {
    if path == PATH { refused(&problem) } else { problem.into_response() }
}

/// A refusal as OAuth says it. `error` is RFC 6749's value, or the broker's own code where OAuth has none.
fn refused(problem: &Problem) -> Response {
    let error = match (problem.status.as_u16(), problem.code.as_ref()) {
        (_, code @ ("unsupported_grant_type" | "invalid_request" | "invalid_target" | "invalid_scope")) => {
            code
        }
        (_, "visa.resource") => "invalid_target",
        (401, _) => "invalid_client",
        (400 | 408 | 413, _) => "invalid_request",
        (_, code) => code,
    };
    problem.respond(&OAuthError {
        error: error.to_owned(),
        error_description: problem.message.clone().into_owned(),
        code: problem.code.clone().into_owned(),
        request_id: request_id::current(),
    })
}

async fn answer(app: &App, request: Request) -> Result<TokenAnswer, Problem> {
    let headers = request.headers().clone();
    let form = read(request).await?;
    if form.grant_type != "client_credentials" {
        return Err(Problem::bad("unsupported_grant_type", "the grant type is `client_credentials`"));
    }
    if form.client_assertion_type != JWT_BEARER {
        return Err(Problem::bad("invalid_request", "the client proves itself by `private_key_jwt`"));
    }
    let openid = match form.scope.as_deref() {
        None | Some("") => false,
        Some("openid") => true,
        Some(_) => return Err(Problem::bad("invalid_scope", "the only scope is `openid`")),
    };
    let now = clock::now();
    let assertion = authenticate(app, &form, &headers, now).await?;
    // The route is open to everybody: who asks is known from here on only, and is counted like any other tenant before anything is written.
    let _place = app.enter(&assertion.agent_id)?;
    let used = UseAssertion {
        agent: Owner::parse(assertion.agent_id.as_str())?,
        jti: Reference::parse(&assertion.jti)?,
        expires_at: assertion.exp.as_millis(),
    };
    let said = Said {
        subject: assertion.agent_id.as_str().to_owned(),
        key_id: Some(assertion.key_id.as_str().to_owned()),
    };
    let issuer = &app.config.issuer;
    let id_token = |audience: &str| {
        openid
            .then(|| mint(&app.live().keys, Kind::Id, issuer, audience, &said, now))
            .transpose()
            .map_err(Problem::internal)
    };
    let scope = openid.then_some("openid");
    let Some(amount) = form.amount.as_deref() else {
        if resource(&form)?.is_some_and(|resource| resource != issuer) {
            return Err(Problem::bad("invalid_target", "a visa needs an `amount`"));
        }
        app.bank.command(used.clone(), Actor::Party(used.agent), Once::default()).await?;
        let access_token =
            mint(&app.live().keys, Kind::Access, issuer, issuer, &said, now).map_err(Problem::internal)?;
        let id_token = id_token(&said.subject)?;
        return Ok(TokenAnswer {
            access_token,
            token_type: "Bearer",
            expires_in: ACCESS_S,
            id_token,
            scope,
            jti: None,
        });
    };
    let resource = resource(&form)?
        .ok_or_else(|| Problem::bad("invalid_target", "a visa needs a `resource`, the publisher's origin"))?;
    let purposes: Vec<&str> = form
        .purposes
        .as_deref()
        .unwrap_or_default()
        .split([' ', ','])
        .filter(|name| !name.is_empty())
        .collect();
    let asked = Asked {
        resource,
        amount,
        currency: form.currency.as_deref(),
        purposes: &purposes,
        lifetime_s: form.lifetime_s,
    };
    let purchase = Purchase::read(app, &asked)?;
    let once = Once { idempotency: once_key(&headers, &purchase)?, assertion: Some(used) };
    let bought = purchase.buy(app, &assertion.agent_id, Some(&assertion.key_id), once).await?;
    Ok(TokenAnswer {
        expires_in: bought.expires_in(),
        jti: Some(bought.visa.jti.to_string()),
        access_token: bought.token,
        token_type: TOKEN_TYPE,
        id_token: id_token(&said.subject)?,
        scope,
    })
}

/// The purchase's key. The assertion is new each time and no part of what is asked.
fn once_key(headers: &HeaderMap, purchase: &Purchase) -> Result<Option<imagxp_broker::Idempotency>, Problem> {
    idempotency(key(headers)?.as_deref(), "POST /oauth/token", &purchase.sha256())
}

async fn read(request: Request) -> Result<TokenForm, Problem> {
    use axum::extract::rejection::FormRejection;
    let form = Form::<TokenForm>::from_request(request, &()).await;
    form.map(|Form(form)| form).map_err(|rejection| match rejection {
        FormRejection::InvalidFormContentType(_) => Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "body.not_form",
            "the body is sent as `application/x-www-form-urlencoded`",
        ),
        _ => Problem::bad(
            "invalid_request",
            "the form lacks a member, has one twice, or one that is not known",
        ),
    })
}

fn resource(form: &TokenForm) -> Result<Option<&str>, Problem> {
    match (form.resource.as_deref(), form.audience.as_deref()) {
        (Some(resource), Some(audience)) if resource != audience => {
            Err(Problem::bad("invalid_target", "`resource` and `audience` name different publishers"))
        }
        (resource, audience) => Ok(resource.or(audience)),
    }
}

/// Who asks: the assertion's signature against the manifest of the domain that it names.
async fn authenticate(
    app: &App,
    form: &TokenForm,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Assertion, Problem> {
    let refused = |error: imagxp::Error| Problem::unauthorized(error.code(), error.message().to_owned());
    let token = form.client_assertion.as_bytes();
    let agent = read_agent(token, app.identities.allow_loopback()).map_err(refused)?;
    if form.client_id.as_deref().is_some_and(|client| client != agent.as_str()) {
        return Err(Problem::unauthorized(
            "identity.key_mismatch",
            "client_id is not who the assertion names",
        ));
    }
    let kid = before_any_fetch(app, token, headers, now)?;
    let manifest = app.identities.manifest(&app.bank, &agent, Some(&kid), now).await?;
    let endpoint = app.config.token_endpoint();
    verify_hot(token, &manifest, &endpoint, now, app.identities.hot_keys()).map_err(refused)
}

/// What an assertion must be before anybody's manifest is fetched for it: for this endpoint, of this minute, and, when the request brings
/// the key, signed by it. Returns its `kid`.
fn before_any_fetch(app: &App, token: &[u8], headers: &HeaderMap, now: Timestamp) -> Result<String, Problem> {
    let refused = |code: Code, message: &'static str| Problem::unauthorized(code.as_str(), message);
    let malformed = || refused(Code::SigMalformed, "the client assertion is not acceptable");
    let jws = Jws::parse(token, MAX_ASSERTION).map_err(|_| malformed())?;
    let kid = jws.kid().and_then(Thumbprint::parse).ok_or_else(malformed)?;
    let claims = jws.claims().map_err(|_| malformed())?;
    if claims.get("aud").and_then(Value::as_str) != Some(&app.config.token_endpoint()) {
        return Err(refused(Code::SigMalformed, "the client assertion is for another endpoint"));
    }
    let exp = claims.get("exp").and_then(Value::as_number).and_then(Number::as_i64).ok_or_else(malformed)?;
    if exp < now.as_secs().saturating_sub(SKEW_S) {
        return Err(refused(Code::TimeExpired, "the assertion has expired"));
    }
    if exp > now.as_secs().saturating_add(60 + SKEW_S) {
        return Err(refused(Code::TimeFuture, "the assertion lives longer than a minute"));
    }
    if let Some(value) = headers.get(imagxp::headers::PUBLIC_KEY) {
        let key = PublicKey::from_spki_base64(value.as_bytes()).ok().filter(|key| *key.thumbprint() == kid);
        // A key that the request brings is a stranger's until the manifest lists it: it may have a table, and gets none here.
        if !key.is_some_and(|key| jws.verify_hot(app.identities.hot_keys(), &key)) {
            return Err(refused(
                Code::SigInvalid,
                "the assertion is not signed by the key that the request brings",
            ));
        }
    }
    Ok(kid.as_str().to_owned())
}
