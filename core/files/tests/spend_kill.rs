//! kill -9 while an agent pays: no reservation that was acknowledged is lost, and none is made twice.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "tests may panic")]
#![cfg(unix)]

use imagxp::agent::spend::{Caps, Purchase, Reserved, Settlement, SpendStore};
use imagxp::amount::Amount;
use imagxp::policy::Money;
use imagxp::{AgentId, Purpose, Timestamp};
use imagxp_files::spend::SpendFile;
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const ROUNDS: u64 = 50;

fn purchase(id: u64) -> Purchase {
    Purchase {
        id: format!("purchase-{id:016}"),
        agent_id: AgentId::parse("agent.example", false).unwrap(),
        issuer: "https://broker.example".into(),
        audience: format!("https://h{id}.example"),
        purpose: Purpose::Summary,
        price: Money { amount: Amount::parse("1").unwrap(), currency: "USD".into() },
    }
}

fn open(path: &Path) -> SpendFile {
    SpendFile::open(path, [Caps::new("USD", "1").unwrap()]).unwrap()
}

/// The payer: says `reserved n` when a reservation is durable, and settles every third.
#[test]
fn payer() {
    let Ok(path) = std::env::var("IMAGXP_TEST_SPEND_FILE") else { return };
    let first: u64 = std::env::var("IMAGXP_TEST_SPEND_FIRST").unwrap().parse().unwrap();
    let file = open(Path::new(&path));
    let mut out = std::io::stdout();
    for id in first.. {
        assert_eq!(file.reserve(&purchase(id), NOW).unwrap(), Reserved::New);
        writeln!(out, "\nreserved {id}").and_then(|()| out.flush()).unwrap();
        if id % 3 == 0 {
            file.settle(&purchase(id).id, Settlement::Spent).unwrap();
            writeln!(out, "\nspent {id}").and_then(|()| out.flush()).unwrap();
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spend.json");
    let (mut reserved, mut spent) = (BTreeSet::new(), BTreeSet::new());
    for round in 0..ROUNDS {
        let first = reserved.last().map_or(1, |last: &u64| last + 2);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "payer", "--nocapture", "--test-threads=1"])
            .env("IMAGXP_TEST_SPEND_FILE", &path)
            .env("IMAGXP_TEST_SPEND_FIRST", first.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        // The clock starts when the payer pays: on a busy machine it may take longer than this to start.
        let first_line = lines.find(|line| line.starts_with("reserved")).unwrap();
        let reader = std::thread::spawn(move || std::iter::once(first_line).chain(lines).collect::<Vec<_>>());
        std::thread::sleep(Duration::from_millis(round * 7 % 60));
        child.kill().unwrap();
        child.wait().unwrap();
        for line in reader.join().unwrap() {
            match line.split_once(' ') {
                Some(("reserved", id)) => reserved.insert(id.parse::<u64>().unwrap()),
                Some(("spent", id)) => spent.insert(id.parse::<u64>().unwrap()),
                _ => continue,
            };
        }
        let file = open(&path);
        let books = file.snapshot();
        let total: u64 = books.spent("USD").to_string().parse().unwrap();
        let acknowledged = reserved.len() as u64;
        // One more per round at most: written, and killed before it could say so.
        assert!((acknowledged..=acknowledged + round + 1).contains(&total), "{total} for {acknowledged}");
        for id in reserved.difference(&spent) {
            // Under way when its process died: unknown, or settled without having said so.
            let open = books.open().any(|open| open.purchase.id == purchase(*id).id);
            assert!(open || id % 3 == 0, "{id} is forgotten");
        }
        assert!(spent.iter().all(|id| books.open().all(|open| open.purchase.id != purchase(*id).id)));
    }
    assert!(reserved.len() as u64 >= ROUNDS, "{} reservations", reserved.len());
    println!("{} reservations, {} settled, {ROUNDS} kills: none lost", reserved.len(), spent.len());
}
