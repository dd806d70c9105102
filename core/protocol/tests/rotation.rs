//! The point of a rotation's order: no publisher with a conforming key directory ever refuses a rightly signed request because of its key.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]

mod common;

use common::world::*;
use imagxp::agent::rotation::{LONGEST_LIFETIME_S, MARGIN_S, Rotation};
use imagxp::agent::{Identity, SignRequest};
use imagxp::crypto::{Algorithm, PrivateKey, PublicKey};
use imagxp::publisher::FetchFailure;
use imagxp::{AgentId, Publisher, Purpose, Timestamp};
use proptest::prelude::*;

/// A request on its way.
struct Sent {
    request: Signed,
    signed_at: Timestamp,
    arrives_at: Timestamp,
    publisher: usize,
}

/// An agent that rotates, the publishers it reads from, and a clock.
struct World {
    random: Random,
    now: Timestamp,
    /// By how much the agent's clock is behind; it only ever goes back further.
    behind_ms: i64,
    rotation: Rotation,
    keys: Vec<PrivateKey>,
    /// What was served since when.
    served: Vec<(Timestamp, Vec<u8>)>,
    publishers: Vec<Publisher>,
    on_the_way: Vec<Sent>,
    /// With outages, an hour is assumed for every lifetime; without them, what the manifest is served with.
    outages: bool,
    max_age: Option<u32>,
    /// Until when a revocation may hurt.
    hurt_until: Timestamp,
    steps: [usize; 6],
    judged: usize,
}

impl World {
    fn new(seed: u64, outages: bool, max_age: Option<u32>) -> Self {
        // Ed25519 keys are made quickly.
        let keys: Vec<_> = (1..=30).map(|seed| key(seed, Algorithm::EdDsa)).collect();
        let rotation = Rotation::new(keys[0].public_key().clone());
        let mut world = Self {
            random: Random(seed),
            now: now(),
            behind_ms: 0,
            rotation,
            keys,
            served: Vec::new(),
            publishers: (0..4).map(|_| Publisher::new(policy(POLICY), [7; 16])).collect(),
            on_the_way: Vec::new(),
            outages,
            max_age,
            hurt_until: Timestamp::from_secs(0),
            steps: [0; 6],
            judged: 0,
        };
        world.serve();
        world
    }

    fn serve(&mut self) {
        let manifest = self.rotation.manifest(AgentId::parse(AGENT, false).unwrap(), None).unwrap();
        self.served.push((self.now, manifest.to_json()));
    }

    /// Some key that is new, or one that was used before.
    fn some_key(&mut self) -> PublicKey {
        let index = self.random.below(self.keys.len());
        self.keys[index].public_key().clone()
    }

    fn operate(&mut self) {
        let clock = self.now.saturating_add_millis(-self.behind_ms);
        let step = self.random.below(40);
        let next = match step {
            0..=8 => {
                let key = self.some_key();
                self.rotation.prepare(key)
            }
            9..=17 => self
                .rotation
                .publish(clock, if self.outages { None } else { Some(self.max_age.unwrap_or(300)) }),
            18..=27 => self.rotation.switch(clock),
            28..=36 => self.rotation.retire(clock),
            37..=38 => self.rotation.abort(clock),
            _ => {
                let gone = *self.rotation.signing_key().thumbprint();
                let replacement = self.rotation.needs_replacement(&gone).then(|| self.some_key());
                let result = self.rotation.revoke(&gone, replacement);
                if result.is_ok() {
                    self.hurt_until = self.now.saturating_add_secs(LONGEST_LIFETIME_S + MARGIN_S);
                }
                result
            }
        };
        if let Ok(next) = next {
            self.steps[[9, 18, 28, 37, 39, 40].iter().position(|&end| step < end).unwrap()] += 1;
            // A crash between any two operations loses nothing that was written down.
            self.rotation = Rotation::parse(&next.to_json()).unwrap();
            self.serve();
        }
    }

    fn send(&mut self) {
        let signer = self.rotation.signing_key();
        let private = self.keys.iter().find(|key| key.public_key() == signer).unwrap();
        let private = PrivateKey::from_pkcs8_der(&private.to_pkcs8_der()).unwrap();
        let identity = Identity::parse(AGENT, private, false).unwrap();
        let nonce = self.random.nonce();
        let request = SignRequest::new("GET", URL, Purpose::RagRetrieval);
        let mut request = Signed::new(&identity, &request, self.now, &nonce);
        if self.random.below(3) == 0 {
            request = request.without("x-imagxp-public-key");
        }
        let delay = if self.random.below(2) == 0 { 0 } else { self.random.below(300_001) };
        let sent = Sent {
            request,
            signed_at: self.now,
            arrives_at: self.now.saturating_add_millis(i64::try_from(delay).unwrap()),
            publisher: self.random.below(4),
        };
        self.on_the_way.push(sent);
    }

