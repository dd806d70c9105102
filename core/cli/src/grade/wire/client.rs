//! One request on a connection of its own, with exactly the lines that are given.

use super::timed::Timed;
use super::{MAX_BODY, MAX_LINES, read_head};
use crate::error::CliError;
use imagxp::json;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{Read, Write};
use std::net::{Ipv6Addr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a site may take for one answer, from the connection to the last byte. It may have to fetch a manifest meanwhile, which takes 1.5 s at most, and a key set.
const PATIENCE: Duration = Duration::from_secs(15);

/// Whose certificates are trusted.
#[derive(Clone, Debug)]
pub(crate) struct Roots(RootCertStore);

impl Roots {
    /// The public authorities, and those of a PEM text.
    pub(crate) fn new(more: Option<&[u8]>) -> Result<Self, CliError> {
        let mut roots = RootCertStore::empty();
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        for certificate in more.into_iter().flat_map(CertificateDer::pem_slice_iter) {
            let added = certificate.ok().and_then(|certificate| roots.add(certificate).ok());
            added.ok_or_else(|| CliError::malformed("the roots are not PEM certificates"))?;
        }
        Ok(Self(roots))
    }
}

/// Where requests go.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    /// A name or an address, without brackets.
    host: String,
    port: u16,
    origin: String,
    tls: Option<Arc<ClientConfig>>,
    patience: Duration,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The value of a header, by its lower-case name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The body, if it is a JSON object.
    pub(crate) fn json(&self) -> Option<json::Object<'_>> {
        json::parse_object(&self.body, &json::Limits::POLICY).ok()
    }

    /// The code of a refusal: `error.code` of a JSON body, or `error` if it is a string.
    pub(crate) fn code(&self) -> Option<String> {
        let body = self.json()?;
        let error = body.get("error")?;
        let code = error.as_object().map_or(Some(error), |error| error.get("code"));
        code.and_then(json::Value::as_str).map(str::to_owned)
    }
}

impl Site {
    /// The site of a URL, whose path does not matter.
    pub(crate) fn parse(url: &str, roots: &Roots) -> Result<Self, CliError> {
        let wrong = || CliError::usage(format!("`{url}` is not an http or https URL"));
        let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default().to_ascii_lowercase();
        let default = match scheme {
            "https" => 443,
            "http" => 80,
            _ => return Err(wrong()),
        };
        let (host, port) = split(&authority).ok_or_else(wrong)?;
        let port = port.map_or(Ok(default), |port| port.parse().map_err(|_| wrong()))?;
        let shown = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let origin = if port == default {
            format!("{scheme}://{shown}")
        } else {
            format!("{scheme}://{shown}:{port}")
        };
        let tls = (default == 443).then(|| tls(roots)).transpose()?;
        Ok(Self { host, port, origin, tls, patience: PATIENCE })
    }

