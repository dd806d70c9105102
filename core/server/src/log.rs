//! `/v1/log/…`: the tamper-evident log of transfers and events (PROTOCOL §12, C2SP signed notes, RFC 6962 proofs).
//!
//! Its leaves are public, so that anybody may check that nothing was altered, reordered or removed; what the entries say is for their
//! parties and for operators.

use crate::app::App;
use crate::auth::Caller;
use crate::body::{Ask, json, json_read};
use crate::clock;
use crate::keys::Due;
use crate::page;
use crate::problem::Problem;
use crate::view::{EventView, TransferView};
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use imagxp::audit::proof::Plan;
use imagxp::encoding::hex_encode;
use imagxp_broker::proof::prove;
use imagxp_broker::{AccountId, Entry, Id, Reader as _, audit};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// The log's head as a signed note; its key is in the key set
#[utoipa::path(
    get, path = "/v1/log/checkpoint", tag = "log", security(()),
    responses((status = 200, description = "a C2SP checkpoint", content_type = "text/plain", body = String))
)]
pub(crate) async fn checkpoint(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let head = app.bank.read(imagxp_broker::Reader::head).await?;
    let signer = app
        .live()
        .keys
        .signer(clock::now())
        .map(Due)
        .ok_or_else(|| Problem::internal("there is no signing key"))?;
    let note = head.checkpoint(&origin(&app))?.sign(&signer).map_err(Problem::internal)?;
    app.published.put(&note);
    let mut response = note.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// The log's name: the broker's host, as checkpoints want it, without a scheme.
pub(crate) fn origin(app: &App) -> String {
    let host = app.config.issuer.split_once("://").map_or(app.config.issuer.as_str(), |(_, host)| host);
    format!("{host}/ledger")
}

/// Which entries.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct From {
    /// From this number on; 0 when absent.
    from: Option<u64>,
    /// 1 to 500; 50 when absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
}

/// Entries of the log.
#[derive(Serialize, ToSchema)]
pub(crate) struct Entries {
    entries: Vec<EntryView>,
    /// How many entries the log has.
    size: u64,
    /// The next `from`; null at the end.
    next: Option<u64>,
}

/// An entry of the log.
#[derive(Serialize, ToSchema)]
pub(crate) struct EntryView {
    seq: u64,
    /// The RFC 6962 leaf hash, hexadecimal.
    leaf: String,
    /// The line that the leaf is the hash of, for those whom it concerns.
    line: Option<String>,
    /// The transfer, when it is one.
    transfer: Option<TransferView>,
    /// The event, when it is one.
    event: Option<EventView>,
}

/// Entries in their order: of each the leaf, and all of it for those whom it concerns
#[utoipa::path(
    get, path = "/v1/log/entries", tag = "log", params(From),
    security(("imagxp_signature" = []), ("access_token" = []), ("operator_token" = ["viewer"]), ("operator_session" = ["viewer"])),
    responses((status = 200, body = Entries), (status = 304, description = "not modified"))
)]
pub(crate) async fn entries(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Ask(ask): Ask<From>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let from = ask.from.unwrap_or(0);
    let limit = page::limit(ask.limit)?;
    let scope = caller.scope(None)?;
    let (entries, mine, head, before) = app
        .bank
        .read(move |reading| {
            reading.consistent(|reading| {
                let entries = reading.entries(from, limit)?;
                let previous = match from.checked_sub(1) {
                    Some(previous) => reading.leaves(previous, 1)?.first().map(|leaf| leaf.hash),
                    None => Some([0; 32]),
                };
                let mine = match &scope {
                    None => None,
                    Some(owner) => {
                        // Of the entries' accounts those that are the owner's, who may have more than a page of them.
                        let named = entries.iter().flat_map(|(entry, _)| accounts(entry)).collect();
                        let named = reading.accounts_named(&named)?;
                        let mine = named.iter().filter(|account| account.owner.as_ref() == Some(owner));
                        let accounts: BTreeSet<AccountId> = mine.map(|account| account.id).collect();
                        let mut visas: BTreeSet<Id> = BTreeSet::new();
                        for jti in entries.iter().filter_map(|(entry, _)| jti(entry)) {
                            let visa = reading.visa(jti)?;
                            if visa.is_some_and(|visa| visa.agent == *owner || visa.publisher == *owner) {
                                visas.insert(jti);
                            }
                        }
                        Some((accounts, visas))
                    }
                };
                Ok((entries, mine, reading.head()?, previous.unwrap_or([0; 32])))
            })
        })
        .await?;
    let concerns = |entry: &Entry| match (&mine, entry) {
        (None, _) => true,
        (Some((accounts, _)), Entry::Transfer(transfer)) => {
            accounts.contains(&transfer.debit) || accounts.contains(&transfer.credit)
        }
        (Some((accounts, visas)), Entry::Event(event)) => {
            event.jti.is_some_and(|jti| visas.contains(&jti))
                || event.account.is_some_and(|account| accounts.contains(&account))
        }
    };
    let end = from.saturating_add(u64::try_from(entries.len()).unwrap_or(u64::MAX));
    let mut previous = before;
    let mut views = Vec::with_capacity(entries.len());
    for (entry, leaf) in &entries {
        let shown = concerns(entry);
        let line = shown.then(|| String::from_utf8_lossy(&entry.line(&previous)).into_owned());
        previous = leaf.hash;
        let (transfer, event) = match entry {
            Entry::Transfer(transfer) if shown => (Some(TransferView::new(&app.bank.rules, transfer)), None),
            Entry::Event(event) if shown => (None, Some(EventView::new(event))),
            _ => (None, None),
        };
        views.push(EntryView { seq: entry.seq(), leaf: hex_encode(&leaf.hash), line, transfer, event });
    }
    let next = (end < head.size).then_some(end);
    Ok(json_read(&headers, &Entries { entries: views, size: head.size, next }))
}

