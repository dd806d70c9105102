//! The saved form of the books: one JSON document without the caps, which are the caller's to set each time.

use super::Spend;
use super::ledger::{Day, MAX_DAYS, MAX_HOSTS, MAX_OPEN};
use super::purchase::{Open, Phase, Purchase};
use crate::agent_id::AgentId;
use crate::amount::{Amount, is_currency};
use crate::claim::is_nonce;
use crate::error::{Error, ErrorKind, Result};
use crate::json::{self, Number, Object, Value};
use crate::policy::Money;
use crate::purpose::Purpose;
use crate::time::Timestamp;
use std::collections::BTreeMap;

const LIMITS: json::Limits = json::Limits {
    max_bytes: 64 * 1024 * 1024,
    max_depth: 6,
    max_string: 64 * 1024,
    ..json::Limits::INTERCHANGE
};

impl Spend {
    /// The books as RFC 8785 JSON, without the caps.
    pub fn to_json(&self) -> Vec<u8> {
        let days = self.days.iter().map(|(number, day)| {
            let hosts = day.hosts.iter().map(|((host, currency), amount)| {
                let row = [host.as_str(), currency.as_str()].map(Value::from);
                Value::Array(row.into_iter().chain([amount.to_string().into()]).collect())
            });
            let mut object = Object::new();
            object.insert("day", integer(*number));
            object.insert("hosts", hosts.collect::<Vec<_>>());
            object.insert("spent", amounts(&day.spent));
            Value::Object(object)
        });
        let open = self.open.values().map(|open| {
            let mut object = Object::new();
            object.insert("agent_id", open.purchase.agent_id.as_str());
            object.insert("amount", open.purchase.price.amount.to_string());
            object.insert("at", integer(open.at.as_millis()));
            object.insert("audience", open.purchase.audience.as_str());
            object.insert("currency", open.purchase.price.currency.as_str());
            object.insert("day", integer(open.day));
            object.insert("id", open.purchase.id.as_str());
            object.insert("issuer", open.purchase.issuer.as_str());
            object.insert("phase", open.phase.as_str());
            object.insert("purpose", open.purchase.purpose.as_str());
            Value::Object(object)
        });
        let mut object = Object::new();
        object.insert("days", days.collect::<Vec<_>>());
        object.insert("floor", self.floor.map_or(Value::Null, integer));
        object.insert("open", open.collect::<Vec<_>>());
        object.insert("total", amounts(&self.total));
        object.insert("version", 1);
        json::object_to_canonical(&object)
    }

    /// Reads saved books; they have no caps yet, see [`Spend::with_caps`].
    ///
    /// Error: `io.failed` for what this library has not written. Books that cannot be read must never be taken for empty ones.
    pub fn from_json(bytes: &[u8]) -> Result<Self> {
        let object = json::parse_object(bytes, &LIMITS)
            .map_err(|error| damaged("they are not strict JSON").with_source(error))?;
        if object.get("version").and_then(whole) != Some(1) {
            return Err(damaged("their version is not 1"));
        }
        let mut spend = Self {
            total: read_amounts(object.get("total"))?,
            floor: match object.get("floor") {
                Some(Value::Null) => None,
                floor => Some(floor.and_then(whole).ok_or_else(|| damaged("floor is not a day"))?),
            },
            ..Self::default()
        };
        for value in list(object.get("days"), MAX_DAYS)? {
            let (number, day) = read_day(value)?;
            if spend.days.insert(number, day).is_some() {
                return Err(damaged("a day occurs twice"));
            }
        }
        for value in list(object.get("open"), MAX_OPEN)? {
            let open = read_open(value).ok_or_else(|| damaged("an open payment cannot be read"))?;
            if spend.open.insert(open.purchase.id.clone(), open).is_some() {
                return Err(damaged("a payment occurs twice"));
            }
        }
        Ok(spend)
    }
}

/// Days and milliseconds beyond 2^53 come from no clock; they are written as the nearest that JSON has.
fn integer(value: i64) -> Value<'static> {
    const MAX: i64 = (1 << 53) - 1;
    Number::from_i64(value.clamp(-MAX, MAX)).map_or(Value::Null, Value::Number)
}

fn whole(value: &Value<'_>) -> Option<i64> {
    value.as_number()?.as_i64()
}

