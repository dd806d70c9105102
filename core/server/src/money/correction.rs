//! `POST /v1/corrections`: whatever was wrong, with two operators.

use super::booking::{finish, made, transfer_id};
use crate::app::App;
use crate::body::Path;
use crate::mutation::{Mutation, Nothing};
use crate::problem::{ErrorBody, Problem};
use crate::view::TransferView;
use axum::extract::State;
use axum::response::Response;
use imagxp_broker::{
    AccountKey, ApproveCorrection, Asset, Correct, Kind, Memo, Owner, Reference, RejectCorrection,
};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// An account by what makes it the one it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccountName {
    /// `OUTSIDE`, `AVAILABLE`, `LOCKED`, `TREASURY` or `REWARDS`.
    kind: String,
    /// Whose, for `AVAILABLE` and `LOCKED`.
    owner: Option<String>,
    /// Which one, for `LOCKED`.
    reference: Option<String>,
}

impl AccountName {
    fn key(&self, asset: Asset) -> Result<AccountKey, Problem> {
        let kind = Kind::from_name(&self.kind)
            .ok_or_else(|| Problem::bad("json.malformed", "there is no such kind of account"))?;
        let owner = self.owner.as_deref().map(Owner::parse).transpose()?;
        let reference = self.reference.as_deref().map(Reference::parse).transpose()?;
        Ok(AccountKey::new(asset, kind, owner, reference)?)
    }
}

/// What is to be moved.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCorrection {
    /// From.
    debit: AccountName,
    /// To.
    credit: AccountName,
    /// How much, a decimal string.
    amount: String,
    /// In which asset; the first of the broker's `imagxp_assets` when absent.
    asset: Option<String>,
    /// What is corrected: a transfer or a case.
    reference: Option<String>,
    /// Why.
    memo: String,
}

/// Propose a correction: the amount is reserved until a second operator has decided
#[utoipa::path(
    post, path = "/v1/corrections", tag = "money", request_body = NewCorrection,
    security(("operator_token" = ["admin"]), ("operator_session" = ["admin"])),
    params(("idempotency-key" = String, Header, description = "asked again, the same is answered")),
    responses((status = 201, description = "proposed: the pending transfer, whose id names the correction", body = TransferView), (status = 200, description = "proposed before", body = TransferView), (status = 402, description = "the account does not hold enough", body = ErrorBody))
)]
pub(crate) async fn propose(
    State(app): State<Arc<App>>,
    mutation: Mutation<NewCorrection>,
) -> Result<Response, Problem> {
    mutation.must_have_key()?;
    let new = &mutation.value;
    let asset = app.bank.asset(new.asset.as_deref())?;
    let command = Correct {
        id: None,
        debit: new.debit.key(asset)?,
        credit: new.credit.key(asset)?,
        amount: app.bank.rules.assets.amount(asset, &new.amount)?,
        reference: new.reference.as_deref().map(Reference::parse).transpose()?,
        memo: Memo::parse(&new.memo)?,
    };
    made(&app, command, mutation.actor, mutation.once).await
}

/// Approve a correction that another operator has proposed
#[utoipa::path(
    post, path = "/v1/corrections/{id}/approve", tag = "money", request_body = Nothing,
    security(("operator_token" = ["admin"]), ("operator_session" = ["admin"])),
    params(("id" = String, Path, description = "the correction"), ("idempotency-key" = Option<String>, Header, description = "asked again, the same is answered")),
    responses((status = 200, description = "done", body = TransferView), (status = 404, body = ErrorBody))
)]
pub(crate) async fn approve(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    mutation: Mutation<Nothing>,
) -> Result<Response, Problem> {
    let id = transfer_id(&id)?;
    finish(&app, ApproveCorrection { id }, mutation).await
}

/// Give a correction up
#[utoipa::path(
    post, path = "/v1/corrections/{id}/reject", tag = "money", request_body = Nothing,
    security(("operator_token" = ["admin"]), ("operator_session" = ["admin"])),
    params(("id" = String, Path, description = "the correction"), ("idempotency-key" = Option<String>, Header, description = "asked again, the same is answered")),
    responses((status = 200, description = "done", body = TransferView), (status = 404, body = ErrorBody))
)]
pub(crate) async fn reject(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    mutation: Mutation<Nothing>,
) -> Result<Response, Problem> {
    let id = transfer_id(&id)?;
    finish(&app, RejectCorrection { id }, mutation).await
}
