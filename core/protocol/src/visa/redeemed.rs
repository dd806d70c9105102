//! What a broker says of visas that were presented to it (BROKER §2).

use crate::json::{self, Object, Value};
use crate::publisher::Redemption;

/// What an answer may be read to: a thousand results of a few lines each.
const LIMITS: json::Limits = json::Limits { max_bytes: 1 << 20, max_depth: 16, ..json::Limits::INTERCHANGE };

/// What became of one visa.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redeemed {
    /// Its name, as far as it could be read.
    pub jti: Option<String>,
    /// Whether the money stands behind it.
    pub accepted: bool,
    /// For how much, a decimal string.
    pub amount: Option<String>,
    /// In which asset.
    pub asset: Option<String>,
    /// Whether it was accepted by an earlier sending of this very batch.
    pub repeated: bool,
    /// Why it was not accepted: the broker's code and one sentence.
    pub refusal: Option<(String, String)>,
}

impl Redeemed {
    /// One of an answer's `results`. `None`: it is none.
    pub fn read(value: &Value<'_>) -> Option<Self> {
        let object = value.as_object()?;
        let text = |name: &str| object.get(name).and_then(Value::as_str).map(str::to_owned);
        let accepted = object.get("accepted")?.as_bool()?;
        let refusal = object.get("error").and_then(Value::as_object).map(|error| {
            let text = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            (text("code"), text("message"))
        });
        Some(Self {
            jti: text("jti"),
            accepted,
            amount: text("amount"),
            asset: text("asset"),
            repeated: object.get("repeated").and_then(Value::as_bool).unwrap_or(false),
            refusal,
        })
    }

    /// Whether it was not decided now and may be later.
    pub fn is_transient(&self) -> bool {
        let waits = |code: &str| {
            code.starts_with("store.")
                || matches!(code, "ledger.broken" | "log.rewound" | "clock.wrong" | "idempotency.in_progress")
        };
        self.refusal.as_ref().is_some_and(|(code, _)| waits(code))
    }

    /// The broker's word, for policies with `check: redeem` ([`crate::publisher::Pending::redeemed`]).
    pub fn redemption(&self) -> Redemption {
        match (self.accepted, self.is_transient()) {
            (true, _) => Redemption::Accepted,
            (false, true) => Redemption::Unavailable,
            (false, false) => Redemption::Refused,
        }
    }

    /// As JSON, with the API's names.
    pub fn to_json(&self) -> Object<'static> {
        let mut object = Object::new();
        let text = |text: &Option<String>| text.clone().map_or(Value::Null, Value::from);
        object.insert("jti", text(&self.jti));
        object.insert("accepted", self.accepted);
        object.insert("amount", text(&self.amount));
        object.insert("asset", text(&self.asset));
        object.insert("repeated", self.repeated);
        let error = self.refusal.as_ref().map_or(Value::Null, |(code, message)| {
            let mut error = Object::new();
            error.insert("code", code.clone());
            error.insert("message", message.clone());
            error.into()
        });
        object.insert("error", error);
        object
    }
}

/// The results of an answer to `POST /v1/visas/redeem` that presented so many visas, in their order. `None`: it is no such answer.
pub fn read_redeemed(answer: &Object<'_>, presented: usize) -> Option<Vec<Redeemed>> {
    let results = answer.get("results").and_then(Value::as_array)?;
    let results: Option<Vec<_>> = results.iter().map(Redeemed::read).collect();
    results.filter(|results| results.len() == presented)
}

impl Redemption {
    /// What an answer to `POST /v1/visas/redeem` says of the one visa that was presented: [`Redemption::of_answers`].
    pub fn of_answer(status: u16, body: &[u8]) -> Self {
        let results = results(status, body, 1).unwrap_or_default();
        results.first().map_or(Self::Unavailable, Redeemed::redemption)
    }

