//! Models of the group commit: shuttle runs each in many orders of its threads, and a failing order is named by its seed. All of the ledger is the
//! product's, SQLite included; scripts/models.sh builds it with `--cfg shuttle`, and then its locks are the scheduler's (`src/sync.rs`).

use super::Ledger;
use super::backend::open;
use super::options::{Address, Options};
use super::writing::{Desk, Watch};
use crate::reader::SqlReader;
use crate::sqlite::{Durability, Sqlite};
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Waker};
use imagxp_broker::*;
use shuttle::future::block_on;
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::thread::{self, JoinHandle};
use shuttle::{Config, Runner};
use std::panic::resume_unwind;
use std::sync::{Arc, OnceLock};
use std::task::Wake;
use tempfile::TempDir;

const NOW: i64 = 1_790_000_000_000;

type Answer = Result<Outcome, Refusal>;

/// How many orders of threads are tried: half of them drawn at random, half with few changes of thread at bad moments (PCT).
fn orders() -> usize {
    std::env::var("IMAGXP_ORDERS").map_or(400, |text| text.parse().unwrap())
}

fn explore(model: fn()) {
    let config = || {
        let mut config = Config::new();
        // SQLite wants more than a coroutine's usual stack.
        config.stack_size = 1 << 20;
        config
    };
    Runner::new(RandomScheduler::new(orders() / 2), config()).run(model);
    Runner::new(PctScheduler::new(3, orders() / 2), config()).run(model);
}

fn owner(name: &str) -> Owner {
    Owner::parse(name).unwrap()
}

/// What the database does not take, where [`World::poisoned`] has said so.
const POISON: &str = "poison";

fn deposit(to: &str, units: u128, booking: &str) -> Request {
    let deposit = Deposit {
        id: None,
        asset: Asset::USD,
        owner: owner(to),
        amount: Amount::from_units(units),
        reference: Reference::parse(booking).unwrap(),
        memo: Some(Memo::parse(booking).unwrap()),
    };
    Request::new(deposit, Actor::Operator(owner("alice")), NOW)
}

fn pay(from: &str, to: &str, units: u128) -> Request {
    let pay = Pay {
        id: None,
        asset: Asset::USD,
        from: owner(from),
        to: owner(to),
        amount: Amount::from_units(units),
        reference: None,
        memo: None,
    };
    Request::new(pay, Actor::Party(owner(from)), NOW)
}

/// The file of a ledger in which `payer` has 100.
struct World {
    folder: TempDir,
}

impl World {
    /// A copy of one that is made once.
    fn new() -> Self {
        static MADE: OnceLock<Vec<u8>> = OnceLock::new();
        let world = Self { folder: TempDir::new().unwrap() };
        let made = MADE.get_or_init(|| {
            let other = Self { folder: TempDir::new().unwrap() };
            let (mut writer, _) = open(&other.address(), &Options::default(), NOW).unwrap();
            let mut ids = TimeOrdered::new(|| 1);
            writer.apply(&Rules::default(), &[deposit("payer", 100, "first")], &mut ids).unwrap();
            drop(writer);
            std::fs::read(other.path()).unwrap()
        });
        std::fs::write(world.path(), made).unwrap();
        world
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("ledger.db")
    }

    fn address(&self) -> Address {
        Address::Sqlite(self.path())
    }

    /// The most requests of one transaction, and what the thread that writes does.
    fn ledger(&self, batch: usize, write: fn(&Desk)) -> Arc<Ledger> {
        // A commit is seen by others whether the disk has it or not, and no order of threads is a power cut.
        let options = Options { batch, durability: Durability::Normal, ..Options::default() };
        let (writer, connect) = open(&self.address(), &options, NOW).unwrap();
        Arc::new(Ledger::start(self.address(), writer, connect, options, write).unwrap())
    }

    /// A ledger whose database does not take a certain memo.
    fn poisoned(&self, batch: usize) -> Arc<Ledger> {
        let ledger = self.ledger(batch, Desk::write);
        let trigger = "CREATE TEMP TRIGGER poisoned BEFORE INSERT ON main.transfer WHEN NEW.memo = 'poison' \
                       BEGIN SELECT RAISE(ABORT, 'poison'); END";
        ledger.write(move |sql| sql.script(trigger)).unwrap();
        ledger
    }

