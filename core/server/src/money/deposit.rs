//! `POST /v1/deposits`: money comes in.

use super::booking::{made, owner};
use crate::app::App;
use crate::mutation::Mutation;
use crate::problem::Problem;
use crate::view::TransferView;
use axum::extract::State;
use axum::response::Response;
use imagxp_broker::{Deposit, Memo, Reference};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// Money that has come in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewDeposit {
    /// Whose: a domain.
    #[schema(example = "agent.example")]
    owner: String,
    /// How much, a decimal string.
    #[schema(example = "10.00")]
    amount: String,
    /// In which asset; the first of the broker's `imagxp_assets` when absent.
    asset: Option<String>,
    /// What the bank or payment provider calls it. Counts once, for ever.
    #[schema(example = "bank-4711")]
    reference: String,
    /// A note.
    memo: Option<String>,
}

/// Book a deposit; the same reference again is answered with the first
#[utoipa::path(
    post, path = "/v1/deposits", tag = "money", request_body = NewDeposit,
    security(("operator_token" = ["depositor"]), ("operator_session" = ["depositor"])),
    params(("idempotency-key" = Option<String>, Header, description = "asked again, the same is answered")),
    responses((status = 201, description = "booked", body = TransferView), (status = 200, description = "booked before", body = TransferView))
)]
pub(crate) async fn book(
    State(app): State<Arc<App>>,
    mutation: Mutation<NewDeposit>,
) -> Result<Response, Problem> {
    let new = &mutation.value;
    let asset = app.bank.asset(new.asset.as_deref())?;
    let command = Deposit {
        id: None,
        asset,
        owner: owner(&app, &new.owner)?,
        amount: app.bank.rules.assets.amount(asset, &new.amount)?,
        reference: Reference::parse(&new.reference)?,
        memo: new.memo.as_deref().map(Memo::parse).transpose()?,
    };
    made(&app, command, mutation.actor, mutation.once).await
}
