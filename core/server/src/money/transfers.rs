//! `GET /v1/transfers`: what moved, newest first.

use crate::app::App;
use crate::auth::Caller;
use crate::body::{Ask, json_read};
use crate::page::{self, Page};
use crate::problem::{ErrorBody, Problem};
use crate::view::TransferView;
use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use imagxp_broker::{Entry, Reader as _};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// Which transfers.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// To or from this owner's accounts; operators only, who read everybody's when it is absent.
    owner: Option<String>,
    /// Where the last page ended.
    cursor: Option<String>,
    /// 1 to 500; 50 when absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
}

/// Transfers, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct TransferList {
    transfers: Vec<TransferView>,
    /// For the next page; null when there is none.
    next_cursor: Option<String>,
}

/// Transfers, newest first
#[utoipa::path(
    get, path = "/v1/transfers", tag = "money", params(Filter),
    security(("imagxp_signature" = []), ("access_token" = []), ("operator_token" = ["viewer"]), ("operator_session" = ["viewer"])),
    responses((status = 200, body = TransferList), (status = 304, description = "not modified"), (status = 404, body = ErrorBody))
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Ask(ask): Ask<Filter>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let owner = caller.scope(ask.owner.as_deref())?;
    let page = Page::<u64>::read(ask.cursor.as_deref(), ask.limit)?;
    let (transfers, next) = app
        .bank
        .read(move |reading| {
            reading.consistent(|reading| {
                let Some(owner) = owner else { return everything(reading, page) };
                let transfers = reading.statement(&owner, page.behind, page.limit)?;
                let next = page.next(&transfers, |transfer| transfer.seq);
                Ok((transfers, next))
            })
        })
        .await?;
    let next_cursor = next.as_ref().map(page::cursor);
    let transfers = transfers.iter().map(|transfer| TransferView::new(&app.bank.rules, transfer)).collect();
    Ok(json_read(&headers, &TransferList { transfers, next_cursor }))
}

/// Everybody's, from the log backwards: a page may have fewer than asked for when the log has many events there.
fn everything(
    reading: &mut imagxp_storage::Reading,
    page: Page<u64>,
) -> imagxp_storage::Result<(Vec<imagxp_broker::Transfer>, Option<u64>)> {
    let end = match page.behind {
        Some(before) => before,
        None => reading.head()?.size,
    };
    let span = u64::try_from(page.limit).unwrap_or(u64::MAX);
    let from = end.saturating_sub(span);
    let count = usize::try_from(end.saturating_sub(from)).unwrap_or(page.limit);
    let entries = if count == 0 { Vec::new() } else { reading.entries(from, count)? };
    let transfers = entries.into_iter().rev().filter_map(|(entry, _)| match entry {
        Entry::Transfer(transfer) => Some(transfer),
        Entry::Event(_) => None,
    });
    Ok((transfers.collect(), (from > 0).then_some(from)))
}