fn accounts(entry: &Entry) -> impl Iterator<Item = AccountId> {
    let (one, other) = match entry {
        Entry::Transfer(transfer) => (Some(transfer.debit), Some(transfer.credit)),
        Entry::Event(event) => (event.account, None),
    };
    one.into_iter().chain(other)
}

fn jti(entry: &Entry) -> Option<Id> {
    match entry {
        Entry::Event(event) => event.jti,
        Entry::Transfer(_) => None,
    }
}

/// Which proof.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ProofOf {
    /// That this entry is in the tree: inclusion.
    index: Option<u64>,
    /// That the tree continues the one of this size: consistency.
    old_size: Option<u64>,
    /// The tree's size; the log's when absent.
    size: Option<u64>,
}

/// A proof.
#[derive(Serialize, ToSchema)]
pub(crate) struct Proof {
    /// The tree's size.
    size: u64,
    /// The tree's root, hexadecimal.
    root: String,
    /// The hashes, hexadecimal.
    proof: Vec<String>,
}

/// A proof of inclusion (`index`) or of consistency (`old_size`), RFC 6962 §2.1
#[utoipa::path(
    get, path = "/v1/log/proof", tag = "log", params(ProofOf), security(()),
    responses((status = 200, body = Proof), (status = 304, description = "not modified"), (status = 404, description = "the log is not as long", body = crate::problem::ErrorBody))
)]
pub(crate) async fn proof(
    State(app): State<Arc<App>>,
    Ask(ask): Ask<ProofOf>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let found = app
        .bank
        .read(move |reading| {
            reading.consistent(|reading| {
                let head = reading.head()?;
                let size = ask.size.unwrap_or(head.size);
                let plan = match (ask.index, ask.old_size) {
                    _ if size > head.size => None,
                    (Some(index), None) => Plan::inclusion(index, size),
                    (None, Some(old)) => Plan::consistency(old, size),
                    _ => return Ok(Err(())),
                };
                let Some(plan) = plan else { return Ok(Ok(None)) };
                Ok(Ok(Some(prove(reading, &plan, size)?)))
            })
        })
        .await?;
    let found =
        found.map_err(|()| Problem::bad("query.malformed", "either `index` or `old_size` is said"))?;
    let proof = found.ok_or_else(|| Problem::not_found("log.range", "the log is not as long, or was not"))?;
    let proof =
        proof.ok_or_else(|| Problem::internal("the log has not all the leaves that its head says"))?;
    let hashes = proof.hashes.iter().map(|hash| hex_encode(hash)).collect();
    Ok(json_read(&headers, &Proof { size: proof.size, root: hex_encode(&proof.root), proof: hashes }))
}

/// What checking the ledger came to.
#[derive(Serialize, ToSchema)]
pub(crate) struct Check {
    /// Whether everything holds.
    ok: bool,
    /// Entries of the log that were checked.
    size: u64,
    /// The root of the tree over them, hexadecimal.
    root: String,
    /// What does not hold, as far as it is kept.
    problems: Vec<FindingView>,
    /// When it was checked.
    checked_at: String,
}

/// Something that does not hold.
#[derive(Serialize, ToSchema)]
pub(crate) struct FindingView {
    /// Which invariant.
    kind: &'static str,
    /// What and where.
    message: String,
}

/// Check the ledger: every balance, every visa, every entry, the tree over them and its head
#[utoipa::path(
    get, path = "/v1/log/verify", tag = "log",
    security(("operator_token" = ["viewer"]), ("operator_session" = ["viewer"])),
    responses(
        (status = 200, description = "what it came to; one check runs at a time, and whoever asks meanwhile has its answer", body = Check),
        (status = 503, description = "the check takes longer than a request may, and goes on: asked again, its answer is there, for a minute", body = crate::problem::ErrorBody)
    )
)]
pub(crate) async fn verify(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let found = app.checks.ask(check(Arc::clone(&app))).await?;
    Ok(json(StatusCode::OK, &*found))
}

async fn check(app: Arc<App>) -> Result<Arc<Check>, Problem> {
    let (head, report) = app
        .bank
        .read(|reading| reading.consistent(|reading| Ok((reading.head()?, audit::run(reading)?))))
        .await?;
    let problems = report
        .findings
        .iter()
        .map(|finding| FindingView { kind: finding.kind.as_str(), message: finding.message.clone() });
    Ok(Arc::new(Check {
        ok: report.is_sound(),
        size: head.size,
        root: hex_encode(&head.log()?.tree().root()),
        problems: problems.collect(),
        checked_at: clock::now().to_string(),
    }))
}
