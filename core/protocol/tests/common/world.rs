//! A small world for tests: an agent, a publisher, a broker, and a clock that stands still.

use imagxp::agent::{Identity, SignRequest};
use imagxp::crypto::{Algorithm, PrivateKey, Signer, jws};
use imagxp::json::{Object, object_to_canonical};
use imagxp::manifest::ManifestKey;
use imagxp::policy::Money;
use imagxp::publisher::Verification;
use imagxp::visa::{NewVisa, issue};
use imagxp::{Manifest, Policy, Publisher, Purpose, Request, Timestamp, Verdict};

/// The agent of most tests.
pub(crate) const AGENT: &str = "agent.example";
/// Its manifest.
pub(crate) const MANIFEST_URL: &str = "https://agent.example/.well-known/imagxp-agent.json";
/// The broker's keys.
pub(crate) const JWKS_URL: &str = "https://broker.example/jwks.json";
/// What most tests ask for.
pub(crate) const URL: &str = "https://pub.example/posts/1";

/// A policy: RAG allowed, training denied, a price below /premium/.
pub(crate) const POLICY: &str = r#"{"version":1,"origins":["https://pub.example"],
  "purposes":{"RAG_RETRIEVAL":{"allow":true},"CRAWL_TRAINING":{"allow":false}},
  "paths":[{"match":"/premium/*","price":{"amount":"0.01","currency":"USD"}}],
  "payment":{"brokers":[{"issuer":"https://broker.example","jwks_uri":"https://broker.example/jwks.json"}]}}"#;

/// The policy with another member.
pub(crate) fn changed(json: &str) -> String {
    POLICY.replacen("{\"version\":1", &format!("{{\"version\":1,{json}"), 1)
}

pub(crate) fn now() -> Timestamp {
    Timestamp::parse("2026-03-01T12:00:00Z").unwrap()
}

pub(crate) fn policy(json: &str) -> Policy {
    Policy::from_json(json.as_bytes()).unwrap()
}

/// A key that is the same in every run.
pub(crate) fn key(seed: u8, algorithm: Algorithm) -> PrivateKey {
    let fill = &mut |bytes: &mut [u8]| {
        bytes.fill(seed);
        Ok(())
    };
    PrivateKey::generate(algorithm, fill).unwrap()
}

pub(crate) fn identity(seed: u8) -> Identity {
    Identity::parse(AGENT, key(seed, Algorithm::Es256), false).unwrap()
}

/// A signed request that owns its parts, for tampering.
#[derive(Clone)]
pub(crate) struct Signed {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body_digest: Option<String>,
}

impl std::fmt::Debug for Signed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{} {} (body digest {:?})", self.method, self.url, self.body_digest)?;
        self.headers.iter().try_for_each(|(name, value)| writeln!(f, "{name}: {}", value.escape_ascii()))
    }
}

impl Signed {
    pub(crate) fn new(identity: &Identity, request: &SignRequest<'_>, now: Timestamp, nonce: &str) -> Self {
        let mut headers = vec![("user-agent".to_owned(), b"bot/1 IMAGXP/1.0".to_vec())];
        let signed = identity.sign(request, now, nonce).unwrap();
        headers.extend(signed.iter().map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())));
        Self { method: request.method.into(), url: request.url.into(), headers, body_digest: None }
    }

    /// A plain read of [`URL`] by agent 1.
    pub(crate) fn read(nonce: &str) -> Self {
        Self::new(&identity(1), &SignRequest::new("GET", URL, Purpose::RagRetrieval), now(), nonce)
    }

    /// A read by agent 1 of a page that costs one cent, with this visa.
    pub(crate) fn paid(token: &str, nonce: &str) -> Self {
        let ask = SignRequest {
            payment: Some(token),
            ..SignRequest::new("GET", "https://pub.example/premium/1", Purpose::RagRetrieval)
        };
        Self::new(&identity(1), &ask, now(), nonce)
    }

    pub(crate) fn header_mut(&mut self, name: &str) -> &mut Vec<u8> {
        &mut self.headers.iter_mut().find(|(candidate, _)| candidate == name).unwrap().1
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(candidate, _)| candidate != name);
        self
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.as_bytes().to_vec()));
        self
    }

    pub(crate) fn act<T>(&self, act: impl FnOnce(&Request<'_>) -> T) -> T {
        let headers: Vec<(&[u8], &[u8])> =
            self.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_slice())).collect();
        act(&Request {
            method: &self.method,
            url: &self.url,
            headers: &headers,
            body_digest: self.body_digest.as_deref(),
        })
    }

    pub(crate) fn start(&self, publisher: &Publisher, now: Timestamp) -> Verification {
        self.act(|request| publisher.verify(request, now))
    }

    pub(crate) fn verify(&self, publisher: &Publisher) -> Verdict {
        self.start(publisher, now()).verdict
    }
}

