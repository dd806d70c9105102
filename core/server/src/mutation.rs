//! A request that changes something: its JSON, who asks, and what makes it the same one again.

use crate::auth::Caller;
use crate::bank::{Once, idempotency};
use crate::body::Body;
use crate::problem::Problem;
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use imagxp_broker::Actor;
use serde::de::DeserializeOwned;

/// The header by which a client may ask again.
pub(crate) const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// A request that changes something.
pub(crate) struct Mutation<T> {
    pub(crate) caller: Caller,
    pub(crate) actor: Actor,
    pub(crate) value: T,
    pub(crate) once: Once,
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Mutation<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let caller = request.extensions().get::<Caller>().cloned().unwrap_or(Caller::Anonymous);
        let actor = caller.actor()?;
        let place = format!("{} {}", request.method(), request.uri().path());
        let key = key(request.headers())?;
        let Body { value, sha256 } = Body::from_request(request, state).await?;
        let idempotency = idempotency(key.as_deref(), &place, &sha256)?;
        Ok(Self { caller, actor, value, once: Once { idempotency, assertion: None } })
    }
}

impl<T> Mutation<T> {
    /// Refuses a request that moves money and could not be asked again: a lost answer would be paid twice.
    pub(crate) fn must_have_key(&self) -> Result<(), Problem> {
        if self.once.idempotency.is_some() {
            return Ok(());
        }
        Err(Problem::bad(
            "idempotency.missing",
            "what moves money needs an Idempotency-Key, so that it can be asked again when the answer is lost",
        ))
    }
}

/// The `Idempotency-Key`, when there is one; two are refused.
pub(crate) fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let malformed =
        || Problem::bad("idempotency.malformed", "an Idempotency-Key has 1 to 255 visible ASCII characters");
    let mut lines = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    if lines.next().is_some() {
        return Err(malformed());
    }
    line.to_str().map(|text| Some(text.to_owned())).map_err(|_| malformed())
}

/// A body without members: `{}`.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}
