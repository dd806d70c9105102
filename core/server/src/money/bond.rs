//! `/v1/bonds/…`: an owner's money that is locked under a name, given back, or lost.

use super::booking::{made, owner, whose};
use crate::app::App;
use crate::mutation::Mutation;
use crate::problem::{ErrorBody, Problem};
use crate::view::TransferView;
use axum::extract::State;
use axum::response::Response;
use imagxp_broker::{Bond, Lock, Memo, Owner, Reference, Slash, Unlock};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// A bond, or a part of one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BondPart {
    /// Whose; owners need not name themselves, and only operators name another.
    owner: Option<String>,
    /// What the bond is called: the same name again adds to it.
    #[schema(example = "dispute-bond-1")]
    bond: String,
    /// How much, a decimal string.
    amount: String,
    /// In which asset; the first of the broker's `imagxp_assets` when absent.
    asset: Option<String>,
    /// Why.
    memo: Option<String>,
}

impl BondPart {
    /// The part, of a bond of this owner.
    fn of(&self, app: &App, owner: Owner) -> Result<Bond, Problem> {
        let asset = app.bank.asset(self.asset.as_deref())?;
        Ok(Bond {
            id: None,
            asset,
            owner,
            bond: Reference::parse(&self.bond)?,
            amount: app.bank.rules.assets.amount(asset, &self.amount)?,
            memo: self.memo.as_deref().map(Memo::parse).transpose()?,
        })
    }

    /// The part, of a bond of the owner of whom an operator speaks.
    fn of_somebody(&self, app: &App) -> Result<Bond, Problem> {
        let name = self.owner.as_deref();
        let name =
            name.ok_or_else(|| Problem::bad("json.malformed", "whose bond it is (`owner`) is missing"))?;
        self.of(app, owner(app, name)?)
    }
}

/// Lock money under the name of a bond: it is the owner's still, and cannot be spent
#[utoipa::path(
    post, path = "/v1/bonds/lock", tag = "money", request_body = BondPart,
    security(("imagxp_signature" = []), ("access_token" = []), ("operator_token" = ["admin"]), ("operator_session" = ["admin"])),
    params(("idempotency-key" = String, Header, description = "asked again, the same is answered")),
    responses((status = 201, description = "locked", body = TransferView), (status = 200, description = "locked before", body = TransferView), (status = 402, description = "the account does not hold enough", body = ErrorBody), (status = 404, body = ErrorBody))
)]
pub(crate) async fn lock(
    State(app): State<Arc<App>>,
    mutation: Mutation<BondPart>,
) -> Result<Response, Problem> {
    mutation.must_have_key()?;
    let owner = whose(&app, &mutation.caller, mutation.value.owner.as_deref())?;
    let command = Lock(mutation.value.of(&app, owner)?);
    made(&app, command, mutation.actor, mutation.once).await
}

/// Give a bond or a part of it back to its owner, who can spend it again
#[utoipa::path(
    post, path = "/v1/bonds/unlock", tag = "money", request_body = BondPart,
    security(("operator_token" = ["admin"]), ("operator_session" = ["admin"])),
    params(("idempotency-key" = String, Header, description = "asked again, the same is answered")),
    responses((status = 201, description = "given back", body = TransferView), (status = 200, description = "given back before", body = TransferView), (status = 402, description = "the bond does not hold enough", body = ErrorBody))
)]
pub(crate) async fn unlock(
    State(app): State<Arc<App>>,
    mutation: Mutation<BondPart>,
) -> Result<Response, Problem> {
    mutation.must_have_key()?;
    let command = Unlock(mutation.value.of_somebody(&app)?);
    made(&app, command, mutation.actor, mutation.once).await
}

/// Take a bond or a part of it for the treasury, also from a frozen owner; what is in the treasury leaves it by a correction of two admins only
#[utoipa::path(
    post, path = "/v1/bonds/slash", tag = "money", request_body = BondPart,
    security(("operator_token" = ["admin"]), ("operator_session" = ["admin"])),
    params(("idempotency-key" = String, Header, description = "asked again, the same is answered")),
    responses((status = 201, description = "taken", body = TransferView), (status = 200, description = "taken before", body = TransferView), (status = 402, description = "the bond does not hold enough", body = ErrorBody))
)]
pub(crate) async fn slash(
    State(app): State<Arc<App>>,
    mutation: Mutation<BondPart>,
) -> Result<Response, Problem> {
    mutation.must_have_key()?;
    let bond = mutation.value.of_somebody(&app)?;
    if bond.memo.is_none() {
        return Err(Problem::bad("json.malformed", "why the bond is lost (`memo`) is missing"));
    }
    let command = Slash(bond);
    made(&app, command, mutation.actor, mutation.once).await
}
