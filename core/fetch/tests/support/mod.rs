//! Real parts on loopback: a certificate authority, TLS and plain servers, a name server. What a server does is a closure.
#![allow(dead_code, clippy::unwrap_used, reason = "tests may panic, and none uses everything")]

#[path = "../../../protocol/tests/common/allocator.rs"]
pub(crate) mod allocator;

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, CNAME};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use imagxp_fetch::{Fetcher, Options};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Where servers of tests listen unless they say otherwise.
pub(crate) const HOME: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);

/// A certificate authority.
pub(crate) struct Authority {
    pub(crate) root: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).unwrap().der().to_vec();
        Self { root, issuer: Issuer::new(params, key) }
    }

    /// A server's TLS, for these names.
    pub(crate) fn tls(&self, names: &[&str]) -> Arc<ServerConfig> {
        self.tls_until(names, 4000)
    }

    /// The same with a certificate that ends with this year.
    pub(crate) fn tls_until(&self, names: &[&str], year: i32) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(year, 12, 31);
        let chain = vec![CertificateDer::from(params.signed_by(&key, &self.issuer).unwrap().der().to_vec())];
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        Arc::new(config)
    }
}

/// Both directions of a connection.
pub(crate) trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// A server: counts connections and keeps what was asked.
pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) connections: Arc<AtomicUsize>,
    pub(crate) heads: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// The heads of the requests so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    /// An https server; the closure gets the stream after the request's head has been read.
    pub(crate) fn https(
        address: impl Into<IpAddr>,
        tls: Arc<ServerConfig>,
        act: impl Fn(&mut dyn Stream, &str) + Send + Sync + 'static,
    ) -> Self {
        Self::raw(address, move |socket, heads| {
            let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&tls)).unwrap(), socket);
            if let Some(head) = read_head(&mut stream) {
                heads.lock().unwrap().push(head.clone());
                act(&mut stream, &head);
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        })
    }

    /// A server without TLS.
    pub(crate) fn http(
        address: impl Into<IpAddr>,
        act: impl Fn(&mut dyn Stream, &str) + Send + Sync + 'static,
    ) -> Self {
        Self::raw(address, move |mut socket, heads| {
            if let Some(head) = read_head(&mut socket) {
                heads.lock().unwrap().push(head.clone());
                act(&mut socket, &head);
            }
        })
    }

    /// A server that does what it likes with its sockets.
    pub(crate) fn raw(
        address: impl Into<IpAddr>,
        act: impl Fn(TcpStream, &Mutex<Vec<String>>) + Send + Sync + 'static,
    ) -> Self {
        Self::listening(TcpListener::bind((address.into(), 0)).unwrap(), act)
    }

    pub(crate) fn listening(
        listener: TcpListener,
        act: impl Fn(TcpStream, &Mutex<Vec<String>>) + Send + Sync + 'static,
    ) -> Self {
        let port = listener.local_addr().unwrap().port();
        let (connections, heads) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let (counter, kept, act) = (Arc::clone(&connections), Arc::clone(&heads), Arc::new(act));
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                counter.fetch_add(1, Ordering::SeqCst);
                let (act, kept) = (Arc::clone(&act), Arc::clone(&kept));
                thread::spawn(move || act(socket, &kept));
            }
        });
        Self { port, connections, heads }
    }
}

/// Waits until something holds, which other threads see to.
#[track_caller]
pub(crate) fn until(what: &str, holds: impl Fn() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(60), "still waiting for {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

fn read_head(stream: &mut dyn Stream) -> Option<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}

/// Writes one answer with a Content-Length; further header lines end in CRLF each.
pub(crate) fn answer(stream: &mut dyn Stream, status: &str, lines: &str, body: &[u8]) {
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{lines}\r\n", body.len());
    let _ =
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).and_then(|()| stream.flush());
}

