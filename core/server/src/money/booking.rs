//! Commands that move money, and the transfer that each of them answers with.

use crate::app::App;
use crate::auth::Caller;
use crate::bank::Once;
use crate::body::json;
use crate::mutation::{Mutation, Nothing};
use crate::operators::Role;
use crate::problem::Problem;
use crate::view::TransferView;
use axum::http::StatusCode;
use axum::response::Response;
use imagxp_broker::{Actor, Command, Id, Owner, RefusalCode};

/// Gives a command to the ledger and shows the transfer that it made: 201, or 200 when it was made before.
pub(super) async fn made(
    app: &App,
    command: impl Into<Command>,
    actor: Actor,
    once: Once,
) -> Result<Response, Problem> {
    let outcome = app.bank.command(command, actor, once).await?;
    let status = if outcome.repeated { StatusCode::OK } else { StatusCode::CREATED };
    Ok(json(status, &TransferView::first(&app.bank.rules, &outcome)?))
}

/// Gives a command on a transfer that waits, and shows the transfer that ended it.
pub(super) async fn finish(
    app: &App,
    command: impl Into<Command>,
    mutation: Mutation<Nothing>,
) -> Result<Response, Problem> {
    let outcome = app.bank.command(command, mutation.actor, mutation.once).await?;
    Ok(json(StatusCode::OK, &TransferView::first(&app.bank.rules, &outcome)?))
}

/// A transfer's name in a path. What cannot be one does not exist.
pub(super) fn transfer_id(text: &str) -> Result<Id, Problem> {
    Id::parse(text).map_err(|_| RefusalCode::TransferNotFound.into())
}

/// An owner of money is a domain: whoever can sign for it can have it.
pub(super) fn owner(app: &App, name: &str) -> Result<Owner, Problem> {
    let id = imagxp::AgentId::parse(name, app.identities.allow_loopback());
    let id = id.ok_or_else(|| {
        Problem::bad("text.malformed", format!("`{}` is not a public domain name", name.escape_debug()))
    })?;
    Ok(Owner::parse(id.as_str())?)
}

/// Whose money is meant: the caller's own, or, for an admin, the one's who is named.
pub(super) fn whose(app: &App, caller: &Caller, named: Option<&str>) -> Result<Owner, Problem> {
    match (caller, named) {
        (Caller::Operator { role: Role::Admin, .. }, Some(name)) => owner(app, name),
        (Caller::Operator { .. }, Some(_)) => {
            Err(Problem::forbidden("only an admin asks for somebody else's money"))
        }
        (Caller::Operator { .. }, None) => {
            Err(Problem::bad("json.malformed", "whose money it is (`owner`) is missing"))
        }
        (caller, named) => {
            let scope: Option<Owner> = caller.scope(named)?;
            scope.ok_or_else(|| Problem::internal("a tenant without a scope"))
        }
    }
}
