//! What nobody asks for: settling what time has made due, forgetting what no longer counts, telling watchers what happened.

use crate::app::App;
use crate::bank::count;
use crate::clock;
use crate::listen::stopped;
use crate::random;
use crate::view::EventView;
use imagxp_broker::audit::Report;
use imagxp_broker::{Actor, Due, DueVisa, Id, NoteTime, Reader as _, Refusal, RefusalCode, Request};
use imagxp_storage::{ErrorKind, Ledger};
use serde::Serialize;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How often is looked for what is due.
const EVERY: Duration = Duration::from_secs(1);
/// How long a process has the job for itself.
const LEASE_MS: i64 = 30_000;
/// Visas settled in one go.
const BATCH: usize = 256;
/// Between two rounds of forgetting, in rounds of settling. While there is more to forget, every round does.
const SWEEP_EVERY: u32 = 60;
/// Rows of each kind that are forgotten in one transaction: others' commands wait for no more than that.
const SWEEP: usize = 500;
/// How much of a round goes into forgetting. It must outrun what a busy broker notes, and leave the ledger to those who pay.
const SWEEP_FOR: Duration = Duration::from_millis(250);

/// Between two attempts to check the whole ledger: doubled each time, from the first to the last.
const AUDIT_AGAIN: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(64)];

/// Checks the whole ledger once, beside the work, and refuses writes when an invariant does not hold.
pub(crate) async fn audit(app: Arc<App>, stop: watch::Receiver<bool>) {
    if check_until_answered(&app.bank.ledger, stop).await {
        app.events.tell("status", &Status::of(&app));
    }
}

/// While the store gives no answer it is asked again: a ledger that nobody has checked is not taken for one that holds. `false`: the service ends.
async fn check_until_answered(ledger: &Ledger, mut stop: watch::Receiver<bool>) -> bool {
    let [mut pause, longest] = AUDIT_AGAIN;
    while !is_checked(ledger).await {
        tokio::select! {
            () = stopped(&mut stop) => return false,
            () = tokio::time::sleep(pause) => {}
        }
        pause = longest.min(pause.saturating_mul(2));
    }
    true
}

/// Checks the whole ledger; whether that came to an end.
async fn is_checked(ledger: &Ledger) -> bool {
    let own = ledger.clone();
    let audited = tokio::task::spawn_blocking(move || -> imagxp_storage::Result<()> {
        let report = own.audit_full()?;
        judge(&own, &report, "everything");
        Ok(())
    });
    match audited.await {
        Ok(Ok(())) => true,
        // Rows that cannot be read are rows that do not hold.
        Ok(Err(error)) if error.kind() == ErrorKind::Damaged => {
            ledger.refuse_writes(broken("the ledger has rows that cannot be read"));
            tracing::error!(%error, "the ledger is broken: writes are refused");
            metrics::gauge!("imagxp_ledger_writable").set(0.0);
            true
        }
        Ok(Err(error)) => {
            tracing::warn!(code = error.code(), %error, "the ledger cannot be checked now");
            false
        }
        Err(error) => {
            tracing::error!(%error, "checking the ledger failed");
            false
        }
    }
}

fn broken(why: &'static str) -> Refusal {
    Refusal::new(RefusalCode::LedgerBroken, why)
}

/// Whether writes are accepted, for watchers.
#[derive(Serialize)]
pub(crate) struct Status {
    writable: bool,
    time: String,
}

impl Status {
    pub(crate) fn of(app: &App) -> Self {
        Self { writable: app.bank.ledger.refusal().is_none(), time: clock::now().to_string() }
    }
}

