//! An agent's caps and payments.

use crate::common::world::*;
use crate::*;

pub(crate) fn cases() -> Vec<Value> {
    let reserve = |id: u32, host: &str, amount: &str, now: &str| {
        json!({ "id": format!("purchase-{id:08}"), "agent_id": AGENT, "issuer": "https://broker.example",
                "audience": format!("https://{host}.example"), "amount": amount, "currency": "USD", "now": now })
    };
    let settle = |id: u32, end: &str| json!({ "id": format!("purchase-{id:08}"), "settle": end });
    let new = json!({ "code": null, "again": null });
    let again = |id: u32| json!({ "code": null, "again": format!("purchase-{id:08}") });
    let limit = json!({ "code": "spend.limit", "again": null });
    let spent = |amount: &str| json!({ "spent": amount });
    let caps =
        json!({ "currency": "USD", "per_request": "1", "per_host": "2", "per_day": "3", "total": "5" });
    let (first, next, before) =
        ("2026-03-01T23:59:59.999Z", "2026-03-02T00:00:00.000Z", "2026-02-27T12:00:00.000Z");
    let case = |id: &str, why: &str, steps: Vec<(Value, Value)>| {
        let (steps, results): (Vec<_>, Vec<_>) = steps.into_iter().unzip();
        json!({ "id": format!("spend-{id}"), "why": why, "op": "spend", "caps": caps, "steps": steps, "expect": { "results": results } })
    };
    vec![
        case(
            "request",
            "exact to the last digit",
            vec![
                (reserve(1, "a", "1.000000000000000001", first), limit.clone()),
                (reserve(2, "a", "1", first), new.clone()),
            ],
        ),
        case(
            "host",
            "2 for each host and day",
            vec![
                (reserve(1, "a", "1", first), new.clone()),
                (reserve(2, "a", "1", first), new.clone()),
                (reserve(3, "a", "0.000000000000000001", first), limit.clone()),
                (reserve(3, "a", "1", next), new.clone()),
            ],
        ),
        case(
            "day",
            "3 for each UTC day, and a clock that steps back frees nothing",
            vec![
                (reserve(1, "a", "1", first), new.clone()),
                (reserve(2, "b", "1", first), new.clone()),
                (reserve(3, "c", "1", first), new.clone()),
                (reserve(4, "d", "1", before), limit.clone()),
                (reserve(4, "d", "1", next), new.clone()),
            ],
        ),
        case(
            "released",
            "what was not paid comes back",
            vec![
                (reserve(1, "a", "1", first), new.clone()),
                (settle(1, "released"), spent("0")),
                (reserve(2, "a", "1", first), new.clone()),
                (settle(2, "spent"), spent("1")),
                (settle(2, "released"), spent("1")),
            ],
        ),
        case(
            "unknown",
            "counts as spent, and is asked about instead of paid again",
            vec![
                (reserve(1, "a", "1", first), new.clone()),
                (settle(1, "unknown"), spent("1")),
                (reserve(2, "a", "0.5", first), again(1)),
                (reserve(3, "a", "0.5", first), json!({ "code": "spend.unknown", "again": null })),
                (reserve(4, "b", "0.5", first), new.clone()),
                (settle(1, "spent"), spent("1.5")),
                (reserve(2, "a", "0.5", first), new),
            ],
        ),
    ]
}
