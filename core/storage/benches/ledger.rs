//! The ledger row of PERFORMANCE: transfers per second with 64 clients at once, against one commit per transfer on the same disk in the
//! same run; visas issued and signed per second, against signing alone; and whether a transfer costs more when there are a million.
//!
//! `cargo bench -p imagxp-storage --bench ledger -- [seconds of each round] [rows of the large ledger]`, or `scripts/bench_ledger.sh`.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark may panic"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use imagxp::crypto::{Algorithm, PrivateKey};
use imagxp::visa::{NewVisa, issue};
use imagxp_broker::*;
use imagxp_storage::{Address, Ledger, Options};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const NOW: i64 = 1_790_000_000_000;
const CLIENTS: u64 = 64;
const OWNERS: u64 = 1000;
const BAR: f64 = 8.0;
const VISA_BAR: f64 = 0.7;
const ROUNDS: usize = 5;

fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    // `cargo test` runs each benchmark once, to see that it still does.
    let trial = std::env::args().any(|argument| argument == "--test");
    let number =
        |place: usize, otherwise: u64| arguments.get(place).map_or(otherwise, |text| text.parse().unwrap());
    let seconds = number(0, if trial { 1 } else { 3 });
    let large = number(1, if trial { 2_000 } else { 1_000_000 });
    let folder = std::env::var_os("IMAGXP_BENCH_DIR").map_or_else(std::env::temp_dir, Into::into);
    let temporary = tempfile::Builder::new().prefix("imagxp-bench-").tempdir_in(folder).unwrap();
    let file = |name: &str| Address::Sqlite(temporary.path().join(name));
    if std::env::args().any(|argument| argument == "--profile") {
        return profile(&file("p.db"), Duration::from_secs(seconds));
    }
    measure("sqlite FULL", [file("a.db"), file("b.db")], seconds, large);
    let postgres = !std::env::args().any(|argument| argument == "--sqlite");
    if let Some(server) = postgres.then(support::Postgres::start).flatten() {
        let addresses = [server.database(), server.database()].map(|text| Address::parse(&text).unwrap());
        measure("postgresql", addresses, seconds, large);
    }
}

fn open(address: &Address, batch: usize) -> Ledger {
    let report = |error: &imagxp_storage::Error| eprintln!("{error} {:?}", std::error::Error::source(error));
    Ledger::open(address, Options { batch, report: Some(Arc::new(report)), ..Options::default() }, NOW)
        .unwrap()
}

/// Transfers alone and visas alone, for whoever looks at what they do.
fn profile(address: &Address, time: Duration) {
    let ledger = open(address, 256);
    fund(&ledger);
    let transfers = rate(&ledger, time);
    eprintln!("{transfers:.0} transfers/s");
    std::thread::sleep(Duration::from_millis(300));
    let visas = clients(time, |number| drop(visa(&ledger, number)));
    eprintln!("{visas:.0} visas/s");
    ledger.close();
}

fn measure(name: &str, [grouped, single]: [Address; 2], seconds: u64, large: u64) {
    let (grouped, single) = (open(&grouped, 256), open(&single, 1));
    fund(&grouped);
    fund(&single);
    let mut rates: [Vec<f64>; 2] = Default::default();
    for _ in 0..ROUNDS {
        for (ledger, rates) in [&grouped, &single].into_iter().zip(&mut rates) {
            rates.push(rate(ledger, Duration::from_secs(seconds)));
        }
    }
    let [many, one] = rates.map(median);
    let verdict = if many / one >= BAR { "pass" } else { "FAIL" };
    println!(
        "{name}: {many:.0} transfers/s with {CLIENTS} clients, {one:.0} with one commit each: {:.1} x (bar {BAR} x: {verdict})",
        many / one
    );
    visas(name, &grouped, Duration::from_secs(seconds));
    let (small, small_cpu) = cost(&grouped, 10_000.min(large));
    fill(&grouped, large);
    let (big, big_cpu) = cost(&grouped, large);
    println!(
        "{name}: {small:.1} us per transfer at 10 k rows, {big:.1} us at {large} rows: {:.2} x; of this process's processors {small_cpu:.1} us \
         and {big_cpu:.1} us: {:.2} x",
        big / small,
        big_cpu / small_cpu
    );
    grouped.close();
    single.close();
}

fn owner(number: u64) -> Owner {
    Owner::parse(&format!("agent{number}.example")).unwrap()
}

/// Waits for each of many requests; more of them are in flight than fit one batch.
fn submit_all(ledger: &Ledger, requests: impl Iterator<Item = Request>) {
    let mut waiting = std::collections::VecDeque::new();
    for request in requests {
        if waiting.len() >= 1024 {
            let ticket: imagxp_storage::Ticket = waiting.pop_front().unwrap();
            ticket.wait().unwrap();
        }
        waiting.push_back(ledger.submit(request).unwrap());
    }
    waiting.into_iter().for_each(|ticket| drop(ticket.wait().unwrap()));
}

fn fund(ledger: &Ledger) {
    submit_all(
        ledger,
        (0..OWNERS).map(|number| {
            let deposit = Deposit {
                id: None,
                asset: Asset::USD,
                owner: owner(number),
                amount: Amount::from_units(1_000_000_000_000),
                reference: Reference::parse(&format!("bank-{number}")).unwrap(),
                memo: None,
            };
            Request::new(deposit, Actor::Operator(owner(0)), NOW)
        }),
    );
}

