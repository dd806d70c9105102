//! `POST /v1/visas`: buying a visa with a signed request or an access token.

use super::purchase::{Asked, Bought, Purchase};
use crate::app::App;
use crate::body::json;
use crate::mutation::Mutation;
use crate::problem::{ErrorBody, Problem};
use crate::view::VisaView;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// What is to be bought.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewVisa {
    /// The publisher's origin.
    #[schema(example = "https://pub.example")]
    resource: String,
    /// For how much, a decimal string.
    #[schema(example = "0.05")]
    amount: String,
    /// In which asset; the first of the broker's `imagxp_assets` when absent.
    #[schema(example = "USD")]
    currency: Option<String>,
    /// The purposes to limit it to; any when empty.
    #[serde(default)]
    purposes: Vec<String>,
    /// How long it lives, in seconds, 3600 at most; 900 when absent.
    lifetime_s: Option<u32>,
}

/// A visa that was bought.
#[derive(Serialize, ToSchema)]
pub(crate) struct IssuedVisa {
    /// The visa as a token, for `x-imagxp-payment`.
    access_token: String,
    /// `imagxp-visa`: the token is bound to its agent and is no bearer token.
    token_type: &'static str,
    /// Seconds until it ends.
    expires_in: i64,
    /// The visa as the ledger knows it.
    visa: VisaView,
}

/// What the token of a visa is called in OAuth's answer.
pub(crate) const TOKEN_TYPE: &str = "imagxp-visa";

impl IssuedVisa {
    pub(crate) fn new(app: &App, bought: Bought) -> Self {
        Self {
            expires_in: bought.expires_in(),
            visa: VisaView::new(&app.bank.rules, &bought.visa),
            access_token: bought.token,
            token_type: TOKEN_TYPE,
        }
    }
}

/// Buy a visa: the amount is reserved until the visa is settled
#[utoipa::path(
    post, path = "/v1/visas", tag = "visas", request_body = NewVisa,
    security(("imagxp_signature" = []), ("access_token" = [])),
    params(("idempotency-key" = String, Header, description = "names the purchase: asked again, the same visa is answered")),
    responses(
        (status = 201, description = "bought", body = IssuedVisa),
        (status = 200, description = "bought before under this key", body = IssuedVisa),
        (status = 402, description = "the account does not hold enough", body = ErrorBody)
    )
)]
pub(crate) async fn buy(
    State(app): State<Arc<App>>,
    mutation: Mutation<NewVisa>,
) -> Result<Response, Problem> {
    mutation.must_have_key()?;
    issue(&app, &mutation).await
}

async fn issue(app: &App, mutation: &Mutation<NewVisa>) -> Result<Response, Problem> {
    let (agent, key) = mutation.caller.tenant()?;
    let new = &mutation.value;
    let purposes: Vec<&str> = new.purposes.iter().map(String::as_str).collect();
    let purchase = Purchase::read(
        app,
        &Asked {
            resource: &new.resource,
            amount: &new.amount,
            currency: new.currency.as_deref(),
            purposes: &purposes,
            lifetime_s: new.lifetime_s,
        },
    )?;
    let bought = purchase.buy(app, agent, key, mutation.once.clone()).await?;
    let status = if bought.repeated { StatusCode::OK } else { StatusCode::CREATED };
    Ok(json(status, &IssuedVisa::new(app, bought)))
}

/// The same under the name that agents of the reference broker know
#[utoipa::path(
    post, path = "/issue-visa", tag = "visas", request_body = NewVisa,
    security(("imagxp_signature" = []), ("access_token" = [])),
    responses(
        (status = 201, description = "bought", body = IssuedVisa),
        (status = 200, description = "bought before under this key", body = IssuedVisa),
        (status = 402, description = "the account does not hold enough", body = ErrorBody)
    )
)]
pub(crate) async fn buy_alias(
    State(app): State<Arc<App>>,
    mutation: Mutation<NewVisa>,
) -> Result<Response, Problem> {
    // They know no key: an answer that is lost leaves a reservation, which ends with the visa.
    issue(&app, &mutation).await
}
