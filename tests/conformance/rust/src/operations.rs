//! The operations of tests/conformance/README.md.

use crate::answer::{Answer, Failure, hex, json, optional, text, time};
use crate::{agent, evidence};
use imagxp::agent::{Identity, SignRequest};
use imagxp::crypto::{PrivateKey, PublicKey, Signature, Thumbprint};
use imagxp::encoding::base64_decode;
use imagxp::json::{Limits, Object, canonicalize, object_to_canonical, parse_object};
use imagxp::jwks::JwkSet;
use imagxp::policy::Money;
use imagxp::token::{TokenExpectation, verify_token};
use imagxp::visa::{NewVisa, issue};
use imagxp::{AgentId, Manifest, Policy, Publisher, Purpose, Request, Timestamp, Verdict};
use serde_json::{Map, Value, json};

/// Answers one line; whatever happens, with one line that carries the case's id.
pub(crate) fn answer_line(line: &str) -> String {
    let case: Value = match serde_json::from_str(line) {
        Ok(case) => case,
        Err(error) => return json!({ "id": null, "error": error.to_string() }).to_string(),
    };
    let answer = match optional(&case, "op") {
        Some("verify") => verify(&case),
        Some("sequence") => sequence(&case),
        Some("sign") => sign(&case),
        Some("canonicalize") => canonical(&case),
        Some("key") => key(&case),
        Some("signature") => signature(&case),
        Some("jws") => jws(&case),
        Some("host") => {
            text(&case, "name").map(|name| json!({ "valid": AgentId::parse(name, false).is_some() }))
        }
        Some("address") => crate::address::address(&case),
        Some("manifest") => manifest(&case),
        Some("key_file") => crate::key_file::key_file(&case),
        Some("visa") => visa(&case),
        Some("provenance") => evidence::provenance(&case),
        Some("feedback") => evidence::feedback(&case),
        Some("robots") => crate::discovery::robots(&case),
        Some("preferences") => crate::discovery::preferences(&case),
        Some("audit") => crate::audit::audit(&case),
        Some("offer") => agent::offer(&case),
        Some("spend") => agent::spend(&case),
        Some("assertion") => agent::assertion(&case),
        _ => Err(Failure::Unsupported),
    };
    let mut answer = match answer {
        Ok(Value::Object(answer)) => answer,
        Ok(other) => Map::from_iter([("error".to_owned(), other)]),
        Err(Failure::Unsupported) => Map::from_iter([("unsupported".to_owned(), json!(true))]),
        Err(Failure::Case(sentence)) => Map::from_iter([("error".to_owned(), json!(sentence))]),
        Err(Failure::Library(error)) => Map::from_iter([("error_code".to_owned(), json!(error.code()))]),
    };
    answer.insert("id".to_owned(), case.get("id").cloned().unwrap_or_default());
    Value::Object(answer).to_string()
}

fn verify(case: &Value) -> Answer {
    let publisher = publisher(case)?;
    step(&publisher, case, case)
}

fn sequence(case: &Value) -> Answer {
    let publisher = publisher(case)?;
    let steps = case
        .get("steps")
        .and_then(Value::as_array)
        .ok_or_else(|| Failure::Case("`steps` is missing".into()))?;
    let results = steps.iter().map(|item| step(&publisher, case, item)).collect::<Result<Vec<_>, _>>()?;
    Ok(json!({ "results": results }))
}

pub(crate) fn publisher(case: &Value) -> Result<Publisher, Failure> {
    Ok(Publisher::new(Policy::from_json(&json(case, "policy")?)?, [0; 16]))
}

/// What the case has of manifests and key sets counts as fetched now.
pub(crate) fn supply(publisher: &Publisher, case: &Value, now: Timestamp) {
    for documents in ["manifests", "jwks"] {
        for (url, body) in case.get(documents).and_then(Value::as_object).into_iter().flatten() {
            // A document that is refused is part of the case: the verdict tells.
            let _ = publisher.supply(url, body.to_string().as_bytes(), None, now);
        }
    }
}

