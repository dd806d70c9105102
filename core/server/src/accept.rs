//! `POST /v1/log/accept`: an operator goes on with a log that has gone back.

use crate::app::App;
use crate::background::Status;
use crate::body::json;
use crate::clock;
use crate::mutation::Mutation;
use crate::problem::{ErrorBody, Problem};
use crate::view::EventView;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use imagxp_broker::{AcceptLog, Memo, Request};
use serde::Deserialize;
use std::sync::{Arc, PoisonError};
use utoipa::ToSchema;

/// What an operator says of the log.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Accept {
    /// Why: what is missing, and what was done about it.
    memo: String,
}

/// Go on with a log that has gone back (`log.rewound`): writes are taken again by this process, and the log says who accepted it and what it does not contain
#[utoipa::path(
    post, path = "/v1/log/accept", tag = "log", request_body = Accept,
    security(("operator_token" = ["admin"]), ("operator_session" = ["admin"])),
    params(("idempotency-key" = Option<String>, Header, description = "asked again, the same is answered")),
    responses((status = 200, description = "the event that was logged: `log.accepted`", body = EventView), (status = 409, description = "nothing is missing", body = ErrorBody))
)]
pub(crate) async fn accept(
    State(app): State<Arc<App>>,
    mutation: Mutation<Accept>,
) -> Result<Response, Problem> {
    let memo = Memo::parse(&mutation.value.memo)?;
    let (ledger, data, seen) = (app.bank.ledger.clone(), app.config.data.clone(), Arc::clone(&app.seen));
    let accepted = tokio::task::spawn_blocking(move || {
        let submit = |missing| {
            let command = AcceptLog { memo, missing };
            let mut request = Request::new(command, mutation.actor, clock::now().as_millis());
            request.idempotency = mutation.once.idempotency;
            ledger.submit_and_wait(request)
        };
        seen.lock().unwrap_or_else(PoisonError::into_inner).accept(&ledger, &data, submit)
    });
    let outcome = accepted.await.map_err(Problem::internal)??;
    let event = outcome.event.as_ref().ok_or_else(|| Problem::internal("nothing was logged"))?;
    tracing::warn!(seq = event.seq, "an operator has accepted the log as it is");
    app.events.tell("status", &Status::of(&app));
    Ok(json(StatusCode::OK, &EventView::new(event)))
}
