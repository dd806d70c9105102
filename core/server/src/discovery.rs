//! What the broker is and which keys it signs with (OpenID Connect Discovery 1.0, RFC 8414, RFC 7517).

use crate::app::App;
use crate::body::document;
use crate::clock;
use crate::problem::Problem;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::json;
use std::sync::Arc;

/// Where everything is, for OpenID and OAuth clients
#[utoipa::path(
    get, path = "/.well-known/openid-configuration", tag = "discovery", security(()),
    responses((status = 200, description = "the metadata of RFC 8414 and OpenID Connect Discovery", body = Object), (status = 304, description = "not modified"))
)]
pub(crate) async fn configuration(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let issuer = &app.config.issuer;
    let metadata = json!({
        "issuer": issuer,
        "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
        "token_endpoint": app.config.token_endpoint(),
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["ES256"],
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": [],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "scopes_supported": ["openid"],
        "claims_supported": ["iss", "sub", "aud", "exp", "iat", "auth_time", "cnf"],
        "service_documentation": format!("{issuer}/openapi.json"),
        "imagxp_visa_endpoint": format!("{issuer}/v1/visas"),
        "imagxp_redeem_endpoint": format!("{issuer}/v1/visas/redeem"),
        "imagxp_assets": app.assets_json(),
        "imagxp_fee_bps": app.config.money.fee_bps,
    });
    Ok(document(&headers, metadata.to_string().into_bytes(), "public, max-age=3600"))
}

/// The keys that sign visas and tokens, each a day before it first does
#[utoipa::path(
    get, path = "/.well-known/jwks.json", tag = "discovery", security(()),
    responses((status = 200, description = "the key set", body = Object), (status = 304, description = "not modified"))
)]
pub(crate) async fn jwks(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Problem> {
    let set = app.live().keys.jwks(clock::now());
    // An hour: far below the day that a new key is published before it signs.
    Ok(document(&headers, set, "public, max-age=3600"))
}