/// What a name server says.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Addresses(Vec<IpAddr>),
    /// A chain of names that ends in these addresses, all in one answer.
    Chain(Vec<&'static str>, Vec<IpAddr>),
    /// The name is another's; whoever wants to know more has to ask for that.
    Alias(&'static str),
    NoName,
    Silence,
}

impl Reply {
    pub(crate) fn home() -> Self {
        Self::Addresses(vec![HOME.into()])
    }
}

/// A name server on UDP and TCP: counts what it was asked for.
pub(crate) struct NameServer {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<HashMap<(String, RecordType), usize>>>,
}

impl NameServer {
    /// The closure gets the name (lower case, without the last dot) and how often its A (or AAAA) was asked for before; of the addresses
    /// that it answers with, those of the type in question are sent.
    pub(crate) fn new(reply: impl Fn(&str, usize) -> Reply + Send + Sync + 'static) -> Self {
        let socket = UdpSocket::bind((HOME, 0)).unwrap();
        let address = socket.local_addr().unwrap();
        let asked: Arc<Mutex<HashMap<(String, RecordType), usize>>> = Arc::default();
        let (counts, reply) = (Arc::clone(&asked), Arc::new(reply));
        let respond = Arc::new(move |request: &[u8]| respond(request, &counts, &*reply));
        let over_tcp = Arc::clone(&respond);
        if let Ok(listener) = TcpListener::bind(address) {
            thread::spawn(move || {
                for mut stream in listener.incoming().flatten() {
                    let respond = Arc::clone(&over_tcp);
                    thread::spawn(move || {
                        let mut length = [0; 2];
                        while stream.read_exact(&mut length).is_ok() {
                            let mut request = vec![0; usize::from(u16::from_be_bytes(length))];
                            if stream.read_exact(&mut request).is_err() {
                                return;
                            }
                            let Some(answer) = respond(&request) else { continue };
                            let length = u16::try_from(answer.len()).unwrap().to_be_bytes();
                            let _ = stream.write_all(&[&length[..], &answer].concat());
                        }
                    });
                }
            });
        }
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
                if let Some(mut answer) = respond(&buffer[..length]) {
                    if answer.len() > 1232 {
                        let mut message = Message::from_vec(&answer).unwrap();
                        message.answers.clear();
                        message.metadata.truncation = true;
                        answer = message.to_vec().unwrap();
                    }
                    let _ = socket.send_to(&answer, peer);
                }
            }
        });
        Self { address, asked }
    }

    /// One that says this of every name.
    pub(crate) fn always(reply: Reply) -> Self {
        Self::new(move |_, _| reply.clone())
    }

    /// How often a name's records of a type were asked for.
    pub(crate) fn asked(&self, name: &str, record_type: RecordType) -> usize {
        self.asked.lock().unwrap().get(&(name.to_owned(), record_type)).copied().unwrap_or(0)
    }
}

fn respond(
    request: &[u8],
    counts: &Mutex<HashMap<(String, RecordType), usize>>,
    reply: &(dyn Fn(&str, usize) -> Reply + Send + Sync),
) -> Option<Vec<u8>> {
    let request = Message::from_vec(request).ok()?;
    let query = request.queries.first()?.clone();
    let name = query.name().to_ascii().to_lowercase().trim_end_matches('.').to_owned();
    let before = {
        let mut counts = counts.lock().unwrap();
        let count = counts.entry((name.clone(), query.query_type())).or_default();
        *count += 1;
        *count - 1
    };
    let mut response = Message::response(request.metadata.id, request.metadata.op_code);
    response.metadata.recursion_desired = true;
    response.metadata.recursion_available = true;
    response.add_query(query.clone());
    let owned = |text: &str| {
        let mut name = Name::from_ascii(text).unwrap();
        name.set_fqdn(true);
        name
    };
    let mut owner = query.name().clone();
    let mut add = |owner: &Name, addresses: Vec<IpAddr>| {
        for address in addresses {
            let data = match (address, query.query_type()) {
                (IpAddr::V4(address), RecordType::A) => RData::A(A(address)),
                (IpAddr::V6(address), RecordType::AAAA) => RData::AAAA(AAAA(address)),
                _ => continue,
            };
            response.add_answer(Record::from_rdata(owner.clone(), 0, data));
        }
    };
    match reply(&name, before) {
        Reply::Addresses(addresses) => add(&owner, addresses),
        Reply::Chain(names, addresses) => {
            let mut links = Vec::new();
            for next in names {
                let next = owned(next);
                links.push(Record::from_rdata(owner.clone(), 0, RData::CNAME(CNAME(next.clone()))));
                owner = next;
            }
            add(&owner, addresses);
            links.append(&mut response.answers);
            response.add_answers(links);
        }
        Reply::Alias(next) => {
            response.add_answer(Record::from_rdata(owner, 0, RData::CNAME(CNAME(owned(next)))));
        }
        Reply::NoName => response.metadata.response_code = ResponseCode::NXDomain,
        Reply::Silence => return None,
    }
    response.to_vec().ok()
}

/// Options for a fetcher that trusts this authority, asks this name server, and may connect to [`HOME`] on this port.
pub(crate) fn options(authority: &Authority, names: &NameServer, port: u16) -> Options {
    Options {
        allow_addresses: vec![HOME.into()],
        allowed_port: Some(port),
        nameservers: vec![names.address],
        roots: vec![authority.root.clone()],
        only_given_roots: true,
        ..Options::default()
    }
}

/// A fetcher for one https server that goes by every name.
pub(crate) fn world(
    act: impl Fn(&mut dyn Stream, &str) + Send + Sync + 'static,
) -> (Fetcher, Server, NameServer) {
    let authority = Authority::new();
    let server = Server::https(HOME, authority.tls(&["bot.example.com", "*.example.com"]), act);
    let names = NameServer::always(Reply::home());
    let fetcher = Fetcher::new(options(&authority, &names, server.port)).unwrap();
    (fetcher, server, names)
}

/// The host that a request's head names, in lower case.
pub(crate) fn host_of(head: &str) -> String {
    let head = head.to_ascii_lowercase();
    let (_, rest) = head.split_once("host: ").unwrap();
    rest.split("\r\n").next().unwrap().to_owned()
}
