//! The way to the ledger: commands go to its thread, reads to a connection of their own, none of them on an async thread.

use crate::auth::Caller;
use crate::clock;
use crate::problem::Problem;
use axum::http::StatusCode;
use imagxp::AgentId;
use imagxp_broker::{
    Actor, Asset, Command, Idempotency, Outcome, Owner, Reader as _, Reference, Refusal, RefusalCode,
    Request, Rules, UseAssertion,
};
use imagxp_storage::{Ledger, Reading};
use std::time::Instant;
use tokio::sync::Semaphore;

/// The ledger and the rules by which its amounts are read and written.
#[derive(Debug)]
pub(crate) struct Bank {
    pub(crate) ledger: Ledger,
    pub(crate) rules: Rules,
    /// Requests that read at one time: some connections stay free for the service's own readings.
    readers: Semaphore,
}

/// Connections that requests leave free.
const FREE: usize = 2;

/// What makes a request the same one again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Once {
    pub(crate) idempotency: Option<Idempotency>,
    pub(crate) assertion: Option<UseAssertion>,
}

impl Bank {
    pub(crate) fn new(ledger: Ledger, rules: Rules, readers: usize) -> Self {
        Self { ledger, rules, readers: Semaphore::new(readers.saturating_sub(FREE).max(1)) }
    }

    /// Gives a command to the ledger and waits until what came of it is durable.
    pub(crate) async fn command(
        &self,
        command: impl Into<Command>,
        actor: Actor,
        once: Once,
    ) -> Result<Outcome, Problem> {
        let begun = Instant::now();
        let mut request = Request::new(command, actor, clock::now().as_millis());
        request.idempotency = once.idempotency;
        request.assertion = once.assertion;
        let answered = match self.ledger.submit(request) {
            Ok(ticket) => ticket.await,
            Err(refusal) => Err(refusal),
        };
        metrics::histogram!("imagxp_ledger_command_seconds").record(begun.elapsed().as_secs_f64());
        count(&answered);
        answered.map_err(Problem::from)
    }

    /// Reads for a request, on a thread that may block.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut Reading) -> imagxp_storage::Result<T> + Send + 'static,
    ) -> Result<T, Problem> {
        let _place = self.readers.acquire().await;
        self.read_first(read).await
    }

    /// Whether a domain has an account. In doubt it has none.
    pub(crate) async fn knows(&self, agent: &AgentId) -> bool {
        let Ok(owner) = Owner::parse(agent.as_str()) else { return false };
        self.read_first(move |reading| reading.accounts(Some(&owner), None, 1))
            .await
            .is_ok_and(|found| !found.is_empty())
    }

    /// Reads for the service itself, past those who wait.
    pub(crate) async fn read_first<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut Reading) -> imagxp_storage::Result<T> + Send + 'static,
    ) -> Result<T, Problem> {
        let ledger = self.ledger.clone();
        let done = tokio::task::spawn_blocking(move || read(&mut ledger.read()?)).await;
        done.map_err(Problem::internal)?.map_err(Problem::from)
    }

    /// An asset by its name; the first configured one when nothing is named.
    pub(crate) fn asset(&self, name: Option<&str>) -> Result<Asset, Problem> {
        match name {
            Some(name) => {
                let asset = Asset::parse(name)?;
                self.rules.assets.scale(asset)?;
                Ok(asset)
            }
            None => Ok(self.rules.assets.first()?),
        }
    }
}

/// Counts what came of a command.
pub(crate) fn count(answered: &Result<Outcome, Refusal>) {
    let code = answered.as_ref().err().map_or("ok", |refusal| refusal.code().as_str());
    metrics::counter!("imagxp_ledger_commands_total", "code" => code).increment(1);
}

impl Caller {
    /// As whom the ledger knows the caller.
    pub(crate) fn actor(&self) -> Result<Actor, Problem> {
        match self {
            Self::Tenant { id, .. } => Ok(Actor::Party(Owner::parse(id.as_str())?)),
            Self::Operator { name, .. } => Ok(Actor::Operator(Owner::parse(name)?)),
            Self::Anonymous => {
                Err(Problem::unauthorized("auth.required", "sign the request, or send a token"))
            }
        }
    }

    /// The owner whose rows the caller sees: its own; all of them, or one by name, for operators.
    pub(crate) fn scope(&self, named: Option<&str>) -> Result<Option<Owner>, Problem> {
        match (self, named) {
            (Self::Operator { .. }, None) => Ok(None),
            (Self::Operator { .. }, Some(name)) => Ok(Some(Owner::parse(name)?)),
            (Self::Tenant { id, .. }, None) => Ok(Some(Owner::parse(id.as_str())?)),
            (Self::Tenant { id, .. }, Some(name)) if name == id.as_str() => Ok(Some(Owner::parse(name)?)),
            // Whether the other one exists is nobody's business.
            _ => Err(Problem::not_found("account.not_found", "there is no such account")),
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let code = refusal.code();
        let status = StatusCode::from_u16(code.http()).unwrap_or(StatusCode::BAD_REQUEST);
        Self::new(status, code.as_str(), refusal.message().to_owned())
    }
}

impl From<RefusalCode> for Problem {
    fn from(code: RefusalCode) -> Self {
        Refusal::from(code).into()
    }
}

impl From<imagxp_storage::Error> for Problem {
    fn from(error: imagxp_storage::Error) -> Self {
        tracing::error!(code = error.code(), %error, "the store failed");
        Self::busy("store.busy", "the store does not answer now", 2)
    }
}

/// The `Idempotency-Key` of a request, bound to what was asked.
pub(crate) fn idempotency(
    key: Option<&str>,
    method_and_path: &str,
    asked: &[u8; 32],
) -> Result<Option<Idempotency>, Problem> {
    let Some(key) = key else { return Ok(None) };
    let key = Reference::parse(key).map_err(|_| {
        Problem::bad("idempotency.malformed", "an Idempotency-Key has 1 to 255 visible ASCII characters")
    })?;
    let mut bytes = method_and_path.as_bytes().to_vec();
    bytes.push(b'\n');
    bytes.extend_from_slice(asked);
    Ok(Some(Idempotency { key, request_sha256: imagxp::digest::sha256(&bytes) }))
}
