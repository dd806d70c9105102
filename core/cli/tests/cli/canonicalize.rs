//! `canonicalize`.

use crate::sandbox::Sandbox;

#[test]
fn prints_exactly_the_signed_bytes() {
    let sandbox = Sandbox::new();
    let input = "{ \"b\": 1e2, \"a\": [\"\\u00e9\\u009b\\n\", 1.50] }\n";
    let canonical = "{\"a\":[\"é\u{9b}\\n\",1.5],\"b\":100}";
    sandbox.write("in.json", input);
    assert_eq!(sandbox.sh("canonicalize in.json").exits(0).out, canonical);
    assert_eq!(sandbox.run_with(input.as_bytes(), "canonicalize").exits(0).out, canonical);
    assert_eq!(
        sandbox.run_with(input.as_bytes(), "canonicalize - --json").exits(0).json()["canonical"],
        canonical
    );
}

#[test]
fn refuses_with_the_code_and_the_line() {
    let sandbox = Sandbox::new();
    for (input, code, line) in [
        (&b"{\n\"a\":1,\n\"a\":2}"[..], "json.duplicate_key", 3),
        (b"", "json.malformed", 1),
        (b"{}\n{}", "json.malformed", 2),
        (b"\n[9007199254740993]", "json.number_range", 2),
        (b"[\"\n\"]", "json.malformed", 1),
        (b"\n\"\xff\"", "json.invalid_unicode", 2),
    ] {
        let error = sandbox.run_with(input, "canonicalize - --json").json_error();
        assert_eq!(
            (error["code"].as_str(), error["line"].as_i64()),
            (Some(code), Some(line)),
            "{}",
            input.escape_ascii()
        );
    }
}
