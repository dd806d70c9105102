//! Servers and name servers that want to take time or memory. Each fetch ends within its deadline and 100 ms, and holds at most 2 MiB:
//! both are measured, the memory by an allocator that counts what the fetching thread holds.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

mod support;

use imagxp_fetch::{Call, FetchError, FetchFailure, Fetcher, Options, Profile};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use support::allocator::peak;
use support::{Authority, HOME, NameServer, Reply, Server, Stream, answer, options, world};

const URL: &str = "https://bot.example.com/m";
const GRACE: Duration = Duration::from_millis(100);
const MEMORY: usize = 2 * 1024 * 1024;

/// One after the other: what is measured is the fetcher, not how tests share two processors.
static ALONE: Mutex<()> = Mutex::new(());

/// How late this machine is: it wakes a thread late that does nothing but sleep, and lets those wait for a processor that have something to do.
/// On a busy one the fetcher cannot be earlier.
struct Lateness {
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<Duration>,
    waited: Duration,
}

/// For how long the threads of this process that are there have waited for a processor, by Linux's count.
fn waited() -> Duration {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return Duration::ZERO };
    let texts =
        tasks.flatten().filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok());
    texts
        .filter_map(|text| text.split(' ').nth(1).and_then(|nanos| nanos.parse().ok()))
        .map(Duration::from_nanos)
        .sum()
}

impl Lateness {
    fn start() -> Self {
        const NAP: Duration = Duration::from_millis(5);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let waited = waited();
        let thread = thread::spawn(move || {
            let mut late = Duration::ZERO;
            while !stopped.load(Ordering::SeqCst) {
                let begin = Instant::now();
                thread::sleep(NAP);
                late += begin.elapsed().saturating_sub(2 * NAP);
            }
            late
        });
        Self { stop, thread, waited }
    }

    fn stop(self) -> Duration {
        let waited = waited().saturating_sub(self.waited);
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap().max(waited)
    }
}

/// Fetches once, in the bounds of time and memory; the failure.
fn measured(what: &str, fetcher: &Fetcher, profile: Profile) -> FetchError {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let machine = Lateness::start();
    let begin = Instant::now();
    let (result, memory) = peak(|| fetcher.get(URL, profile));
    let took = begin.elapsed();
    let late = machine.stop();
    let error = result.unwrap_err();
    println!("{what}: {took:?} (the machine: {late:?} late), {} KiB, {error}", memory / 1024);
    assert!(took <= profile.deadline + GRACE + late, "{what}: {took:?}, the machine {late:?} late");
    assert!(memory <= MEMORY, "{what}: {memory} bytes");
    error
}

fn expect(
    what: &str,
    expected: FetchFailure,
    act: impl Fn(&mut dyn Stream, &str) + Send + Sync + 'static,
) -> FetchError {
    let (fetcher, _server, _names) = world(act);
    let error = measured(what, &fetcher, Profile::MANIFEST);
    assert_eq!(error.failure, expected, "{what}: {error}");
    error
}

/// One byte a second (here: each 100 ms, which is more work) until the other side hangs up.
fn drip(stream: &mut dyn Stream, text: &[u8]) {
    for byte in text.iter().cycle() {
        if stream.write_all(&[*byte]).and_then(|()| stream.flush()).is_err() {
            return;
        }
        thread::sleep(Duration::from_millis(100));
    }
}

fn flood(stream: &mut dyn Stream, block: &[u8]) {
    while stream.write_all(block).is_ok() {}
}

#[test]
fn a_dripping_header() {
    let error = expect("dripping header", FetchFailure::Failed, |stream, _| {
        drip(stream, b"HTTP/1.1 200 OK\r\nx-a: bcdefghijklmnop")
    });
    assert!(error.detail.contains("header") && error.sent, "{error}");
}

#[test]
fn a_dripping_body() {
    let error = expect("dripping body", FetchFailure::Failed, |stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10000\r\n\r\n");
        drip(stream, b"{ ");
    });
    assert!(error.detail.contains("body"), "{error}");
}

#[test]
fn silence() {
    expect("silence", FetchFailure::Failed, |_, _| thread::sleep(Duration::from_secs(5)));
}

#[test]
fn a_body_without_end() {
    expect("endless body", FetchFailure::Invalid, |stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        flood(stream, &[b' '; 16 * 1024]);
    });
}