/// Refuses writes when a report is not sound, and says so.
pub(crate) fn judge(ledger: &Ledger, report: &Report, what: &'static str) {
    let sound = report.is_sound();
    if sound {
        tracing::info!(what, "the ledger was checked");
    } else {
        ledger.refuse_writes(broken("a check of the ledger found that an invariant does not hold"));
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
    // What was refused is passed over for a while: it neither holds up the rest nor is tried each second.
    let mut refused = BTreeSet::new();
    let mut more_to_forget = false;
    loop {
        tokio::select! {
            () = stopped(&mut stop) => break,
            () = tokio::time::sleep(EVERY) => {}
        }
        round = round.wrapping_add(1);
        if app.bank.ledger.refusal().is_some() {
            continue;
        }
        let Some(now_ms) = time(&app, round).await else { continue };
        if round.is_multiple_of(SWEEP_EVERY) {
            refused.clear();
        }
        let mut after = None;
        // Page by page until there is no more.
        loop {
            let (ledger, name) = (app.bank.ledger.clone(), holder.clone());
            let looked = tokio::task::spawn_blocking(move || look(&ledger, &name, after, now_ms)).await;
            let due = match looked {
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
            let due = due.into_iter().map(|due| due.jti).filter(|jti| !refused.contains(jti)).collect();
            refused.extend(settle_all(&app, due, now_ms).await);
            if !full || *stop.borrow() || app.bank.ledger.refusal().is_some() {
                break;
            }
        }
        if more_to_forget || is_minute(round) {
            let (ledger, name) = (app.bank.ledger.clone(), holder.clone());
            more_to_forget = match tokio::task::spawn_blocking(move || forget(&ledger, &name, now_ms)).await {
                Ok(Ok(more)) => more,
                Ok(Err(error)) => {
                    tracing::warn!(code = error.code(), %error, "what has expired cannot be forgotten now");
                    false
                }
                Err(error) => {
                    tracing::error!(%error, "forgetting failed");
                    false
                }
            };
        }
    }
    let ledger = app.bank.ledger.clone();
    let _ = tokio::task::spawn_blocking(move || ledger.release("settle", &holder)).await;
}

/// The first round, and then one a minute.
const fn is_minute(round: u32) -> bool {
    round == 1 || round.is_multiple_of(SWEEP_EVERY)
}

/// Looks at the ledger's clock, and tells the log what time it is when nobody else does. `None` when nothing may be written by it.
async fn time(app: &App, round: u32) -> Option<i64> {
    let (ledger, own_ms) = (app.bank.ledger.clone(), clock::now().as_millis());
    let looked = tokio::task::spawn_blocking(move || ledger.time(own_ms)).await;
    let trusted = !matches!(&looked, Ok(Err(refusal)) if refusal.code() == RefusalCode::ClockWrong);
    metrics::gauge!("imagxp_clock_trusted").set(if trusted { 1.0 } else { 0.0 });
    let now_ms = match looked {
        Ok(Ok(now_ms)) => now_ms,
        Ok(Err(refusal)) => {
            if is_minute(round) {
                tracing::error!(%refusal, "nothing is settled now");
            }
            return None;
        }
        Err(error) => {
            tracing::error!(%error, "the clock cannot be looked at");
            return None;
        }
    };
    // Of one machine they are the same; with PostgreSQL it tells a server whose clock is wrong.
    let ahead_ms = own_ms.saturating_sub(now_ms);
    metrics::gauge!("imagxp_clock_ahead_seconds").set(
        Duration::from_millis(ahead_ms.unsigned_abs()).as_secs_f64() * if ahead_ms < 0 { -1.0 } else { 1.0 },
    );
    if is_minute(round) {
        let note = app.bank.ledger.submit(Request::new(NoteTime, Actor::Clock, now_ms));
        if let Ok(ticket) = note
            && let Err(refusal) = ticket.await
        {
            tracing::warn!(%refusal, "the time cannot be noted now");
        }
    }
    Some(now_ms)
}

/// One page of what is due; nothing when another process settles.
fn look(
    ledger: &Ledger,
    name: &str,
    after: Option<DueVisa>,
    now_ms: i64,
) -> imagxp_storage::Result<Vec<DueVisa>> {
    let due = ledger.read()?.due(now_ms, after, BATCH)?;
    if after.is_none() {
        let late_ms = due.first().map_or(0, |first| now_ms.saturating_sub(first.due_at)).max(0);
        metrics::gauge!("imagxp_settlement_late_seconds")
            .set(Duration::from_millis(late_ms.unsigned_abs()).as_secs_f64());
    }
    // A lease is a write; a broker that has nothing to do writes nothing.
    if due.is_empty() || !ledger.lease("settle", name, now_ms, LEASE_MS)? {
        return Ok(Vec::new());
    }
    Ok(due)
}

/// Forgets what has expired, page by page, for as long as a round may take. Whether there is more; none when another process does it.
fn forget(ledger: &Ledger, name: &str, now_ms: i64) -> imagxp_storage::Result<bool> {
    if !ledger.lease("settle", name, now_ms, LEASE_MS)? {
        return Ok(false);
    }
    let begun = Instant::now();
    while begun.elapsed() < SWEEP_FOR {
        if ledger.sweep(now_ms, SWEEP)? < SWEEP {
            return Ok(false);
        }
    }
    Ok(true)
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

#[cfg(test)]
mod tests {
    use super::*;
    use imagxp_storage::{Address, Options};

    /// All connections are in use when the service starts.
    #[tokio::test]
    async fn a_ledger_that_could_not_be_checked_is_checked_later() {
        let options = Options { readers: 1, ..Options::default() };
        let ledger = Ledger::open(&Address::Memory, options, 0).unwrap();
        let held = ledger.read().unwrap();
        let (stopper, stop) = watch::channel(false);
        let mut checking = core::pin::pin!(check_until_answered(&ledger, stop.clone()));
        // A reader waits two seconds for a connection.
        let first = tokio::time::timeout(Duration::from_millis(2500), checking.as_mut()).await;
        assert!(first.is_err(), "nobody asks again");
        drop(held);
        assert_eq!(tokio::time::timeout(Duration::from_secs(20), checking).await, Ok(true));
        // The end of the service ends it.
        ledger.close();
        assert!(stopper.send(true).is_ok());
        assert!(!check_until_answered(&ledger, stop).await);
    }
}
