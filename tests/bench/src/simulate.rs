//! What happens over many requests: readers by Zipf's law, and an attack.

use crate::verify::Site;
use crate::worker::cpu;
use crate::world::{self, Random, Signed, URL, Zipf, now};
use imagxp::publisher::{Outcome, Verdict};
use imagxp::replay::MemoryReplayStore;
use imagxp::{Limits, Publisher};
use rustix::time::ClockId;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// The reports there are: a name, and what it says.
pub const REPORTS: [&str; 5] = ["replay", "zipf", "attack", "agents", "memory"];

/// Makes a report. `scale` is a share of its full length, for trials.
pub fn report(name: &str, scale: f64) -> Option<Value> {
    let scaled = |number: f64| (number * scale).max(1.0) as usize;
    Some(match name {
        "replay" => crate::replay::report(),
        "zipf" => zipf(10_000, scaled(1e6)),
        "attack" => attack(scaled(1e5)),
        "agents" => agents(scaled(2e4)),
        "memory" => memory(),
        _ => return None,
    })
}

/// The memory that the process has now, in bytes; `None` where that cannot be known.
pub(crate) fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// Requests of known agents by Zipf's law: mean cost of a verdict, what memory the tables take, and how many of the requests met one.
fn zipf(agents: usize, requests: usize) -> Value {
    // All of them come at one moment, so that none of their nonces may be forgotten.
    let store = MemoryReplayStore::new(requests + 1000, u32::MAX);
    let mut site = Site::of(world::stranger().with_replay_store(Arc::new(store)), agents as u64);
    let before = resident();
    let (mut random, zipf) = (Random(4), Zipf::new(agents));
    let (mut took, mut quick) = (Duration::ZERO, 0usize);
    let mut left = requests;
    // What lies between a verdict with a table and one without: half of the latter.
    let limit = plain(&mut site) / 2;
    while left > 0 {
        let count = left.min(5000);
        let signed: Vec<Signed> = (0..count).map(|_| site.sign(zipf.draw(&mut random), URL, None)).collect();
        for one in signed.chunks(1) {
            let this = site.verify(one);
            took += this;
            quick += usize::from(this < limit);
        }
        left -= count;
    }
    json!({
        "agents": agents,
        "requests": requests,
        "ns_each": took.as_secs_f64() * 1e9 / requests as f64,
        "hits": quick as f64 / requests as f64,
        "tables": site.publisher.hot_keys().len(),
        "table_bytes": site.publisher.hot_keys().bytes(),
        "grown_bytes": resident().zip(before).map(|(after, before)| after.saturating_sub(before)),
    })
}

/// What a verdict costs here for an agent that has not been seen, in the median.
fn plain(site: &mut Site) -> Duration {
    let last = site.agents() - 64;
    let mut times: Vec<Duration> = (0..64)
        .map(|number| {
            let signed = [site.sign(last + number, URL, None)];
            site.verify(&signed)
        })
        .collect();
    times.sort_unstable();
    times[32]
}

/// The memory of tables when so many agents have come twice, and what the process grew by.
fn memory() -> Value {
    let rows = [1usize, 10, 100, 300, 1000, 3000].map(|keys| {
        let before = resident();
        let site = Site::seen(keys as u64, 2);
        let grown = resident().zip(before).map(|(after, before)| after.saturating_sub(before));
        let hot = site.publisher.hot_keys();
        json!({ "keys": keys, "tables": hot.len(), "bytes": hot.bytes(), "grown_bytes": grown })
    });
    json!({ "rows": rows })
}

/// Mean cost of a verdict when so many agents are known, the rarer the less often they come; the hundredth part of them has come before.
fn agents(requests: usize) -> Value {
    let rows = [1usize, 10, 100, 1000, 10_000, 100_000].map(|count| {
        let mut site =
            Site::of(world::stranger().with_limits(Limits::DEFAULT.with_directory(100_000)), count as u64);
        let (mut random, zipf) = (Random(5), Zipf::new(count));
        for agent in 0..count.div_ceil(100) {
            let signed: Vec<Signed> = (0..4).map(|_| site.sign(agent, URL, None)).collect();
            site.verify(&signed);
        }
        let signed: Vec<Signed> =
            (0..requests).map(|_| site.sign(zipf.draw(&mut random), URL, None)).collect();
        let took = site.verify(&signed);
        json!({ "agents": count, "ns_each": took.as_secs_f64() * 1e9 / requests as f64 })
    });
    json!({ "requests": requests, "rows": rows })
}