#[test]
fn chunks_without_end() {
    expect("endless chunks", FetchFailure::Invalid, |stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        flood(stream, b"4\r\n    \r\n");
    });
    // Chunks of nothing but their extensions, which hyper bounds.
    expect("endless extension", FetchFailure::Invalid, |stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;");
        flood(stream, &[b'x'; 16 * 1024]);
    });
    expect("endless trailers", FetchFailure::Invalid, |stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n");
        flood(stream, b"x-trailer: y\r\n");
    });
}

#[test]
fn a_huge_content_length() {
    for length in ["16385", "9999999999", "18446744073709551615"] {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
        expect("huge Content-Length", FetchFailure::Invalid, move |stream, _| {
            let _ = stream.write_all(head.as_bytes());
            drip(stream, b" ");
        });
    }
    for lines in [
        "content-length: 99999999999999999999999",
        "content-length: -1",
        "content-length: 1\r\ncontent-length: 2",
    ] {
        let head = format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\nxx");
        expect("nonsense Content-Length", FetchFailure::Invalid, move |stream, _| {
            drop(stream.write_all(head.as_bytes()))
        });
    }
}

#[test]
fn headers_without_end() {
    expect("endless header line", FetchFailure::Invalid, |stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nx: ");
        flood(stream, &[b'y'; 16 * 1024]);
    });
    expect("endless header lines", FetchFailure::Invalid, |stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        flood(stream, b"x: y\r\n");
    });
    expect("100 k header lines", FetchFailure::Invalid, |stream, _| {
        let lines = "x: y\r\n".repeat(100_000);
        answer(stream, "200 OK", &lines, b"{}");
    });
    expect("101 header lines", FetchFailure::Invalid, |stream, _| {
        answer(stream, "200 OK", &"x: y\r\n".repeat(100), b"{}")
    });
    expect("endless 1xx", FetchFailure::Invalid, |stream, _| {
        flood(stream, b"HTTP/1.1 103 Early Hints\r\nx: y\r\n\r\n")
    });
}

#[test]
fn what_is_no_http() {
    for text in [
        "nonsense\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/9.9 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
    ] {
        expect(text, FetchFailure::Invalid, |stream, _| drop(stream.write_all(text.as_bytes())));
    }
    expect("nothing", FetchFailure::Failed, |_, _| {});
    expect("half a body", FetchFailure::Failed, |stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{}");
    });
}

#[test]
fn encoded_answers() {
    // 10 MiB of zeros, as gzip makes them: 42 bytes of deflate blocks would do; nobody looks at them.
    for encoding in ["gzip", "br", "deflate, gzip", "x-unknown", "Identity, gzip"] {
        let lines = format!("content-encoding: {encoding}\r\n");
        expect(encoding, FetchFailure::Invalid, move |stream, _| {
            answer(stream, "200 OK", &lines, &[0x1f, 0x8b, 8, 0])
        });
    }
    let (fetcher, _server, _names) =
        world(|stream, _| answer(stream, "200 OK", "content-encoding: Identity\r\n", b"{}"));
    assert_eq!(fetcher.get(URL, Profile::MANIFEST).unwrap().body, b"{}");
}

