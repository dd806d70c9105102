//! The OpenAPI document: made from the routes, and completed with what the layers around them answer.

use crate::auth::{Access, operations_mut};
use crate::error::SetupError;
use crate::problem::{ErrorBody, ErrorDetail};
use crate::visas::token;
use axum::http::Method;
use utoipa::OpenApi;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, ObjectBuilder, Ref, RefOr, ResponseBuilder};

#[derive(OpenApi)]
#[openapi(
    info(title = "IMAGXP broker", description = "Visas, settlement and verification. Money is written as decimal strings, times as RFC 3339 or, in tokens, as seconds. Lists are read with opaque cursors."),
    components(schemas(ErrorBody, ErrorDetail)),
    tags(
        (name = "discovery", description = "what the broker is"),
        (name = "tokens", description = "visas and access tokens by OAuth 2.0"),
        (name = "visas", description = "from issue to settlement"),
        (name = "money", description = "deposits, withdrawals, accounts and transfers"),
        (name = "log", description = "the tamper-evident log"),
        (name = "verify", description = "verdicts for proxies"),
        (name = "dashboard", description = "what operators watch"),
    )
)]
pub(crate) struct Document;

/// Completes the document and reads the rules from it.
pub(crate) fn complete(document: &mut utoipa::openapi::OpenApi, issuer: &str) -> Result<Access, SetupError> {
    let access = Access::new(document)?;
    document.info.version = env!("CARGO_PKG_VERSION").to_owned();
    document.servers = Some(vec![utoipa::openapi::Server::new(issuer)]);
    let components = document.components.get_or_insert_default();
    for (name, scheme) in schemes() {
        components.add_security_scheme(name, scheme);
    }
    let paths = core::mem::take(&mut document.paths.paths);
    for (path, mut item) in paths {
        for (method, operation) in operations_mut(&mut item) {
            operation.operation_id = Some(name(&method, &path));
            let public = operation
                .security
                .as_ref()
                .is_some_and(|declared| declared.iter().any(|one| *one == Default::default()));
            add_common(operation, &path, public, method.is_safe());
        }
        // The router's form for the rest of a path is not OpenAPI's.
        document.paths.paths.insert(path.replace("{*", "{"), item);
    }
    Ok(access)
}

/// An operation's name, from its method and path: `get_v1_visas_jti`.
fn name(method: &Method, path: &str) -> String {
    let method = method.as_str().to_ascii_lowercase();
    let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut name = words.fold(method, |name, word| format!("{name}_{word}"));
    // `/v1/verify/` is another path than `/v1/verify`.
    if path.len() > 1 && path.ends_with('/') {
        name.push_str("_root");
    }
    name
}

/// What is answered before a handler is asked, or in its stead.
fn add_common(operation: &mut Operation, path: &str, public: bool, safe: bool) {
    let mut common = vec![
        ("400", "something about the request is malformed"),
        ("405", "a name in the path that is another operation's, which has no such method"),
        ("408", "the body did not come in time"),
        (
            "413",
            "the body is larger than `limits.body_bytes` (presented visas: `limits.redeem_bytes`), or was cut off",
        ),
        ("500", "a fault of the service; the request_id names it in the log"),
        ("503", "the service is busy or a store does not answer; `Retry-After` says when to ask again"),
    ];
    if !safe {
        common.push(("504", "the request took too long and may have taken effect: ask again with the same Idempotency-Key only"));
    }
    if operation.request_body.is_some() {
        common.push(("415", "the body's type is not the one expected"));
    }
    if !public {
        common.extend([
            ("401", "who asks is not known: no signature or token, or one that does not hold"),
            ("402", "the signature's own pipeline asks for payment"),
            ("403", "who asks is known, and this is not for them"),
            ("409", "the request was seen before: its nonce or its idempotency key"),
            ("429", "too many requests of this caller; `Retry-After` says when to ask again"),
        ]);
    }
    // A verdict has a body of its own, the same as every other implementation of the pipeline answers with.
    let verdicts = operation.tags.as_ref().is_some_and(|tags| tags.iter().any(|tag| tag == "verify"));
    // And the token endpoint answers as RFC 6749 §5.2 has it.
    let error = if path == token::PATH { "OAuthError" } else { "ErrorBody" };
    for (status, description) in common {
        operation.responses.responses.entry(status.to_owned()).or_insert_with(|| {
            let schema = if verdicts {
                RefOr::T(ObjectBuilder::new().into())
            } else {
                RefOr::Ref(Ref::from_schema_name(error))
            };
            let content = Content::new(Some(schema));
            RefOr::T(
                ResponseBuilder::new().description(description).content("application/json", content).build(),
            )
        });
    }
}

fn schemes() -> [(&'static str, SecurityScheme); 5] {
    use crate::auth::{ACCESS_TOKEN, OPERATOR_SESSION, OPERATOR_TOKEN, SIGNATURE, TRUSTED_PROXY};
    let described = |name: &str, text: &str| ApiKeyValue::with_description(name, text);
    let bearer = |format: &str, text: &str| {
        SecurityScheme::Http(
            HttpBuilder::new()
                .scheme(HttpAuthScheme::Bearer)
                .bearer_format(format)
                .description(Some(text))
                .build(),
        )
    };
    [
        (
            SIGNATURE,
            SecurityScheme::ApiKey(ApiKey::Header(described(
                "x-imagxp-signature",
                "a request signed with the caller's IMAGXP identity: x-imagxp-payload, x-imagxp-signature and x-imagxp-public-key; a body is named by `content_digest`",
            ))),
        ),
        (ACCESS_TOKEN, bearer("JWT", "an access token from /oauth/token")),
        (OPERATOR_TOKEN, bearer("imagxp_op_…", "an operator's token; the scope is the least role")),
        (
            OPERATOR_SESSION,
            SecurityScheme::ApiKey(ApiKey::Cookie(described(
                crate::auth::SESSION_COOKIE,
                "an operator's session, for the dashboard's own page; the scope is the least role",
            ))),
        ),
        (
            TRUSTED_PROXY,
            SecurityScheme::MutualTls {
                description: Some(
                    "no certificate: the connection comes from an address of `verify.trusted`".to_owned(),
                ),
                deprecated: None,
                extensions: None,
            },
        ),
    ]
}
