//! Whole verdicts: of agents that are well known, of agents seen for the first time, with visas, on two threads.

use crate::worker::{Row, Rows, timed};
use crate::world::{self, Lines, PREMIUM, Random, Signed, URL, Zipf, now};
use imagxp::agent::Identity;
use imagxp::crypto::Signature;
use imagxp::encoding::base64_decode;
use imagxp::publisher::{Outcome, Pending};
use imagxp::replay::{Insert, LaterReplayStore};
use imagxp::{Publisher, Request};
use p256::ecdsa::signature::Verifier as _;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often an agent has been seen before it counts as well known. The second verified request is enough; a larger table takes more.
const WARM: usize = 64;

/// A site, its agents, and nonces that nobody has used.
pub struct Site {
    /// The verifier.
    pub publisher: Publisher,
    agents: Vec<Identity>,
    nonce: u64,
    random: Random,
}

impl Site {
    /// A site that knows so many agents.
    pub fn new(agents: u64) -> Self {
        Self::of(world::stranger(), agents)
    }

    /// The same with limits or stores of its own.
    pub fn of(publisher: Publisher, agents: u64) -> Self {
        let agents: Vec<Identity> = (0..agents).map(world::agent).collect();
        let publisher = world::site_of(publisher, &agents);
        Self { publisher, agents, nonce: 0, random: Random(1) }
    }

    /// A site that has seen each of its agents so many times.
    pub fn seen(agents: u64, times: usize) -> Self {
        let mut site = Self::new(agents);
        for agent in 0..site.agents.len() {
            let requests: Vec<Signed> = (0..times).map(|_| site.sign(agent, URL, None)).collect();
            site.verify(&requests);
        }
        site
    }

    /// How many agents it knows.
    pub fn agents(&self) -> usize {
        self.agents.len()
    }

    /// The next request of an agent.
    pub fn sign(&mut self, agent: usize, url: &'static str, visa: Option<&str>) -> Signed {
        self.nonce += 1;
        Signed::new(&self.agents[agent], url, self.nonce, visa)
    }

    /// Requests of agents by chance.
    pub fn requests(&mut self, count: usize) -> Vec<Signed> {
        (0..count)
            .map(|_| {
                let agent = self.random.below(self.agents.len());
                self.sign(agent, URL, None)
            })
            .collect()
    }

    /// Verifies them, and says how long that took.
    pub fn verify(&self, requests: &[Signed]) -> Duration {
        let lines: Vec<Lines<'_>> = requests.iter().map(Signed::lines).collect();
        let requests: Vec<Request<'_>> =
            requests.iter().zip(&lines).map(|(signed, lines)| signed.request(lines)).collect();
        timed(|| allow_all(&self.publisher, &requests))
    }
}

