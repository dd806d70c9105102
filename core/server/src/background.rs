//! What nobody asks for: settling what time has made due, forgetting what no longer counts, telling watchers what happened.

use crate::app::App;
use crate::bank::count;
use crate::clock;
use crate::listen::stopped;
use crate::random;
use crate::view::EventView;
use imagxp_broker::{Actor, Due, Reader as _, Request};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How often is looked for what is due.
const EVERY: Duration = Duration::from_secs(1);
/// How long a process has the job for itself.
const LEASE_MS: i64 = 30_000;
/// Visas settled in one go.
const BATCH: usize = 256;
/// Between two rounds of forgetting, in rounds of settling.
const SWEEP_EVERY: u32 = 60;
const SWEEP: usize = 5000;

/// Settles visas, one process at a time over all that share the database. What two do at once is done once all the same.
pub(crate) async fn settle(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let holder = random::uuid().unwrap_or_else(|_| std::process::id().to_string());
    let mut round = 0_u32;
    loop {
        tokio::select! {
            () = stopped(&mut stop) => break,
            () = tokio::time::sleep(EVERY) => {}
        }
        round = round.wrapping_add(1);
        if app.bank.ledger.refusal().is_some() {
            continue;
        }
        let now_ms = clock::now().as_millis();
        let sweeps = round.is_multiple_of(SWEEP_EVERY);
        // Page by page until there is no more: what is refused is passed over and does not hold up the rest.
        let mut after = None;
        loop {
            let (ledger, name) = (app.bank.ledger.clone(), holder.clone());
            let first = after.is_none();
            let looked = tokio::task::spawn_blocking(move || {
                if !ledger.lease("settle", &name, now_ms, LEASE_MS)? {
                    return Ok(Vec::new());
                }
                if sweeps && first {
                    ledger.sweep(now_ms, SWEEP, false)?;
                }
                ledger.read()?.due(now_ms, after, BATCH)
            });
            let due = match looked.await {
                Ok(Ok(due)) => due,
                Ok(Err(error)) => {
                    tracing::warn!(code = error.code(), %error, "what is due cannot be settled now");
                    break;
                }
                Err(error) => {
                    tracing::error!(%error, "settling failed");
                    break;
                }
            };
            after = due.last().copied();
            let full = due.len() == BATCH;
            settle_all(&app, due.into_iter().map(|due| due.jti).collect(), now_ms).await;
            if !full || *stop.borrow() || app.bank.ledger.refusal().is_some() {
                break;
            }
        }
    }
    let ledger = app.bank.ledger.clone();
    let _ = tokio::task::spawn_blocking(move || ledger.release("settle", &holder)).await;
}

async fn settle_all(app: &App, due: Vec<imagxp_broker::Id>, now_ms: i64) {
    let submitted: Vec<_> = due
        .into_iter()
        .filter_map(|jti| app.bank.ledger.submit(Request::new(Due { jti }, Actor::Clock, now_ms)).ok())
        .collect();
    for ticket in submitted {
        let answered = ticket.await;
        count(&answered);
        match answered {
            Ok(outcome) => {
                if let Some(visa) = outcome.visa {
                    metrics::counter!("imagxp_settled_total", "state" => visa.state.as_str()).increment(1);
                }
            }
            Err(refusal) => tracing::warn!(%refusal, "a visa that is due cannot be settled now"),
        }
    }
}

/// Tells watchers what the ledger's log says, whichever process wrote it.
pub(crate) async fn tell(app: Arc<App>, from: u64, mut stop: watch::Receiver<bool>) {
    let mut grown = app.bank.ledger.watch();
    let mut from = from;
    loop {
        tokio::select! {
            () = stopped(&mut stop) => return,
            _ = grown.changed() => {}
            // Other processes' entries are found by looking.
            () = tokio::time::sleep(EVERY) => {}
        }
        let at = from;
        let read = app.bank.read(move |reading| {
            reading.consistent(|reading| Ok((reading.events_from(None, at, BATCH)?, reading.head()?.size)))
        });
        let Ok((events, size)) = read.await else { continue };
        from = match events.last() {
            Some(last) if events.len() == BATCH => last.seq.saturating_add(1),
            _ => size,
        };
        for event in &events {
            app.events.tell("ledger", &EventView::new(event));
        }
    }
}
