//! The policy that the site under test applies while it is graded.

use super::ROOM;
use super::cast::{Place, Role};
use imagxp::json::{Object, Value};

/// What a read below `/grade/premium/` costs.
pub(super) const PRICE: (&str, &str) = ("0.05", "USD");
/// How many requests [`Role::Rated`] may send at once.
pub(super) const BURST: u32 = 3;
/// In how many seconds; a second run waits for as long.
const WINDOW_S: u32 = 30;

/// The policy for a site of this origin (PROTOCOL §7).
pub(crate) fn policy(origin: &str, place: &Place, payment: bool) -> Object<'static> {
    let allow = |allow: bool| object([("allow", allow.into())]);
    let purposes =
        [("RAG_RETRIEVAL", allow(true)), ("SUMMARY", allow(true)), ("CRAWL_TRAINING", allow(false))];
    let rate = object([("requests", BURST.into()), ("per_s", WINDOW_S.into())]);
    let agents = vec![
        object([("match", place.agent_id(Role::Denied).into()), ("allow", false.into())]),
        object([("match", place.agent_id(Role::Rated).into()), ("rate", rate)]),
    ];
    let mut policy = Object::new();
    policy.insert("version", 1_u32);
    policy.insert("origins", vec![Value::from(origin.to_owned())]);
    policy.insert("unsigned", "deny");
    policy.insert("methods", ["GET", "HEAD", "POST"].map(Value::from).to_vec());
    policy.insert("purposes", object(purposes));
    policy.insert("agents", agents);
    if payment {
        let (amount, currency) = PRICE;
        let price = object([("amount", amount.into()), ("currency", currency.into())]);
        let paid = object([("match", format!("{ROOM}premium/*").into()), ("price", price)]);
        policy.insert("paths", vec![paid]);
        let broker = |role: Role| {
            let issuer = place.origin(role);
            object([("jwks_uri", format!("{issuer}/jwks.json").into()), ("issuer", issuer.into())])
        };
        let brokers = vec![broker(Role::Broker), broker(Role::Bankrupt)];
        policy.insert("payment", object([("brokers", brokers.into())]));
    }
    if place.is_loopback() {
        policy.insert("allow_loopback", true);
    }
    policy
}

fn object<const N: usize>(members: [(&'static str, Value<'static>); N]) -> Value<'static> {
    let mut object = Object::new();
    for (name, value) in members {
        object.insert(name, value);
    }
    Value::Object(object)
}