    /// A thread that submits all of them and waits for each. What is answered as done is written, seen by another connection.
    fn client(&self, ledger: &Arc<Ledger>, requests: Vec<Request>) -> JoinHandle<Vec<Answer>> {
        let (ledger, mut reader) = (Arc::clone(ledger), Sqlite::reader(&self.path()).unwrap());
        thread::spawn(move || {
            let tickets: Vec<_> = requests.into_iter().map(|request| ledger.submit(request)).collect();
            let wait = |ticket: Result<_, Refusal>| {
                let answer: Answer = ticket.and_then(block_on);
                for transfer in answer.iter().flat_map(|outcome| &outcome.transfers) {
                    let written = SqlReader(&mut reader).transfer(transfer.id).unwrap();
                    assert!(written.is_some(), "answered before it was written");
                }
                answer
            };
            tickets.into_iter().map(wait).collect()
        })
    }

    /// What somebody has, by the file; everything in it adds up.
    fn balance(&self, name: &str) -> u128 {
        let mut reader = Sqlite::reader(&self.path()).unwrap();
        let report = audit::run(&mut SqlReader(&mut reader)).unwrap();
        assert!(report.is_sound(), "{report:?}");
        let id = AccountKey::available(Asset::USD, owner(name)).id();
        let accounts = SqlReader(&mut reader).accounts(Some(&owner(name)), None, 10).unwrap();
        let account = accounts.into_iter().find(|account| account.id == id);
        account.map_or(0, |account| account.credits_posted.units() - account.debits_posted.units())
    }
}

/// Answers of all clients, each of whom has as many as requests.
fn answers(clients: Vec<JoinHandle<Vec<Answer>>>) -> Vec<Answer> {
    clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
}

fn done(answers: &[Answer]) -> u128 {
    answers.iter().map(|answer| u128::from(answer.is_ok())).sum()
}

/// Three clients and two deposits each, two of them in one transaction.
fn six_deposits(write: fn(&Desk)) {
    let world = World::new();
    let ledger = world.ledger(2, write);
    let booking = |client, number| deposit("payee", 1, &format!("{client}-{number}"));
    let clients = (0..3).map(|client| world.client(&ledger, vec![booking(client, 0), booking(client, 1)]));
    let answers = answers(clients.collect());
    assert_eq!((answers.len(), done(&answers)), (6, 6));
    ledger.close();
    assert_eq!(world.balance("payee"), 6);
}

#[test]
fn nobody_is_answered_before_the_commit() {
    explore(|| six_deposits(Desk::write));
}

