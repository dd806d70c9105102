//! What nobody asks for: settling what time has made due, forgetting what no longer counts, telling watchers what happened.

use crate::app::App;
use crate::bank::count;
use crate::clock;
use crate::listen::stopped;
use crate::random;
use crate::view::EventView;
use imagxp_broker::audit::Report;
use imagxp_broker::{Actor, Due, Id, Reader as _, Request};
use imagxp_storage::{ErrorKind, Ledger};
use serde::Serialize;
use std::collections::BTreeSet;
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

/// Checks the whole ledger once, beside the work, and refuses writes when an invariant does not hold.
pub(crate) async fn audit(app: Arc<App>) {
    let ledger = app.bank.ledger.clone();
    let audited = tokio::task::spawn_blocking(move || -> imagxp_storage::Result<()> {
        let report = ledger.audit()?;
        judge(&ledger, &report, "everything");
        Ok(())
    });
    match audited.await {
        Ok(Ok(())) => app.events.tell("status", &Status::of(&app)),
        // Rows that cannot be read are rows that do not hold.
        Ok(Err(error)) if error.kind() == ErrorKind::Damaged => {
            app.bank.ledger.refuse_writes("the ledger has rows that cannot be read");
            tracing::error!(%error, "the ledger is broken: writes are refused");
            metrics::gauge!("imagxp_ledger_writable").set(0.0);
            app.events.tell("status", &Status::of(&app));
        }
        Ok(Err(error)) => tracing::warn!(code = error.code(), %error, "the ledger cannot be checked now"),
        Err(error) => tracing::error!(%error, "checking the ledger failed"),
    }
}

/// Whether writes are accepted, for watchers.
#[derive(Serialize)]
struct Status {
    writable: bool,
    time: String,
}

impl Status {
    fn of(app: &App) -> Self {
        Self { writable: app.bank.ledger.refusal().is_none(), time: clock::now().to_string() }
    }
}

/// Refuses writes when a report is not sound, and says so.
pub(crate) fn judge(ledger: &Ledger, report: &Report, what: &'static str) {
    let sound = report.is_sound();
    if sound {
        tracing::info!(what, "the ledger was checked");
    } else {
        ledger.refuse_writes("a check of the ledger found that an invariant does not hold");
        for finding in &report.findings {
            let kind = finding.kind.as_str();
            tracing::error!(
                what,
                kind,
                finding = finding.message,
                "the ledger is broken: writes are refused"
            );
        }
    }
    if !sound || ledger.refusal().is_none() {
        metrics::gauge!("imagxp_ledger_writable").set(if sound { 1.0 } else { 0.0 });
    }
}

/// Settles visas, one process at a time over all that share the database. What two do at once is done once all the same.
pub(crate) async fn settle(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let holder = random::uuid().unwrap_or_else(|_| std::process::id().to_string());
    let mut round = 0_u32;
    let mut behind = Behind::default();
    loop {
        // While more waits than one round takes, the next one begins at once.
        let pause = if behind.full { Duration::ZERO } else { EVERY };
        tokio::select! {
            () = stopped(&mut stop) => break,
            () = tokio::time::sleep(pause) => {}
        }
        behind.full = false;
        round = round.wrapping_add(1);
        if app.bank.ledger.refusal().is_some() {
            continue;
        }
        let ledger = app.bank.ledger.clone();
        let name = holder.clone();
        let now_ms = clock::now().as_millis();
        let sweeps = round.is_multiple_of(SWEEP_EVERY);
        if sweeps {
            behind.refused.clear();
        }
        let refused = behind.refused.clone();
        let looked = tokio::task::spawn_blocking(move || -> imagxp_storage::Result<Vec<Id>> {
            let mut reading = ledger.read()?;
            // Those that were refused stand at the head and are passed over for a while.
            let due = reading.due(now_ms, BATCH.saturating_add(refused.len()))?;
            let oldest = due.first().map(|jti| reading.visa(*jti)).transpose()?.flatten();
            let late_ms = oldest.and_then(|visa| visa.due_at).map_or(0, |due| now_ms.saturating_sub(due));
            metrics::gauge!("imagxp_settlement_late_seconds")
                .set(Duration::from_millis(late_ms.max(0).unsigned_abs()).as_secs_f64());
            drop(reading);
            let due: Vec<Id> = due.into_iter().filter(|jti| !refused.contains(jti)).take(BATCH).collect();
            // A lease is a write; a broker that has nothing to do writes nothing.
            if (due.is_empty() && !sweeps) || !ledger.lease("settle", &name, now_ms, LEASE_MS)? {
                return Ok(Vec::new());
            }
            if sweeps {
                ledger.sweep(now_ms, SWEEP)?;
            }
            Ok(due)
        });
        match looked.await {
            Ok(Ok(due)) => {
                let full = due.len() == BATCH;
                let refused = settle_all(&app, due, now_ms).await;
                behind.full = full;
                behind.refused.extend(refused);
            }
            Ok(Err(error)) => {
                tracing::warn!(code = error.code(), %error, "what is due cannot be settled now")
            }
            Err(error) => tracing::error!(%error, "settling failed"),
        }
    }
    let ledger = app.bank.ledger.clone();
    let _ = tokio::task::spawn_blocking(move || ledger.release("settle", &holder)).await;
}

/// What was left in the last rounds.
#[derive(Default)]
struct Behind {
    full: bool,
    refused: BTreeSet<Id>,
}

/// Settles what is due; returns what the ledger has refused to settle.
async fn settle_all(app: &App, due: Vec<Id>, now_ms: i64) -> Vec<Id> {
    let submit = |jti: Id| {
        let ticket = app.bank.ledger.submit(Request::new(Due { jti }, Actor::Clock, now_ms)).ok()?;
        Some((jti, ticket))
    };
    let submitted: Vec<_> = due.into_iter().filter_map(submit).collect();
    let mut refused = Vec::new();
    for (jti, ticket) in submitted {
        let answered = ticket.await;
        count(&answered);
        match answered {
            Ok(outcome) => {
                if let Some(visa) = outcome.visa {
                    metrics::counter!("imagxp_settled_total", "state" => visa.state.as_str()).increment(1);
                }
            }
            Err(refusal) => {
                tracing::warn!(%jti, %refusal, "a visa that is due cannot be settled now");
                refused.push(jti);
            }
        }
    }
    refused
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
        let read = app.bank.read_first(move |reading| {
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
