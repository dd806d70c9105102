//! One request and one answer, from the name to the last byte, within one deadline (PROTOCOL §4).

use crate::capped::Capped;
use crate::connect;
use crate::resolve::{self, Resolved};
use crate::target::Target;
use crate::{Answer, Dnssec, FetchError, Options, Profile};
use core::future::poll_fn;
use core::pin::pin;
use core::sync::atomic::{AtomicU8, Ordering};
use core::task::Poll;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use imagxp::headers::{PROVENANCE, PROVENANCE_SIG};
use imagxp::publisher::FetchFailure;
use rustls::ClientConfig;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};

/// A request whose every part has been checked.
pub(crate) struct Outgoing {
    pub(crate) target: Target,
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// Whether only a 200 will do.
    pub(crate) only_ok: bool,
}

/// Header lines that describe the connection, or that would change what comes back. They are the fetcher's own.
const OWN: [HeaderName; 11] = [
    header::HOST,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
    header::EXPECT,
    header::ACCEPT_ENCODING,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("keep-alive"),
];

/// Reads the caller's header lines. `invalid`: a line that cannot be sent, or one of the fetcher's own.
pub(crate) fn header_lines(lines: &[(String, String)]) -> Result<HeaderMap, FetchError> {
    let mut headers = HeaderMap::with_capacity(lines.len());
    for (name, value) in lines {
        let refused =
            |what: &str| FetchError::new(FetchFailure::Invalid, format!("the header `{name}` {what}"));
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused("is not a header name"))?;
        let value = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| refused("has a value that cannot be sent"))?;
        if OWN.contains(&name) || name.as_str() == "proxy-connection" {
            return Err(refused("is the fetcher's own business"));
        }
        headers.append(name, value);
    }
    Ok(headers)
}

const RESOLVING: u8 = 0;
const CONNECTING: u8 = 1;
const SECURING: u8 = 2;
const SENDING: u8 = 3;
const READING: u8 = 4;

/// How far an exchange has come.
#[derive(Default)]
struct Progress(AtomicU8);

impl Progress {
    fn enter(&self, phase: u8) {
        self.0.store(phase, Ordering::Relaxed);
    }

    /// Whether bytes of the request may have left.
    fn sent(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= SENDING
    }

    fn as_str(&self) -> &'static str {
        match self.0.load(Ordering::Relaxed) {
            RESOLVING => "the name was being resolved",
            CONNECTING => "the connection was being made",
            SECURING => "TLS was being set up",
            SENDING => "the header was awaited",
            _ => "the body was being read",
        }
    }
}

/// Everything, within the profile's deadline.
pub(crate) async fn exchange(
    outgoing: Outgoing,
    profile: &Profile,
    options: &Options,
    tls: &Arc<ClientConfig>,
) -> Result<Answer, FetchError> {
    let progress = Progress::default();
    let whole = run(outgoing, profile, options, tls, &progress);
    let result = tokio::time::timeout(profile.deadline, whole).await.unwrap_or_else(|_| {
        let seconds = profile.deadline.as_secs_f64();
        Err(FetchError::new(
            FetchFailure::Failed,
            format!("{seconds} s have passed while {}", progress.as_str()),
        ))
    });
    result.map_err(|error| error.with_sent(progress.sent()))
}

async fn run(
    outgoing: Outgoing,
    profile: &Profile,
    options: &Options,
    tls: &Arc<ClientConfig>,
    progress: &Progress,
) -> Result<Answer, FetchError> {
    let target = &outgoing.target;
    let resolved = if target.loopback {
        Resolved { addresses: target.loopback_addresses(), dnssec: Dnssec::Unchecked }
    } else {
        resolve::resolve(&target.host, options).await?
    };
    progress.enter(CONNECTING);
    let stream = connect::tcp(&resolved.addresses, target, options).await?;
    let address = stream.peer_addr().map_err(|error| failed(format!("no peer: {error}")))?.ip();
    let dnssec = resolved.dnssec;
    if target.secure {
        progress.enter(SECURING);
        let stream = connect::secure(stream, target, tls).await?;
        speak(stream, outgoing, profile, progress, address, dnssec).await
    } else {
        speak(stream, outgoing, profile, progress, address, dnssec).await
    }
}

