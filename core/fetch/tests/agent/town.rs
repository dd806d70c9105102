//! A real publisher and a real broker on loopback, which count what reaches them.

use imagxp::agent::Identity;
use imagxp::agent::assertion;
use imagxp::agent::offer::TrustedBroker;
use imagxp::agent::reader::{Purse, ReaderOptions};
use imagxp::agent::spend::Caps;
use imagxp::amount::Amount;
use imagxp::crypto::{Algorithm, PrivateKey};
use imagxp::policy::{ContentOrigin, Money};
use imagxp::provenance::Receipt;
use imagxp::visa::{NewVisa, issue};
use imagxp::{AgentId, Manifest, Policy, Publisher, Purpose, Request, Timestamp};
use imagxp_fetch::agent::Agent;
use imagxp_fetch::{Fetcher, Options};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

// Where this file is, also when another test program includes it.
#[path = "http.rs"]
mod http;
use http::pair;
pub(crate) use http::{Reply, Seen, Server};

pub(crate) const AGENT: &str = "agent.example";

/// A key that is the same in every run.
pub(crate) fn key(seed: u8) -> PrivateKey {
    let fill = &mut |bytes: &mut [u8]| {
        bytes.fill(seed);
        Ok(())
    };
    PrivateKey::generate(Algorithm::Es256, fill).unwrap()
}

pub(crate) fn identity() -> Identity {
    Identity::parse(AGENT, key(1), false).unwrap()
}

pub(crate) fn now() -> Timestamp {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_millis(i64::try_from(elapsed.as_millis()).unwrap())
}

pub(crate) fn money(amount: &str) -> Money {
    Money { amount: Amount::parse(amount).unwrap(), currency: "USD".into() }
}

/// How a broker behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    Good,
    /// Books the payment and hangs up; answers when it is asked again under the same key.
    HangsUpFirst,
    /// Books the payment and is silent; answers when it is asked again under the same key.
    #[allow(dead_code, reason = "the command line's tests share this file, and only they wait")]
    WaitsFirst,
    /// Hangs up each time.
    HangsUp,
    Refuses,
    Garbage,
    Fails,
    OtherAudience,
    OtherHolder,
    Cheaper,
    Dearer,
    OtherIssuer,
    AdProof,
    Expired,
    ManyUses,
}

/// A broker that verifies each client assertion against the agent's manifest and keeps its word per `Idempotency-Key`.
pub(crate) struct Broker {
    pub(crate) server: Server,
    /// Visas that were booked: the money that is gone.
    pub(crate) booked: Arc<AtomicU32>,
}

