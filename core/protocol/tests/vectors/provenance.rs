//! Provenance receipts (PROTOCOL §10).

use crate::common::world::*;
use crate::*;

/// The publisher's key has the seed 20.
fn site_manifest() -> Value {
    let site = Identity::parse("pub.example", key(20, Algorithm::Es256), false).unwrap();
    from_core(&site.manifest(None, &[]).unwrap().to_json())
}

pub(crate) fn cases() -> Vec<Value> {
    let hash = imagxp::digest::sha256(b"hello");
    let hex = imagxp::encoding::hex_encode(&hash);
    let receipt = imagxp::provenance::Receipt {
        agent_id: imagxp::AgentId::parse(AGENT, false),
        content_sha256: hash,
        origin: imagxp::policy::ContentOrigin::Human,
        trace_id: "0123456789abcdef".into(),
        ts: now(),
        url: URL.into(),
    };
    let headers = |receipt: &imagxp::provenance::Receipt, seed| -> Value {
        let headers = receipt.sign(&key(seed, Algorithm::Es256)).unwrap();
        headers.iter().map(|(name, value)| json!([name, value])).collect()
    };
    let good = headers(&receipt, 20);
    let mut cases = vec![json!({
        "id": "provenance-sign", "why": "deterministic: the same bytes in every language", "op": "provenance", "key": private_jwk(20, Algorithm::Es256),
        "url": URL, "content_sha256": hex, "origin": "HUMAN", "trace_id": "0123456789abcdef", "agent_id": AGENT, "now": TIME,
        "expect": { "headers": good },
    })];
    let base = json!({
        "op": "provenance", "headers": good, "manifest": site_manifest(), "url": URL, "content_sha256": hex, "agent_id": AGENT, "now": TIME,
    });
    let mut one_less = good.clone();
    one_less.as_array_mut().unwrap().pop();
    let mut high_s = good.clone();
    high_s[1][1] = json!(high_s[1][1].as_str().unwrap().to_uppercase());
    let mut forged = good.clone();
    forged[1][1] = json!("0".repeat(127) + "1");
    let mut other_domain = site_manifest();
    other_domain["agent_id"] = json!("other.example");
    let open = imagxp::provenance::Receipt { agent_id: None, ..receipt.clone() };
    let quoting = imagxp::provenance::Receipt { url: format!("{URL}?q='a'"), ..receipt.clone() };
    for (id, why, change, code) in [
        ("good", "what arrived is what was signed", json!({}), None),
        (
            "same-url",
            "URLs are compared after normalisation",
            json!({ "url": "https://PUB.example:443/x/../posts/1" }),
            None,
        ),
        (
            "apostrophe",
            "in a query it has two spellings",
            json!({ "headers": headers(&quoting, 20), "url": format!("{URL}?q=%27a%27") }),
            None,
        ),
        ("upper-case-signature", "hex digits have either case", json!({ "headers": high_s }), None),
        (
            "for-anyone",
            "a receipt without agent_id fits any reader",
            json!({ "headers": headers(&open, 20) }),
            None,
        ),
        ("edge-of-window", "300 s are inclusive", json!({ "now": "2026-03-01T12:05:00.000Z" }), None),
        (
            "too-old",
            "a millisecond more",
            json!({ "now": "2026-03-01T12:05:00.001Z" }),
            Some("provenance.mismatch"),
        ),
        (
            "from-the-future",
            "more than 60 s ahead",
            json!({ "now": "2026-03-01T11:58:59.999Z" }),
            Some("provenance.mismatch"),
        ),
        (
            "other-url",
            "it does not speak of this URL",
            json!({ "url": "https://pub.example/posts/2" }),
            Some("provenance.mismatch"),
        ),
        (
            "other-body",
            "nor of this body",
            json!({ "content_sha256": "0".repeat(64) }),
            Some("provenance.mismatch"),
        ),
        (
            "other-reader",
            "nor of this reader",
            json!({ "agent_id": "other.example" }),
            Some("provenance.mismatch"),
        ),
        (
            "other-key",
            "the manifest lacks the key",
            json!({ "headers": headers(&receipt, 21) }),
            Some("identity.key_mismatch"),
        ),
        (
            "other-domain",
            "only the URL's own host vouches",
            json!({ "manifest": other_domain }),
            Some("identity.manifest_invalid"),
        ),
        ("forged", "the signature is another", json!({ "headers": forged }), Some("sig.invalid")),
        (
            "no-signature",
            "one header is not enough",
            json!({ "headers": one_less }),
            Some("provenance.missing"),
        ),
        ("none", "no receipt", json!({ "headers": [] }), Some("provenance.missing")),
        (
            "not-base64",
            "it cannot be read",
            json!({ "headers": [["x-imagxp-provenance", "!"], good[1]] }),
            Some("provenance.malformed"),
        ),
        (
            "not-a-receipt",
            "it lacks its members",
            json!({ "headers": [["x-imagxp-provenance", "e30="], good[1]] }),
            Some("provenance.malformed"),
        ),
    ] {
        let mut case = base.clone();
        for (name, value) in change.as_object().unwrap() {
            case[name] = value.clone();
        }
        case["id"] = json!(format!("provenance-{id}"));
        case["why"] = json!(why);
        case["expect"] = json!({ "valid": code.is_none(), "code": code });
        cases.push(case);
    }
    cases
}
