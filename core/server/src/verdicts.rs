//! The latest verdicts, for the dashboard. The record that counts is the audit log.

use crate::app::App;
use crate::body::{Ask, json};
use crate::problem::Problem;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use imagxp::{Code, Timestamp, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use utoipa::{IntoParams, ToSchema};

const KEPT: usize = 2000;
/// A day in minutes.
const MINUTES: usize = 24 * 60;

/// A verdict as the dashboard shows it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Seen {
    /// When, RFC 3339.
    time: String,
    /// `allow`, `deny` or `undecided`.
    outcome: &'static str,
    /// Why not; `ok` when nothing is wrong.
    code: &'static str,
    /// The status.
    http: u16,
    /// Who, when verified.
    agent_id: Option<String>,
    /// Why, when verified.
    purpose: Option<&'static str>,
    /// `verified_agent`, `unsigned_browser`, `unsigned_client` or `invalid_agent`.
    visitor: &'static str,
    /// `not_required`, `visa`, `ads` or `unpaid`.
    payment: &'static str,
    /// The visa's name.
    jti: Option<String>,
    /// In observe mode: whether enforcing would have refused.
    would_deny: bool,
    /// The request's method.
    method: String,
    /// The request's path, without the query.
    path: String,
    /// Names the verdict in logs.
    trace_id: String,
}

impl Seen {
    pub(crate) fn new(verdict: &Verdict, method: &str, target: &str, now: Timestamp) -> Self {
        let path = target.split(['?', '#']).next().unwrap_or_default();
        Self {
            time: now.to_string(),
            outcome: verdict.outcome.as_str(),
            code: verdict.code.map_or("ok", Code::as_str),
            http: verdict.http,
            agent_id: verdict.agent_id.as_ref().map(ToString::to_string),
            purpose: verdict.purpose.map(imagxp::Purpose::as_str),
            visitor: verdict.visitor.as_str(),
            payment: verdict.payment.state.as_str(),
            jti: verdict.payment.jti.clone(),
            would_deny: verdict.would_deny,
            method: method.chars().take(16).collect(),
            path: path.chars().take(256).collect(),
            trace_id: verdict.trace_id.clone(),
        }
    }
}

/// One minute of verdicts.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub(crate) struct Minute {
    /// Seconds since 1970, a whole minute.
    time: i64,
    /// How many may pass.
    allow: u32,
    /// How many may not.
    deny: u32,
    /// How many nobody could judge.
    undecided: u32,
    /// How many by code.
    codes: BTreeMap<&'static str, u32>,
}

#[derive(Default)]
struct Kept {
    latest: VecDeque<Seen>,
    minutes: VecDeque<Minute>,
}

/// The latest verdicts and a day of counts. Of this process only.
#[derive(Default)]
pub(crate) struct Verdicts(Mutex<Kept>);

impl Verdicts {
    pub(crate) fn note(&self, app: &App, seen: Seen) {
        metrics::counter!("imagxp_verdicts_total", "outcome" => seen.outcome, "code" => seen.code)
            .increment(1);
        app.events.tell("verdict", &seen);
        let minute = crate::clock::now().as_secs().div_euclid(60).saturating_mul(60);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.minutes.back().is_none_or(|last| last.time < minute) {
            if kept.minutes.len() == MINUTES {
                kept.minutes.pop_front();
            }
            kept.minutes.push_back(Minute { time: minute, ..Minute::default() });
        }
        if let Some(last) = kept.minutes.back_mut() {
            let count = match seen.outcome {
                "allow" => &mut last.allow,
                "deny" => &mut last.deny,
                _ => &mut last.undecided,
            };
            *count = count.saturating_add(1);
            let count = last.codes.entry(seen.code).or_default();
            *count = count.saturating_add(1);
        }
        if kept.latest.len() == KEPT {
            kept.latest.pop_front();
        }
        kept.latest.push_back(seen);
    }
}

/// Which verdicts are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// The agent's domain.
    agent: Option<String>,
    /// The code.
    code: Option<String>,
    /// The purpose.
    purpose: Option<String>,
    /// The outcome.
    outcome: Option<String>,
    /// At most so many, 1 to 500; 100 when absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
}

/// The latest verdicts of this process, newest first, and its counts by the minute.
#[derive(Serialize, ToSchema)]
pub(crate) struct VerdictList {
    /// The verdicts.
    verdicts: Vec<Seen>,
    /// A day of counts at most; minutes without a verdict are left out.
    minutes: Vec<Minute>,
}

/// The latest verdicts of `/v1/verify`, newest first, and counts by the minute
#[utoipa::path(
    get, path = "/v1/verdicts", tag = "dashboard", params(Filter),
    security(("operator_token" = ["viewer"]), ("operator_session" = ["viewer"])),
    responses((status = 200, body = VerdictList))
)]
pub(crate) async fn list(State(app): State<Arc<App>>, Ask(filter): Ask<Filter>) -> Result<Response, Problem> {
    let fits = |wanted: &Option<String>, value: Option<&str>| {
        wanted.as_deref().is_none_or(|wanted| value == Some(wanted))
    };
    let limit = filter.limit.unwrap_or(100).clamp(1, 500);
    let list = {
        let kept = app.verdicts.0.lock().unwrap_or_else(PoisonError::into_inner);
        let verdicts = kept.latest.iter().rev().filter(|seen| {
            fits(&filter.agent, seen.agent_id.as_deref())
                && fits(&filter.code, Some(seen.code))
                && fits(&filter.purpose, seen.purpose)
                && fits(&filter.outcome, Some(seen.outcome))
        });
        VerdictList {
            verdicts: verdicts.take(limit).cloned().collect(),
            minutes: kept.minutes.iter().cloned().collect(),
        }
    };
    Ok(json(StatusCode::OK, &list))
}
