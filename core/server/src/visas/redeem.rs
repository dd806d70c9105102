//! `POST /v1/visas/redeem`: a publisher presents the visas that agents have sent it, up to a thousand at a time.

use crate::app::App;
use crate::bank::{Once, count};
use crate::body::json;
use crate::clock;
use crate::keys::KeyRing;
use crate::mutation::Mutation;
use crate::problem::Problem;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use imagxp::AgentId;
use imagxp::crypto::Jws;
use imagxp::json::object_to_canonical;
use imagxp::publisher::Redemption;
use imagxp::resource::Origin;
use imagxp::visa::Presented as Presentation;
use imagxp_broker::{
    Actor, Evidence, Idempotency, Outcome, Owner, PresentedRequest, Redeem, Reference, Refusal, Request,
    VisaToken,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// Visas in one request.
const MOST: usize = 1000;

/// Visas to present.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Presented {
    /// 1 to 1000 of them.
    visas: Vec<PresentedVisa>,
}

/// One visa, with the request that brought it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PresentedVisa {
    /// The visa as it came in `x-imagxp-payment`.
    visa: String,
    /// The request's own headers; a visa that is bound to a key needs them.
    request: Option<SignedRequest>,
}

/// The headers of the agent's request.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignedRequest {
    /// `x-imagxp-payload`.
    payload: String,
    /// `x-imagxp-signature`.
    signature: String,
    /// `x-imagxp-public-key`, or the key from the agent's manifest in the same form: base64 of its SPKI.
    public_key: String,
}

/// What became of each visa, in their order.
#[derive(Serialize, ToSchema)]
pub(crate) struct Redeemed {
    /// What became of each.
    results: Vec<RedeemedVisa>,
    /// How many of them the money stands behind.
    accepted: usize,
}

/// What became of one visa.
#[derive(Serialize, ToSchema)]
pub(crate) struct RedeemedVisa {
    /// The visa's name, as far as it could be read.
    jti: Option<String>,
    /// Whether the money stands behind it.
    accepted: bool,
    /// For how much.
    amount: Option<String>,
    /// In which asset.
    asset: Option<String>,
    /// Whether it was accepted before, under the same idempotency key.
    repeated: bool,
    /// Why not.
    error: Option<RedeemError>,
}

/// Why a visa was not accepted.
#[derive(Serialize, ToSchema)]
pub(crate) struct RedeemError {
    /// A stable dotted code.
    code: String,
    /// One sentence.
    message: String,
}

/// Present visas; each has its own result, and the answer is 200 whatever became of them
#[utoipa::path(
    post, path = "/v1/visas/redeem", tag = "visas", request_body = Presented,
    security(("imagxp_signature" = []), ("access_token" = [])),
    params(("idempotency-key" = String, Header, description = "asked again, each visa has the result that it had")),
    responses((status = 200, description = "what became of each", body = Redeemed))
)]
pub(crate) async fn redeem(
    State(app): State<Arc<App>>,
    mutation: Mutation<Presented>,
) -> Result<Response, Problem> {
    let (publisher, _) = mutation.caller.tenant()?;
    mutation.must_have_key()?;
    let visas = mutation.value.visas;
    if !(1..=MOST).contains(&visas.len()) {
        return Err(Problem::bad("visa.batch", format!("a request presents 1 to {MOST} visas")));
    }
    // Before the first visa moves: a key that is too long for the last one is too long for all.
    numbered(&mutation.once, visas.len())?;
    app.spend(publisher, visas.len())?;
    let publisher = Owner::parse(publisher.as_str())?;
    let (keys, host, shared) = (app.live(), publisher.clone(), Arc::clone(&app));
    // Two signatures each: too much work for a thread that others wait for.
    let checked = tokio::task::spawn_blocking(move || {
        let check = |visa: &PresentedVisa| check(&shared, &keys.keys, &host, visa);
        visas.iter().map(check).collect::<Vec<_>>()
    });
    let checked = checked.await.map_err(Problem::internal)?;
    // All into the queue first, so that they share a few commits; then all the answers. A request stands for one visa: that is noted
    // before the visa moves, so that it stands for no other whatever happens in between.
    let now_ms = clock::now().as_millis();
    let actor = Actor::Party(publisher);
    let mut noted = Vec::with_capacity(checked.len());
    for checked in &checked {
        noted.push(match &checked.found {
            Ok((command, Some(evidence))) => {
                Some(app.bank.ledger.submit(evidence.note(command.jti, now_ms)?))
            }
            _ => None,
        });
    }
    let mut waiting = Vec::with_capacity(checked.len());
    for (at, (checked, noted)) in checked.into_iter().zip(noted).enumerate() {
        let noted = match noted {
            Some(Ok(ticket)) => ticket.await.map(drop),
            Some(Err(refusal)) => Err(refusal),
            None => Ok(()),
        };
        let submitted = match (checked.found, noted) {
            (Ok((command, _)), Ok(())) => {
                let mut request = Request::new(command, actor.clone(), now_ms);
                request.idempotency = numbered(&mutation.once, at)?;
                app.bank.ledger.submit(request).map_err(Problem::from)
            }
            (Ok(_), Err(refusal)) => Err(Evidence::refused(refusal).into()),
            (Err(problem), _) => Err(problem),
        };
        waiting.push((checked.jti, submitted));
    }
    let mut results = Vec::with_capacity(waiting.len());
    for (jti, submitted) in waiting {
        let answered = match submitted {
            Ok(ticket) => {
                let answered: Result<Outcome, Refusal> = ticket.await;
                count(&answered);
                answered.map_err(Problem::from)
            }
            Err(problem) => Err(problem),
        };
        results.push(RedeemedVisa::new(&app, jti, answered));
    }
    let accepted = results.iter().filter(|result| result.accepted).count();
    Ok(json(StatusCode::OK, &Redeemed { results, accepted }))
}

