//! What the publisher says against feedback, and how an operator decides.

use super::read::id;
use crate::app::App;
use crate::body::{Path, json};
use crate::mutation::Mutation;
use crate::problem::{ErrorBody, Problem};
use crate::view::VisaView;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use imagxp_broker::{Contest, Decide, Decision, Memo, Owner, Reader as _, RefusalCode};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// What the publisher says.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Statement {
    /// 1 to 256 bytes.
    statement: String,
}

/// Contest that the money is withheld, within 72 hours: an operator decides
#[utoipa::path(
    post, path = "/v1/visas/{jti}/contest", tag = "visas", request_body = Statement,
    security(("imagxp_signature" = []), ("access_token" = [])),
    params(("jti" = String, Path, description = "the visa"), ("idempotency-key" = Option<String>, Header, description = "asked again, the same is answered")),
    responses((status = 200, description = "contested: the visa", body = VisaView), (status = 404, description = "there is no such visa", body = ErrorBody))
)]
pub(crate) async fn contest(
    State(app): State<Arc<App>>,
    Path(jti): Path<String>,
    mutation: Mutation<Statement>,
) -> Result<Response, Problem> {
    let (publisher, _) = mutation.caller.tenant()?;
    let publisher = Owner::parse(publisher.as_str())?;
    let jti = id(&jti)?;
    // To those whom it does not concern the visa does not exist, rather than not being theirs.
    let visa = app.bank.read(move |reading| reading.visa(jti)).await?;
    if !visa.is_some_and(|visa| visa.publisher == publisher || visa.agent == publisher) {
        return Err(RefusalCode::VisaNotFound.into());
    }
    let command = Contest { jti, statement: Memo::parse(&mutation.value.statement)? };
    let outcome = app.bank.command(command, mutation.actor, mutation.once).await?;
    let visa = outcome.visa.ok_or_else(|| Problem::internal("a contest without a visa"))?;
    Ok(json(StatusCode::OK, &VisaView::new(&app.bank.rules, &visa)))
}

/// How a dispute ends.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Verdict {
    /// `release`, `refund` or `split`.
    decision: Way,
    /// The publisher's part of a split, before the fee.
    amount: Option<String>,
    /// Why.
    memo: Option<String>,
}

/// To whom the money goes.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Way {
    /// To the publisher.
    Release,
    /// To the agent.
    Refund,
    /// A part to the publisher.
    Split,
}

/// Decide a dispute
#[utoipa::path(
    post, path = "/v1/visas/{jti}/decide", tag = "visas", request_body = Verdict,
    security(("operator_token" = ["admin"]), ("operator_session" = ["admin"])),
    params(("jti" = String, Path, description = "the visa"), ("idempotency-key" = Option<String>, Header, description = "asked again, the same is answered")),
    responses((status = 200, description = "decided: the visa", body = VisaView), (status = 404, description = "there is no such visa", body = ErrorBody))
)]
pub(crate) async fn decide(
    State(app): State<Arc<App>>,
    Path(jti): Path<String>,
    mutation: Mutation<Verdict>,
) -> Result<Response, Problem> {
    let jti = id(&jti)?;
    let verdict = &mutation.value;
    let decision = match (verdict.decision, verdict.amount.as_deref()) {
        (Way::Release, None) => Decision::Release,
        (Way::Refund, None) => Decision::Refund,
        (Way::Split, Some(amount)) => {
            let visa = app.bank.read(move |reading| reading.visa(jti)).await?;
            let visa = visa.ok_or_else(|| Problem::from(RefusalCode::VisaNotFound))?;
            Decision::Split { amount: app.bank.rules.assets.amount(visa.asset, amount)? }
        }
        _ => return Err(Problem::bad("json.malformed", "`amount` belongs to `split`, and only there")),
    };
    let memo = verdict.memo.as_deref().map(Memo::parse).transpose()?;
    let outcome = app.bank.command(Decide { jti, decision, memo }, mutation.actor, mutation.once).await?;
    let visa = outcome.visa.ok_or_else(|| Problem::internal("a decision without a visa"))?;
    Ok(json(StatusCode::OK, &VisaView::new(&app.bank.rules, &visa)))
}