fn allow_all(publisher: &Publisher, requests: &[Request<'_>]) {
    for request in requests {
        let verdict = publisher.verify(black_box(request), now()).verdict;
        assert!(verdict.outcome == Outcome::Allow && verdict.key_id.is_some(), "{verdict:?}");
    }
}

/// Adds the rows of this file.
pub(crate) fn add(rows: &mut Rows) {
    for (name, agents, times) in [("hot", 1, WARM), ("hot-1000", 1000, 4)] {
        rows.add(format!("verify/{name}"), move || {
            let mut site = Site::seen(agents, times);
            Box::new(move |count| {
                let requests = site.requests(count);
                site.verify(&requests)
            })
        });
    }
    for size in [8, 64] {
        rows.add(format!("verify/batch-{size}"), move || batch(size));
    }
    rows.add("verify/cold", || Box::new(cold));
    rows.add("verify/visa-first", visa_first);
    rows.add("verify/visa-seen", visa_seen);
    rows.add("verify/overhead", overhead);
    rows.add("raw/verify", raw);
    for threads in [1, 2, 4] {
        rows.add(format!("scale/{threads}"), move || scale(threads, false));
    }
    rows.add("scale-apart/2", || scale(2, true));
}

/// So many requests at once, of a thousand agents by Zipf's law, each of whom has been seen.
fn batch(size: usize) -> Row {
    let mut site = Site::seen(1000, 4);
    let (mut random, zipf) = (Random(7), Zipf::new(1000));
    Box::new(move |count| {
        let signed: Vec<Signed> = (0..count).map(|_| site.sign(zipf.draw(&mut random), URL, None)).collect();
        let lines: Vec<Lines<'_>> = signed.iter().map(Signed::lines).collect();
        let requests: Vec<Request<'_>> =
            signed.iter().zip(&lines).map(|(signed, lines)| signed.request(lines)).collect();
        timed(|| {
            for batch in requests.chunks(size) {
                for verification in site.publisher.verify_batch(black_box(batch), now()) {
                    assert_eq!(verification.verdict.outcome, Outcome::Allow);
                }
            }
        })
    })
}

/// Agents whose manifests have just come: each sends its first request.
fn cold(count: usize) -> Duration {
    let mut site = Site::new(count as u64);
    let requests: Vec<Signed> = (0..count).map(|agent| site.sign(agent, URL, None)).collect();
    site.verify(&requests)
}

/// A well known agent, and each time another visa of a known broker.
fn visa_first() -> Row {
    let mut site = Site::seen(1, WARM);
    let requests = |site: &mut Site, count: usize| {
        (0..count)
            .map(|_| {
                let visa = world::visa(&site.agents[0], &format!("visa-{:08}", site.nonce), 1);
                site.sign(0, PREMIUM, Some(&visa))
            })
            .collect::<Vec<Signed>>()
    };
    let first = requests(&mut site, WARM);
    site.verify(&first);
    Box::new(move |count| {
        let signed = requests(&mut site, count);
        site.verify(&signed)
    })
}

/// A well known agent with a visa of many uses that has been seen before.
fn visa_seen() -> Row {
    let mut site = Site::seen(1, WARM);
    let visa = world::visa(&site.agents[0], "visa-of-many-uses", 1_000_000);
    let first = site.sign(0, PREMIUM, Some(&visa));
    site.verify(&[first]);
    Box::new(move |count| {
        let requests: Vec<Signed> = (0..count).map(|_| site.sign(0, PREMIUM, Some(&visa))).collect();
        site.verify(&requests)
    })
}

/// Everything but ECDSA: a verification that waited for its replay store is resumed, which is the whole pipeline again, but for the signature,
/// which has been checked. (It also lists the header lines anew, and lacks the hash of the claim and the insertion of the nonce: `run.py` adds
/// those two as rows of their own.)
fn overhead() -> Row {
    let mut site = Site::new(1);
    site.publisher = world::site(&site.agents).with_replay_store(Arc::new(LaterReplayStore));
    Box::new(move |count| {
        let pending = |signed: Signed| -> Pending {
            let lines = signed.lines();
            let mut pending = site.publisher.verify(&signed.request(&lines), now()).pending.unwrap();
            pending.inserted(Insert::Fresh);
            pending
        };
        let waiting: Vec<Pending> =
            (0..count as u64).map(|nonce| pending(Signed::new(&site.agents[0], URL, nonce, None))).collect();
        timed(|| {
            for pending in waiting {
                let verdict = site.publisher.resume(black_box(pending), now()).verdict;
                assert_eq!(verdict.outcome, Outcome::Allow);
            }
        })
    })
}

/// The signature alone, by the crate and the profile that the core uses, with other claims each time.
fn raw() -> Row {
    let mut site = Site::new(1);
    let point = site.agents[0].public_key().to_spki_der()[26..].to_vec();
    let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(&point).unwrap();
    Box::new(move |count| {
        let parts: Vec<(Vec<u8>, p256::ecdsa::Signature)> = site
            .requests(count)
            .into_iter()
            .map(|mut signed| {
                let claim = base64_decode(signed.header_mut("x-imagxp-payload")).unwrap();
                let signature = Signature::from_hex(signed.header_mut("x-imagxp-signature")).unwrap();
                (claim, p256::ecdsa::Signature::from_slice(signature.as_bytes()).unwrap())
            })
            .collect();
        timed(|| {
            for (claim, signature) in &parts {
                assert!(key.verify(black_box(claim), black_box(signature)).is_ok());
            }
        })
    })
}

/// So many threads at one publisher, or each at one of its own: wall-clock time, divided by the number of threads.
fn scale(threads: usize, apart: bool) -> Row {
    let mut sites: Vec<Site> =
        (0..if apart { threads } else { 1 }).map(|_| Site::seen(threads as u64, WARM)).collect();
    Box::new(move |count| {
        let one_of = sites.len();
        let shares: Vec<Vec<Signed>> =
            (0..threads).map(|thread| sites[thread % one_of].requests(count)).collect();
        let lines: Vec<Vec<Lines<'_>>> =
            shares.iter().map(|share| share.iter().map(Signed::lines).collect()).collect();
        let shares: Vec<Vec<Request<'_>>> = shares
            .iter()
            .zip(&lines)
            .map(|(share, lines)| {
                share.iter().zip(lines).map(|(signed, lines)| signed.request(lines)).collect()
            })
            .collect();
        let barrier = std::sync::Barrier::new(threads + 1);
        std::thread::scope(|scope| {
            let running: Vec<_> = shares
                .iter()
                .enumerate()
                .map(|(thread, share)| {
                    let (barrier, publisher) = (&barrier, &sites[thread % one_of].publisher);
                    scope.spawn(move || {
                        barrier.wait();
                        allow_all(publisher, share);
                    })
                })
                .collect();
            let begin = Instant::now();
            barrier.wait();
            running.into_iter().for_each(|thread| thread.join().unwrap());
            begin.elapsed() / u32::try_from(threads).unwrap()
        })
    })
}
