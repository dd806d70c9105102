//! `imagxp manifest serve`: a small server for one document.

use super::agent_id;
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::head::{self, Unread};
use crate::input::name;
use imagxp::json::Object;
use imagxp::manifest::{MANIFEST_PATH, MAX_MANIFEST_BYTES, Manifest, ManifestResponse};
use imagxp_files::rotation::Keyring;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A request that is larger is none for this document.
const MAX_HEAD: usize = 8 * 1024;
const MAX_LINES: usize = 64;
/// How long a client may take for everything.
const DEADLINE: Duration = Duration::from_secs(5);
/// Connections at a time; one more is closed at once.
const MAX_CONNECTIONS: usize = 64;

/// What to serve, and where.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to listen; behind a proxy that speaks TLS, this machine's loopback address is the right one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8402")]
    listen: SocketAddr,
    /// A folder of `imagxp rotate`: the manifest follows its steps
    #[arg(long, value_name = "DIR", required_unless_present = "file")]
    dir: Option<PathBuf>,
    /// A manifest in a file; read again when it changes
    #[arg(long, value_name = "FILE", conflicts_with = "dir", requires = "agent_id")]
    file: Option<PathBuf>,
    /// The agent's domain, for a manifest in a file
    #[arg(long, value_name = "DOMAIN")]
    agent_id: Option<String>,
    /// Admit localhost and 127.0.0.1, for development
    #[arg(long)]
    allow_loopback: bool,
}

/// Where the manifest comes from; the last good one is served while it cannot be read.
struct Source {
    read: Box<dyn Fn() -> Result<Manifest, CliError> + Send + Sync>,
    last: Mutex<Manifest>,
}

impl Args {
    pub(crate) fn run(&self, context: &Context) -> Result<Exit, CliError> {
        let read = self.reader()?;
        let source = Arc::new(Source { last: Mutex::new(read()?), read });
        let unreachable = |error: io::Error| {
            CliError::new(CliError::SYSTEM, format!("cannot listen on {}: {error}", self.listen))
        };
        let listener = TcpListener::bind(self.listen).map_err(unreachable)?;
        let address = listener.local_addr().map_err(unreachable)?;
        let url = format!("http://{address}{MANIFEST_PATH}");
        if context.out.is_json() {
            let mut object = Object::new();
            object.insert("url", url);
            context.out.object(&object)?;
        } else {
            context.out.text(&format!("serving {url}\n"))?;
        }
        let open = Arc::new(AtomicUsize::new(0));
        for stream in listener.incoming() {
            // One that failed before it was accepted is no reason to stop.
            let Ok(stream) = stream else { continue };
            let place = Place::take(&open);
            let source = Arc::clone(&source);
            if let Some(place) = place {
                let started = std::thread::Builder::new().spawn(move || {
                    let _ = serve(&stream, &source);
                    drop(place);
                });
                // Without a thread the connection is closed: both went with the closure.
                drop(started);
            }
        }
        Ok(Exit::Ok)
    }

    fn reader(&self) -> Result<Box<dyn Fn() -> Result<Manifest, CliError> + Send + Sync>, CliError> {
        if let Some(dir) = self.dir.clone() {
            return Ok(Box::new(move || Ok(Keyring::open(&dir)?.manifest()?)));
        }
        let file = self.file.clone().unwrap_or_default();
        let agent = agent_id(self.agent_id.as_deref().unwrap_or_default(), self.allow_loopback)?;
        Ok(Box::new(move || {
            Manifest::parse(&content(&file)?, &agent, MAX_MANIFEST_BYTES)
                .map_err(|error| CliError::from(error).in_file(name(&file)))
        }))
    }
}

impl Source {
    fn manifest(&self) -> Manifest {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(manifest) = (self.read)() {
            *last = manifest;
        }
        last.clone()
    }
}

/// One of the connections that may be open.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(open: &Arc<AtomicUsize>) -> Option<Self> {
        let place = Self(Arc::clone(open));
        (open.fetch_add(1, Ordering::Relaxed) < MAX_CONNECTIONS).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn serve(mut stream: &TcpStream, source: &Source) -> io::Result<()> {
    let end = Instant::now() + DEADLINE;
    stream.set_write_timeout(Some(DEADLINE))?;
    let mut head = Vec::new();
    let response = loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        stream.set_read_timeout(Some(left))?;
        let mut part = [0; 1024];
        let count = stream.read(&mut part)?;
        if count == 0 {
            return Ok(());
        }
        head.extend_from_slice(part.get(..count).unwrap_or_default());
        match answer(&head, source) {
            Some(response) => break response,
            None if head.len() > MAX_HEAD => break bare(431),
            None => {}
        }
    };
    stream.write_all(&encode(&response))?;
    stream.shutdown(Shutdown::Write)
}

/// The answer when the head is whole.
fn answer(bytes: &[u8], source: &Source) -> Option<ManifestResponse> {
    match head::read(bytes, MAX_LINES) {
        Err(Unread::Partial) => None,
        Err(Unread::TooManyLines) => Some(bare(431)),
        Err(Unread::Malformed(_)) => Some(bare(400)),
        Ok(head) => {
            let conditions =
                head.lines.iter().filter(|(name, _)| name.eq_ignore_ascii_case(b"if-none-match"));
            let conditions: Vec<_> = conditions.map(|(_, value)| String::from_utf8_lossy(value)).collect();
            let condition = (!conditions.is_empty()).then(|| conditions.join(","));
            Some(source.manifest().response(&head.method, &head.target, condition.as_deref()))
        }
    }
}

fn bare(status: u16) -> ManifestResponse {
    ManifestResponse { status, headers: vec![("content-length", "0".to_owned())], body: Vec::new() }
}

fn encode(response: &ManifestResponse) -> Vec<u8> {
    let reason = match response.status {
        200 => "OK",
        304 => "Not Modified",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        _ => "Request Header Fields Too Large",
    };
    let mut bytes = format!("HTTP/1.1 {} {reason}\r\nconnection: close\r\n", response.status).into_bytes();
    for (name, value) in &response.headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&response.body);
    bytes
}

fn content(path: &Path) -> Result<Vec<u8>, CliError> {
    let mut content = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_MANIFEST_BYTES as u64 + 1).read_to_end(&mut content))
        .map_err(|error| {
            CliError::new(CliError::UNREADABLE, format!("cannot be read: {error}")).in_file(name(path))
        })?;
    Ok(content)
}
