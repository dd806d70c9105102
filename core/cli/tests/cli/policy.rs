//! `policy check`, `policy public`, `policy schema`.

use crate::sandbox::Sandbox;

const GOOD: &str =
    "version = 1\norigins = [\"https://pub.example\"]\nunsigned = \"deny\"\n\n[purposes.SUMMARY]\n";

#[test]
fn good_policies() {
    let sandbox = Sandbox::new();
    sandbox.write("policy.toml", GOOD);
    sandbox.write(
        "same.json",
        r#"{"version":1,"origins":["https://pub.example"],"unsigned":"deny","purposes":{"SUMMARY":{}}}"#,
    );
    assert_eq!(sandbox.sh("policy check policy.toml --strict").exits(0).out, "policy.toml: ok\n");
    let toml = sandbox.sh("policy check policy.toml --json").exits(0).json();
    let json = sandbox.sh("policy check same.json --json").exits(0).json();
    assert_eq!((toml["ok"].as_bool(), toml["file"].as_str()), (Some(true), Some("policy.toml")));
    assert_eq!(toml["hash"], json["hash"], "the same policy in another notation");
    assert_eq!(toml["hash"].as_str().unwrap().len(), 64);
    assert_eq!(toml["remarks"], serde_json::json!([]));
    // On standard input there is no name to tell the notation by.
    for text in [sandbox.read("policy.toml"), sandbox.read("same.json")] {
        assert_eq!(sandbox.run_with(text.as_bytes(), "policy check -").exits(0).out, "standard input: ok\n");
        let public = sandbox.run_with(text.as_bytes(), "policy public -").exits(0).json();
        assert_eq!(public["purposes"]["SUMMARY"]["allow"], true);
    }
}

#[test]
fn remarks_warn_and_strict_refuses() {
    let sandbox = Sandbox::new();
    sandbox.write("policy.toml", &GOOD.replace("\"deny\"", "\"browsers\""));
    let run = sandbox.sh("policy check policy.toml").exits(0);
    assert!(run.err.starts_with("policy.toml:3: warning: policy.remark: `unsigned: browsers`"), "{run:#?}");
    sandbox.sh("policy check policy.toml --strict").exits(2);
    let json = sandbox.sh("policy check policy.toml --strict --json").exits(2).json();
    assert_eq!((json["ok"].as_bool(), json["remarks"][0]["line"].as_u64()), (Some(false), Some(3)));
    assert!(json["remarks"][0]["message"].is_string());
}

#[test]
fn errors_name_file_and_line() {
    let sandbox = Sandbox::new();
    let toml: &[(&str, u64, &str)] = &[
        ("version = 1\norigins = [\n  \"https://a.example\",\n  \"http://b.example\",\n]\n", 4, "only https"),
        (
            "version = 1\norigins = ['https://a.example']\n\n[purposes.SUMMARY]\n[purposes.QUOTATION]\nalow = true\n",
            6,
            "alow",
        ),
        (
            "version = 1\norigins = ['https://a.example']\n[purposes.SUMMARY]\n[purposes.READING]\n",
            4,
            "READING",
        ),
        (
            "version = 1\norigins = ['https://a.example']\n[[paths]]\nmatch = '/a'\n[[paths]]\nmatch = '/b'\nprice = { amount = '1,5', currency = 'USD' }\n",
            7,
            "1,5",
        ),
        ("version = 2\norigins = ['https://a.example']\n", 1, "not supported"),
        ("version = 1\norigins = ['https://a.example']\nversion = 1\n", 3, "duplicate"),
        ("version = 1\norigins = ['https://a.example'\nmode = 'observe'\n", 3, ""),
        ("version = 1\norigins = ['https://a.example']\nmode = 2026-01-01\n", 3, "date"),
        ("version = 1\norigins = ['https://a.example']\n[price]\namount = 0.5\ncurrency = 'USD'\n", 4, "0.5"),
        ("version = 1\norigins = ['https://a.example']\n[clock]\npast_s = 99999999999999999999\n", 4, ""),
        ("version = 1\norigins = ['https://a.example']\n[price]\namount = inf\n", 4, "finite"),
    ];
    let json: &[(&str, u64, &str)] = &[
        ("{\"version\": 1,\n\"origins\": [\n\"http://b.example\"]}", 3, "only https"),
        ("{\"version\": 1,\n\"origins\": [\"https://a.example\"],\n\"foo\": 1}", 3, "foo"),
        ("{\"version\": 1,\n\"origins\": [],\n\"version\": 1}", 3, "twice"),
        ("{\"version\": 1,\n", 2, "JSON"),
        (
            "{\"version\": 1, \"origins\": [\"https://a.example\"],\n\"paths\": [{\"match\": \"/\"},\n{\"match\":\n\"x\"}]}",
            3,
            "does not start",
        ),
    ];
    for (extension, cases) in [("toml", toml), ("json", json)] {
        for (text, line, word) in cases {
            let file = format!("bad.{extension}");
            sandbox.write(&file, text);
            let error = sandbox.sh(&format!("policy check {file} --json")).json_error();
            assert_eq!(error["code"], "usage.policy", "{text}");
            assert_eq!(
                (error["file"].as_str(), error["line"].as_u64()),
                (Some(file.as_str()), Some(*line)),
                "{text}: {error}"
            );
            assert!(error["message"].as_str().unwrap().contains(word), "{text}: {error}");
            let run = sandbox.sh(&format!("policy check {file}")).exits(2);
            assert!(run.err.starts_with(&format!("{file}:{line}: error: usage.policy: ")), "{run:#?}");
        }
    }
}

#[test]
fn the_public_part_names_no_agents() {
    let sandbox = Sandbox::new();
    sandbox.write("policy.toml", &format!("{GOOD}[[agents]]\nmatch = \"secret.example\"\n"));
    let run = sandbox.sh("policy public policy.toml").exits(0);
    assert_eq!(run.json()["origins"][0], "https://pub.example");
    assert!(!run.out.contains("secret.example"));
}

#[test]
fn the_schema_is_a_json_schema() {
    let sandbox = Sandbox::new();
    let schema = sandbox.sh("policy schema").exits(0).json();
    assert!(schema["$schema"].as_str().unwrap().contains("2020-12"));
    assert!(schema["properties"]["purposes"].is_object());
}

#[test]
fn deep_toml_is_refused_calmly() {
    let sandbox = Sandbox::new();
    let deep = |count: usize| format!("version = {}1{}\n", "[".repeat(count), "]".repeat(count));
    for count in [20, 70, 50_000] {
        sandbox.write("deep.toml", &deep(count));
        assert_eq!(sandbox.sh("policy check deep.toml --json").json_error()["code"], "usage.policy");
    }
    sandbox.write("deep.toml", &format!("{} = 1\n", vec!["a"; 5000].join(".")));
    assert_eq!(sandbox.sh("policy check deep.toml --json").json_error()["code"], "usage.policy");
}

#[test]
fn a_policy_is_at_most_256_kib() {
    let sandbox = Sandbox::new();
    let origins: String =
        (0..10_000).map(|n| format!("'https://a-rather-long-name-{n:05}.example',")).collect();
    sandbox.write("large.toml", &format!("version = 1\norigins = [{origins}]\n"));
    let error = sandbox.sh("policy check large.toml --json").json_error();
    assert_eq!(
        (error["code"].as_str(), error["message"].as_str()),
        (Some("usage.policy"), Some("too large"))
    );
}
