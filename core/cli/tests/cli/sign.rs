//! `sign`: the three formats, and what is refused.

use crate::sandbox::{NONCE, NOW, Sandbox, URL};

const BASE: &str = "sign --key agent.jwk --agent-id bot.example.com --purpose RAG_RETRIEVAL";

/// The members of the claim in a list of header lines.
fn claim(headers: &serde_json::Value) -> serde_json::Value {
    let payload = headers.as_array().unwrap().iter().find(|line| line[0] == "x-imagxp-payload").unwrap();
    let bytes = imagxp::encoding::base64_decode(payload[1].as_str().unwrap().as_bytes()).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[test]
fn the_formats_say_the_same() {
    let sandbox = Sandbox::new();
    let args = format!("{BASE} --url {URL} --now {NOW} --nonce {NONCE}");
    let json = sandbox.sh(&format!("{args} --format json")).exits(0);
    assert_eq!(sandbox.sh(&format!("{args} --json")).exits(0).out, json.out);
    let request = json.json();
    assert_eq!((request["method"].as_str(), request["url"].as_str()), (Some("GET"), Some(URL)));
    let names: Vec<&str> =
        request["headers"].as_array().unwrap().iter().map(|line| line[0].as_str().unwrap()).collect();
    assert_eq!(names, ["User-Agent", "x-imagxp-payload", "x-imagxp-signature", "x-imagxp-public-key"]);
    assert!(request["headers"][0][1].as_str().unwrap().ends_with(" IMAGXP/1.0"));

    let lines: String = request["headers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| format!("{}: {}\n", line[0].as_str().unwrap(), line[1].as_str().unwrap()))
        .collect();
    assert_eq!(sandbox.sh(&args).exits(0).out, lines);
    let curl = sandbox.sh(&format!("{args} --format curl")).exits(0).out;
    for line in lines.lines() {
        assert!(curl.contains(&format!("--header '{line}'")), "{curl}");
    }
}

#[test]
fn everything_asked_for_is_in_the_claim() {
    let sandbox = Sandbox::new();
    sandbox.write("body.txt", "hello");
    sandbox.write("context.json", "{\"session\":\"s-1\"}\n");
    sandbox.write("visa.txt", "a.b.c\n");
    let request = sandbox
        .sh(&format!(
            "{BASE} --url https://pub.example/caf\u{e9}?x=[<] --method POST --now {NOW} --nonce {NONCE} --body body.txt --context @context.json --ads-displayed true --payment @visa.txt --proof d.e.f --compatible --user-agent crawler/2 --json"
        ))
        .exits(0)
        .json();
    let claim = claim(&request["headers"]);
    assert_eq!(claim["agent_id"], "bot.example.com");
    assert_eq!(claim["purpose"], "RAG_RETRIEVAL");
    assert_eq!(claim["method"], "POST");
    assert_eq!(claim["nonce"], NONCE);
    assert_eq!(claim["ts"], "2026-11-21T12:00:00.000Z");
    assert_eq!(claim["resource"], "https://pub.example/caf%C3%A9?x=[%3C]");
    assert_eq!(claim["content_digest"], "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:");
    assert_eq!(claim["context"], serde_json::json!({"session": "s-1", "ads_displayed": true}));
    assert_eq!(request["body_digest"], claim["content_digest"]);
    let value = |name: &str| {
        request["headers"].as_array().unwrap().iter().find(|line| line[0] == name).map(|line| line[1].clone())
    };
    assert_eq!(value("x-imagxp-payment").unwrap(), "a.b.c");
    assert_eq!(value("x-imagxp-credential").unwrap(), "a.b.c");
    assert_eq!(value("x-imagxp-proof").unwrap(), "d.e.f");
    assert_eq!(value("User-Agent").unwrap(), "crawler/2 IMAGXP/1.0");
}

#[test]
fn nonce_and_time_are_fresh_by_default() {
    let sandbox = Sandbox::new();
    let claims: Vec<_> = (0..2)
        .map(|_| claim(&sandbox.sh(&format!("{BASE} --url {URL} --json")).exits(0).json()["headers"]))
        .collect();
    assert_ne!(claims[0]["nonce"], claims[1]["nonce"]);
    let nonce = claims[0]["nonce"].as_str().unwrap();
    assert!(
        nonce.len() == 36 && nonce.as_bytes()[14] == b'4' && b"89ab".contains(&nonce.as_bytes()[19]),
        "{nonce}"
    );
    let ts = imagxp::Timestamp::parse(claims[0]["ts"].as_str().unwrap()).unwrap();
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!(ts.as_secs().abs_diff(i64::try_from(clock).unwrap()) < 60);
}

/// The shell itself is the judge of the quoting: what it passes on is what was signed.
#[cfg(unix)]
#[test]
fn the_curl_command_survives_a_shell() {
    let sandbox = Sandbox::new();
    sandbox.write("it's $(touch owned).json", "{}");
    sandbox.write("curl", "#!/bin/sh\nprintf '%s\\n' \"$@\" > argv\n");
    std::fs::set_permissions(sandbox.path("curl"), std::os::unix::fs::PermissionsExt::from_mode(0o700))
        .unwrap();
    let url = "https://pub.example/a?q='$(touch${IFS}owned)`touch,owned`&x=[1-2];{a,b}";
    let mut args: Vec<&str> = BASE.split(' ').collect();
    args.extend(["--url", url, "--format", "curl", "--method", "POST", "--body", "it's $(touch owned).json"]);
    args.extend(["--user-agent", "a'b \"c\" $(touch owned) \\"]);
    let script = sandbox.run(args).exits(0).out;
    let status = std::process::Command::new("sh")
        .args(["-euc", &script])
        .current_dir(sandbox.path(""))
        .env("PATH", format!("{}:/usr/bin:/bin", sandbox.path("").display()))
        .status()
        .unwrap();
    assert!(status.success());
    let argv = sandbox.read("argv");
    let argv: Vec<&str> = argv.lines().collect();
    // What may not stand in a URI is encoded; `$`, `'` and parentheses may.
    let sent = "https://pub.example/a?q='$(touch$%7BIFS%7Downed)%60touch,owned%60&x=[1-2];%7Ba,b%7D";
    assert!(argv.ends_with(&["--data-binary", "@it's $(touch owned).json", "--url", sent]), "{argv:#?}");
    assert!(argv.contains(&"User-Agent: a'b \"c\" $(touch owned) \\ IMAGXP/1.0"), "{argv:#?}");
    assert!(!sandbox.path("owned").exists());
}

#[test]
fn refuses_what_no_publisher_would_accept() {
    let sandbox = Sandbox::new();
    for (args, code) in [
        ("--url /relative", "usage.argument"),
        ("--url https://pub.example/#fragment", "usage.argument"),
        ("--url https://pub.example/ --method get", "usage.argument"),
        ("--url https://pub.example/ --nonce short", "usage.argument"),
        ("--url https://pub.example/ --now 2026-11-21", "usage.argument"),
        ("--url https://pub.example/ --context []", "usage.argument"),
        ("--url https://pub.example/ --context @none.json", "file.unreadable"),
        ("--url https://pub.example/ --payment \u{1b}[2J", "usage.argument"),
        ("--url https://pub.example/ --user-agent caf\u{e9}", "usage.argument"),
        ("--url https://pub.example/ --body none.txt", "file.unreadable"),
        ("--url https://pub.example/ --format curl", "usage.argument"),
        ("--url https://pub.example/ --format yaml", "usage.argument"),
        ("", "usage.argument"),
    ] {
        assert_eq!(sandbox.sh(&format!("{BASE} {args} --json")).json_error()["code"], code, "{args}");
    }
    let newline = ["--url", URL, "--user-agent", "a\r\nX-Evil: 1"];
    sandbox.run(BASE.split(' ').chain(newline)).exits(2);
    sandbox.sh(&BASE.replace("RAG_RETRIEVAL", "rag")).exits(2);
    sandbox.sh(&format!("{} --url {URL}", BASE.replace("bot.example.com", "localhost"))).exits(2);
    sandbox
        .sh(&format!("{} --url {URL} --allow-loopback", BASE.replace("bot.example.com", "localhost")))
        .exits(0);
    sandbox.sh("jwk agent.jwk").exits(0);
    sandbox.write("public.jwk", &sandbox.sh("jwk agent.jwk").out);
    let error =
        sandbox.sh(&format!("{} --url {URL} --json", BASE.replace("agent.jwk", "public.jwk"))).json_error();
    assert_eq!((error["code"].as_str(), error["file"].as_str()), (Some("key.malformed"), Some("public.jwk")));
}

#[cfg(unix)]
#[test]
fn warns_about_a_key_that_others_can_read() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.sh(&format!("{BASE} --url {URL}")).exits(0).err, "");
    std::fs::set_permissions(sandbox.path("agent.jwk"), std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .unwrap();
    let run = sandbox.sh(&format!("{BASE} --url {URL}")).exits(0);
    assert_eq!(
        run.err,
        "agent.jwk: warning: file.permissions: a private key that others can read (mode 0644); use chmod 600\n"
    );
}
