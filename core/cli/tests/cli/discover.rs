//! `discover` and `policy emit`.

use crate::sandbox::Sandbox;
use std::io::{Read, Write};
use std::net::TcpListener;

const POLICY: &str = "version = 1\norigins = [\"https://pub.example\"]\n\n[purposes.RAG_RETRIEVAL]\n[purposes.SUMMARY]\n\
    [purposes.QUOTATION]\n[purposes.CRAWL_TRAINING]\nallow = false\n";

#[test]
fn what_a_policy_emits_is_read_back() {
    let sandbox = Sandbox::new();
    sandbox.write("policy.toml", POLICY);
    let robots = sandbox.sh("policy emit robots policy.toml").exits(0).out;
    assert!(robots.contains("Content-Usage: / train-ai=n, ai-use=y\n"), "{robots}");
    assert!(robots.contains("Content-Signal: ai-train=no, ai-input=yes\n"), "{robots}");
    sandbox.write("robots.txt", &robots);
    let rsl = sandbox.sh("policy emit rsl policy.toml --rsl-url /rsl.xml").exits(0).out;
    sandbox.write("license.xml", &rsl);
    let public = sandbox.sh("policy public policy.toml").exits(0).out;
    sandbox.write("public.json", &public);
    let headers = sandbox.sh("policy emit headers policy.toml --path /news/1").exits(0).out;
    let mut arguments = vec![
        "discover",
        "--url",
        "https://pub.example/news/1",
        "--robots",
        "robots.txt",
        "--rsl",
        "license.xml",
        "--policy",
        "public.json",
    ];
    for line in headers.lines() {
        arguments.extend(["--header", line]);
    }
    let run = sandbox.run(arguments.clone()).exits(0);
    assert!(run.out.contains("CRAWL_TRAINING: disallowed; advice: do not read\n"), "{run:#?}");
    assert!(run.out.contains("SUMMARY: allowed; advice: read\n"), "{run:#?}");
    assert!(
        run.out.contains("  disallow: robots:5: Content-Usage: Content-Usage: / train-ai=n, ai-use=y\n"),
        "{run:#?}"
    );
    assert!(
        run.out.contains("policy: https://pub.example/.well-known/imagxp-policy.json (link)\n"),
        "{run:#?}"
    );
    arguments.extend(["--purpose", "SUMMARY", "--json"]);
    let report = sandbox.run(arguments).exits(0).json();
    assert_eq!(report["purposes"]["EMBEDDING"]["advice"], "refrain");
    assert_eq!(report["findings"], serde_json::json!([]));
    let json = sandbox.sh("policy emit robots policy.toml --json").exits(0).json();
    assert_eq!(json["text"], robots.as_str());
}

#[test]
fn errors_of_a_site_end_with_one_and_name_their_lines() {
    let sandbox = Sandbox::new();
    sandbox.write("robots.txt", "User-agent: *\nContent-Usage: / Train-AI=n\nIMAGXP-Policy: /p\n");
    let run = sandbox.sh("discover --url https://pub.example/ --robots robots.txt").exits(1);
    assert!(run.out.contains("robots:2: error: "), "{run:#?}");
    assert!(run.out.contains("robots:3: error: "), "{run:#?}");
    sandbox.write("bad.xml", "<!DOCTYPE a><a/>");
    sandbox.sh("discover --url https://pub.example/ --rsl bad.xml").exits(1);
    sandbox.sh("discover --url https://pub.example/ --robots-status 503").exits(0);
}

#[test]
fn wrong_usage() {
    let sandbox = Sandbox::new();
    sandbox.write("policy.toml", POLICY);
    for arguments in [
        "discover",
        "discover --url /relative --robots-status 404",
        "discover --url https://pub.example/ --header nothing",
        "discover --url https://pub.example/ --robots missing.txt",
        "discover --url https://pub.example/ --purpose READING",
        "policy emit toml policy.toml",
        "policy emit robots policy.toml --origin https://other.example",
        "policy emit headers policy.toml --path news",
        "policy emit robots policy.toml --rsl-url http://pub.example/l.xml",
    ] {
        sandbox.sh(arguments).exits(2);
    }
}

/// A site on this machine: robots.txt, a page, a well-known policy.
#[test]
fn a_site_is_asked() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let policy =
        format!(r#"{{"version":1,"origins":["{origin}"],"purposes":{{"SUMMARY":{{"allow":true}}}}}}"#);
    let server = std::thread::spawn(move || {
        let mut asked = Vec::new();
        for stream in listener.incoming().take(3) {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
                request.push(byte[0]);
            }
            let line = String::from_utf8(request).unwrap();
            let line = line.lines().next().unwrap().to_owned();
            let (headers, body) = match line.split(' ').nth(1).unwrap() {
                "/robots.txt" => ("", "User-agent: *\nContent-Usage: / train-ai=n\n"),
                "/.well-known/imagxp-policy.json" => ("", policy.as_str()),
                _ => ("Content-Signal: ai-input=yes\r\n", ""),
            };
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n{headers}Connection: close\r\n\r\n{body}"
            )
            .unwrap();
            asked.push(line);
        }
        asked
    });
    let sandbox = Sandbox::new();
    let run = sandbox.sh(&format!("discover {origin}/news/1 --allow-loopback --json")).exits(0);
    let report = run.json();
    assert_eq!(report["purposes"]["CRAWL_TRAINING"]["advice"], "refrain", "{report:#}");
    assert_eq!(report["purposes"]["SUMMARY"]["advice"], "go_ahead", "{report:#}");
    assert_eq!(report["purposes"]["QUOTATION"]["state"], "conflicting", "{report:#}");
    let asked = server.join().unwrap();
    assert_eq!(
        asked,
        ["GET /robots.txt HTTP/1.1", "HEAD /news/1 HTTP/1.1", "GET /.well-known/imagxp-policy.json HTTP/1.1"]
    );
}
