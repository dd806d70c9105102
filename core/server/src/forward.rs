//! `/v1/verify`: a proxy asks whether a request may pass (BROKER §3).
//!
//! nginx `auth_request`, Caddy and Traefik `forward_auth` send the original request's headers, and name method and target in headers of
//! their own; Envoy's `ext_authz` sends the request as it is behind a path prefix. Only configured callers are believed.

use crate::app::App;
use crate::auth::refused;
use crate::clock;
use crate::config::Config;
use crate::error::SetupError;
use crate::problem::Problem;
use crate::verdicts::Seen;
use crate::visas::redeem;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use imagxp::publisher::{NeedKind, Outcome, Redemption, Verification};
use imagxp::replay::ReplayStore;
use imagxp::{Publisher, Timestamp, Verdict};
use imagxp_fetch::{Fetcher, Resolver};
use std::sync::Arc;
use tokio::runtime::Handle;

/// The path behind which Envoy puts the original one.
const PREFIX: &str = "/v1/verify";

/// A publisher for proxies.
pub(crate) struct Forward {
    publisher: Publisher,
    resolver: Resolver,
    /// Whether the replay store is somewhere else, so that asking it blocks.
    waits: bool,
    only_auth_request: bool,
}

impl Forward {
    /// Reads the policy file. Errors: `io.failed`, `usage.policy` with file and line.
    pub(crate) fn new(
        config: &Config,
        secret: [u8; 16],
        first_trace: u64,
        fetcher: Fetcher,
        replay: Arc<dyn ReplayStore>,
    ) -> Result<Self, SetupError> {
        let file = &config.verify.policy;
        let text = std::fs::read_to_string(file).map_err(|error| {
            SetupError::new("io.failed", format!("`{}` cannot be read: {error}", file.display()))
        })?;
        let name = file.display().to_string();
        let policy = imagxp_policy_file::read(&text, &name).map_err(|refusal| {
            let line = refusal.line.map_or(String::new(), |line| format!(" line {line}"));
            SetupError::new(refusal.error.code(), format!("`{name}`{line}: {}", refusal.error.message()))
        })?;
        for (line, remark) in &policy.remarks {
            tracing::warn!(file = name, line, remark, "the policy says something that is hardly meant");
        }
        if policy.policy.document().allow_loopback && !config.listen.ip().is_loopback() {
            return Err(SetupError::new(
                "config.invalid",
                format!("`{name}`: allow_loopback is for development and not for a public `listen` address"),
            ));
        }
        let publisher =
            Publisher::new(policy.policy, secret).with_first_trace(first_trace).with_replay_store(replay);
        Ok(Self {
            publisher,
            resolver: Resolver::new(fetcher),
            waits: config.shares_nonces(),
            only_auth_request: config.verify.statuses == "auth_request",
        })
    }

    async fn verify(&self, asked: &imagxp::Request<'_>, now: Timestamp) -> Verification {
        let verifying = self.resolver.verify_async(&self.publisher, asked, now);
        if self.waits {
            return tokio::task::block_in_place(|| Handle::current().block_on(verifying));
        }
        verifying.await
    }

    /// Answers a visa that must be redeemed before the content is served: by our own ledger when it is ours. A proxy cannot wait for
    /// another broker, so that of another is unavailable.
    async fn redeem(&self, app: &App, verification: Verification) -> Verification {
        let Verification { verdict, pending } = verification;
        let asks = verdict.needs.iter().any(|need| need.kind == NeedKind::Redeem);
        let Some(mut pending) = pending.filter(|_| asks) else {
            return Verification { verdict, pending: None };
        };
        let ours = verdict.needs.iter().all(|need| need.url.starts_with(&app.config.issuer));
        // A request need not bring its key (PROTOCOL §1): then it is the one of the agent's manifest that the verdict names.
        let answer = match self.publisher.presented(&verdict, &pending, clock::now()) {
            Ok(presented) if ours => redeem::for_proxy(app, &presented).await,
            _ => Redemption::Unavailable,
        };
        pending.redeemed(answer);
        self.resolver.resume_async(&self.publisher, pending, clock::now()).await
    }
}

