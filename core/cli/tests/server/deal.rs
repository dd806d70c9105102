//! An agent, a publisher, and what passes between them.

use crate::party::{Party, nonce, now};
use crate::service::{Reply, Service};
use imagxp::agent::SignRequest;
use imagxp::feedback::{Feedback, Reason, Score};
use imagxp::jwks::JwkSet;
use imagxp::publisher::Outcome;
use imagxp::{Policy, Publisher, Purpose, Request, Verdict};
use serde_json::{Value, json};

pub(crate) struct Deal {
    pub(crate) agent: Party,
    pub(crate) publisher: Party,
}

impl Deal {
    /// Two parties; the agent has 10 USD.
    pub(crate) fn new(service: &Service) -> Self {
        let deal = Self::without_money();
        deal.deposit(service, "10", &nonce()).is(201);
        deal
    }

    /// Two parties of whom the broker has not heard.
    pub(crate) fn without_money() -> Self {
        Self { agent: Party::new(), publisher: Party::new() }
    }

    pub(crate) fn deposit(&self, service: &Service, amount: &str, reference: &str) -> Reply {
        let body =
            json!({"owner": self.agent.name(), "amount": amount, "asset": "USD", "reference": reference});
        service.post("/v1/deposits", &service.token, &body)
    }

    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.publisher.name())
    }

    /// Buys a visa; its token and name.
    pub(crate) fn buy(&self, service: &Service, amount: &str) -> (String, String) {
        let body =
            json!({"resource": self.origin(), "amount": amount, "currency": "USD", "purposes": ["SUMMARY"]});
        let bought = self.agent.post(service, "/v1/visas", &body).is(201);
        assert_eq!(bought["visa"]["state"], "ISSUED", "{bought}");
        (
            bought["access_token"].as_str().unwrap().to_owned(),
            bought["visa"]["jti"].as_str().unwrap().to_owned(),
        )
    }

    /// The agent's request for a page, with its visa.
    pub(crate) fn request(&self, visa: &str) -> Vec<(String, String)> {
        let url = format!("{}/page", self.origin());
        let request = SignRequest { payment: Some(visa), ..SignRequest::new("GET", &url, Purpose::Summary) };
        let signed = self.agent.identity.sign(&request, now(), &nonce()).unwrap();
        let mut headers: Vec<_> =
            signed.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        headers.push(("user-agent".into(), "test IMAGXP/1.0".into()));
        headers
    }

    /// What the publisher's own pipeline says of that request, with the keys that the broker publishes.
    pub(crate) fn verdict(&self, service: &Service, headers: &[(String, String)]) -> Verdict {
        let policy = json!({
            "version": 1,
            "origins": [self.origin()],
            "purposes": {"SUMMARY": {"allow": true, "price": {"amount": "0.5", "currency": "USD"}}},
            "payment": {"required": true, "brokers": [{"issuer": service.issuer, "jwks_uri": format!("{}/.well-known/jwks.json", service.issuer)}]},
            "allow_loopback": true,
        });
        let publisher = Publisher::new(Policy::from_json(policy.to_string().as_bytes()).unwrap(), [7; 16]);
        let manifest = self.agent.identity.manifest(None, &[]).unwrap().to_json();
        publisher.supply(&self.agent.identity.agent_id().manifest_url(), &manifest, None, now()).unwrap();
        let jwks = service.send("GET", "/.well-known/jwks.json", &[], b"").0.body;
        assert!(JwkSet::parse(&jwks).is_ok());
        publisher.supply(&format!("{}/.well-known/jwks.json", service.issuer), &jwks, None, now()).unwrap();
        let lines: Vec<_> = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        publisher
            .verify(&Request { method: "GET", url: "/page", headers: &lines, body_digest: None }, now())
            .verdict
    }

    /// A visa with the request that brought it, as a publisher presents it.
    pub(crate) fn presented(visa: &str, headers: &[(String, String)]) -> Value {
        let header = |name: &str| headers.iter().find(|(other, _)| other == name).unwrap().1.clone();
        json!({"visa": visa, "request": {
            "payload": header("x-imagxp-payload"),
            "signature": header("x-imagxp-signature"),
            "public_key": header("x-imagxp-public-key"),
        }})
    }

    pub(crate) fn redeem(&self, service: &Service, visa: &str) -> Value {
        let headers = self.request(visa);
        let body = json!({"visas": [Self::presented(visa, &headers)]});
        self.publisher.post(service, "/v1/visas/redeem", &body).is(200)["results"][0].clone()
    }

    /// Buys, serves and redeems.
    pub(crate) fn read(&self, service: &Service, amount: &str) -> String {
        let (token, jti) = self.buy(service, amount);
        assert_eq!(self.redeem(service, &token)["accepted"], true);
        jti
    }

    /// Signed feedback on a visa.
    pub(crate) fn feedback(&self, jti: &str, millionths: u32) -> Vec<u8> {
        let feedback = Feedback {
            jti: Some(jti.to_owned()),
            ..Feedback::new(
                format!("{}/page", self.origin()),
                Score::from_millionths(millionths).unwrap(),
                Reason::Other,
            )
        };
        feedback.sign(&self.agent.identity, now(), &nonce()).unwrap()
    }

    pub(crate) fn give_feedback(&self, service: &Service, jti: &str, millionths: u32) -> Reply {
        self.agent.ask(
            service,
            "POST",
            &format!("/v1/visas/{jti}/feedback"),
            &[],
            &self.feedback(jti, millionths),
        )
    }

    /// (balance, available) of a party, as the party reads them.
    pub(crate) fn balance(&self, service: &Service, party: &Party) -> (String, String) {
        let reply = party.get(service, &format!("/v1/accounts/{}", party.name()));
        if reply.0.status == 404 {
            return ("0".into(), "0".into());
        }
        let account = &reply.is(200)["accounts"][0];
        (account["balance"].as_str().unwrap().to_owned(), account["available"].as_str().unwrap().to_owned())
    }
}

/// The log holds, and every asset comes to nothing.
pub(crate) fn audit(service: &Service) {
    let log = service.get("/v1/log/verify", &service.token).is(200);
    assert!(log["ok"] == true && log["size"].as_u64().unwrap() > 0, "{log}");
    let money = service.get("/v1/money", &service.token).is(200);
    assert_eq!(money["writable"], true);
    for asset in money["assets"].as_array().unwrap() {
        let units = |text: &Value| {
            let text = text.as_str().unwrap();
            let (sign, text) = text.strip_prefix('-').map_or((1, text), |text| (-1, text));
            let (whole, part) = text.split_once('.').unwrap_or((text, ""));
            sign * format!("{whole}{part:0<18}").parse::<i128>().unwrap()
        };
        let sum: i128 = asset["accounts"].as_object().unwrap().values().map(units).sum();
        assert_eq!(sum, 0, "{asset}");
    }
}

pub(crate) fn allowed(verdict: &Verdict) -> bool {
    verdict.outcome == Outcome::Allow
}
