//! A domain with a key: an agent or a publisher, whose manifest is served on a port of this machine.

use crate::service::{Reply, Service};
use imagxp::agent::{Identity, SignRequest};
use imagxp::crypto::{Algorithm, PrivateKey};
use imagxp::digest::content_digest;
use imagxp::{Purpose, Timestamp};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) struct Party {
    pub(crate) identity: Identity,
    /// The identity's key, for files.
    pub(crate) pem: String,
    /// How often the manifest was fetched.
    pub(crate) fetched: Arc<AtomicU32>,
}

pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap())
}

pub(crate) fn nonce() -> String {
    let mut random = [0; 16];
    getrandom::fill(&mut random).unwrap();
    imagxp::encoding::uuid_v4(random)
}

impl Party {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let name = format!("127.0.0.1:{}", listener.local_addr().unwrap().port());
        let key = PrivateKey::generate(Algorithm::Es256, &mut |bytes: &mut [u8]| {
            getrandom::fill(bytes).unwrap();
            Ok(())
        });
        let key = key.unwrap();
        let pem = key.to_pem().to_string();
        let identity = Identity::parse(&name, key, true).unwrap();
        let body = identity.manifest(None, &[]).unwrap().to_json();
        let fetched = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&fetched);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                let mut head = [0; 4096];
                let length = stream.read(&mut head).unwrap_or(0);
                let known = head[..length].starts_with(b"GET /.well-known/imagxp-agent.json ");
                count.fetch_add(1, Ordering::Relaxed);
                let (status, body) =
                    if known { ("200 OK", body.as_slice()) } else { ("404 Not Found", b"".as_slice()) };
                let answer = format!(
                    "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(answer.as_bytes()).and_then(|()| stream.write_all(body));
            }
        });
        Self { identity, pem, fetched }
    }

    pub(crate) fn name(&self) -> &str {
        self.identity.agent_id().as_str()
    }

    /// The headers of a request that this party signs.
    pub(crate) fn headers(&self, method: &str, url: &str, body: &[u8]) -> Vec<(String, String)> {
        let digest = content_digest(body);
        let request = SignRequest {
            content_digest: (!body.is_empty()).then_some(digest.as_str()),
            ..SignRequest::new(method, url, Purpose::Summary)
        };
        let signed = self.identity.sign(&request, now(), &nonce()).unwrap();
        let mut headers: Vec<_> =
            signed.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        headers.push(("user-agent".into(), "test IMAGXP/1.0".into()));
        if !body.is_empty() {
            headers.push(("content-type".into(), "application/json".into()));
        }
        headers
    }

    pub(crate) fn ask(
        &self,
        service: &Service,
        method: &str,
        path: &str,
        more: &[(&str, &str)],
        body: &[u8],
    ) -> Reply {
        let headers = self.headers(method, &format!("{}{path}", service.issuer), body);
        let mut lines: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        lines.extend_from_slice(more);
        // What moves money needs a key; who says none gets a new one.
        let key = nonce();
        if method == "POST" && !more.iter().any(|(name, _)| *name == "idempotency-key") {
            lines.push(("idempotency-key", &key));
        }
        service.send(method, path, &lines, body)
    }

    pub(crate) fn get(&self, service: &Service, path: &str) -> Reply {
        self.ask(service, "GET", path, &[], b"")
    }

    pub(crate) fn post(&self, service: &Service, path: &str, body: &Value) -> Reply {
        self.ask(service, "POST", path, &[], body.to_string().as_bytes())
    }
}