/// The key of one visa of a batch: `KEY#0`, `KEY#1` …
fn numbered(once: &Once, at: usize) -> Result<Option<Idempotency>, Problem> {
    let Some(idempotency) = &once.idempotency else { return Ok(None) };
    let key = Reference::parse(&format!("{}#{at}", idempotency.key)).map_err(|_| {
        Problem::bad("idempotency.malformed", "an Idempotency-Key of a batch has 250 characters at most")
    })?;
    Ok(Some(Idempotency { key, request_sha256: idempotency.request_sha256 }))
}

impl RedeemedVisa {
    fn new(app: &App, jti: Option<String>, answered: Result<Outcome, Problem>) -> Self {
        let empty = Self { jti, accepted: false, amount: None, asset: None, repeated: false, error: None };
        match answered {
            Ok(Outcome { visa: Some(visa), repeated, .. }) => Self {
                accepted: true,
                amount: Some(crate::view::money(&app.bank.rules, visa.asset, visa.amount)),
                asset: Some(visa.asset.as_str().to_owned()),
                repeated,
                ..empty
            },
            Ok(_) => Self { accepted: true, ..empty },
            Err(problem) => {
                let error =
                    RedeemError { code: problem.code.into_owned(), message: problem.message.into_owned() };
                Self { error: Some(error), ..empty }
            }
        }
    }
}

/// Redeems the visa of a request that a proxy asks about, in the name of the publisher that the visa names: the proxy is the publisher's own.
pub(crate) async fn for_proxy(app: &App, presented: &Presentation) -> Redemption {
    // Read as if it had been sent here.
    let sent = presented.to_json().ok().map(|object| object_to_canonical(&object));
    let Some(presented) = sent.and_then(|sent| serde_json::from_slice::<PresentedVisa>(&sent).ok()) else {
        return Redemption::Refused;
    };
    let loopback = app.identities.allow_loopback();
    let Some(publisher) = audience(&presented.visa, loopback) else { return Redemption::Refused };
    let checked = check(app, &app.live().keys, &publisher, &presented);
    let Ok((command, evidence)) = checked.found else { return Redemption::Refused };
    let actor = Actor::Party(publisher);
    let redeem = async {
        if let Some(evidence) = evidence {
            let note = evidence.note(command.jti, clock::now().as_millis())?;
            app.bank.ledger.submit(note)?.await.map_err(Evidence::refused)?;
        }
        app.bank.command(command, actor.clone(), Once::default()).await
    };
    match redeem.await {
        Ok(_) => Redemption::Accepted,
        Err(problem) if problem.status.is_server_error() => Redemption::Unavailable,
        Err(_) => Redemption::Refused,
    }
}

/// The publisher that a visa names. The pipeline has compared it with the policy's origins.
fn audience(visa: &str, loopback: bool) -> Option<Owner> {
    let jws = VisaToken::parse(visa).ok()?;
    let claims = jws.claims().ok()?;
    let origin = Origin::parse(claims.get("aud")?.as_str()?, loopback).ok()?;
    Owner::parse(AgentId::of_origin(&origin, loopback)?.as_str()).ok()
}

struct Checked {
    jti: Option<String>,
    found: Result<(Redeem, Option<Evidence>), Problem>,
}

/// Whether this is a visa of ours for this publisher, brought by a request of the agent that it is bound to. What it is worth, the ledger says.
fn check(app: &App, keys: &KeyRing, publisher: &Owner, presented: &PresentedVisa) -> Checked {
    let mut jti = None;
    let found = read(app, keys, publisher, presented, &mut jti);
    Checked { jti, found }
}

fn read(
    app: &App,
    keys: &KeyRing,
    publisher: &Owner,
    presented: &PresentedVisa,
    jti: &mut Option<String>,
) -> Result<(Redeem, Option<Evidence>), Problem> {
    let jws = VisaToken::parse(&presented.visa)?;
    if jws.kid().is_some_and(|kid| keys.has_dropped(kid)) {
        tracing::warn!(%publisher, "a visa of a key that was dropped was presented");
        return Err(Problem::bad(
            "visa.key_dropped",
            "the key that signed the visa was dropped: nothing that it signed counts",
        ));
    }
    let hot = app.identities.hot_keys();
    let has_signed = |jws: &Jws<'_>| keys.has_signed(jws, hot, clock::now());
    let token = VisaToken::read(&jws, &app.config.issuer, has_signed)?;
    *jti = Some(token.jti.to_string());
    let request = presented.request.as_ref().map(|request| PresentedRequest {
        payload: &request.payload,
        signature: &request.signature,
        public_key: &request.public_key,
    });
    Ok(token.presented(request.as_ref(), publisher, app.identities.allow_loopback(), hot)?)
}
