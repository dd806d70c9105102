//! A server of a few lines: one answer to a connection, and the caller sees what was asked, line by line.

use super::timed::Timed;
use super::{MAX_BODY, MAX_LINES, read_head};
use crate::error::CliError;
use crate::head;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How long one exchange may take, from its first byte to its last.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many connections are served at a time. Whoever comes beyond them is turned away.
const MOST: usize = 64;

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
        let served = Arc::new(AtomicUsize::new(0));
        for stream in listener.incoming().flatten() {
            let Some(seat) = Seat::take(&served) else { continue };
            let answer = Arc::clone(&answer);
            // Without a thread the connection is closed: it went with the closure, and so did its seat.
            let started = std::thread::Builder::new().spawn(move || {
                serve(Timed::new(stream, Instant::now(), PATIENCE), &*answer);
                drop(seat);
            });
            drop(started);
        }
    });
}

/// One of the connections that are served at a time.
struct Seat(Arc<AtomicUsize>);

impl Seat {
    /// Only the one thread that accepts takes seats, so that none is taken between the look and the step.
    fn take(served: &Arc<AtomicUsize>) -> Option<Self> {
        if served.load(Ordering::SeqCst) >= MOST {
            return None;
        }
        served.fetch_add(1, Ordering::SeqCst);
        Some(Self(Arc::clone(served)))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn serve(mut stream: Timed, answer: &dyn Fn(&Heard) -> Reply) {
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

fn hear(stream: &mut Timed) -> Option<Heard> {
    let (head, mut body) = read_head(stream, Vec::new()).ok()?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    #[test]
    fn those_who_only_wait_take_no_more_than_their_seats() {
        let listener = bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        listen(listener, Arc::new(|_| Reply::new(200, "text/plain", "a page")));
        let ask = || {
            let mut stream = TcpStream::connect(address).unwrap();
            let mut answer = String::new();
            // Who is turned away may see a reset rather than an end.
            let sent = stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n");
            let _ = sent.and_then(|()| stream.read_to_string(&mut answer));
            answer.starts_with("HTTP/1.1 200")
        };
        assert!(ask());
        let idle: Vec<TcpStream> = (0..MOST).map(|_| TcpStream::connect(address).unwrap()).collect();
        assert!(!ask());
        drop(idle);
        let begin = Instant::now();
        while !ask() {
            assert!(begin.elapsed() < Duration::from_secs(5), "the seats stay taken");
        }
    }
}
