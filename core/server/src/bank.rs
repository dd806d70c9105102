//! The way to the ledger: commands go to its thread, reads to a connection of their own, none of them on an async thread.

use crate::auth::Caller;
use crate::clock;
use crate::problem::Problem;
use axum::http::StatusCode;
use imagxp::AgentId;
use imagxp_broker::{
    Account, AccountKey, Actor, Asset, Command, Idempotency, Outcome, Owner, Phase, Reader as _, Reference,
    Refusal, RefusalCode, Request, Rules, Transfer, TransferCode, UseAssertion, VisaFilter,
};
use imagxp_storage::{Ledger, Reading};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use tokio::sync::Semaphore;

/// The ledger and the rules by which its amounts are read and written.
#[derive(Debug)]
pub(crate) struct Bank {
    pub(crate) ledger: Ledger,
    pub(crate) rules: Rules,
    /// Requests that read at one time: some connections stay free for the service's own readings.
    readers: Arc<Semaphore>,
    /// Those among them that read what may be much: others get through beside them.
    long: Arc<Semaphore>,
}

/// Somebody who waits for a reading; says so when he waits no more.
struct Waiting(Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Connections that requests leave free.
const FREE: usize = 2;
/// Transfers in which a deposit is looked for, of a domain that has never been debited.
const NEWEST: usize = 64;
/// Visas in which one is looked for that a domain has redeemed: others may have bought many for it meanwhile.
const VISAS: usize = 1_000;

/// What makes a request the same one again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Once {
    pub(crate) idempotency: Option<Idempotency>,
    pub(crate) assertion: Option<UseAssertion>,
}

impl Bank {
    pub(crate) fn new(ledger: Ledger, rules: Rules, readers: usize) -> Self {
        let places = readers.saturating_sub(FREE).max(1);
        let semaphore = |places: usize| Arc::new(Semaphore::new(places));
        Self { ledger, rules, readers: semaphore(places), long: semaphore(places.div_ceil(2)) }
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

    /// Reads for a request, on a thread that may block. A request that is given up ends what it reads at the next statement; until then it
    /// keeps its place, because it keeps its connection.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut Reading) -> imagxp_storage::Result<T> + Send + 'static,
    ) -> Result<T, Problem> {
        let place = Arc::clone(&self.readers).acquire_owned().await;
        let given_up = Arc::new(AtomicBool::new(false));
        let _waiting = Waiting(Arc::clone(&given_up));
        let reading = self.read_first(move |reading| {
            let _place = place;
            reading.end_when(given_up);
            read(reading)
        });
        reading.await
    }