/// Whether a request may pass: 2xx with `x-imagxp-verdict-*` headers, or the verdict's status and body
#[utoipa::path(
    get, path = "/v1/verify", tag = "verify", security(("trusted_proxy" = [])),
    params(
        ("x-original-uri" = Option<String>, Header, description = "the request's target, from nginx"),
        ("x-original-method" = Option<String>, Header, description = "the request's method, from nginx"),
        ("x-forwarded-uri" = Option<String>, Header, description = "the request's target, from Caddy or Traefik"),
        ("x-forwarded-method" = Option<String>, Header, description = "the request's method, from Caddy or Traefik")
    ),
    responses(
        (status = 200, description = "it may; `x-imagxp-verdict-*` say who asks"),
        (status = 402, description = "it may not: payment is asked for, and the offer is in the body", body = Object),
        (status = "4XX", description = "it may not", body = Object),
        (status = 503, description = "nobody knows now", body = Object)
    )
)]
pub(crate) async fn verify(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    judge(&app, &request.into_parts().0, None).await
}

/// The same, asked with POST
#[utoipa::path(
    post, path = "/v1/verify", tag = "verify", security(("trusted_proxy" = [])),
    responses(
        (status = 200, description = "it may; `x-imagxp-verdict-*` say who asks"),
        (status = 402, description = "it may not: payment is asked for, and the offer is in the body", body = Object),
        (status = "4XX", description = "it may not", body = Object),
        (status = 503, description = "nobody knows now", body = Object)
    )
)]
pub(crate) async fn verify_post(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    judge(&app, &request.into_parts().0, None).await
}

/// The same behind a prefix, as Envoy asks: method, path and query are the request's own
#[utoipa::path(
    get, path = "/v1/verify/{*target}", tag = "verify", security(("trusted_proxy" = [])),
    params(("target" = String, Path, description = "the request's path")),
    responses((status = 200, description = "it may"), (status = "4XX", description = "it may not", body = Object), (status = 503, description = "nobody knows now", body = Object))
)]
pub(crate) async fn verify_prefixed(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Problem> {
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str()).strip_prefix(PREFIX);
    let target = target.filter(|target| target.starts_with('/')).unwrap_or("/").to_owned();
    judge(&app, &request.into_parts().0, Some(target)).await
}

/// The same behind a prefix, of the site's first page
#[utoipa::path(
    get, path = "/v1/verify/", tag = "verify", security(("trusted_proxy" = [])),
    responses((status = 200, description = "it may"), (status = "4XX", description = "it may not", body = Object), (status = 503, description = "nobody knows now", body = Object))
)]
pub(crate) async fn verify_root(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    verify_prefixed(State(app), request).await
}

/// The same behind a prefix, of the site's first page, with POST
#[utoipa::path(
    post, path = "/v1/verify/", tag = "verify", security(("trusted_proxy" = [])),
    responses((status = 200, description = "it may"), (status = "4XX", description = "it may not", body = Object), (status = 503, description = "nobody knows now", body = Object))
)]
pub(crate) async fn verify_root_post(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Problem> {
    verify_prefixed(State(app), request).await
}

/// The same behind a prefix with POST
#[utoipa::path(
    post, path = "/v1/verify/{*target}", tag = "verify", security(("trusted_proxy" = [])),
    params(("target" = String, Path, description = "the request's path")),
    responses((status = 200, description = "it may"), (status = "4XX", description = "it may not", body = Object), (status = 503, description = "nobody knows now", body = Object))
)]
pub(crate) async fn verify_prefixed_post(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Problem> {
    verify_prefixed(State(app), request).await
}

async fn judge(app: &App, request: &Parts, prefixed: Option<String>) -> Result<Response, Problem> {
    let Some(forward) = &app.forward else {
        return Err(Problem::not_found(
            "verify.off",
            "this service has no policy to verify by (`verify.policy`)",
        ));
    };
    let headers = &request.headers;
    let (method, target) = match prefixed {
        // Envoy asks with the request's own method; what a header says of it is the client's word.
        Some(target) => (request.method.as_str().to_owned(), target),
        None => named(headers)?,
    };
    let lines: Vec<_> =
        headers.iter().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes())).collect();
    let asked = imagxp::Request { method: &method, url: &target, headers: &lines, body_digest: None };
    let now = clock::now();
    let mut verification = forward.verify(&asked, now).await;
    if verification.pending.is_some() {
        verification = forward.redeem(app, verification).await;
    }
    let verdict = verification.verdict;
    app.verdicts.note(app, Seen::new(&verdict, &method, &target, now));
    Ok(answer(&verdict, forward.only_auth_request))
}