    /// The manifest as a fetch sees it that began up to 1.5 s ago.
    fn fetched(&mut self) -> Vec<u8> {
        let began = self.now.saturating_add_millis(-i64::try_from(self.random.below(1501)).unwrap());
        let seen = self.served.iter().rev().find(|(since, _)| *since <= began);
        seen.unwrap_or(&self.served[0]).1.clone()
    }

    fn judge(&mut self, sent: &Sent) {
        let mut verification = sent.request.start(&self.publishers[sent.publisher], self.now);
        for _ in 0..3 {
            let Some(pending) = verification.pending.take() else { break };
            let body = self.fetched();
            let publisher = &self.publishers[sent.publisher];
            if self.outages && self.random.below(2) == 0 {
                publisher.supply_failure(MANIFEST_URL, FetchFailure::Failed, self.now).unwrap();
            } else {
                publisher.supply(MANIFEST_URL, &body, self.max_age, self.now).unwrap();
            }
            verification = publisher.resume(pending, self.now);
        }
        if sent.signed_at <= self.hurt_until || self.now <= self.hurt_until {
            return;
        }
        self.judged += 1;
        let code = verification.verdict.code.map(imagxp::Code::as_str);
        let fine = code.is_none() || (self.outages && code == Some("identity.fetch_failed"));
        assert!(fine, "{code:?} at {}, signed at {}; {:?}", self.now, sent.signed_at, self.rotation);
    }

    /// Lets time pass; what arrives meanwhile is judged when it arrives.
    fn pass(&mut self) {
        let span = match self.random.below(4) {
            0 => 1000,
            1 => 100_000,
            2 => 600_000,
            _ => 4_000_000,
        };
        let until = self.now.saturating_add_millis(i64::try_from(self.random.below(span)).unwrap());
        self.on_the_way.sort_by_key(|sent| std::cmp::Reverse(sent.arrives_at));
        while self.on_the_way.last().is_some_and(|sent| sent.arrives_at <= until) {
            let sent = self.on_the_way.pop().unwrap();
            self.now = sent.arrives_at;
            self.judge(&sent);
        }
        self.now = until;
        if self.random.below(30) == 0 {
            self.behind_ms += i64::try_from(self.random.below(2_000_000)).unwrap();
        }
    }

    fn run(&mut self, rounds: usize) {
        for _ in 0..rounds {
            self.pass();
            if self.random.below(2) == 0 {
                self.operate();
            }
            for _ in 0..self.random.below(3) {
                self.send();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_key_is_ever_refused(seed: u64, max_age in proptest::option::of(0_u32..10_000)) {
        World::new(seed, false, max_age).run(200);
    }

    #[test]
    fn nor_when_manifests_cannot_always_be_fetched(seed: u64, max_age in proptest::option::of(0_u32..10_000)) {
        World::new(seed, true, max_age).run(200);
    }
}

/// The simulation does what it says: every step is taken, and most requests are judged.
#[test]
fn the_simulation_reaches_every_step() {
    let mut steps = [0; 6];
    let mut judged = 0;
    for seed in 0..4 {
        let mut world = World::new(seed, false, Some(300));
        world.run(400);
        steps.iter_mut().zip(world.steps).for_each(|(sum, count)| *sum += count);
        judged += world.judged;
    }
    assert!(steps.iter().all(|&count| count > 2), "{steps:?}");
    assert!(judged > 700, "{judged}");
    println!("prepared, published, switched, retired, aborted, revoked: {steps:?}; {judged} requests judged");
}

/// Why switching waits: signed with the new key at once, a request may meet a manifest that was fetched a moment before.
#[test]
fn without_the_wait_a_key_is_refused() {
    let publisher = publisher(POLICY);
    let early = Signed::new(
        &identity(2),
        &SignRequest::new("GET", URL, Purpose::RagRetrieval),
        now(),
        "0123456789abcdef",
    );
    assert_eq!(early.verify(&publisher).code, Some(imagxp::Code::IdentityKeyMismatch));
}