#[test]
#[should_panic(expected = "answered before it was written")]
fn an_answer_before_the_commit_is_found() {
    fn write(desk: &Desk) {
        let _watch = Watch(desk);
        while let Some(batch) = desk.line.take() {
            desk.answers.send(batch.waiting.answers, batch.results);
            desk.writer().write_ahead(&batch.changes).unwrap();
        }
    }
    explore(|| six_deposits(write));
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_lost_wake_up_is_found() {
    fn write(desk: &Desk) {
        let _watch = Watch(desk);
        while let Some(batch) = desk.line.take_with_a_gap() {
            desk.writer().write_ahead(&batch.changes).unwrap();
            desk.answers.send(batch.waiting.answers, batch.results);
        }
    }
    explore(|| six_deposits(write));
}

/// More at once than the thread that writes answers itself: others are woken by one of their own.
#[test]
fn a_large_batch_is_answered_by_another_thread() {
    explore(|| {
        let world = World::new();
        let ledger = world.ledger(8, Desk::write);
        let requests = (0..8).map(|number| deposit("payee", 1, &number.to_string())).collect();
        let answers = answers(vec![world.client(&ledger, requests)]);
        assert_eq!(done(&answers), 8);
        ledger.close();
        assert_eq!(world.balance("payee"), 8);
    });
}

/// A deposit that is not written, a payment that was decided on top of it, and others beside them.
#[test]
fn what_was_decided_on_a_batch_that_failed_is_taken_back() {
    explore(|| {
        let world = World::new();
        let ledger = world.poisoned(1);
        let poisoned = vec![deposit("broke", 10, POISON), pay("broke", "payee", 10)];
        let sound = vec![deposit("payee", 1, "one"), pay("payer", "payee", 2)];
        let clients = [poisoned, sound].map(|requests| world.client(&ledger, requests));
        let [poisoned, sound] = clients.map(|client| client.join().unwrap());
        let codes: Vec<_> = poisoned.iter().map(|answer| answer.as_ref().unwrap_err().code()).collect();
        assert_eq!(codes, [RefusalCode::StoreBusy, RefusalCode::AccountInsufficient]);
        assert_eq!(done(&sound), 2);
        ledger.close();
        assert_eq!((world.balance("broke"), world.balance("payee"), world.balance("payer")), (0, 3, 98));
    });
}

/// Two processes have the file, and one of them decides on what the other is about to change.
#[test]
fn what_was_decided_before_somebody_else_wrote_is_decided_anew() {
    explore(|| {
        let world = World::new();
        let ledgers = [(); 2].map(|()| world.ledger(2, Desk::write));
        let pays = || vec![pay("payer", "payee", 60), pay("payer", "payee", 1)];
        let clients = ledgers.iter().map(|ledger| world.client(ledger, pays()));
        let answers = answers(clients.collect());
        // 60 once, and 1 twice.
        assert_eq!(done(&answers), 3, "{answers:?}");
        ledgers.iter().for_each(|ledger| ledger.close());
        assert_eq!((world.balance("payer"), world.balance("payee")), (38, 62));
    });
}

#[test]
fn closing_answers_everybody() {
    explore(|| {
        let world = World::new();
        let ledger = world.ledger(2, Desk::write);
        let booking = |client, number| deposit("payee", 1, &format!("{client}-{number}"));
        let clients: Vec<_> = (0..3)
            .map(|client| world.client(&ledger, vec![booking(client, 0), booking(client, 1)]))
            .collect();
        ledger.close();
        // Everything that was taken is written when it returns, whether anybody has been told yet or not.
        let written = world.balance("payee");
        let answers = answers(clients);
        assert!(answers.iter().flatten().all(|outcome| outcome.transfers.len() == 1));
        for answer in &answers {
            assert!(answer.as_ref().err().is_none_or(|refusal| refusal.code() == RefusalCode::StoreBusy));
        }
        assert_eq!((answers.len(), done(&answers)), (6, written));
    });
}

/// A caller whose waker panics takes down the thread that wakes it.
struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        resume_unwind(Box::new("a caller's waker"));
    }
}

/// After a thread has panicked: whoever waited was told, whoever comes is refused, and the end is reached.
fn broken(world: &World, ledger: &Ledger, clients: Vec<JoinHandle<Vec<Answer>>>) -> u128 {
    let answers = answers(clients);
    for refusal in answers.iter().filter_map(|answer| answer.as_ref().err()) {
        let told = [RefusalCode::StoreUnknown, RefusalCode::StoreBusy, RefusalCode::LedgerBroken];
        assert!(told.contains(&refusal.code()), "{refusal:?}");
    }
    ledger.close();
    assert!(world.balance("payee") >= done(&answers));
    done(&answers)
}

#[test]
fn a_panic_of_the_thread_that_answers_leaves_nobody_waiting() {
    explore(|| {
        let world = World::new();
        let ledger = world.ledger(2, Desk::write);
        let clients = (0..2)
            .map(|client| world.client(&ledger, vec![deposit("payee", 1, &format!("client-{client}"))]))
            .collect();
        {
            let mut ticket = pin!(ledger.submit(deposit("payee", 1, "waker")).unwrap());
            let waker = Waker::from(Arc::new(Panics));
            let answered = ticket.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
            let done = broken(&world, &ledger, clients);
            assert!(!answered || done == 2, "nothing panicked");
        }
        if let Some(refusal) = ledger.refusal() {
            assert_eq!(refusal.code(), RefusalCode::LedgerBroken);
        }
    });
}

#[test]
fn a_panic_of_the_thread_that_decides_leaves_nobody_waiting() {
    explore(|| {
        let world = World::new();
        let ledger = world.ledger(2, Desk::write);
        let clients = (0..3)
            .map(|client| world.client(&ledger, vec![deposit("payee", 1, &format!("client-{client}"))]))
            .collect();
        let lost = ledger.write(|_| -> crate::Result<()> { resume_unwind(Box::new("a job")) });
        assert!(lost.is_err());
        broken(&world, &ledger, clients);
        assert_eq!(ledger.refusal().unwrap().code(), RefusalCode::LedgerBroken);
    });
}