/// Forgeries: first in the names of agents that nobody knows, then in the names of agents whose manifests the attacker has had fetched, too.
fn attack(count: usize) -> Value {
    const KNOWN: usize = 10_000;
    let known: Vec<_> = (0..KNOWN as u64).map(world::agent).collect();
    let publisher = world::site(&known);
    let template = Template::new();
    let mut random = Random(6);
    // Warm: code and allocator.
    run(&publisher, &template, (0..1000).map(|number| format!("warm-{number}.example")), &mut random);
    let begin = resident();
    let unknown = run(
        &publisher,
        &template,
        (0..count).map(|number| format!("invented-{number}.example")),
        &mut random,
    );
    let after_unknown = resident();
    let names = (0..count).map(|number| format!("crawler-{}.agents.example", number % KNOWN));
    let forged = run(&publisher, &template, names, &mut random);
    let after_forged = resident();
    let grown = |after: Option<u64>, before: Option<u64>| {
        after.zip(before).map(|(after, before)| after.saturating_sub(before))
    };
    json!({
        "requests": count,
        "tables": publisher.hot_keys().len(),
        "unknown": { "ns_each": unknown.0, "code": unknown.1, "grown_bytes": grown(after_unknown, begin) },
        "forged": { "ns_each": forged.0, "code": forged.1, "known": KNOWN, "grown_bytes": grown(after_forged, after_unknown) },
    })
}

/// Mean nanoseconds, and the one code that all were refused with.
fn run(
    publisher: &Publisher,
    template: &Template,
    names: impl Iterator<Item = String>,
    random: &mut Random,
) -> (f64, String) {
    let (mut took, mut count, mut code) = (Duration::ZERO, 0u32, None);
    for name in names {
        let signed = template.forged(&name, random);
        let lines = signed.lines();
        let request = signed.request(&lines);
        let mut verdict: Option<Verdict> = None;
        took += timed_thread(|| verdict = Some(publisher.verify(&request, now()).verdict));
        let verdict = verdict.unwrap();
        assert_ne!(verdict.outcome, Outcome::Allow);
        let this = verdict.code.map(|code| code.to_string());
        assert!(code.is_none() || code == this, "{code:?} {this:?}");
        code = this;
        count += 1;
    }
    (took.as_secs_f64() * 1e9 / f64::from(count), code.unwrap_or_default())
}

fn timed_thread(act: impl FnOnce()) -> Duration {
    let begin = cpu(ClockId::ThreadCPUTime);
    act();
    cpu(ClockId::ThreadCPUTime) - begin
}

/// A claim whose agent and nonce are replaced.
struct Template {
    claim: String,
}

impl Template {
    fn new() -> Self {
        let mut signed = Signed::new(&world::agent(0), URL, 1, None);
        let claim = imagxp::encoding::base64_decode(signed.header_mut("x-imagxp-payload")).unwrap();
        Self { claim: String::from_utf8(claim).unwrap() }
    }

    /// A request in the name of an agent, with a signature of the right form that nobody has made.
    fn forged(&self, name: &str, random: &mut Random) -> Signed {
        let nonce = format!("forged-{:016x}", random.next());
        let claim = self.claim.replace("crawler-0.agents.example", name);
        let at = claim.find("\"nonce\":\"").unwrap() + 9;
        let end = at + claim[at..].find('"').unwrap();
        let claim = format!("{}{nonce}{}", &claim[..at], &claim[end..]);
        let mut signature = [0u8; 64];
        signature.chunks_mut(8).for_each(|part| part.copy_from_slice(&(random.next() >> 1).to_le_bytes()));
        let signature = imagxp::crypto::Signature::from_bytes(signature);
        Signed::new(&world::agent(0), URL, 1, None)
            .replaced("x-imagxp-payload", imagxp::encoding::base64_encode(claim.as_bytes()).into_bytes())
            .replaced("x-imagxp-signature", signature.to_hex().into_bytes())
    }
}