    /// The same of what may be much: such readings have half of the places at most.
    pub(crate) async fn read_long<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut Reading) -> imagxp_storage::Result<T> + Send + 'static,
    ) -> Result<T, Problem> {
        let place = Arc::clone(&self.long).acquire_owned().await;
        let reading = self.read(move |reading| {
            let _place = place;
            read(reading)
        });
        reading.await
    }

    /// Whether a domain has done business here: money of it was taken or is held, a deposit was booked, or it has redeemed a visa, which its
    /// signature does. A payment to it and a visa that somebody has bought for it say nothing: anybody opens accounts of any names with those.
    /// In doubt it is not known.
    pub(crate) async fn knows(&self, agent: &AgentId) -> bool {
        let Ok(owner) = Owner::parse(agent.as_str()) else { return false };
        let available = |(asset, _)| AccountKey::available(asset, owner.clone()).id();
        let accounts: BTreeSet<_> = self.rules.assets.iter().map(available).collect();
        let known = self.read_first(move |reading| {
            let accounts = reading.accounts_named(&accounts)?;
            // Nobody has an account, nearly always.
            if accounts.is_empty() || accounts.iter().any(has_acted) {
                return Ok(!accounts.is_empty());
            }
            if reading.statement(&owner, None, NEWEST)?.iter().any(vouches) {
                return Ok(true);
            }
            let filter = VisaFilter { party: Some(owner), state: None };
            Ok(reading.visas(&filter, None, VISAS)?.iter().any(|visa| visa.redeemed_at.is_some()))
        });
        known.await.unwrap_or(false)
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

/// Whether something was taken from an account: its owner asked for it, who has proved the domain, or has earned what a fee was taken from.
fn has_acted(account: &Account) -> bool {
    !(account.debits_posted.is_zero() && account.debits_pending.is_zero())
}

/// Whether a transfer says that the owner is somebody, when it may only have been credited: not what anybody can send to any name.
fn vouches(transfer: &Transfer) -> bool {
    match transfer.code {
        TransferCode::Pay => false,
        TransferCode::Visa => transfer.phase == Phase::Post,
        _ => true,
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

#[cfg(test)]
mod tests {
    use super::*;
    use imagxp::crypto::Thumbprint;
    use imagxp::feedback::{Reason, Score};
    use imagxp_broker::{Amount, Deposit, GiveFeedback, IssueVisa, Pay, Redeem};
    use imagxp_storage::{Address, Options};
    use std::sync::mpsc;
    use std::time::Duration;

    const SOON: Duration = Duration::from_millis(50);

    fn bank() -> Bank {
        let options = Options { readers: 4, ..Options::default() };
        let rules = options.rules.clone();
        Bank::new(Ledger::open(&Address::Memory, options, 0).unwrap(), rules, 4)
    }

    #[tokio::test]
    async fn who_gives_up_keeps_the_place_of_the_connection_that_still_reads() {
        let bank = bank();
        let (end, ended) = mpsc::channel::<()>();
        let ended = Arc::new(std::sync::Mutex::new(ended));
        for _ in 0..8 {
            let ended = Arc::clone(&ended);
            // One long statement: it does not see that nobody waits.
            let slow = bank.read(move |_| {
                let _ = ended.lock().unwrap().recv();
                Ok(())
            });
            assert!(tokio::time::timeout(SOON, slow).await.is_err());
        }
        let first = tokio::time::timeout(Duration::from_secs(1), bank.read_first(|reading| reading.head()));
        assert!(first.await.is_ok_and(|read| read.is_ok()), "no connection is left for the service itself");
        drop(end);
        assert!(bank.read(|reading| reading.head()).await.is_ok(), "the places come back");
    }

    #[tokio::test]
    async fn a_reading_ends_when_nobody_waits_for_it() {
        let bank = bank();
        let (end, ended) = mpsc::channel();
        let much = bank.read_long(move |reading| {
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_secs(5) {
                if let Err(error) = reading.head() {
                    let _ = end.send(error.code());
                    return Err(error);
                }
            }
            Ok(())
        });
        assert!(tokio::time::timeout(SOON, much).await.is_err());
        let code = tokio::task::spawn_blocking(move || ended.recv_timeout(Duration::from_secs(10)));
        assert_eq!(code.await.unwrap(), Ok("store.busy"));
    }

    fn owner(name: &str) -> Owner {
        Owner::parse(name).unwrap()
    }

    async fn run(bank: &Bank, actor: Actor, command: impl Into<Command>) -> Outcome {
        bank.command(command, actor, Once::default()).await.unwrap()
    }

    async fn knows(bank: &Bank, name: &str) -> bool {
        bank.knows(&AgentId::parse(name, false).unwrap()).await
    }

    async fn deposit(bank: &Bank, name: &str) {
        let (owner, amount) = (owner(name), Amount::from_units(1_000_000));
        let reference = Reference::parse(name).unwrap();
        let deposit = Deposit { id: None, asset: Asset::USD, owner, amount, reference, memo: None };
        run(bank, Actor::Operator(Owner::parse("ann").unwrap()), deposit).await;
    }

    async fn pay(bank: &Bank, from: &str, to: &str) {
        let (amount, asset) = (Amount::from_units(1), Asset::USD);
        let pay =
            Pay { id: None, asset, from: owner(from), to: owner(to), amount, reference: None, memo: None };
        run(bank, Actor::Party(owner(from)), pay).await;
    }

    async fn buy(bank: &Bank, agent: &str, publisher: &str) -> imagxp_broker::Id {
        let issue = IssueVisa {
            jti: None,
            agent: owner(agent),
            publisher: owner(publisher),
            asset: Asset::USD,
            amount: Amount::from_units(100),
            jkt: None,
            purposes: None,
            paths: None,
            lifetime_s: 60,
        };
        run(bank, Actor::Party(owner(agent)), issue).await.visa.unwrap().jti
    }

    /// The fetcher of known domains must not be open to names that anybody makes up.
    #[tokio::test]
    async fn nobody_is_known_for_what_others_have_done_with_the_name() {
        let bank = bank();
        assert!(!knows(&bank, "agent.example").await);
        deposit(&bank, "agent.example").await;
        assert!(knows(&bank, "agent.example").await, "somebody for whom money has come in");
        buy(&bank, "agent.example", "stranger.example").await;
        pay(&bank, "agent.example", "paid.example").await;
        assert!(!knows(&bank, "stranger.example").await, "a visa that somebody has bought");
        assert!(!knows(&bank, "paid.example").await, "a payment that nobody asked for");
        // Who has moved money stays known, however much is sent to the name.
        for _ in 0..=NEWEST {
            pay(&bank, "agent.example", "paid.example").await;
        }
        pay(&bank, "paid.example", "agent.example").await;
        assert!(knows(&bank, "paid.example").await, "who has paid has signed");
    }

    #[tokio::test]
    async fn a_publisher_is_known_when_it_has_redeemed_something() {
        let rules = Rules { fee_bps: 0, ..Rules::default() };
        let options = Options { rules: rules.clone(), ..Options::default() };
        let bank = Bank::new(Ledger::open(&Address::Memory, options, 0).unwrap(), rules, 4);
        deposit(&bank, "agent.example").await;
        let jti = buy(&bank, "agent.example", "pub.example").await;
        let publisher = Actor::Party(owner("pub.example"));
        assert!(!knows(&bank, "pub.example").await);
        run(&bank, publisher, Redeem { jti, request_jkt: None }).await;
        assert!(knows(&bank, "pub.example").await, "its signature did that");
        for _ in 0..=NEWEST {
            buy(&bank, "agent.example", "pub.example").await;
        }
        assert!(knows(&bank, "pub.example").await, "whatever others buy");
        let (jkt, score) = (Thumbprint::parse(&"A".repeat(43)).unwrap(), Score::MAX);
        let feedback =
            GiveFeedback { jti, jkt, score, reason: Reason::HighQuality, sha256: [0; 32], nonce: None };
        run(&bank, Actor::Party(owner("agent.example")), feedback).await;
        assert!(knows(&bank, "pub.example").await);
    }

    #[tokio::test]
    async fn what_may_be_much_leaves_places_to_the_rest() {
        let bank = bank();
        let (end, ended) = mpsc::channel::<()>();
        let ended = Arc::new(std::sync::Mutex::new(ended));
        let long = || {
            let ended = Arc::clone(&ended);
            bank.read_long(move |_| {
                let _ = ended.lock().unwrap().recv();
                Ok(())
            })
        };
        let rest = async {
            tokio::time::sleep(SOON).await;
            let read =
                tokio::time::timeout(Duration::from_secs(1), bank.read(|reading| reading.head())).await;
            drop(end);
            read
        };
        let (first, second, read) = tokio::join!(long(), long(), rest);
        assert!(first.is_ok() && second.is_ok());
        assert!(read.is_ok_and(|read| read.is_ok()), "all places are taken by long readings");
    }
}
