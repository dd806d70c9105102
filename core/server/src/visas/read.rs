//! Reading visas: each party sees its own, operators all.

use crate::app::App;
use crate::auth::Caller;
use crate::body::{Ask, Path, json_read};
use crate::page::{self, Page};
use crate::problem::{ErrorBody, Problem};
use crate::view::VisaView;
use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use imagxp_broker::{Id, Reader as _, RefusalCode, VisaFilter, VisaState};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// Which visas.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// In this state, for example `DISPUTED`.
    state: Option<String>,
    /// Of this agent or publisher; operators only.
    party: Option<String>,
    /// Where the last page ended.
    cursor: Option<String>,
    /// 1 to 500; 50 when absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
}

/// Visas, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct VisaList {
    visas: Vec<VisaView>,
    /// For the next page; null when there is none.
    next_cursor: Option<String>,
}

/// Visas, newest first
#[utoipa::path(
    get, path = "/v1/visas", tag = "visas", params(Filter),
    security(("imagxp_signature" = []), ("access_token" = []), ("operator_token" = ["viewer"]), ("operator_session" = ["viewer"])),
    responses((status = 200, body = VisaList), (status = 304, description = "not modified"), (status = 404, body = ErrorBody))
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Ask(ask): Ask<Filter>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let state = ask.state.as_deref().map(|name| {
        VisaState::from_name(name).ok_or_else(|| Problem::bad("query.malformed", "there is no such state"))
    });
    let filter = VisaFilter { party: caller.scope(ask.party.as_deref())?, state: state.transpose()? };
    let page = Page::<Id>::read(ask.cursor.as_deref(), ask.limit)?;
    let visas = app.bank.read(move |reading| reading.visas(&filter, page.behind, page.limit)).await?;
    let next_cursor = page.next(&visas, |visa| visa.jti).as_ref().map(page::cursor);
    let visas = visas.iter().map(|visa| VisaView::new(&app.bank.rules, visa)).collect();
    Ok(json_read(&headers, &VisaList { visas, next_cursor }))
}

/// One visa
#[utoipa::path(
    get, path = "/v1/visas/{jti}", tag = "visas",
    security(("imagxp_signature" = []), ("access_token" = []), ("operator_token" = ["viewer"]), ("operator_session" = ["viewer"])),
    params(("jti" = String, Path, description = "its name")),
    responses((status = 200, body = VisaView), (status = 304, description = "not modified"), (status = 404, body = ErrorBody))
)]
pub(crate) async fn one(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(jti): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let jti = id(&jti)?;
    let scope = caller.scope(None)?;
    let visa = app.bank.read(move |reading| reading.visa(jti)).await?;
    let visa = visa
        .filter(|visa| scope.as_ref().is_none_or(|owner| visa.agent == *owner || visa.publisher == *owner));
    let visa = visa.ok_or_else(|| Problem::from(RefusalCode::VisaNotFound))?;
    Ok(json_read(&headers, &VisaView::new(&app.bank.rules, &visa)))
}

/// A name in a path. What cannot be one does not exist.
pub(crate) fn id(text: &str) -> Result<Id, Problem> {
    Id::parse(text).map_err(|_| RefusalCode::VisaNotFound.into())
}