/// HTTP/1.1 on a connection that is used once.
async fn speak<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    outgoing: Outgoing,
    profile: &Profile,
    progress: &Progress,
    address: IpAddr,
    dnssec: Dnssec,
) -> Result<Answer, FetchError> {
    // A body in chunks of one byte takes six bytes of the line for each; interim answers take what is left.
    let most = profile.max_body.saturating_mul(8).saturating_add(profile.max_header.saturating_mul(4));
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(profile.max_header.max(8192))
        .max_headers(profile.max_header_lines)
        .handshake(TokioIo::new(Capped::new(stream, most)))
        .await
        .map_err(|error| http(&error))?;
    let only_ok = outgoing.only_ok;
    let is_head = outgoing.method == Method::HEAD;
    let request = request(outgoing)?;
    let mut conversation = pin!(async {
        progress.enter(SENDING);
        let response = sender.send_request(request).await.map_err(|error| http(&error))?;
        progress.enter(READING);
        check(&response, only_ok)?;
        let status = response.status().as_u16();
        let mut headers: Vec<_> = response.headers().iter().map(line).collect();
        let body =
            if is_head { Vec::new() } else { read(response.into_body(), profile, &mut headers).await? };
        Ok(Answer { status, headers, body, address, dnssec })
    });
    let mut connection = pin!(connection);
    let mut connected = true;
    poll_fn(|context| {
        if connected && connection.as_mut().poll(context).is_ready() {
            connected = false;
        }
        match conversation.as_mut().poll(context) {
            Poll::Pending if connected => {
                // What the conversation has asked for meanwhile.
                if connection.as_mut().poll(context).is_ready() {
                    connected = false;
                    return conversation.as_mut().poll(context);
                }
                Poll::Pending
            }
            other => other,
        }
    })
    .await
}

fn request(outgoing: Outgoing) -> Result<Request<Full<Bytes>>, FetchError> {
    let unsendable = |_| FetchError::new(FetchFailure::Invalid, "the request cannot be written");
    let mut request = Request::builder()
        .method(outgoing.method)
        .uri(outgoing.target.path)
        .body(Full::new(Bytes::from(outgoing.body)))
        .map_err(unsendable)?;
    let headers = request.headers_mut();
    let host = HeaderValue::from_str(&outgoing.target.authority)
        .map_err(|_| FetchError::new(FetchFailure::Invalid, "the host cannot be written"))?;
    headers.insert(header::HOST, host);
    let connection = if outgoing.only_ok {
        "close"
    } else {
        // The receipt of a long body comes behind it. Many a server and proxy keeps that from whoever does not say this (RFC 9110 §6.5.1).
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        "close, te"
    };
    headers.insert(header::CONNECTION, HeaderValue::from_static(connection));
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.extend(outgoing.headers);
    Ok(request)
}

/// What the header alone can refuse.
fn check(response: &Response<Incoming>, only_ok: bool) -> Result<(), FetchError> {
    let status = response.status().as_u16();
    let refused = |failure| {
        let error = FetchError::new(failure, format!("the status is {status}"));
        Err(FetchError { status: Some(status), ..error })
    };
    match status {
        _ if !only_ok => {}
        200 => {}
        300..=399 => return refused(FetchFailure::Redirect),
        404 | 410 => return refused(FetchFailure::NotFound),
        _ => return refused(FetchFailure::Failed),
    }
    let encodings = response.headers().get_all(header::CONTENT_ENCODING);
    if encodings.iter().any(|value| !value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity")) {
        let error = FetchError::new(FetchFailure::Invalid, "the answer has a Content-Encoding");
        return Err(FetchError { status: Some(status), ..error });
    }
    Ok(())
}

/// The body, as long as it stays within the limit, or the part of it that does. A receipt in its trailers joins the header lines, also
/// where these have one: whoever reads them refuses two. No other trailer does: none can change what a header line has said.
async fn read(
    mut body: Incoming,
    profile: &Profile,
    headers: &mut Vec<(String, String)>,
) -> Result<Vec<u8>, FetchError> {
    let most = profile.max_body;
    let too_large = || FetchError::new(FetchFailure::Invalid, format!("the body has more than {most} bytes"));
    if body.size_hint().lower() > u64::try_from(most).unwrap_or(u64::MAX) && !profile.cuts_body {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| http(&error))?;
        let Some(data) = frame.data_ref() else {
            let trailers = frame.trailers_ref().into_iter().flatten().map(line);
            headers.extend(trailers.filter(|(name, _)| matches!(name.as_str(), PROVENANCE | PROVENANCE_SIG)));
            continue;
        };
        let room = most.saturating_sub(bytes.len());
        match data.get(..room).filter(|_| data.len() > room) {
            None => bytes.extend_from_slice(data),
            Some(start) if profile.cuts_body => {
                bytes.extend_from_slice(start);
                break;
            }
            Some(_) => return Err(too_large()),
        }
    }
    Ok(bytes)
}

fn line((name, value): (&HeaderName, &HeaderValue)) -> (String, String) {
    (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// What hyper says: an answer that breaks the rules of HTTP or the limits is invalid, the rest may work another time.
fn http(error: &hyper::Error) -> FetchError {
    let cause = std::error::Error::source(error);
    let kind = cause.and_then(|cause| cause.downcast_ref::<std::io::Error>()).map(std::io::Error::kind);
    let malformed = matches!(kind, Some(ErrorKind::InvalidData | ErrorKind::InvalidInput));
    let failure = if error.is_parse() || malformed { FetchFailure::Invalid } else { FetchFailure::Failed };
    let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
    FetchError::new(failure, format!("HTTP: {error}{cause}"))
}

fn failed(detail: impl Into<String>) -> FetchError {
    FetchError::new(FetchFailure::Failed, detail)
}