/// A payment between two owners, chosen by a number.
fn payment(number: u64) -> Request {
    let scattered = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    let from = scattered % OWNERS;
    let to = (from + 1 + (scattered / OWNERS) % (OWNERS - 1)) % OWNERS;
    let pay = Pay {
        id: None,
        asset: Asset::USD,
        from: owner(from),
        to: owner(to),
        amount: Amount::from_units(1),
        reference: None,
        memo: None,
    };
    // Time goes on, and with it the ids.
    Request::new(pay, Actor::Party(owner(from)), NOW + i64::try_from(number / 1000).unwrap())
}

/// How often in a second 64 clients do something, each of them one thing after the other.
fn clients(time: Duration, work: impl Fn(u64) + Sync) -> f64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let done = AtomicU64::new(0);
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    work(NEXT.fetch_add(1, Ordering::Relaxed));
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        std::thread::sleep(time);
        stop.store(true, Ordering::Relaxed);
    });
    done.load(Ordering::Relaxed) as f64 / begin.elapsed().as_secs_f64()
}

fn rate(ledger: &Ledger, time: Duration) -> f64 {
    clients(time, |number| drop(ledger.submit_and_wait(payment(number)).unwrap()))
}

/// Visas per second as the service sells them, in the ledger and then signed, and what of it is what.
fn visas(name: &str, ledger: &Ledger, time: Duration) {
    let key = PrivateKey::generate(Algorithm::Es256, &mut |bytes| {
        bytes.fill(7);
        Ok(())
    })
    .unwrap();
    let example = visa(ledger, 0);
    let mut rates: [Vec<f64>; 4] = Default::default();
    for _ in 0..ROUNDS {
        let made = [
            clients(time, |number| drop(sign(&visa(ledger, number), &key))),
            clients(time, |number| {
                std::hint::black_box(key.sign(&number.to_be_bytes()));
            }),
            clients(time, |_| drop(sign(&example, &key))),
            clients(time, |number| drop(visa(ledger, number))),
        ];
        for (rate, rates) in made.into_iter().zip(&mut rates) {
            rates.push(rate);
        }
    }
    let [whole, raw, signed, issued] = rates.map(median);
    let verdict = if whole / raw >= VISA_BAR { "pass" } else { "FAIL" };
    println!(
        "{name}: {whole:.0} visas/s, {raw:.0} signatures/s of the back end: {:.2} x (bar {VISA_BAR} x: {verdict}); {signed:.0} tokens/s signed \
         without a ledger, {issued:.0} visas/s issued without a token",
        whole / raw
    );
}

fn visa(ledger: &Ledger, number: u64) -> Visa {
    let from = number % OWNERS;
    let issue = IssueVisa {
        jti: None,
        agent: owner(from),
        publisher: Owner::parse("pub.example").unwrap(),
        asset: Asset::USD,
        amount: Amount::from_units(1000),
        jkt: None,
        purposes: None,
        paths: None,
        lifetime_s: 600,
    };
    ledger.submit_and_wait(Request::new(issue, Actor::Party(owner(from)), NOW)).unwrap().visa.unwrap()
}

/// As the service does it.
fn sign(visa: &Visa, key: &PrivateKey) -> String {
    let new = NewVisa {
        issuer: "https://broker.example",
        audience: "https://pub.example",
        agent_id: &imagxp::AgentId::parse(visa.agent.as_str(), false).unwrap(),
        key: None,
        jti: &visa.jti.to_string(),
        issued_at: imagxp::Timestamp::from_millis(visa.issued_at),
        lifetime_s: 600,
        paid: &imagxp::policy::Money {
            amount: imagxp::amount::Amount::parse("0.001").unwrap(),
            currency: visa.asset.as_str().to_owned(),
        },
        purposes: &[],
        max_uses: 1,
    };
    issue(&new, key).unwrap()
}

fn fill(ledger: &Ledger, rows: u64) {
    let have = ledger.read().unwrap().head().unwrap().size;
    submit_all(ledger, (have..rows).map(payment));
}

/// Microseconds per transfer, of 20 000 in full batches, in a ledger of about so many rows, by the clock and by the processors of this
/// process: the medians of several runs.
fn cost(ledger: &Ledger, rows: u64) -> (f64, f64) {
    fill(ledger, rows);
    let count = 20_000.min(rows);
    let (mut clock, mut processor) = (Vec::new(), Vec::new());
    for run in 0..5_u64 {
        let (begin, used) = (Instant::now(), cpu());
        submit_all(ledger, (0..count).map(|number| payment(rows + run * count + number)));
        clock.push(begin.elapsed().as_secs_f64() * 1e6 / count as f64);
        processor.push((cpu() - used) * 1e6 / count as f64);
    }
    (median(clock), median(processor))
}

/// Seconds of processor time that this process has used, to a hundredth (Linux; elsewhere nothing).
fn cpu() -> f64 {
    let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else { return 0.0 };
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap_or_default() / 100.0).sum::<f64>()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
