//! `robots` and `preferences`.

use crate::answer::{Answer, Failure, optional, text};
use imagxp::discovery::{Preferences, Robots, Sources};
use imagxp::encoding::base64_decode;
use serde_json::{Value, json};

pub(crate) fn robots(case: &Value) -> Answer {
    let robots = Robots::parse(&bytes(case, "robots")?.unwrap_or_default());
    let token = text(case, "product_token")?;
    let paths = case.get("paths").and_then(Value::as_array);
    let paths = paths.ok_or_else(|| Failure::Case("`paths` is missing".into()))?;
    let allowed: Vec<bool> =
        paths.iter().map(|path| robots.allows(token, path.as_str().unwrap_or_default())).collect();
    Ok(json!({ "allowed": allowed, "policy_urls": robots.policy_urls(token) }))
}

pub(crate) fn preferences(case: &Value) -> Answer {
    let pairs = case.get("headers").and_then(Value::as_array).into_iter().flatten();
    let headers: Vec<(&str, &str)> =
        pairs.filter_map(|pair| Some((pair.get(0)?.as_str()?, pair.get(1)?.as_str()?))).collect();
    let (robots, rsl, policy) = (bytes(case, "robots")?, bytes(case, "rsl")?, bytes(case, "policy")?);
    let rsl: Vec<(&str, &[u8])> =
        rsl.iter().map(|document| ("https://pub.example/license.xml", document.as_slice())).collect();
    let status = case.get("robots_status").and_then(Value::as_u64);
    let sources = Sources {
        robots: robots.as_deref(),
        robots_status: status.and_then(|status| u16::try_from(status).ok()),
        headers: &headers,
        rsl: &rsl,
        policy: policy.as_deref(),
        ..Sources::new(text(case, "url")?, text(case, "product_token")?)
    };
    let report = Preferences::read(&sources)?.to_json();
    let report: Value = serde_json::from_slice(&report).map_err(|error| Failure::Case(error.to_string()))?;
    Ok(json!({ "report": report }))
}

/// A member as text, or as base64 under the name with `_b64`.
fn bytes(case: &Value, name: &str) -> Result<Option<Vec<u8>>, Failure> {
    if let Some(text) = optional(case, name) {
        return Ok(Some(text.as_bytes().to_vec()));
    }
    let decode = |text: &str| {
        base64_decode(text.as_bytes()).ok_or_else(|| Failure::Case(format!("`{name}_b64` is not base64")))
    };
    optional(case, &format!("{name}_b64")).map(decode).transpose()
}
