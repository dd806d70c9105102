//! Accounts: reading, freezing, closing.

use super::booking::owner;
use crate::app::App;
use crate::auth::Caller;
use crate::body::{Ask, Path, json, json_read};
use crate::mutation::Mutation;
use crate::page::{self, Page};
use crate::problem::{ErrorBody, Problem};
use crate::view::AccountView;
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use imagxp_broker::{
    AccountId, AccountKey, Close, Command, Freeze, Memo, Reader as _, RefusalCode, Unfreeze,
};
use imagxp_storage::Reading;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// Which accounts.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// Of this owner.
    owner: Option<String>,
    /// Where the last page ended.
    cursor: Option<String>,
    /// 1 to 500; 50 when absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
}

/// Accounts.
#[derive(Serialize, ToSchema)]
pub(crate) struct AccountList {
    accounts: Vec<AccountView>,
    /// For the next page; null when there is none.
    next_cursor: Option<String>,
}

/// Everybody's accounts
#[utoipa::path(
    get, path = "/v1/accounts", tag = "money", params(Filter),
    security(("operator_token" = ["viewer"]), ("operator_session" = ["viewer"])),
    responses((status = 200, body = AccountList), (status = 304, description = "not modified"))
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Ask(ask): Ask<Filter>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let owner = caller.scope(ask.owner.as_deref())?;
    let page = Page::<AccountId>::read(ask.cursor.as_deref(), ask.limit)?;
    let read = move |reading: &mut Reading| reading.accounts(owner.as_ref(), page.behind, page.limit);
    let accounts = app.bank.read(read).await?;
    let next_cursor = page.next(&accounts, |account| account.id).as_ref().map(page::cursor);
    let accounts = accounts.iter().map(|account| AccountView::new(&app.bank.rules, account)).collect();
    Ok(json_read(&headers, &AccountList { accounts, next_cursor }))
}

/// Which part of an owner's accounts.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Part {
    /// Where the last page ended.
    cursor: Option<String>,
    /// 1 to 500; the most when absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
}

/// One owner's accounts
#[utoipa::path(
    get, path = "/v1/accounts/{owner}", tag = "money",
    security(("imagxp_signature" = []), ("access_token" = []), ("operator_token" = ["viewer"]), ("operator_session" = ["viewer"])),
    params(Part, ("owner" = String, Path, description = "the owner's domain; tenants read their own")),
    responses((status = 200, body = AccountList), (status = 304, description = "not modified"), (status = 404, body = ErrorBody))
)]
pub(crate) async fn one(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Ask(ask): Ask<Part>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let owner = caller.scope(Some(&name))?;
    let page = Page::<AccountId>::read(ask.cursor.as_deref(), ask.limit.or(Some(page::MOST)))?;
    let read = move |reading: &mut Reading| reading.accounts(owner.as_ref(), page.behind, page.limit);
    let accounts = app.bank.read(read).await?;
    if accounts.is_empty() && page.behind.is_none() {
        return Err(RefusalCode::AccountNotFound.into());
    }
    let next_cursor = page.next(&accounts, |account| account.id).as_ref().map(page::cursor);
    let accounts = accounts.iter().map(|account| AccountView::new(&app.bank.rules, account)).collect();
    Ok(json_read(&headers, &AccountList { accounts, next_cursor }))
}

/// Which of an owner's accounts, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Standing {
    /// In which asset; the first of the broker's `imagxp_assets` when absent.
    asset: Option<String>,
    /// Why.
    memo: Option<String>,
}

/// Freeze an owner's account: nothing new is taken from it
#[utoipa::path(
    post, path = "/v1/accounts/{owner}/freeze", tag = "money", request_body = Standing,
    security(("operator_token" = ["admin"]), ("operator_session" = ["admin"])),
    params(("owner" = String, Path, description = "the owner's domain"), ("idempotency-key" = Option<String>, Header, description = "asked again, the same is answered")),
    responses((status = 200, description = "frozen", body = AccountView), (status = 404, body = ErrorBody))
)]
pub(crate) async fn freeze(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    mutation: Mutation<Standing>,
) -> Result<Response, Problem> {
    stand(&app, &name, mutation, |account, memo| Freeze { account, memo }.into()).await
}

/// Unfreeze an owner's account
#[utoipa::path(
    post, path = "/v1/accounts/{owner}/unfreeze", tag = "money", request_body = Standing,
    security(("operator_token" = ["admin"]), ("operator_session" = ["admin"])),
    params(("owner" = String, Path, description = "the owner's domain"), ("idempotency-key" = Option<String>, Header, description = "asked again, the same is answered")),
    responses((status = 200, description = "as before", body = AccountView), (status = 404, body = ErrorBody))
)]
pub(crate) async fn unfreeze(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    mutation: Mutation<Standing>,
) -> Result<Response, Problem> {
    stand(&app, &name, mutation, |account, memo| Unfreeze { account, memo }.into()).await
}

/// Close an empty account for ever
#[utoipa::path(
    post, path = "/v1/accounts/{owner}/close", tag = "money", request_body = Standing,
    security(("operator_token" = ["admin"]), ("operator_session" = ["admin"])),
    params(("owner" = String, Path, description = "the owner's domain"), ("idempotency-key" = Option<String>, Header, description = "asked again, the same is answered")),
    responses((status = 200, description = "closed", body = AccountView), (status = 404, body = ErrorBody))
)]
pub(crate) async fn close(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    mutation: Mutation<Standing>,
) -> Result<Response, Problem> {
    stand(&app, &name, mutation, |account, memo| Close { account, memo }.into()).await
}

async fn stand(
    app: &App,
    name: &str,
    mutation: Mutation<Standing>,
    command: fn(AccountKey, Option<Memo>) -> Command,
) -> Result<Response, Problem> {
    let asset = app.bank.asset(mutation.value.asset.as_deref())?;
    let account = AccountKey::available(asset, owner(app, name)?);
    let memo = mutation.value.memo.as_deref().map(Memo::parse).transpose()?;
    let outcome = app.bank.command(command(account, memo), mutation.actor, mutation.once).await?;
    let account =
        outcome.account.ok_or_else(|| Problem::internal("an account's command without an account"))?;
    Ok(json(StatusCode::OK, &AccountView::new(&app.bank.rules, &account)))
}
