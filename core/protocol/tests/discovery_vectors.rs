//! Discovery vectors: each rule of the drafts has files of its own in `tests/vectors/discovery`, and `cases.json` there says by hand what
//! they mean. `tests/vectors/discovery.json`, which every language reads, adds the whole report that the core makes of them:
//! `UPDATE=1 cargo test -p imagxp --test discovery_vectors` rewrites it.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]

use imagxp::Purpose;
use imagxp::discovery::{Level, Preferences, Robots, Sources};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors")
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn bytes(case: &Value, name: &str) -> Option<Vec<u8>> {
    case[name].as_str().map(|file| std::fs::read(folder().join("discovery").join(file)).unwrap())
}

fn headers(case: &Value) -> Vec<(&str, &str)> {
    let pairs = case["headers"].as_array().into_iter().flatten();
    pairs.map(|pair| (pair[0].as_str().unwrap(), pair[1].as_str().unwrap())).collect()
}

/// Bytes as a member: text, or base64 for what is no text.
fn member(object: &mut Value, name: &str, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => object[name] = json!(text),
        Err(_) => object[format!("{name}_b64")] = json!(imagxp::encoding::base64_encode(bytes)),
    }
}

#[test]
fn every_rule_has_a_case_and_means_what_was_said_by_hand() {
    let cases = read(&folder().join("discovery/cases.json"));
    let mut made = Vec::new();
    for case in cases.as_array().unwrap() {
        let id = case["id"].as_str().unwrap();
        let (robots, rsl, policy) = (bytes(case, "robots"), bytes(case, "rsl"), bytes(case, "policy"));
        let documents = rsl.iter().map(|bytes| ("https://pub.example/license.xml", &bytes[..]));
        let sources = Sources {
            robots: robots.as_deref(),
            robots_status: case["robots_status"].as_u64().map(|status| u16::try_from(status).unwrap()),
            headers: &headers(case),
            rsl: &documents.collect::<Vec<_>>(),
            policy: policy.as_deref(),
            ..Sources::new(case["url"].as_str().unwrap(), case["product_token"].as_str().unwrap())
        };
        let preferences = Preferences::read(&sources).unwrap();
        by_hand(id, &case["expect"], &preferences);
        let mut vector = json!({
            "id": id, "why": case["why"], "op": "preferences", "url": sources.url, "product_token": sources.product_token,
            "headers": sources.headers, "expect": {"report": serde_json::from_slice::<Value>(&preferences.to_json()).unwrap()},
        });
        if let Some(status) = sources.robots_status {
            vector["robots_status"] = json!(status);
        }
        for (name, text) in [("robots", &robots), ("rsl", &rsl), ("policy", &policy)] {
            if let Some(text) = text {
                member(&mut vector, name, text);
            }
        }
        made.push(vector);
        if let Some(robots) = robots.as_deref().filter(|_| sources.robots_status.is_none()) {
            made.push(robots_vector(id, case, robots));
        }
    }
    let text = serde_json::to_string_pretty(
        &json!({ "about": "what sites ask (PROTOCOL §9), from tests/vectors/discovery", "cases": made }),
    );
    let (path, text) = (folder().join("discovery.json"), text.unwrap() + "\n");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == text, "tests/vectors/discovery.json is out of date: run with UPDATE=1");
}

fn robots_vector(id: &str, case: &Value, bytes: &[u8]) -> Value {
    let robots = Robots::parse(bytes);
    let token = case["product_token"].as_str().unwrap();
    let paths = ["/", "/news/1", "/news/1?x", "/caf%C3%A9", "/private/x", "/robots.txt", "nothing"];
    let allowed: Vec<bool> = paths.iter().map(|path| robots.allows(token, path)).collect();
    let mut vector = json!({
        "id": format!("robots-of-{id}"), "why": case["why"], "op": "robots", "product_token": token, "paths": paths,
        "expect": {"allowed": allowed, "policy_urls": robots.policy_urls(token)},
    });
    member(&mut vector, "robots", bytes);
    vector
}

/// What `cases.json` says: states, advice, crawl, policies, licenses, the number of errors, the least number of warnings.
fn by_hand(id: &str, expect: &Value, preferences: &Preferences) {
    for purpose in Purpose::ALL {
        let report = preferences.purpose(purpose);
        assert_eq!(report.state.as_str(), expect["states"][purpose.as_str()], "{id}: {purpose}");
        if let Some(advice) = expect["advice"][purpose.as_str()].as_str() {
            assert_eq!(report.advice.as_str(), advice, "{id}: {purpose}");
        }
    }
    let count = |level| preferences.findings.iter().filter(|finding| finding.level == level).count() as u64;
    assert_eq!(count(Level::Error), expect["errors"].as_u64().unwrap(), "{id}: {:?}", preferences.findings);
    let warnings = expect["warnings"].as_u64().unwrap_or(0);
    assert!(count(Level::Warning) >= warnings, "{id}: {:?}", preferences.findings);
    if let Some(crawl) = expect["crawl"].as_bool() {
        assert_eq!(preferences.crawl.allowed, crawl, "{id}");
    }
    for (name, pointers) in [("policies", &preferences.policies), ("licenses", &preferences.licenses)] {
        if let Some(urls) = expect[name].as_array() {
            let found: Vec<&str> = pointers
                .iter()
                .filter(|pointer| pointer.applies)
                .map(|pointer| pointer.url.as_str())
                .collect();
            assert_eq!(&found, urls, "{id}: {name}");
        }
    }
}