impl Broker {
    pub(crate) fn start(manner: Manner) -> Self {
        let booked = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&booked);
        let server = Server::start(|origin| {
            let origin = origin.to_owned();
            let manifest = identity().manifest(None, &[]).unwrap();
            let kept: Mutex<HashMap<String, String>> = Mutex::default();
            let jtis: Mutex<HashSet<String>> = Mutex::default();
            Box::new(move |request| {
                assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/oauth/token"));
                let form: HashMap<String, String> = request.body.split('&').map(pair).collect();
                let endpoint = format!("{origin}/oauth/token");
                let asked =
                    assertion::verify(form["client_assertion"].as_bytes(), &manifest, &endpoint, now());
                let asked = asked.unwrap();
                assert_eq!(form["grant_type"], "client_credentials");
                assert_eq!(
                    form["client_assertion_type"],
                    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
                );
                assert!(jtis.lock().unwrap().insert(asked.jti), "a jti counts once");
                match manner {
                    Manner::Refuses => return Some(Reply::new(400, r#"{"error":"insufficient_funds"}"#)),
                    Manner::Fails => return Some(Reply::new(503, "")),
                    _ => {}
                }
                let name = request.header("idempotency-key").unwrap().to_owned();
                let mut kept = kept.lock().unwrap();
                let known = kept.get(&name).cloned();
                let visa = known.clone().unwrap_or_else(|| {
                    counter.fetch_add(1, Ordering::SeqCst);
                    visa(manner, &origin, &form, &asked.agent_id, &name)
                });
                kept.insert(name, visa.clone());
                drop(kept);
                match manner {
                    Manner::WaitsFirst if known.is_none() => {
                        thread::sleep(std::time::Duration::from_secs(30));
                        None
                    }
                    Manner::HangsUp => None,
                    Manner::HangsUpFirst if known.is_none() => None,
                    Manner::Garbage => Some(Reply::new(200, "<html>thank you</html>")),
                    _ => Some(Reply::new(
                        200,
                        format!(r#"{{"access_token":"{visa}","token_type":"Bearer","expires_in":600}}"#),
                    )),
                }
            })
        });
        Self { server, booked }
    }

    pub(crate) fn booked(&self) -> u32 {
        self.booked.load(Ordering::SeqCst)
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.server.seen().iter().map(|seen| seen.header("idempotency-key").unwrap().to_owned()).collect()
    }
}

fn visa(manner: Manner, origin: &str, form: &HashMap<String, String>, agent: &AgentId, jti: &str) -> String {
    let issued_at = if manner == Manner::Expired { now().saturating_add_secs(-700) } else { now() };
    let amount = match manner {
        Manner::Cheaper => "0.001",
        Manner::Dearer => "0.02",
        _ => &form["amount"],
    };
    let other = AgentId::parse("other.example", false).unwrap();
    let agent_key = key(1);
    let token = issue(
        &NewVisa {
            issuer: if manner == Manner::OtherIssuer { "https://other.example" } else { origin },
            audience: if manner == Manner::OtherAudience {
                "https://other.example"
            } else {
                &form["resource"]
            },
            agent_id: if manner == Manner::OtherHolder { &other } else { agent },
            key: Some(agent_key.public_key().thumbprint()),
            jti,
            issued_at,
            lifetime_s: 600,
            paid: &money(amount),
            purposes: &[Purpose::from_name(&form["purposes"]).unwrap()],
            max_uses: if manner == Manner::ManyUses { 3 } else { 1 },
        },
        &key(9),
    )
    .unwrap();
    if manner != Manner::AdProof {
        return token;
    }
    let mut header = imagxp::json::Object::new();
    header.insert("typ", "imagxp-adproof+jwt");
    let jws = imagxp::crypto::Jws::parse(token.as_bytes(), 8192).unwrap();
    imagxp::crypto::jws::sign(&header, jws.payload(), &key(9)).unwrap()
}

/// Sees a request before the publisher does, and may answer it.
pub(crate) type Hook = Box<dyn Fn(&Seen, &str) -> Option<Option<Reply>> + Send + Sync>;

/// A publisher that verifies with the core, serves robots.txt, its policy, its manifest, and receipts.
pub(crate) struct Site {
    pub(crate) server: Server,
}

impl Site {
    /// Pages below `/paid` cost 0.01 USD at this broker.
    pub(crate) fn start(broker: &str, hook: Hook) -> Self {
        let broker = broker.to_owned();
        let server = Server::start(|origin| {
            let origin = origin.to_owned();
            let text = format!(
                r#"{{"version":1,"origins":["{origin}"],"allow_loopback":true,
                  "purposes":{{"SUMMARY":{{"allow":true}},"CRAWL_TRAINING":{{"allow":false}}}},
                  "paths":[{{"match":"/paid*","price":{{"amount":"0.01","currency":"USD"}}}}],
                  "payment":{{"brokers":[{{"issuer":"{broker}","jwks_uri":"{broker}/jwks.json"}}]}},
                  "provenance":{{"origin":"HUMAN"}}}}"#
            );
            let publisher = Publisher::new(Policy::from_json(text.as_bytes()).unwrap(), [7; 16]);
            let agent = identity();
            let manifest = agent.manifest(None, &[]).unwrap().to_json();
            publisher.supply(&agent.agent_id().manifest_url(), &manifest, None, now()).unwrap();
            let mut jwk = key(9).public_key().to_jwk();
            jwk.insert("kid", key(9).public_key().thumbprint().as_str().to_owned());
            let mut jwks = imagxp::json::Object::new();
            jwks.insert("keys", vec![imagxp::json::Value::from(jwk)]);
            let jwks = imagxp::json::object_to_canonical(&jwks);
            publisher.supply(&format!("{broker}/jwks.json"), &jwks, None, now()).unwrap();
            Box::new(move |request| match hook(request, &origin) {
                Some(reply) => reply,
                None => Some(serve(&publisher, &origin, request)),
            })
        });
        Self { server }
    }