/// The member `headers`: pairs of name and value.
pub(crate) fn header_lines(case: &Value) -> Result<Vec<(String, String)>, Failure> {
    let lines = case
        .get("headers")
        .and_then(Value::as_array)
        .ok_or_else(|| Failure::Case("`headers` is missing".into()))?;
    let part =
        |line: &Value, index: usize| line.get(index).and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(lines.iter().map(|line| (part(line, 0), part(line, 1))).collect())
}

/// One request on a publisher.
fn step(publisher: &Publisher, case: &Value, step: &Value) -> Answer {
    let now = time(step, "now")?;
    supply(publisher, case, now);
    let request = step.get("request").ok_or_else(|| Failure::Case("`request` is missing".into()))?;
    let lines = header_lines(request)?;
    let headers: Vec<(&[u8], &[u8])> =
        lines.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    let request = Request {
        method: text(request, "method")?,
        url: text(request, "url")?,
        headers: &headers,
        body_digest: optional(request, "body_digest"),
    };
    verdict(&publisher.verify(&request, now).verdict)
}

fn verdict(verdict: &Verdict) -> Answer {
    let text = String::from_utf8(object_to_canonical(&verdict.to_json())).unwrap_or_default();
    serde_json::from_str(&text).map_err(|error| Failure::Case(error.to_string()))
}

fn sign(case: &Value) -> Answer {
    let key = PrivateKey::from_jwk(&object(case, "key")?)?;
    let identity = Identity::parse(text(case, "agent_id")?, key, true)?;
    let purpose =
        Purpose::from_name(text(case, "purpose")?).ok_or_else(|| Failure::Case("unknown purpose".into()))?;
    let context = case.get("context").map(ToString::to_string);
    let request = SignRequest {
        context: context.as_deref(),
        payment: optional(case, "payment"),
        proof: optional(case, "proof"),
        compatible: case.get("compatible").and_then(Value::as_bool).unwrap_or(false),
        ..SignRequest::new(text(case, "method")?, text(case, "url")?, purpose)
    };
    let headers = identity.sign(&request, time(case, "now")?, text(case, "nonce")?)?;
    Ok(json!({ "headers": headers.iter().map(|(name, value)| json!([name, value])).collect::<Vec<_>>() }))
}

fn canonical(case: &Value) -> Answer {
    let bytes = match optional(case, "json_b64") {
        Some(text) => {
            base64_decode(text.as_bytes()).ok_or_else(|| Failure::Case("`json_b64` is not base64".into()))?
        }
        None => text(case, "json")?.as_bytes().to_vec(),
    };
    Ok(match canonicalize(&bytes, &Limits::INTERCHANGE) {
        Ok(canonical) => json!({ "canonical": String::from_utf8_lossy(&canonical) }),
        Err(error) => json!({ "code": error.code().as_str() }),
    })
}

fn key(case: &Value) -> Answer {
    Ok(match public_key(case)? {
        Ok(key) => json!({ "thumbprint": key.thumbprint().as_str(), "alg": key.algorithm().as_str() }),
        Err(error) => json!({ "code": error.code() }),
    })
}

fn signature(case: &Value) -> Answer {
    let key = case.get("key").ok_or_else(|| Failure::Case("`key` is missing".into()))?;
    let (message, signature) = (hex(case, "message_hex")?, hex(case, "signature_hex")?);
    Ok(match public_key(key)? {
        Ok(key) => {
            let signature = <[u8; 64]>::try_from(signature).map(Signature::from_bytes);
            json!({ "valid": signature.is_ok_and(|signature| key.verify(&message, &signature)) })
        }
        Err(error) => json!({ "valid": false, "code": error.code() }),
    })
}

