//! `POST /v1/visas/{jti}/feedback`: what the agent says of what it got (PROTOCOL §11).

use super::read::id;
use crate::app::App;
use crate::auth::Caller;
use crate::bank::{Once, idempotency};
use crate::body::{Path, bytes, json};
use crate::clock;
use crate::mutation::key;
use crate::problem::Problem;
use crate::view::VisaView;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use imagxp::crypto::{PublicKey, Thumbprint};
use imagxp::digest::sha256;
use imagxp::encoding::base64url_encode;
use imagxp::feedback::{Feedback, SignedFeedback};
use imagxp::resource::Resource;
use imagxp::{AgentId, Timestamp};
use imagxp_broker::{Actor, GiveFeedback, Owner, Reader as _, Reference, RefusalCode, Visa};
use std::sync::Arc;

/// Seconds: the clock rules of requests (PROTOCOL §5).
const PAST_S: i64 = 300;
const FUTURE_S: i64 = 60;

/// Give feedback: 0.5 and better releases the money, less withholds it for 72 hours. The body is the signed object of PROTOCOL §11
#[utoipa::path(
    post, path = "/v1/visas/{jti}/feedback", tag = "visas",
    security(("imagxp_signature" = []), ("access_token" = [])),
    params(
        ("jti" = String, Path, description = "the visa"),
        ("idempotency-key" = Option<String>, Header, description = "asked again, the same is answered")
    ),
    request_body(content = Object, description = "`{url, quality_score, reason, agent_id, jti, ts, nonce, signature, content_sha256?}`, signed by the key that made the request"),
    responses(
        (status = 200, description = "given: the visa", body = VisaView),
        (status = 404, description = "there is no such visa", body = crate::problem::ErrorBody)
    )
)]
pub(crate) async fn give(
    State(app): State<Arc<App>>,
    Path(jti): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let caller = request.extensions().get::<Caller>().cloned().unwrap_or(Caller::Anonymous);
    let (sender, _) = caller.tenant()?;
    let sender = Owner::parse(sender.as_str())?;
    let jti = id(&jti)?;
    let headers = request.headers().clone();
    let path = request.uri().path().to_owned();
    let body = bytes(request, &()).await?;
    let signed = SignedFeedback::parse(&body)
        .map_err(|error| Problem::bad("feedback.malformed", error.message().to_owned()))?;
    let feedback = signed.feedback();
    let visa = app.bank.read(move |reading| reading.visa(jti)).await?;
    // Either party may bring it; to everybody else the visa does not exist.
    let visa = visa.filter(|visa| visa.agent == sender || visa.publisher == sender);
    let visa = visa.ok_or_else(|| Problem::from(RefusalCode::VisaNotFound))?;
    // The same again, a lost answer asked for once more: given is given, however old it is by now.
    if visa.feedback.as_ref().is_some_and(|given| given.sha256 == sha256(&body)) {
        return Ok(json(StatusCode::OK, &VisaView::new(&app.bank.rules, &visa)));
    }
    let nonce = check(feedback, &visa, app.identities.allow_loopback(), clock::now())?;
    let key_id = visa.request_jkt.or(visa.jkt).ok_or_else(|| Problem::from(RefusalCode::FeedbackWrongKey))?;
    let public = public_key(&app, &headers, &visa, &key_id).await?;
    if !signed.verify_hot(app.identities.hot_keys(), &public) {
        return Err(RefusalCode::FeedbackWrongKey.into());
    }
    let command = GiveFeedback {
        jti,
        jkt: key_id,
        score: feedback.quality_score,
        reason: feedback.reason,
        sha256: sha256(&body),
        nonce: Some(nonce),
    };
    let actor = Actor::Party(visa.agent.clone());
    let key = key(&headers)?.map(|key| key_of(&visa.agent, &sender, key));
    let idempotency = idempotency(key.as_deref(), &format!("POST {path}"), &sha256(&body))?;
    let outcome = app.bank.command(command, actor, Once { idempotency, assertion: None }).await?;
    let visa = outcome.visa.ok_or_else(|| Problem::internal("feedback without a visa"))?;
    Ok(json(StatusCode::OK, &VisaView::new(&app.bank.rules, &visa)))
}

/// The key as the ledger keeps it, beside the agent's: a publisher's is another one, whatever its text.
fn key_of(agent: &Owner, sender: &Owner, key: String) -> String {
    if agent == sender {
        return key;
    }
    format!("brought-by:{}", base64url_encode(&sha256(format!("{sender} {key}").as_bytes())))
}

/// Whether the feedback speaks of this visa, and now. Returns its nonce.
fn check(feedback: &Feedback, visa: &Visa, loopback: bool, now: Timestamp) -> Result<Reference, Problem> {
    let malformed = |message: &'static str| Problem::bad("feedback.malformed", message);
    if feedback.jti.as_deref() != Some(visa.jti.to_string().as_str()) {
        return Err(malformed("the feedback does not name this visa (`jti`)"));
    }
    if feedback.agent_id.as_ref().map(AgentId::as_str) != Some(visa.agent.as_str()) {
        return Err(malformed("the feedback does not name the visa's holder (`agent_id`)"));
    }
    let origin = Resource::parse(&feedback.url).and_then(|resource| resource.origin);
    let host = origin.and_then(|origin| AgentId::of_origin(&origin, loopback));
    if host.as_ref().map(AgentId::as_str) != Some(visa.publisher.as_str()) {
        return Err(malformed("the feedback speaks of another publisher's page (`url`)"));
    }
    let (time, nonce) = feedback
        .signed_at
        .as_ref()
        .ok_or_else(|| malformed("the feedback says neither when nor which (`ts`, `nonce`)"))?;
    if now > time.saturating_add_secs(PAST_S) {
        return Err(Problem::unauthorized("time.expired", "the feedback was signed too long ago"));
    }
    if *time > now.saturating_add_secs(FUTURE_S) {
        return Err(Problem::unauthorized("time.future", "the feedback was signed in the future"));
    }
    Ok(Reference::parse(nonce)?)
}

/// The key with this thumbprint: beside the feedback, or in the agent's manifest. That it is the right one, the thumbprint proves.
async fn public_key(
    app: &App,
    headers: &HeaderMap,
    visa: &Visa,
    key_id: &Thumbprint,
) -> Result<PublicKey, Problem> {
    let hint = headers
        .get(imagxp::headers::PUBLIC_KEY)
        .and_then(|value| PublicKey::from_spki_base64(value.as_bytes()).ok());
    if let Some(key) = hint.filter(|key| key.thumbprint() == key_id) {
        return Ok(key);
    }
    let agent = AgentId::parse(visa.agent.as_str(), app.identities.allow_loopback())
        .ok_or_else(|| Problem::internal("a visa whose holder is no domain"))?;
    let manifest = app.identities.manifest(&app.bank, &agent, Some(key_id.as_str()), clock::now()).await?;
    let key = manifest.keys().iter().map(|one| &one.key).find(|key| key.thumbprint() == key_id);
    key.cloned().ok_or_else(|| RefusalCode::FeedbackWrongKey.into())
}