    pub(crate) fn plain(broker: &Broker) -> Self {
        Self::start(&broker.server.origin, Box::new(|_, _| None))
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server.origin)
    }
}

pub(crate) fn publisher_manifest(origin: &str) -> Vec<u8> {
    let id = AgentId::parse(origin.strip_prefix("http://").unwrap(), true).unwrap();
    let keys = vec![imagxp::manifest::ManifestKey::new(key(5).public_key().clone())];
    Manifest::new(id, None, keys).unwrap().to_json()
}

pub(crate) fn receipt(origin: &str, target: &str, body: &[u8], signer: u8) -> Vec<(String, String)> {
    let receipt = Receipt {
        agent_id: Some(identity().agent_id().clone()),
        content_sha256: imagxp::digest::sha256(body),
        origin: ContentOrigin::Human,
        trace_id: "trace-1".into(),
        ts: now(),
        url: format!("{origin}{target}"),
    };
    let signed = receipt.sign(&key(signer)).unwrap();
    signed.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn serve(publisher: &Publisher, origin: &str, request: &Seen) -> Reply {
    match request.target.as_str() {
        "/robots.txt" => return Reply::new(200, "User-agent: *\nDisallow: /private\n"),
        "/.well-known/imagxp-policy.json" => return Reply::new(200, publisher.policy().public_json()),
        "/.well-known/imagxp-agent.json" => return Reply::new(200, publisher_manifest(origin)),
        _ => {}
    }
    let headers: Vec<(&[u8], &[u8])> =
        request.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    let asked =
        Request { method: &request.method, url: &request.target, headers: &headers, body_digest: None };
    let verdict = publisher.verify(&asked, now()).verdict;
    let mut reply = if verdict.is_allowed() {
        let body = format!("content of {}", request.target).into_bytes();
        let headers = receipt(origin, &request.target, &body, 5);
        Reply { headers, ..Reply::new(200, body) }
    } else {
        Reply::new(verdict.http, verdict.body())
    };
    reply
        .headers
        .extend(verdict.response_headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    reply
}

/// Options for an agent that trusts this broker.
pub(crate) fn options(broker: &Broker) -> ReaderOptions {
    ReaderOptions {
        brokers: vec![TrustedBroker::new(&broker.server.origin, true).unwrap()],
        allow_loopback: true,
        ..ReaderOptions::new(Purpose::Summary, "TestBot")
    }
}

pub(crate) fn caps() -> Caps {
    Caps::new("USD", "0.05").unwrap().with_per_day("0.1").unwrap()
}

pub(crate) fn purse() -> Arc<Purse> {
    Arc::new(Purse::in_memory([caps()]))
}

pub(crate) fn agent_with(options: ReaderOptions, purse: Arc<Purse>) -> Agent {
    let fetcher = Fetcher::new(Options { allow_loopback: true, ..Options::default() }).unwrap();
    Agent::new(identity(), options, purse, fetcher).unwrap()
}

pub(crate) fn agent(broker: &Broker) -> Agent {
    agent_with(options(broker), purse())
}