    /// What an answer to `POST /v1/visas/redeem` says of each of so many visas, in the order in which they were presented. Everything but
    /// a definite word is [`Redemption::Unavailable`]: what it says may be known later, so the visa is presented again.
    pub fn of_answers(status: u16, body: &[u8], presented: usize) -> Vec<Self> {
        match results(status, body, presented) {
            Some(results) => results.iter().map(Redeemed::redemption).collect(),
            None => vec![Self::Unavailable; presented],
        }
    }
}

fn results(status: u16, body: &[u8], presented: usize) -> Option<Vec<Redeemed>> {
    if !(200..300).contains(&status) {
        return None;
    }
    read_redeemed(&json::parse_object(body, &LIMITS).ok()?, presented)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_a_size_and_a_depth() {
        assert_eq!((LIMITS.max_bytes, LIMITS.max_depth), (1_048_576, 16));
    }

    #[test]
    fn what_is_written_is_read_alike() {
        let text = |text: &str| Some(text.to_owned());
        let accepted = Redeemed {
            jti: text("j"),
            accepted: true,
            amount: text("0.01"),
            asset: text("USD"),
            repeated: true,
            refusal: None,
        };
        let refused =
            Redeemed { refusal: Some(("visa.state".into(), "it is used".into())), ..Redeemed::default() };
        for redeemed in [accepted, refused, Redeemed::default()] {
            assert_eq!(Redeemed::read(&redeemed.to_json().into()), Some(redeemed));
        }
    }

    #[test]
    fn only_a_definite_word_decides() {
        use Redemption::{Accepted, Refused, Unavailable};
        let refused = |code: &str| {
            format!(r#"{{"results":[{{"accepted":false,"error":{{"code":"{code}","message":"no"}}}}]}}"#)
        };
        let cases: &[(u16, String, Redemption)] = &[
            (200, r#"{"results":[{"accepted":true,"jti":"j","amount":"1"}],"accepted":1}"#.into(), Accepted),
            (200, refused("visa.state"), Refused),
            (200, refused("payment.invalid_token"), Refused),
            (200, refused("store.busy"), Unavailable),
            (200, refused("store.unknown"), Unavailable),
            (200, refused("log.rewound"), Unavailable),
            (200, refused("clock.wrong"), Unavailable),
            (200, refused("ledger.broken"), Unavailable),
            (200, refused("idempotency.in_progress"), Unavailable),
            (503, r#"{"results":[{"accepted":true}]}"#.into(), Unavailable),
            (401, refused("visa.state"), Unavailable),
            (200, r#"{"results":[]}"#.into(), Unavailable),
            (200, r#"{"results":[{"accepted":true},{"accepted":true}]}"#.into(), Unavailable),
            (200, r#"{"results":[{"accepted":"true"}]}"#.into(), Unavailable),
            (200, r#"{"results":[{"accepted":true}],"results":[]}"#.into(), Unavailable),
            (200, String::new(), Unavailable),
            (200, "<html>".into(), Unavailable),
        ];
        for (status, body, expected) in cases {
            assert_eq!(Redemption::of_answer(*status, body.as_bytes()), *expected, "{status} {body}");
        }
    }

    #[test]
    fn each_visa_of_a_batch_has_its_own_word() {
        use Redemption::{Accepted, Refused, Unavailable};
        let [accepted, refused, busy] = [
            r#"{"accepted":true}"#,
            r#"{"accepted":false,"error":{"code":"visa.state","message":"no"}}"#,
            r#"{"accepted":false,"error":{"code":"store.busy","message":"no"}}"#,
        ];
        let body = format!(r#"{{"results":[{accepted},{busy},{refused}],"accepted":1}}"#);
        assert_eq!(Redemption::of_answers(200, body.as_bytes(), 3), [Accepted, Unavailable, Refused]);
        for (status, body, presented) in
            [(200, &*body, 2), (200, &body, 4), (503, &body, 3), (200, "<html>", 3)]
        {
            let nothing = vec![Unavailable; presented];
            assert_eq!(
                Redemption::of_answers(status, body.as_bytes(), presented),
                nothing,
                "{status} {body}"
            );
        }
    }
}