fn amounts(sums: &BTreeMap<String, Amount>) -> Object<'static> {
    let mut object = Object::new();
    for (currency, amount) in sums {
        object.insert(currency.clone(), amount.to_string());
    }
    object
}

fn read_amounts(value: Option<&Value<'_>>) -> Result<BTreeMap<String, Amount>> {
    let flaw = || damaged("a sum is not an amount");
    let object = value.and_then(Value::as_object).ok_or_else(flaw)?;
    let entry = |(currency, amount): (&str, &Value<'_>)| {
        let amount = amount.as_str().and_then(Amount::parse).filter(|_| is_currency(currency));
        amount.map(|amount| (currency.to_owned(), amount)).ok_or_else(flaw)
    };
    object.iter().map(entry).collect()
}

fn list<'a>(value: Option<&'a Value<'a>>, most: usize) -> Result<&'a [Value<'a>]> {
    value
        .and_then(Value::as_array)
        .filter(|list| list.len() <= most)
        .ok_or_else(|| damaged("a list is missing or too long"))
}

fn read_day(value: &Value<'_>) -> Result<(i64, Day)> {
    let flaw = || damaged("a day cannot be read");
    let object = value.as_object().ok_or_else(flaw)?;
    let number = object.get("day").and_then(whole).ok_or_else(flaw)?;
    let mut day = Day { spent: read_amounts(object.get("spent"))?, ..Day::default() };
    for row in list(object.get("hosts"), MAX_HOSTS)? {
        let Some([Value::String(host), Value::String(currency), Value::String(amount)]) = row.as_array()
        else {
            return Err(flaw());
        };
        let amount = Amount::parse(amount).ok_or_else(flaw)?;
        if day.hosts.insert((host.to_string(), currency.to_string()), amount).is_some() {
            return Err(flaw());
        }
    }
    Ok((number, day))
}

fn read_open(value: &Value<'_>) -> Option<Open> {
    let object = value.as_object()?;
    let text = |name: &str| object.get(name)?.as_str().map(str::to_owned);
    let purchase = Purchase {
        id: text("id").filter(|id| is_nonce(id))?,
        agent_id: AgentId::parse(&text("agent_id")?, true)?,
        issuer: text("issuer")?,
        audience: text("audience")?,
        purpose: Purpose::from_name(&text("purpose")?)?,
        price: Money {
            amount: Amount::parse(&text("amount")?)?,
            currency: text("currency").filter(|currency| is_currency(currency))?,
        },
    };
    purchase.host().ok()?;
    let phase = match text("phase")?.as_str() {
        "reserved" => Phase::Reserved,
        "unknown" => Phase::Unknown,
        _ => return None,
    };
    let at = Timestamp::from_millis(whole(object.get("at")?)?);
    Some(Open { purchase, phase, at, day: whole(object.get("day")?)? })
}

fn damaged(message: &'static str) -> Error {
    Error::new(ErrorKind::Io, format!("the saved payments cannot be read: {message}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_written_here_is_refused() {
        let good = Spend::default().to_json();
        assert!(Spend::from_json(&good).is_ok());
        let good = String::from_utf8(good).unwrap();
        let day = r#""days":[{"day":1,"hosts":[],"spent":{}},{"day":1,"hosts":[],"spent":{}}]"#;
        for (from, to) in [
            ("\"version\":1", "\"version\":2"),
            ("\"days\":[]", "\"days\":{}"),
            ("\"days\":[]", day),
            ("\"days\":[]", r#""days":[{"day":1,"hosts":[["a","USD",1]],"spent":{}}]"#),
            ("\"open\":[]", "\"open\":[{}]"),
            ("\"total\":{}", "\"total\":{\"USD\":\"-1\"}"),
            ("\"total\":{}", "\"total\":{\"usd\":\"1\"}"),
            ("\"floor\":null", "\"floor\":1.5"),
            ("{", ""),
        ] {
            let text = good.replacen(from, to, 1);
            assert_ne!(text, good);
            assert_eq!(Spend::from_json(text.as_bytes()).unwrap_err().code(), "io.failed", "{text}");
        }
        assert_eq!(Spend::from_json(b"").unwrap_err().code(), "io.failed");
    }
}
