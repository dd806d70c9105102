//! Who takes part: agents with keys that are the same in every run, a site that knows them, a broker.

use imagxp::agent::{Identity, SignRequest};
use imagxp::crypto::{Algorithm, PrivateKey};
use imagxp::json::{self, Object, Value};
use imagxp::policy::Money;
use imagxp::visa::{NewVisa, issue};
use imagxp::{Policy, Publisher, Purpose, Request, Timestamp};
use std::borrow::Cow;

/// What is read. With it, a claim has 290 bytes.
pub const URL: &str = "https://pub.example/2026/03/01/what-the-spring-tides-left-behind?page=2";
/// What costs a cent.
pub const PREMIUM: &str = "https://pub.example/premium/2026/03/01/what-the-spring-tides-left-behind";
const POLICY: &str = r#"{"version":1,"origins":["https://pub.example"],
  "purposes":{"RAG_RETRIEVAL":{},"CRAWL_TRAINING":{"allow":false}},
  "paths":[{"match":"/premium/*","price":{"amount":"0.01","currency":"USD"}}],
  "payment":{"brokers":[{"issuer":"https://broker.example","jwks_uri":"https://broker.example/jwks.json"}]}}"#;
const JWKS_URL: &str = "https://broker.example/jwks.json";

/// When everything happens.
pub fn now() -> Timestamp {
    Timestamp::parse("2026-03-01T12:00:00Z").unwrap()
}

/// The key with this number.
pub fn key(number: u64) -> PrivateKey {
    let fill = &mut |bytes: &mut [u8]| {
        let mut random = Random(number);
        bytes
            .chunks_mut(8)
            .for_each(|chunk| chunk.copy_from_slice(&random.next().to_le_bytes()[..chunk.len()]));
        Ok(())
    };
    PrivateKey::generate(Algorithm::Es256, fill).unwrap()
}

/// The agent with this number.
pub fn agent(number: u64) -> Identity {
    Identity::parse(&format!("crawler-{number}.agents.example"), key(number), false).unwrap()
}

/// A site that knows nobody.
pub fn stranger() -> Publisher {
    Publisher::new(Policy::from_json(POLICY.as_bytes()).unwrap(), [7; 16])
}

/// Tells the site about an agent, as a fetch of its manifest would.
pub fn introduce(publisher: &Publisher, agent: &Identity) {
    let url = format!("https://{}/.well-known/imagxp-agent.json", agent.agent_id());
    publisher.supply(&url, &agent.manifest(None, &[]).unwrap().to_json(), None, now()).unwrap();
}

/// A site that knows these agents, and the broker.
pub fn site<'a>(agents: impl IntoIterator<Item = &'a Identity>) -> Publisher {
    site_of(stranger(), agents)
}

/// Makes a site know these agents, and the broker.
pub fn site_of<'a>(publisher: Publisher, agents: impl IntoIterator<Item = &'a Identity>) -> Publisher {
    publisher.supply(JWKS_URL, &jwks(), None, now()).unwrap();
    agents.into_iter().for_each(|agent| introduce(&publisher, agent));
    publisher
}

const BROKER: u64 = 1 << 40;

fn jwks() -> Vec<u8> {
    let key = key(BROKER);
    let mut jwk = key.public_key().to_jwk();
    jwk.insert("kid", key.public_key().thumbprint().as_str().to_owned());
    let mut set = Object::new();
    set.insert("keys", vec![Value::Object(jwk)]);
    json::object_to_canonical(&set)
}

/// A broker's visa of one cent for this agent.
pub fn visa(agent: &Identity, jti: &str, max_uses: u32) -> String {
    let paid = Money { amount: imagxp::amount::Amount::parse("0.01").unwrap(), currency: "USD".into() };
    let visa = NewVisa {
        issuer: "https://broker.example",
        audience: "https://pub.example",
        agent_id: agent.agent_id(),
        key: Some(agent.public_key().thumbprint()),
        jti,
        issued_at: now(),
        lifetime_s: 600,
        paid: &paid,
        purposes: &[],
        max_uses,
    };
    issue(&visa, &key(BROKER)).unwrap()
}

/// A request as a server gets it.
pub struct Signed {
    url: Cow<'static, str>,
    /// Names and values, in order.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Signed {
    /// What an agent signs, among what clients send.
    pub fn new(agent: &Identity, url: &'static str, nonce: u64, visa: Option<&str>) -> Self {
        let usual = [
            ("host", "pub.example"),
            ("user-agent", "ExampleBot/1.0 (+https://agents.example/bot) IMAGXP/1.0"),
            ("accept", "text/html,application/xhtml+xml"),
            ("accept-encoding", "gzip, br"),
            ("connection", "keep-alive"),
        ];
        let request = SignRequest {
            payment: visa,
            context: Some(CONTEXT),
            ..SignRequest::new("GET", url, Purpose::RagRetrieval)
        };
        let signed = agent.sign(&request, now(), &uuid(nonce)).unwrap();
        let lines = usual.into_iter().chain(signed.iter());
        Self {
            url: url.into(),
            headers: lines.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).collect(),
        }
    }

    /// The value of a header.
    pub fn header_mut(&mut self, name: &str) -> &mut Vec<u8> {
        &mut self.headers.iter_mut().find(|(candidate, _)| candidate == name).unwrap().1
    }

    /// The same with another value.
    #[must_use]
    pub fn replaced(mut self, name: &str, value: Vec<u8>) -> Self {
        *self.header_mut(name) = value;
        self
    }

    /// The same, sent for another URL.
    #[must_use]
    pub fn asking(mut self, url: String) -> Self {
        self.url = url.into();
        self
    }

    /// The lines as a server holds them. Making this list is not part of what is measured.
    pub fn lines(&self) -> Lines<'_> {
        self.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_slice())).collect()
    }

    /// The request with these lines.
    pub fn request<'a>(&'a self, lines: &'a Lines<'a>) -> Request<'a> {
        Request { method: "GET", url: &self.url, headers: lines, body_digest: None }
    }
}

/// Header lines, borrowed.
pub type Lines<'a> = Vec<(&'a [u8], &'a [u8])>;

/// Fills the claim up to 290 bytes.
const CONTEXT: &str = r#"{"note":"spring"}"#;

/// A nonce that looks like a random UUID.
fn uuid(number: u64) -> String {
    let mut random = Random(number);
    let (high, low) = (random.next(), random.next());
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        0x8000 | (low >> 48 & 0x3fff),
        low & 0xffff_ffff_ffff
    )
}

/// A seeded generator (SplitMix64): the same numbers in every run.
pub struct Random(pub u64);

impl Random {
    /// The next number.
    #[expect(clippy::should_implement_trait, reason = "it never ends, and is no iterator")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// A number from 0 to 1.
    pub fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Ranks by Zipf's law: the second comes half as often as the first, the third a third as often.
pub struct Zipf(Vec<f64>);

impl Zipf {
    /// Of so many ranks.
    pub fn new(count: usize) -> Self {
        let mut sum = 0.0;
        let sums = (1..=count).map(|rank| {
            sum += 1.0 / rank as f64;
            sum
        });
        let sums: Vec<f64> = sums.collect();
        Self(sums.iter().map(|value| value / sum).collect())
    }

    /// One of them, from 0.
    pub fn draw(&self, random: &mut Random) -> usize {
        let share = random.share();
        self.0.partition_point(|&sum| sum < share).min(self.0.len() - 1)
    }
}
