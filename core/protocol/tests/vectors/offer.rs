//! Offers of 402 answers, and whom an agent pays (PROTOCOL §8).

use crate::*;

pub(crate) fn cases() -> Vec<Value> {
    let broker = |host: &str, endpoint: &str| json!({ "issuer": format!("https://{host}"), "token_endpoint": endpoint });
    let own = broker("broker.example", "https://broker.example/oauth/token");
    let offer = |change: &dyn Fn(&mut Value)| {
        let mut offer =
            json!({ "price": "0.01", "currency": "USD", "purposes": ["SUMMARY"], "brokers": [own] });
        change(&mut offer);
        json!({ "error": { "code": "payment.required" }, "offer": offer }).to_string()
    };
    let set = |name: &'static str, value: Value| offer(&move |offer: &mut Value| offer[name] = value.clone());
    let good = json!({ "code": null, "price": "0.01", "currency": "USD", "purposes": ["SUMMARY"], "brokers": ["https://broker.example"] });
    let chosen = |to: &str| {
        let mut expect = good.clone();
        expect["chosen"] = json!(to);
        expect
    };
    let malformed = json!({ "code": "offer.malformed" });
    let many: Vec<Value> =
        (0..33).map(|i| broker(&format!("b{i}.example"), &format!("https://b{i}.example/t"))).collect();
    let elsewhere = json!([broker("broker.example", "https://thief.example/oauth/token")]);
    let trusted = json!(["https://other.example", "https://broker.example"]);
    let case = |id: &str, why: &str, body: String, trusted: Option<&Value>, expect: Value| {
        let mut case =
            json!({ "id": format!("offer-{id}"), "why": why, "op": "offer", "body": body, "expect": expect });
        if let Some(trusted) = trusted {
            case["trusted"] = trusted.clone();
        }
        case
    };
    let plain = offer(&|_| ());
    vec![
        case("plain", "what our publishers send", plain.clone(), None, good.clone()),
        case("unknown-member", "ignored", set("later", json!([1])), None, good.clone()),
        case(
            "unknown-purpose",
            "passed over",
            set("purposes", json!(["SUMMARY", "LATER"])),
            None,
            good.clone(),
        ),
        case(
            "only-unknown-purposes",
            "an empty list would stand for any purpose",
            set("purposes", json!(["LATER"])),
            None,
            malformed.clone(),
        ),
        case("number", "a price is a string", set("price", json!(0.01)), None, malformed.clone()),
        case("exponent", "no exponents", set("price", json!("1e400")), None, malformed.clone()),
        case("negative", "no signs", set("price", json!("-1")), None, malformed.clone()),
        case("zero", "nothing to buy", set("price", json!("0.00")), None, malformed.clone()),
        case("digits", "ASCII digits only", set("price", json!("\u{661}")), None, malformed.clone()),
        case("range", "does not fit", set("price", json!("999999999999999999999")), None, malformed.clone()),
        case("currency", "upper-case ASCII", set("currency", json!("usd")), None, malformed.clone()),
        case("no-brokers", "nobody to pay", set("brokers", json!([])), None, malformed.clone()),
        case("many-brokers", "32 at most", set("brokers", json!(many)), None, malformed.clone()),
        case("twice", "a broker is named once", set("brokers", json!([own, own])), None, malformed.clone()),
        case(
            "http",
            "https only",
            set(
                "brokers",
                json!([{ "issuer": "http://broker.example", "token_endpoint": "https://broker.example/t" }]),
            ),
            None,
            malformed.clone(),
        ),
        case(
            "duplicate",
            "a member occurs once",
            plain.replacen("\"price\"", "\"price\":\"9\",\"price\"", 1),
            None,
            malformed.clone(),
        ),
        case("empty", "no offer", "{}".into(), None, malformed),
        case(
            "chosen",
            "the trusted one",
            plain.clone(),
            Some(&trusted),
            chosen("https://broker.example/oauth/token"),
        ),
        case(
            "not-trusted",
            "nobody trusted",
            plain.clone(),
            Some(&json!(["https://other.example"])),
            chosen("spend.broker_denied"),
        ),
        case(
            "nobody-trusted",
            "without a list nobody is paid",
            plain,
            Some(&json!([])),
            chosen("spend.broker_denied"),
        ),
        case(
            "elsewhere",
            "a trusted issuer, but the publisher's own endpoint",
            set("brokers", elsewhere),
            Some(&trusted),
            chosen("spend.broker_denied"),
        ),
    ]
}
