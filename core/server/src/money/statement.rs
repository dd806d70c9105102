//! `GET /v1/accounts/{owner}/statement`: a period that adds up.

use crate::app::App;
use crate::auth::Caller;
use crate::body::{Ask, Path, json_read};
use crate::clock;
use crate::problem::{ErrorBody, Problem};
use crate::view::{AccountView, TransferView, signed, time};
use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use imagxp::Timestamp;
use imagxp_broker::{AccountKey, Reader as _, RefusalCode};
use imagxp_storage::Reading;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// Transfers of a statement at most; a longer one is asked for in shorter periods.
const MOST: usize = 10_000;

/// Which period.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Period {
    /// In which asset; the first of the broker's `imagxp_assets` when absent.
    asset: Option<String>,
    /// From when on, RFC 3339; from the beginning when absent.
    from: Option<String>,
    /// Until when, exclusive; until now when absent, or the time of the log's last entry where that is ahead.
    until: Option<String>,
}

/// What moved in an account between two times.
#[derive(Serialize, ToSchema)]
pub(crate) struct StatementView {
    /// The account as it stands now.
    account: AccountView,
    from: String,
    until: String,
    /// Posted credits less posted debits when the period began.
    opening: String,
    /// The same when it ended: opening and the transfers' posted amounts come to it.
    closing: String,
    /// In their order.
    transfers: Vec<TransferView>,
}

/// A statement of an owner's account: opening balance, transfers, closing balance
#[utoipa::path(
    get, path = "/v1/accounts/{owner}/statement", tag = "money", params(Period, ("owner" = String, Path, description = "the owner's domain; tenants read their own")),
    security(("imagxp_signature" = []), ("access_token" = []), ("operator_token" = ["viewer"]), ("operator_session" = ["viewer"])),
    responses((status = 200, body = StatementView), (status = 304, description = "not modified"), (status = 404, body = ErrorBody))
)]
pub(crate) async fn statement(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Ask(ask): Ask<Period>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let owner = caller.scope(Some(&name))?.ok_or_else(|| Problem::from(RefusalCode::AccountNotFound))?;
    let asset = app.bank.asset(ask.asset.as_deref())?;
    let account = AccountKey::available(asset, owner.clone()).id();
    let at = |text: &Option<String>| match text.as_deref() {
        None => Ok(None),
        Some(text) => Timestamp::parse(text)
            .map(|time| Some(time.as_millis()))
            .ok_or_else(|| Problem::bad("query.malformed", "a time is RFC 3339 in UTC")),
    };
    let (from, until) = (at(&ask.from)?.unwrap_or(0), at(&ask.until)?);
    let read = move |reading: &mut Reading| {
        let until = match until {
            Some(until) => until,
            // The log's time is the database's, or that of a clock which has been set back since.
            None => clock::now().as_millis().max(reading.head()?.last_at).saturating_add(1),
        };
        Ok((until, reading.period(Some(&owner), account, from, until, MOST)?))
    };
    let found = app
        .bank
        .read_long(move |reading| match reading.consistent(read) {
            Err(error) if error.kind() == imagxp_storage::ErrorKind::Config => Ok(Err(())),
            found => found.map(Ok),
        })
        .await?;
    let (until, found) = found.map_err(|()| {
        Problem::bad(
            "statement.too_long",
            format!("the period has more than {MOST} transfers; ask for shorter ones"),
        )
    })?;
    let found = found.ok_or_else(|| Problem::from(RefusalCode::AccountNotFound))?;
    let rules = &app.bank.rules;
    Ok(json_read(
        &headers,
        &StatementView {
            account: AccountView::new(rules, &found.account),
            from: time(from),
            until: time(until),
            opening: signed(rules, asset, found.opening),
            closing: signed(rules, asset, found.closing),
            transfers: found.transfers.iter().map(|transfer| TransferView::new(rules, transfer)).collect(),
        },
    ))
}