    /// Scheme, host and port, without a default port.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// Sends one request and reads the answer to its end. The error is a sentence.
    pub(crate) fn exchange(
        &self,
        method: &str,
        target: &str,
        lines: &[(String, Vec<u8>)],
        body: &[u8],
    ) -> Result<Answer, String> {
        let authority = self.origin.split_once("://").map_or("", |(_, authority)| authority);
        let mut bytes =
            format!("{method} {target} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n").into_bytes();
        for (name, value) in lines {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        if !body.is_empty() {
            bytes.extend_from_slice(format!("content-length: {}\r\n", body.len()).as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(body);
        let begin = Instant::now();
        let socket = self.connect(begin).map_err(|error| format!("no connection: {error}"))?;
        let failed = |error: std::io::Error| format!("no answer: {error}");
        match &self.tls {
            None => {
                let mut socket = socket;
                socket.write_all(&bytes).map_err(failed)?;
                read_answer(&mut socket, method)
            }
            Some(tls) => {
                let name = ServerName::try_from(self.host.clone()).map_err(|error| error.to_string())?;
                let connection =
                    ClientConnection::new(Arc::clone(tls), name).map_err(|error| error.to_string())?;
                let mut stream = StreamOwned::new(connection, socket);
                stream.write_all(&bytes).map_err(failed)?;
                read_answer(&mut stream, method)
            }
        }
    }

    fn connect(&self, begin: Instant) -> std::io::Result<Timed> {
        let mut last = std::io::Error::other("the name has no address");
        for address in (self.host.as_str(), self.port).to_socket_addrs()? {
            let left = self.patience.saturating_sub(begin.elapsed());
            if left.is_zero() {
                break;
            }
            match TcpStream::connect_timeout(&address, left) {
                Ok(socket) => return Ok(Timed::new(socket, begin, self.patience)),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// Host and port of an authority without user information. An IPv6 address stands in brackets (RFC 3986 §3.2.2), and loses them here.
fn split(authority: &str) -> Option<(String, Option<&str>)> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let address: Ipv6Addr = address.parse().ok()?;
        let port = if port.is_empty() { None } else { Some(port.strip_prefix(':')?) };
        return Some((address.to_string(), port));
    }
    let (host, port) = match authority.split_once(':') {
        None => (authority, None),
        Some((host, port)) => (host, Some(port)),
    };
    (!host.is_empty() && !host.contains('@')).then(|| (host.to_owned(), port))
}

fn tls(roots: &Roots) -> Result<Arc<ClientConfig>, CliError> {
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| CliError::new(CliError::SYSTEM, format!("TLS cannot be set up: {error}")))?
        .with_root_certificates(roots.0.clone())
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn read_answer(stream: &mut dyn Read, method: &str) -> Result<Answer, String> {
    let (mut answer, mut body) = read_lines(stream, Vec::new())?;
    // Interim answers, such as early hints, come before the one that counts (RFC 9110 §15.2).
    while (100..200).contains(&answer.status) && answer.status != 101 {
        (answer, body) = read_lines(stream, body)?;
    }
    if method != "HEAD" {
        let length = answer.header("content-length").and_then(|length| length.parse().ok());
        let length = length.unwrap_or(MAX_BODY).min(MAX_BODY);
        let missing = length.saturating_sub(body.len());
        // A server that has refused a long request may reset the connection behind its answer: what has come counts.
        let _ = stream.take(missing as u64).read_to_end(&mut body);
        body.truncate(length);
        let chunked = answer.header("transfer-encoding").is_some_and(|value| value.contains("chunked"));
        answer.body = if chunked { joined(&body).unwrap_or_default() } else { body };
    }
    Ok(answer)
}

/// Status and lines of an answer, and what came behind them.
fn read_lines(stream: &mut dyn Read, begun: Vec<u8>) -> Result<(Answer, Vec<u8>), String> {
    let (head, body) = read_head(stream, begun)?;
    let mut space = [httparse::EMPTY_HEADER; MAX_LINES];
    let mut response = httparse::Response::new(&mut space);
    response.parse(&head).map_err(|error| format!("the answer is not HTTP: {error}"))?;
    let headers: Vec<(String, String)> = response
        .headers
        .iter()
        .map(|line| (line.name.to_ascii_lowercase(), String::from_utf8_lossy(line.value).into_owned()))
        .collect();
    Ok((Answer { status: response.code.unwrap_or_default(), headers, body: Vec::new() }, body))
}

/// The content of a chunked body (RFC 9112 §7.1).
fn joined(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    loop {
        let Ok(httparse::Status::Complete((start, length))) = httparse::parse_chunk_size(bytes) else {
            return None;
        };
        if length == 0 {
            return Some(content);
        }
        let end = start.checked_add(usize::try_from(length).ok()?)?;
        content.extend_from_slice(bytes.get(start..end)?);
        bytes = bytes.get(end.checked_add(2)?..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_become_origins() {
        let roots = Roots::new(None).unwrap();
        let origin = |url: &str| Site::parse(url, &roots).map(|site| site.origin).ok();
        assert_eq!(origin("https://Pub.example:443/a?b").as_deref(), Some("https://pub.example"));
        assert_eq!(origin("http://127.0.0.1:8080").as_deref(), Some("http://127.0.0.1:8080"));
        assert_eq!(origin("https://[2001:DB8::0:1]/a").as_deref(), Some("https://[2001:db8::1]"));
        assert_eq!(origin("http://[::1]:8080/").as_deref(), Some("http://[::1]:8080"));
        assert_eq!(Site::parse("http://[::1]:8080/", &roots).unwrap().host, "::1");
        for url in ["http://[::1/", "http://::1/", "http://[::1]8080/", "http://[pub.example]/"] {
            assert_eq!(origin(url), None, "{url}");
        }
        for url in ["pub.example", "ftp://pub.example", "http://", "http://u@pub.example/", "http://a:x/"] {
            assert_eq!(origin(url), None, "{url}");
        }
        assert!(Roots::new(Some(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")).is_err());
    }

    #[test]
    fn interim_answers_are_not_the_answer() {
        let answer = |text: &str| read_answer(&mut text.as_bytes(), "GET");
        let hints = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
        let last = "HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno, and more";
        let told = answer(&format!("HTTP/1.1 100 Continue\r\n\r\n{hints}{last}")).unwrap();
        assert_eq!((told.status, told.body.as_slice()), (403, &b"no"[..]));
        assert_eq!(told.header("link"), None);
        assert!(answer(hints).is_err());
    }

    /// A byte now and then holds no exchange for longer than it may take.
    #[test]
    fn slow_answers_end() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                while stream.write_all(b"H").is_ok() {
                    std::thread::sleep(Duration::from_millis(50));
                }
            }
        });
        let mut site = Site::parse(&url, &Roots::new(None).unwrap()).unwrap();
        site.patience = Duration::from_millis(300);
        let begin = Instant::now();
        let told = site.exchange("GET", "/", &[], &[]).unwrap_err();
        assert!(told.contains("not whole after 300 ms"), "{told}");
        assert!(begin.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn chunks_are_joined() {
        assert_eq!(joined(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n").as_deref(), Some(&b"abcde"[..]));
        assert_eq!(joined(b"3\r\nab"), None);
    }
}
