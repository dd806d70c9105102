//! `POST /v1/payments`: one owner pays another.

use super::booking::{made, owner};
use crate::app::App;
use crate::mutation::Mutation;
use crate::problem::{ErrorBody, Problem};
use crate::view::TransferView;
use axum::extract::State;
use axum::response::Response;
use imagxp_broker::{Memo, Owner, Pay, Reference};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// A payment.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPayment {
    /// To whom: a domain.
    to: String,
    /// How much, a decimal string.
    amount: String,
    /// In which asset; the first of the broker's `imagxp_assets` when absent.
    asset: Option<String>,
    /// What it is called elsewhere.
    reference: Option<String>,
    /// A note.
    memo: Option<String>,
}

/// Pay another owner, at once and without a fee
#[utoipa::path(
    post, path = "/v1/payments", tag = "money", request_body = NewPayment,
    security(("imagxp_signature" = []), ("access_token" = [])),
    params(("idempotency-key" = String, Header, description = "asked again, the same is answered")),
    responses((status = 201, description = "paid", body = TransferView), (status = 200, description = "paid before", body = TransferView), (status = 402, description = "the account does not hold enough", body = ErrorBody))
)]
pub(crate) async fn pay(
    State(app): State<Arc<App>>,
    mutation: Mutation<NewPayment>,
) -> Result<Response, Problem> {
    let (from, _) = mutation.caller.tenant()?;
    mutation.must_have_key()?;
    let new = &mutation.value;
    let asset = app.bank.asset(new.asset.as_deref())?;
    let command = Pay {
        id: None,
        asset,
        from: Owner::parse(from.as_str())?,
        to: owner(&app, &new.to)?,
        amount: app.bank.rules.assets.amount(asset, &new.amount)?,
        reference: new.reference.as_deref().map(Reference::parse).transpose()?,
        memo: new.memo.as_deref().map(Memo::parse).transpose()?,
    };
    made(&app, command, mutation.actor, mutation.once).await
}
