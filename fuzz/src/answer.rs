//! A broker's good answer to the purchase of the target `offer`, and what may be changed in it.

use crate::key;
use imagxp::Timestamp;
use imagxp::crypto::{Algorithm, Thumbprint};
use imagxp::encoding::base64url_encode;
use imagxp::json::{Limits, Object, Value, object_to_canonical, parse, parse_object};
use std::sync::LazyLock;

/// The key of the agent that pays.
pub static THUMBPRINT: LazyLock<Thumbprint> =
    LazyLock::new(|| *key(Algorithm::Es256, 3).public_key().thumbprint());

const NAMES: [&str; 12] = [
    "iss",
    "aud",
    "sub",
    "amount",
    "currency",
    "exp",
    "purposes",
    "cnf",
    "iat",
    "jti",
    "payment_status",
    "max_uses",
];

/// The claims of a visa.
#[derive(Clone)]
pub struct Claims(Object<'static>);

impl Claims {
    /// Those that the purchase asks for.
    pub fn good(now: Timestamp) -> Self {
        let (iat, exp) = (now.as_millis() / 1000, now.as_millis() / 1000 + 600);
        let text = format!(
            r#"{{"iss":"https://broker.example","aud":"https://pub.example","sub":"agent.example","amount":"1",
            "currency":"USD","iat":{iat},"exp":{exp},"purposes":["SUMMARY"],"jti":"visa-00000001","payment_status":"paid",
            "cnf":{{"jkt":"{}"}}}}"#,
            THUMBPRINT.as_str()
        );
        Self(parse_object(text.as_bytes(), &Limits::JWT).expect("good claims").into_owned())
    }

    /// Gives a claim another value, a JSON text. Whether it could.
    pub fn set(&mut self, name: &'static str, json: &[u8]) -> bool {
        let Ok(value) = parse(json, &Limits::CLAIM) else { return false };
        self.0.remove(name);
        self.0.insert(name, value.into_owned());
        true
    }

    /// Changes what a line says: the first byte names the claim, the second whether it is removed, a text, or whatever JSON says.
    pub fn change(&mut self, line: &[u8]) -> bool {
        let [which, how, value @ ..] = line else { return false };
        let name = NAMES[usize::from(*which) % NAMES.len()];
        match how % 3 {
            0 => self.0.remove(name).is_some(),
            1 => {
                self.0.remove(name);
                self.0.insert(name, String::from_utf8_lossy(value).into_owned());
                true
            }
            _ => self.set(name, value),
        }
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// The texts of a list, or of one alone.
    fn texts(&self, name: &str) -> Vec<&str> {
        match self.0.get(name) {
            Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
            Some(value) => value.as_str().into_iter().collect(),
            None => Vec::new(),
        }
    }
}

/// Whether an agent that asked for one dollar's worth may take these claims. An amount has several texts, and who names neither purposes nor key
/// limits nothing.
pub fn is_asked_for(claims: &Claims, now: Timestamp) -> bool {
    let amount = match claims.0.get("amount") {
        Some(Value::Number(number)) => number.as_f64(),
        _ => claims.text("amount").and_then(|text| text.parse().ok()).unwrap_or(0.0),
    };
    let seconds = |name| match claims.0.get(name) {
        Some(Value::Number(number)) => number.as_f64().floor(),
        _ => -1.0,
    };
    #[expect(clippy::cast_precision_loss, reason = "a time of this century")]
    let now = now.as_millis() as f64 / 1000.0;
    let (iat, exp) = (seconds("iat"), seconds("exp"));
    let jkt = match claims.0.get("cnf") {
        Some(Value::Object(cnf)) => cnf.get("jkt"),
        _ => None,
    };
    claims.text("iss") == Some("https://broker.example")
        && claims.texts("aud").iter().any(|aud| ["https://pub.example", "pub.example"].contains(aud))
        && claims.text("sub") == Some("agent.example")
        && (amount - 1.0).abs() < 1e-9
        && claims.text("currency") == Some("USD")
        && exp > now
        && (0.0..=3600.0).contains(&(exp - iat))
        && (claims.0.get("purposes").is_none() || claims.texts("purposes").contains(&"SUMMARY"))
        && jkt.is_none_or(|jkt| jkt.as_str() == Some(THUMBPRINT.as_str()))
}

/// The broker's answer with these claims. Nobody looks at the signature: the agent has not the broker's keys.
pub fn answer(claims: &Claims) -> Vec<u8> {
    let part = |json: &[u8]| base64url_encode(json);
    let token = [
        part(br#"{"alg":"ES256","typ":"imagxp-visa+jwt"}"#),
        part(&object_to_canonical(&claims.0)),
        part(&[1; 64]),
    ]
    .join(".");
    let mut answer = Object::new();
    answer.insert("access_token", token);
    answer.insert("token_type", "Bearer");
    object_to_canonical(&answer)
}