/// The manifest of agent 1 with the keys of these seeds.
pub(crate) fn manifest(seeds: &[u8]) -> Vec<u8> {
    let agent = imagxp::AgentId::parse(AGENT, false).unwrap();
    let keys = seeds.iter().map(|&seed| ManifestKey::new(key(seed, Algorithm::Es256).public_key().clone()));
    Manifest::new(agent, None, keys.collect()).unwrap().to_json()
}

/// The broker's key set; its key has the seed 9.
pub(crate) fn jwks() -> Vec<u8> {
    jwks_of(9)
}

pub(crate) fn jwks_of(seed: u8) -> Vec<u8> {
    let key = key(seed, Algorithm::Es256);
    let mut jwk = key.public_key().to_jwk();
    jwk.insert("kid", key.public_key().thumbprint().as_str().to_owned());
    let mut set = Object::new();
    set.insert("keys", vec![imagxp::json::Value::Object(jwk)]);
    object_to_canonical(&set)
}

/// A visa of the broker for agent 1 and one cent.
pub(crate) fn visa(jti: &str, change: impl FnOnce(&mut NewVisa<'_>)) -> String {
    let agent = imagxp::AgentId::parse(AGENT, false).unwrap();
    let holder = key(1, Algorithm::Es256);
    let paid = Money { amount: imagxp::amount::Amount::parse("0.01").unwrap(), currency: "USD".into() };
    let mut visa = NewVisa {
        issuer: "https://broker.example",
        audience: "https://pub.example",
        agent_id: &agent,
        key: Some(holder.public_key().thumbprint()),
        jti,
        issued_at: now(),
        lifetime_s: 600,
        paid: &paid,
        purposes: &[],
        max_uses: 1,
    };
    change(&mut visa);
    issue(&visa, &key(9, Algorithm::Es256)).unwrap()
}

/// A publisher that knows agent 1 and the broker.
pub(crate) fn publisher(policy_json: &str) -> Publisher {
    know(Publisher::new(policy(policy_json), [7; 16]))
}

pub(crate) fn know(publisher: Publisher) -> Publisher {
    publisher.supply(MANIFEST_URL, &manifest(&[1]), None, now()).unwrap();
    if !publisher.policy().document().payment.brokers.is_empty() {
        publisher.supply(JWKS_URL, &jwks(), None, now()).unwrap();
    }
    publisher
}

/// A seeded generator (SplitMix64): the same numbers in every run of a seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap()
    }

    /// A nonce in the form of a UUID.
    pub(crate) fn nonce(&mut self) -> String {
        format!("{:016x}-{:016x}", self.next(), self.next())
    }
}

/// A token of the broker with any claims and any header, beginning with those of a good visa named `jti`.
pub(crate) fn token(
    jti: &str,
    change: impl FnOnce(&mut Object<'static>),
    change_header: impl FnOnce(&mut Object<'static>),
) -> String {
    let mut claims = Object::new();
    claims.insert("iss", "https://broker.example");
    claims.insert("aud", "https://pub.example");
    claims.insert("sub", AGENT);
    claims.insert("jti", jti.to_owned());
    claims.insert("iat", 1_772_366_400);
    claims.insert("exp", 1_772_367_000);
    claims.insert("amount", "0.01");
    claims.insert("currency", "USD");
    change(&mut claims);
    let broker = key(9, Algorithm::Es256);
    let mut header = Object::new();
    header.insert("typ", "imagxp-visa+jwt");
    header.insert("kid", broker.public_key().thumbprint().as_str().to_owned());
    change_header(&mut header);
    jws::sign(&header, &object_to_canonical(&claims), &broker as &dyn Signer).unwrap()
}
