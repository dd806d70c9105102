//! `manifest serve`: one document over HTTP, and nothing else.

use crate::sandbox::Sandbox;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(sandbox: &Sandbox, args: &str) -> Self {
        let mut command =
            sandbox.command(format!("manifest serve --listen 127.0.0.1:0 {args}").split_whitespace());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.strip_prefix("serving http://").unwrap().split('/').next().unwrap().to_owned();
        Self { child, address }
    }

    fn send(&self, request: &str) -> (String, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        (head.to_owned(), body.to_owned())
    }

    fn get(&self, more: &str) -> (String, String) {
        self.send(&format!("GET /.well-known/imagxp-agent.json HTTP/1.1\r\nHost: x\r\n{more}\r\n"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_folder_is_followed() {
    let sandbox = Sandbox::new();
    sandbox.sh("rotate init --agent-id bot.example.com").exits(0);
    let server = Server::start(&sandbox, "--dir imagxp-keys");
    let (head, body) = server.get("");
    assert!(
        head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("cache-control: public, max-age=300"),
        "{head}"
    );
    assert_eq!(body, sandbox.read("imagxp-keys/imagxp-agent.json"));
    let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
    let condition = format!("If-None-Match: \"x\"\r\nif-none-match: {tag}\r\n");
    let (head, body) = server.get(&condition);
    assert!(head.starts_with("HTTP/1.1 304 ") && body.is_empty(), "{head}");
    sandbox.sh("rotate prepare").exits(0);
    sandbox.sh("rotate publish").exits(0);
    assert_eq!(server.get(&condition).1, sandbox.read("imagxp-keys/imagxp-agent.json"));
    std::fs::rename(sandbox.path("imagxp-keys"), sandbox.path("gone")).unwrap();
    assert!(server.get("").0.starts_with("HTTP/1.1 200 "), "the last good one stays");
}

#[test]
fn nothing_else_is_served() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, "--file manifest.json --agent-id bot.example.com");
    let status = |request: &str| server.send(request).0.split(' ').nth(1).unwrap_or("closed").to_owned();
    let path = "/.well-known/imagxp-agent.json";
    for (request, expected) in [
        (format!("HEAD {path} HTTP/1.0\r\n\r\n"), "200"),
        ("GET / HTTP/1.1\r\n\r\n".into(), "404"),
        ("GET /../manifest.json HTTP/1.1\r\n\r\n".into(), "404"),
        (format!("POST {path} HTTP/1.1\r\ncontent-length: 1\r\n\r\n"), "405"),
        ("nonsense\r\n\r\n".into(), "400"),
        (format!("GET {path} HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(65)), "431"),
    ] {
        assert_eq!(status(&request), expected, "{request:.60}");
    }
    let (head, body) = server.send(&format!("HEAD {path} HTTP/1.1\r\n\r\n"));
    assert!(head.contains("content-length: ") && body.is_empty());
    assert_eq!(
        sandbox.sh("manifest serve --file none --agent-id bot.example.com --json").json_error()["code"],
        "file.unreadable"
    );
    sandbox.sh("manifest serve").exits(2);
    sandbox.sh("manifest serve --file manifest.json").exits(2);
}

/// Who sends a byte now and then keeps a place for five seconds, and others are served meanwhile.
#[test]
fn slow_clients_are_sent_away() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, "--file manifest.json --agent-id bot.example.com");
    let start = Instant::now();
    let mut slow = TcpStream::connect(&server.address).unwrap();
    slow.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut byte = [0];
    let mut bytes = b"GET / HTTP/1.1\r\nname: ".iter().chain(std::iter::repeat(&b'a'));
    let ended = loop {
        if slow.write_all(&[*bytes.next().unwrap()]).is_err() {
            break true;
        }
        match slow.read(&mut byte) {
            Ok(_) => break true,
            Err(error)
                if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
            Err(_) => break true,
        }
        assert!(server.get("").0.starts_with("HTTP/1.1 200 "));
        if start.elapsed() > Duration::from_secs(60) {
            break false;
        }
    };
    assert!(ended && start.elapsed() > Duration::from_secs(4), "ended: {ended}, after {:?}", start.elapsed());
}
