//! `POST /v1/log/time`: an operator says that the clock is right.

use crate::app::App;
use crate::body::json;
use crate::mutation::Mutation;
use crate::problem::{ErrorBody, Problem};
use crate::view::EventView;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use imagxp_broker::{Memo, TrustClock};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// What an operator says of the clock.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Trust {
    /// Why: what the clock was compared with.
    memo: String,
    /// The number of the entry by which another operator has disputed the log's time: then it is put back.
    dispute: Option<u64>,
}

/// The broker's clock is right, however far the log's last entry is from it: noted, or, when the log is ahead, disputed until a second operator agrees
#[utoipa::path(
    post, path = "/v1/log/time", tag = "log", request_body = Trust,
    security(("operator_token" = ["admin"]), ("operator_session" = ["admin"])),
    params(("idempotency-key" = Option<String>, Header, description = "asked again, the same is answered")),
    responses((status = 200, description = "the event that was logged: `clock.trusted`, `clock.disputed` or `clock.reset`", body = EventView), (status = 409, description = "the entry is no dispute of the log's time as it stands", body = ErrorBody))
)]
pub(crate) async fn trust(
    State(app): State<Arc<App>>,
    mutation: Mutation<Trust>,
) -> Result<Response, Problem> {
    let Trust { memo, dispute } = &mutation.value;
    let command = TrustClock { memo: Memo::parse(memo)?, dispute: *dispute };
    let outcome = app.bank.command(command, mutation.actor, mutation.once).await?;
    let event = outcome.event.as_ref().ok_or_else(|| Problem::internal("nothing was logged"))?;
    tracing::warn!(kind = event.kind.as_str(), seq = event.seq, "an operator says that the clock is right");
    Ok(json(StatusCode::OK, &EventView::new(event)))
}