/// The outer result: is the case whole; the inner one: is the key acceptable.
fn public_key(case: &Value) -> Result<imagxp::Result<PublicKey>, Failure> {
    if let Some(spki) = optional(case, "spki") {
        return Ok(PublicKey::from_spki_base64(spki.as_bytes()));
    }
    if let Some(pem) = optional(case, "pem") {
        return Ok(PublicKey::from_pem(pem));
    }
    Ok(PublicKey::from_jwk(&object(case, "jwk")?))
}

fn jws(case: &Value) -> Answer {
    let jwks = match optional(case, "jwks_text") {
        Some(text) => text.as_bytes().to_vec(),
        None => json(case, "jwks")?,
    };
    let expect = case.get("expect").cloned().unwrap_or_default();
    let expected = TokenExpectation {
        issuer: optional(&expect, "issuer"),
        audience: optional(&expect, "audience"),
        typ: optional(&expect, "typ"),
    };
    let set = match JwkSet::parse(&jwks) {
        Ok(set) => set,
        Err(error) => return Ok(json!({ "valid": false, "code": error.code(), "claims": null })),
    };
    Ok(match verify_token(text(case, "token")?.as_bytes(), &set, &expected, time(case, "now")?) {
        Ok(claims) => {
            let claims =
                claims.map(|claims| String::from_utf8(object_to_canonical(&claims)).unwrap_or_default());
            let claims: Option<Value> = claims.and_then(|text| serde_json::from_str(&text).ok());
            json!({ "valid": true, "code": null, "claims": claims })
        }
        Err(code) => json!({ "valid": false, "code": code.as_str(), "claims": null }),
    })
}

fn manifest(case: &Value) -> Answer {
    let agent =
        AgentId::parse(text(case, "agent_id")?, false).ok_or_else(|| Failure::Case("bad agent_id".into()))?;
    let now = time(case, "now")?;
    Ok(match Manifest::parse(&json(case, "manifest")?, &agent, 16 * 1024) {
        Ok(manifest) => {
            let keys: Vec<&str> = manifest.keys_at(now).map(|key| key.thumbprint().as_str()).collect();
            json!({ "valid": true, "code": null, "keys": keys })
        }
        Err(error) => json!({ "valid": false, "code": error.code(), "keys": [] }),
    })
}

fn visa(case: &Value) -> Answer {
    let key = PrivateKey::from_jwk(&object(case, "key")?)?;
    let agent_id =
        AgentId::parse(text(case, "agent_id")?, true).ok_or_else(|| Failure::Case("bad agent_id".into()))?;
    let amount = imagxp::amount::Amount::parse(text(case, "amount")?)
        .ok_or_else(|| Failure::Case("bad amount".into()))?;
    let jkt = optional(case, "jkt").and_then(Thumbprint::parse);
    let purposes = case.get("purposes").and_then(Value::as_array).into_iter().flatten();
    let purposes: Vec<Purpose> =
        purposes.filter_map(|name| name.as_str().and_then(Purpose::from_name)).collect();
    let number =
        |name: &str| case.get(name).and_then(Value::as_u64).and_then(|value| u32::try_from(value).ok());
    let token = issue(
        &NewVisa {
            issuer: text(case, "issuer")?,
            audience: text(case, "audience")?,
            agent_id: &agent_id,
            key: jkt.as_ref(),
            jti: text(case, "jti")?,
            issued_at: time(case, "now")?,
            lifetime_s: number("lifetime_s").unwrap_or(600),
            paid: &Money { amount, currency: text(case, "currency")?.to_owned() },
            purposes: &purposes,
            max_uses: number("max_uses").unwrap_or(1),
        },
        &key,
    )?;
    Ok(json!({ "token": token }))
}

/// A JSON member as the core's own object.
pub(crate) fn object(case: &Value, name: &str) -> Result<Object<'static>, Failure> {
    let text = json(case, name)?;
    match parse_object(&text, &Limits::JWKS) {
        Ok(object) => Ok(object.into_owned()),
        Err(error) => Err(Failure::Library(error.into())),
    }
}