fn answer(verdict: &Verdict, only_auth_request: bool) -> Response {
    let mut response = if verdict.outcome == Outcome::Allow {
        StatusCode::OK.into_response()
    } else {
        // The verdict's own body, as every other implementation answers with it; the offer of a 402 is in it.
        let mut response = refused(verdict).into_response();
        *response.body_mut() = axum::body::Body::from(verdict.body());
        response.headers_mut().remove(header::WWW_AUTHENTICATE);
        if only_auth_request && !matches!(verdict.http, 401 | 403) {
            *response.status_mut() = StatusCode::FORBIDDEN;
        }
        response
    };
    let headers = response.headers_mut();
    for (name, value) in &verdict.response_headers {
        put(headers, name, value);
    }
    put(headers, "x-imagxp-verdict-outcome", verdict.outcome.as_str());
    put(headers, "x-imagxp-verdict-code", verdict.code.map_or("ok", imagxp::Code::as_str));
    put(headers, "x-imagxp-verdict-http", &verdict.http.to_string());
    put(headers, "x-imagxp-verdict-visitor", verdict.visitor.as_str());
    put(headers, "x-imagxp-verdict-binding", verdict.binding.as_str());
    put(headers, "x-imagxp-verdict-payment", verdict.payment.state.as_str());
    put(headers, "x-imagxp-verdict-would-deny", if verdict.would_deny { "true" } else { "false" });
    put(headers, "x-imagxp-verdict-trace-id", &verdict.trace_id);
    // Present only when verified, so that an application behind the proxy may trust them; the proxy must overwrite what clients send.
    let agent = verdict.agent_id.as_ref().map(|agent| agent.as_str());
    let key = verdict.key_id.as_ref().map(|key| key.as_str());
    let purpose = verdict.purpose.map(imagxp::Purpose::as_str);
    let jti = verdict.payment.jti.as_deref();
    for (name, value) in [
        ("x-imagxp-verdict-agent-id", agent),
        ("x-imagxp-verdict-key-id", key),
        ("x-imagxp-verdict-purpose", purpose),
        ("x-imagxp-verdict-jti", jti),
    ] {
        put(headers, name, value.unwrap_or_default());
    }
    response
}

fn put(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.append(HeaderName::from_static(name), value);
    }
}

/// The method and the target that the proxy names, both in headers of one family. What it does not say, a client could.
fn named(headers: &HeaderMap) -> Result<(String, String), Problem> {
    let mut found: Option<(String, String)> = None;
    for (method, uri) in [("x-original-method", "x-original-uri"), ("x-forwarded-method", "x-forwarded-uri")]
    {
        let pair = match (only(headers, method)?, only(headers, uri)?) {
            (None, None) => continue,
            (Some(method), Some(uri)) => (method, uri),
            (Some(_), None) => {
                return Err(Problem::bad(
                    "verify.target_missing",
                    "the proxy does not say which target was requested",
                ));
            }
            (None, Some(_)) => {
                return Err(Problem::bad(
                    "verify.method_missing",
                    "the proxy does not say which method was requested",
                ));
            }
        };
        if found.as_ref().is_some_and(|found| *found != pair) {
            return Err(conflict());
        }
        found = Some(pair);
    }
    found.ok_or_else(|| {
        Problem::bad("verify.target_missing", "the proxy does not say which target was requested")
    })
}

/// The value of a header. Two that differ are a proxy that passes on what clients send.
fn only(headers: &HeaderMap, name: &str) -> Result<Option<String>, Problem> {
    let mut found: Option<&str> = None;
    for value in headers.get_all(name) {
        let value = value
            .to_str()
            .map_err(|_| Problem::bad("verify.target_missing", "a header of the proxy is not text"))?;
        if found.is_some_and(|found| found != value) {
            return Err(conflict());
        }
        found = Some(value);
    }
    Ok(found.map(str::to_owned))
}

fn conflict() -> Problem {
    Problem::bad(
        "header.conflict",
        "two headers name different targets or methods; the proxy must overwrite both",
    )
}
