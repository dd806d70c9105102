//! `POST /v1/withdrawals`: money is to go out, and what the bank says to that.

use super::booking::{finish, made, transfer_id, whose};
use crate::app::App;
use crate::body::Path;
use crate::mutation::{Mutation, Nothing};
use crate::problem::{ErrorBody, Problem};
use crate::view::TransferView;
use axum::extract::State;
use axum::response::Response;
use imagxp_broker::{Memo, PostWithdrawal, Reference, VoidWithdrawal, Withdraw};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// Money that is to go out.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewWithdrawal {
    /// Whose; owners need not name themselves, and only an admin names another.
    owner: Option<String>,
    /// How much, a decimal string.
    amount: String,
    /// In which asset; the first of the broker's `imagxp_assets` when absent.
    asset: Option<String>,
    /// Where to: what the bank or payment provider calls it.
    reference: Option<String>,
    /// A note.
    memo: Option<String>,
}

/// Ask for a withdrawal: the amount is reserved until the bank has answered
#[utoipa::path(
    post, path = "/v1/withdrawals", tag = "money", request_body = NewWithdrawal,
    security(("imagxp_signature" = []), ("access_token" = []), ("operator_token" = ["admin"]), ("operator_session" = ["admin"])),
    params(("idempotency-key" = String, Header, description = "asked again, the same is answered")),
    responses((status = 201, description = "reserved: the pending transfer, whose id names the withdrawal", body = TransferView), (status = 200, description = "reserved before", body = TransferView), (status = 402, description = "the account does not hold enough", body = ErrorBody), (status = 404, body = ErrorBody))
)]
pub(crate) async fn ask(
    State(app): State<Arc<App>>,
    mutation: Mutation<NewWithdrawal>,
) -> Result<Response, Problem> {
    mutation.must_have_key()?;
    let new = &mutation.value;
    // Nobody takes out alone what is somebody else's: an admin asks, and another operator settles it.
    let owner = whose(&app, &mutation.caller, new.owner.as_deref())?;
    let asset = app.bank.asset(new.asset.as_deref())?;
    let command = Withdraw {
        id: None,
        asset,
        owner,
        amount: app.bank.rules.assets.amount(asset, &new.amount)?,
        reference: new.reference.as_deref().map(Reference::parse).transpose()?,
        memo: new.memo.as_deref().map(Memo::parse).transpose()?,
    };
    made(&app, command, mutation.actor, mutation.once).await
}

/// The bank has paid the withdrawal; another operator than the one who asked says so
#[utoipa::path(
    post, path = "/v1/withdrawals/{id}/post", tag = "money", request_body = Nothing,
    security(("operator_token" = ["cashier"]), ("operator_session" = ["cashier"])),
    params(("id" = String, Path, description = "the withdrawal"), ("idempotency-key" = Option<String>, Header, description = "asked again, the same is answered")),
    responses((status = 200, description = "done", body = TransferView), (status = 404, body = ErrorBody))
)]
pub(crate) async fn post(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    mutation: Mutation<Nothing>,
) -> Result<Response, Problem> {
    let id = transfer_id(&id)?;
    finish(&app, PostWithdrawal { id }, mutation).await
}

/// The bank has not paid the withdrawal, and will not: the money is the owner's again
#[utoipa::path(
    post, path = "/v1/withdrawals/{id}/void", tag = "money", request_body = Nothing,
    security(("operator_token" = ["cashier"]), ("operator_session" = ["cashier"])),
    params(("id" = String, Path, description = "the withdrawal"), ("idempotency-key" = Option<String>, Header, description = "asked again, the same is answered")),
    responses((status = 200, description = "done", body = TransferView), (status = 404, body = ErrorBody))
)]
pub(crate) async fn void(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    mutation: Mutation<Nothing>,
) -> Result<Response, Problem> {
    let id = transfer_id(&id)?;
    finish(&app, VoidWithdrawal { id }, mutation).await
}
