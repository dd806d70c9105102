//! A server of a few lines: one answer to a connection, and the caller sees what was asked, line by line.

use super::{MAX_BODY, MAX_LINES, read_head};
use crate::error::CliError;
use crate::head;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// Every line: lower-case name, and value.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Heard {
    /// The values of all lines with this lower-case name.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        let lines = self.headers.iter().filter(|(found, _)| found == name);
        lines.map(|(_, value)| value.as_str()).collect()
    }
}

/// What to answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn new(status: u16, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: vec![("content-type", kind.to_owned())], body: body.into() }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A listener on this address, or why there is none.
pub(crate) fn bind(address: &str) -> Result<TcpListener, CliError> {
    TcpListener::bind(address)
        .map_err(|error| CliError::new(CliError::SYSTEM, format!("cannot listen on `{address}`: {error}")))
}

/// Answers every connection in a thread of its own, for as long as the program runs.
pub(crate) fn listen(listener: TcpListener, answer: Arc<dyn Fn(&Heard) -> Reply + Send + Sync>) {
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            // Without a thread the connection is closed: it went with the closure.
            let started = std::thread::Builder::new().spawn(move || serve(stream, &*answer));
            drop(started);
        }
    });
}

fn serve(mut stream: TcpStream, answer: &dyn Fn(&Heard) -> Reply) {
    let limits = stream.set_read_timeout(Some(PATIENCE)).and(stream.set_write_timeout(Some(PATIENCE)));
    if limits.is_err() {
        return;
    }
    let Some(heard) = hear(&mut stream) else { return };
    let reply = answer(&heard);
    let mut bytes = format!(
        "HTTP/1.1 {} Told\r\nconnection: close\r\ncontent-length: {}\r\n",
        reply.status,
        reply.body.len()
    )
    .into_bytes();
    for (name, value) in &reply.headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    if heard.method != "HEAD" {
        bytes.extend_from_slice(&reply.body);
    }
    // Whoever went away before the answer came is not waited for.
    let _ = stream.write_all(&bytes);
}

fn hear(stream: &mut TcpStream) -> Option<Heard> {
    let (head, mut body) = read_head(stream).ok()?;
    let head = head::read(&head, MAX_LINES).ok()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let lines = head.lines.iter().map(|(name, value)| (text(name).to_ascii_lowercase(), text(value)));
    let headers: Vec<(String, String)> = lines.collect();
    let length =
        headers.iter().find(|(name, _)| name == "content-length").map_or(Some(0), |(_, length)| {
            length.trim().parse::<usize>().ok().filter(|length| *length <= MAX_BODY)
        })?;
    let missing = length.saturating_sub(body.len());
    stream.take(u64::try_from(missing).ok()?).read_to_end(&mut body).ok()?;
    Some(Heard { method: head.method, target: head.target, headers, body })
}
