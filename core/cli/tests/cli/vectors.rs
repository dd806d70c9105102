//! The shared verification vectors through the real binary, from files: the verdict is the core's, unchanged.

use crate::sandbox::Sandbox;
use crate::skip;
use serde_json::Value;
use std::path::PathBuf;

/// The vectors, which are not part of this repository. Missing, they fail a run on CI; elsewhere the test says SKIPPED.
fn vectors() -> Option<String> {
    let root = std::env::var_os("IMAGXP_VECTORS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"),
        PathBuf::from,
    );
    let path = root.join("imagxp/verify.jsonl");
    match std::fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(error) => {
            skip::missing(&format!("test vectors `{}`: {error}; set IMAGXP_VECTORS", path.display()));
            None
        }
    }
}

#[test]
fn verdicts_are_those_of_the_vectors() {
    let Some(vectors) = vectors() else { return };
    let sandbox = Sandbox::new();
    let mut count = 0;
    for line in vectors.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        // Sequences need a publisher that lives longer than a process.
        if case["op"] != "verify" || case["request"].is_null() {
            continue;
        }
        count += 1;
        sandbox.write("policy.json", &case["policy"].to_string());
        sandbox.write("request.json", &case["request"].to_string());
        let mut args: Vec<String> =
            ["request.json", "--policy", "policy.json", "--json", "--now"].map(Into::into).to_vec();
        args.push(case["now"].as_str().unwrap().into());
        for (option, documents) in [("--manifest", "manifests"), ("--jwks", "jwks")] {
            for (index, (url, document)) in case[documents].as_object().into_iter().flatten().enumerate() {
                let file = format!("{documents}-{index}.json");
                sandbox.write(&file, &document.to_string());
                args.extend([option.to_owned(), format!("{url}={file}")]);
            }
        }
        let expect = &case["expect"];
        for command in ["verify", "explain"] {
            let run = sandbox.run(std::iter::once(command).chain(args.iter().map(String::as_str)));
            let result = run.json();
            let verdict = if command == "verify" { &result } else { &result["verdict"] };
            assert_eq!(verdict["outcome"], expect["outcome"], "{} {command}: {run:#?}", case["id"]);
            let code = match expect["outcome"].as_str().unwrap() {
                "allow" => 0,
                "deny" => 1,
                _ => 3,
            };
            assert_eq!(run.code, code, "{} {command}: {run:#?}", case["id"]);
            if let Some(expected) = expect.get("code") {
                // Some cases leave a choice between codes.
                let admitted = match expected.as_array() {
                    Some(list) => list.contains(&verdict["code"]),
                    None => *expected == verdict["code"],
                };
                assert!(admitted, "{} {command}: {run:#?}", case["id"]);
            }
        }
    }
    assert!(count >= 100, "only {count} cases");
}