#[test]
fn a_body_of_exactly_the_limit() {
    for (length, fits) in [(16 * 1024, true), (16 * 1024 + 1, false)] {
        for chunked in [false, true] {
            let (fetcher, _server, _names) = world(move |stream, _| {
                let body = vec![b'x'; length];
                if chunked {
                    let _ =
                        write!(stream, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{length:x}\r\n");
                    let _ = stream.write_all(&body);
                    let _ = stream.write_all(b"\r\n0\r\n\r\n");
                } else {
                    answer(stream, "200 OK", "", &body);
                }
            });
            let result = fetcher.get(URL, Profile::MANIFEST);
            assert_eq!(result.is_ok(), fits, "{length} {chunked}: {result:?}");
        }
    }
}

#[test]
fn stalled_name_servers() {
    let authority = Authority::new();
    let names = NameServer::always(Reply::Silence);
    let fetcher = Fetcher::new(options(&authority, &names, 1)).unwrap();
    let error = measured("silent name server", &fetcher, Profile::MANIFEST);
    assert_eq!((error.failure, error.sent), (FetchFailure::Failed, false));
    // Nobody there at all.
    let nameservers = vec![(HOME, 1).into()];
    let fetcher = Fetcher::new(Options { nameservers, ..options(&authority, &names, 1) }).unwrap();
    assert_eq!(measured("no name server", &fetcher, Profile::MANIFEST).failure, FetchFailure::Failed);
    // Two thousand addresses, over TCP, all of which are looked at.
    let many = (0..2000_u32).map(|number| std::net::Ipv4Addr::from_bits(0x0101_0101 + number).into());
    let many: Vec<_> = many.chain([std::net::Ipv4Addr::new(10, 0, 0, 1).into()]).collect();
    let names = NameServer::always(Reply::Addresses(many));
    let fetcher = Fetcher::new(options(&authority, &names, 1)).unwrap();
    let error = measured("2000 addresses", &fetcher, Profile::MANIFEST);
    assert_eq!(error.failure, FetchFailure::AddressDenied, "{error}");
}

#[test]
fn stalled_connections_and_handshakes() {
    let authority = Authority::new();
    let names = NameServer::always(Reply::home());
    let server = Server::raw(HOME, |_socket, _| thread::sleep(Duration::from_secs(5)));
    let fetcher = Fetcher::new(options(&authority, &names, server.port)).unwrap();
    let error = measured("stalled handshake", &fetcher, Profile::MANIFEST);
    assert_eq!((error.failure, error.sent), (FetchFailure::Failed, false));
    assert!(error.detail.contains("TLS was being set up"), "{error}");

    let server = Server::raw(HOME, |mut socket, _| while socket.write_all(&[22, 3, 3, 0x40, 0]).is_ok() {});
    let fetcher = Fetcher::new(options(&authority, &names, server.port)).unwrap();
    assert_eq!(measured("endless handshake", &fetcher, Profile::MANIFEST).failure, FetchFailure::Failed);

    // A port whose queue is full: what is sent to it gets no answer.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let full = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind((HOME, 0).into()).unwrap();
        socket.listen(1).unwrap()
    });
    let address = full.local_addr().unwrap();
    let connect = || std::net::TcpStream::connect_timeout(&address, Duration::from_millis(50));
    let waiting: Vec<_> = std::iter::from_fn(|| connect().ok()).take(64).collect();
    assert!(waiting.len() < 64, "the queue is never full");
    let names = NameServer::always(Reply::home());
    let fetcher = Fetcher::new(options(&authority, &names, address.port())).unwrap();
    let error = measured("stalled connection", &fetcher, Profile::MANIFEST);
    assert_eq!((error.failure, error.sent), (FetchFailure::Failed, false));
    assert!(error.detail.contains("connection was being made"), "{error}");
}

#[test]
fn every_profile_has_its_deadline() {
    for (name, profile, seconds) in [("JWKS", Profile::JWKS, 3), ("DOCUMENT", Profile::DOCUMENT, 5)] {
        let (fetcher, _server, _names) =
            world(|stream, _| drip(stream, b"HTTP/1.1 200 OK\r\nx-a: bcdefghijklmnop"));
        let begin = Instant::now();
        assert_eq!(measured(name, &fetcher, profile).failure, FetchFailure::Failed);
        assert!(begin.elapsed() >= Duration::from_secs(seconds), "{name}");
    }
}

#[test]
fn a_request_that_may_have_arrived_is_told_apart() {
    let profile = Profile { deadline: Duration::from_millis(1500), ..Profile::PAGE };
    let (fetcher, server, _names) = world(|_, _| thread::sleep(Duration::from_secs(4)));
    let call = Call { method: "POST".into(), body: b"pay".to_vec(), ..Call::get(URL) };
    let error = fetcher.send(&call, profile).unwrap_err();
    assert!(error.sent && server.heads().len() == 1, "{error}");
    let (fetcher, _server, _names) = world(|_, _| {});
    assert!(fetcher.send(&call, profile).unwrap_err().sent, "it was read, and then the line went dead");
    let call = Call { url: "https://bot.example.org/m".into(), ..call };
    let error = fetcher.send(&call, profile).unwrap_err();
    assert!(!error.sent && error.detail.starts_with("TLS"), "{error}");
}
