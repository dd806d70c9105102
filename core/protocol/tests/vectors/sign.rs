//! Signing: key, request and time in, headers out.

use crate::common::world::*;
use crate::*;

pub(crate) fn cases() -> Vec<Value> {
    let mut cases = Vec::new();
    for (id, algorithm) in [("es256", Algorithm::Es256), ("eddsa", Algorithm::EdDsa)] {
        for (part, context, payment, compatible) in [
            ("plain", None, None, false),
            ("context", Some(r#"{"ads_displayed":true,"é":[1.5,"\u0001",null]}"#), None, false),
            ("payment", None, Some("a.b.c"), false),
            ("compatible", None, Some("a.b.c"), true),
        ] {
            let identity = Identity::new(imagxp::AgentId::parse(AGENT, false).unwrap(), key(5, algorithm));
            let mut request = SignRequest::new("GET", "https://pub.example/café?q=1", Purpose::Quotation);
            (request.context, request.payment, request.compatible) = (context, payment, compatible);
            let headers = identity.sign(&request, now(), "00000000-0000-4000-8000-000000000001").unwrap();
            let headers: Vec<Value> = headers.iter().map(|(name, value)| json!([name, value])).collect();
            let mut case = json!({
                "id": format!("sign-{id}-{part}"), "why": "deterministic signatures: the same bytes in every language", "op": "sign",
                "key": private_jwk(5, algorithm), "agent_id": AGENT, "method": "GET", "url": request.url,
                "purpose": "QUOTATION", "now": TIME, "nonce": "00000000-0000-4000-8000-000000000001",
                "expect": { "headers": headers },
            });
            if let Some(context) = context {
                case["context"] = serde_json::from_str(context).unwrap();
            }
            if let Some(payment) = payment {
                case["payment"] = json!(payment);
                case["compatible"] = json!(compatible);
            }
            cases.push(case);
        }
    }
    cases
}
