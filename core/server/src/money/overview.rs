//! `GET /v1/money`: where the money is, by state and by kind of account.

use crate::app::App;
use crate::body::json_read;
use crate::problem::Problem;
use crate::view::money;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use imagxp_broker::{Amount, Kind, Reader as _, VisaState};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;

/// Accounts in one read.
const PAGE: usize = 500;

/// Where the money is.
#[derive(Serialize, ToSchema)]
pub(crate) struct Overview {
    /// Asset by asset.
    assets: Vec<AssetOverview>,
    /// Whether writes are accepted.
    writable: bool,
    /// Entries of the log.
    log_size: u64,
}

/// One asset.
#[derive(Serialize, ToSchema)]
pub(crate) struct AssetOverview {
    asset: String,
    /// Digits after the point.
    scale: u8,
    /// Visas by state.
    states: BTreeMap<&'static str, StateOverview>,
    /// Balances by kind of account. They come to nothing, because what is inside came from `OUTSIDE`.
    accounts: BTreeMap<&'static str, String>,
}

/// The visas of one state.
#[derive(Serialize, ToSchema)]
pub(crate) struct StateOverview {
    count: u64,
    amount: String,
}

/// Where the money is: visas by state, balances by kind of account
#[utoipa::path(
    get, path = "/v1/money", tag = "dashboard",
    security(("operator_token" = ["viewer"]), ("operator_session" = ["viewer"])),
    responses((status = 200, body = Overview), (status = 304, description = "not modified"))
)]
pub(crate) async fn overview(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Problem> {
    let rules = app.bank.rules.clone();
    let (counts, sums, log_size) = app
        .bank
        .read(|reading| {
            reading.consistent(|reading| {
                let mut sums: BTreeMap<_, (Amount, Amount)> = BTreeMap::new();
                let mut after = None;
                loop {
                    let page = reading.accounts(None, after, PAGE)?;
                    for account in &page {
                        let sum = sums.entry((account.asset, account.kind)).or_default();
                        let add = |sum: Amount, more| sum.checked_add(more).unwrap_or(Amount::MAX);
                        *sum = (add(sum.0, account.credits_posted), add(sum.1, account.debits_posted));
                    }
                    after = page.last().map(|account| account.id);
                    if page.len() < PAGE {
                        break;
                    }
                }
                Ok((reading.counts()?, sums, reading.head()?.size))
            })
        })
        .await?;
    let assets = rules.assets.iter().map(|(asset, scale)| {
        let state = |state: VisaState| {
            let found = counts.iter().find(|count| count.asset == asset && count.state == state);
            let (count, amount) = found.map_or((0, Amount::ZERO), |found| (found.count, found.amount));
            (state.as_str(), StateOverview { count, amount: money(&rules, asset, amount) })
        };
        let account = |kind: Kind| {
            let (plus, minus) = sums.get(&(asset, kind)).copied().unwrap_or_default();
            (kind.as_str(), crate::view::difference(&rules, asset, plus, minus))
        };
        AssetOverview {
            asset: asset.as_str().to_owned(),
            scale,
            states: VisaState::ALL.into_iter().map(state).collect(),
            accounts: Kind::ALL.into_iter().map(account).collect(),
        }
    });
    let writable = app.bank.ledger.refusal().is_none();
    Ok(json_read(&headers, &Overview { assets: assets.collect(), writable, log_size }))
}
