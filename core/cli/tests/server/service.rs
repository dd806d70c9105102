//! A running `imagxp serve`, and a client.

use imagxp_fetch::{Answer, Call, FetchFailure, Fetcher, Options, Profile};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A service in a folder of its own; the process ends with it.
pub(crate) struct Service {
    process: Option<Child>,
    /// Reads the log until the process ends.
    logging: Option<JoinHandle<()>>,
    folder: Option<tempfile::TempDir>,
    data: PathBuf,
    /// What the service logged so far.
    pub(crate) log: Arc<Mutex<String>>,
    pub(crate) issuer: String,
    /// Where this process listens: the issuer's own address, unless it is a second process of one broker.
    pub(crate) address: String,
    pub(crate) admin: String,
    /// The token of the operator `dev`, role admin.
    pub(crate) token: String,
    more: Vec<String>,
    client: Fetcher,
    document: OnceLock<Value>,
}

/// Waits until something holds. The service looks for what commands have changed every two seconds.
#[track_caller]
pub(crate) fn soon(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(20), "not within seconds: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Two ports that were free a moment ago, below those that systems hand out by themselves: no other test's connection comes to have one.
fn ports() -> (u16, u16) {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = 20_000 + u16::try_from(std::process::id() % 500).unwrap() * 20;
    for _ in 0..1000 {
        let base = start + NEXT.fetch_add(2, Ordering::Relaxed);
        if [base, base + 1].map(|port| TcpListener::bind(("127.0.0.1", port))).iter().all(Result::is_ok) {
            return (base, base + 1);
        }
    }
    panic!("there are no two free ports in a row");
}

impl Service {
    pub(crate) fn start(more: &[&str]) -> Self {
        Self::start_with(|_| more.iter().map(|arg| (*arg).to_owned()).collect())
    }

    /// Arguments that depend on the issuer.
    pub(crate) fn start_with(more: impl FnOnce(&str) -> Vec<String>) -> Self {
        Self::start_as(None, more)
    }

    /// A service that others reach under another name, for example behind a proxy.
    pub(crate) fn start_as(issuer: Option<&str>, more: impl FnOnce(&str) -> Vec<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (public, admin) = ports();
        let issuer = issuer.map_or_else(|| format!("http://127.0.0.1:{public}"), str::to_owned);
        let more = more(&issuer);
        let mut service = Self {
            process: None,
            logging: None,
            data: folder.path().join("data"),
            folder: Some(folder),
            log: Arc::default(),
            issuer,
            address: format!("http://127.0.0.1:{public}"),
            admin: format!("http://127.0.0.1:{admin}"),
            token: String::new(),
            more,
            client: Fetcher::new(Options { allow_loopback: true, ..Options::default() }).unwrap(),
            document: OnceLock::new(),
        };
        service.run();
        service
    }

    /// A second process of the same broker, on the same data folder.
    pub(crate) fn sibling(&self) -> Self {
        self.another(self.data.clone(), None)
    }

    /// A second process of the same broker on another machine: a data folder of its own.
    pub(crate) fn elsewhere(&self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        self.another(folder.path().join("data"), Some(folder))
    }

    fn another(&self, data: PathBuf, folder: Option<tempfile::TempDir>) -> Self {
        let (public, admin) = ports();
        let mut sibling = Self {
            process: None,
            logging: None,
            data,
            folder,
            log: Arc::default(),
            issuer: self.issuer.clone(),
            address: format!("http://127.0.0.1:{public}"),
            admin: format!("http://127.0.0.1:{admin}"),
            token: self.token.clone(),
            more: self.more.clone(),
            client: self.client.clone(),
            document: OnceLock::new(),
        };
        sibling.run();
        sibling
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// Starts the process and waits until it says that it listens.
    pub(crate) fn run(&mut self) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_imagxp"));
        command.args(["--json", "serve", "--dev", "--data"]).arg(&self.data);
        command.args(["--issuer", &self.issuer]);
        command.args(["--listen", self.address.strip_prefix("http://").unwrap()]);
        command.args(["--admin-listen", self.admin.strip_prefix("http://").unwrap()]);
        command.args(["--set", "log.format=json"]).args(&self.more);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("IMAGXP_")) {
            command.env_remove(name);
        }
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (stdout, mut stderr) = (process.stdout.take().unwrap(), process.stderr.take().unwrap());
        let log = Arc::clone(&self.log);
        self.logging = Some(std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(length @ 1..) = stderr.read(&mut buffer) {
                log.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..length]));
            }
        }));
        self.process = Some(process);
        let (tell, heard) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let _ = BufReader::new(stdout).read_line(&mut line);
            let _ = tell.send(line);
        });
        let line = heard.recv_timeout(Duration::from_secs(120)).unwrap_or_default();
        let told: Value = serde_json::from_str(&line).unwrap_or_else(|_| {
            std::thread::sleep(Duration::from_millis(200));
            panic!("the service did not start: {line} {}", self.end_of_log())
        });
        assert!(told["listen"].is_string(), "the service did not start: {}", self.end_of_log());
        if let Some(token) = told["operator_token"].as_str() {
            self.token = token.to_owned();
        }
    }

    /// Ends the process as an operator does, and returns how long that took.
    pub(crate) fn stop(&mut self) -> Duration {
        let begun = Instant::now();
        self.signal();
        let status = self.ended(Duration::from_secs(60));
        assert!(status.success(), "{status} {}", self.end_of_log());
        begun.elapsed()
    }

    /// Asks the process to end: SIGTERM.
    pub(crate) fn signal(&self) {
        let pid = rustix::process::Pid::from_child(self.process.as_ref().unwrap());
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }

    /// Waits until the process has ended.
    pub(crate) fn ended(&mut self, within: Duration) -> ExitStatus {
        let until = Instant::now() + within;
        loop {
            if let Some(status) = self.process.as_mut().unwrap().try_wait().unwrap() {
                self.process = None;
                self.logging.take().unwrap().join().unwrap();
                return status;
            }
            assert!(Instant::now() < until, "it has not ended: {}", self.end_of_log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends the process as a power cut does.
    pub(crate) fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// One request as it is.
    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.address) };
        let call = Call {
            method: method.into(),
            url,
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            body: body.to_vec(),
        };
        let reply = loop {
            match self.client.send(&call, Profile::PAGE) {
                Ok(answer) => break Reply(answer),
                // The client's own bound of fetches per second.
                Err(error) if error.failure == FetchFailure::Busy => {
                    std::thread::sleep(Duration::from_millis(100))
                }
                Err(error) => panic!("{method} {path}: {error:?} {}", self.end_of_log()),
            }
        };
        self.must_be_declared(method, path, reply.0.status);
        reply
    }

    fn end_of_log(&self) -> String {
        let log = self.log.lock().unwrap();
        log[log.len().saturating_sub(3000)..].to_owned()
    }

    /// Whatever is answered stands in the OpenAPI document.
    #[track_caller]
    fn must_be_declared(&self, method: &str, path: &str, status: u16) {
        let document = self.document.get_or_init(|| {
            let answer =
                self.client.send(&Call::get(format!("{}/openapi.json", self.address)), Profile::PAGE);
            serde_json::from_slice(&answer.expect("the document").body).expect("the document")
        });
        let path = path.split('?').next().unwrap();
        let segments: Vec<&str> = path.split('/').collect();
        let fits = |template: &str| {
            let parts: Vec<&str> = template.split('/').collect();
            let rest = template == "/v1/verify/{target}" && segments.len() >= parts.len();
            (rest || parts.len() == segments.len())
                && parts
                    .iter()
                    .zip(&segments)
                    .all(|(part, segment)| part == segment || (part.starts_with('{') && !segment.is_empty()))
        };
        let paths = document["paths"].as_object().into_iter().flatten();
        // An exact path goes before one with a name in it.
        let found = paths
            .filter(|(template, _)| fits(template))
            .min_by_key(|(template, _)| template.matches('{').count());
        let Some(operation) = found.and_then(|(_, item)| item.get(method.to_lowercase())) else { return };
        let declared = operation["responses"].as_object().unwrap();
        let class = format!("{}XX", status / 100);
        assert!(
            declared.contains_key(&status.to_string()) || declared.contains_key(&class),
            "{method} {path} answers {status}, which is not declared"
        );
    }

    pub(crate) fn get(&self, path: &str, token: &str) -> Reply {
        self.send("GET", path, &[("authorization", &format!("Bearer {token}"))], b"")
    }

    pub(crate) fn post(&self, path: &str, token: &str, body: &Value) -> Reply {
        let authorization = format!("Bearer {token}");
        let key = crate::party::nonce();
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/json"),
            ("idempotency-key", &key),
        ];
        self.send("POST", path, &headers, body.to_string().as_bytes())
    }

    /// Whether a token is an operator's, whatever he may do.
    pub(crate) fn knows(&self, token: &str) -> bool {
        self.get("/v1/session", token).0.status != 401
    }

    /// Adds an operator, and returns his token when it is taken.
    #[track_caller]
    pub(crate) fn operator(&self, name: &str, role: &str) -> String {
        let token = self.command(&["operator", "add", name, "--role", role]).trim().to_owned();
        soon("a new operator", || self.knows(&token));
        token
    }

    /// Arguments for the next start.
    pub(crate) fn more(&mut self, more: &[String]) {
        self.more.extend_from_slice(more);
    }

    /// Runs another command of the program on this broker; its standard output.
    pub(crate) fn command(&self, args: &[&str]) -> String {
        self.tried(args).unwrap_or_else(|error| panic!("{args:?} {error}"))
    }

    /// The same, or what it says on standard error when it fails.
    pub(crate) fn tried(&self, args: &[&str]) -> Result<String, String> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_imagxp"));
        command.args(args).arg("--data").arg(&self.data);
        for set in self.more.windows(2).filter(|pair| pair[0] == "--set") {
            command.args(set);
        }
        let output = command.output().unwrap();
        let (out, err) = (output.stdout, String::from_utf8_lossy(&output.stderr).into_owned());
        if output.status.success() { Ok(String::from_utf8(out).unwrap()) } else { Err(err) }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
        drop(self.folder.take());
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply(pub(crate) Answer);

impl Reply {
    /// The JSON of an answer with this status.
    #[track_caller]
    pub(crate) fn is(&self, status: u16) -> Value {
        let text = String::from_utf8_lossy(&self.0.body);
        assert_eq!(self.0.status, status, "{text}");
        if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"))
        }
    }

    /// The form of every refusal holds, and this is its code.
    #[track_caller]
    pub(crate) fn refuses(&self, status: u16, code: &str) -> Value {
        let value = self.is(status);
        let error = &value["error"];
        assert_eq!(error["code"], code, "{value}");
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{value}");
        assert_eq!(error["request_id"].as_str(), self.header("x-request-id"), "{value}");
        assert!(error.get("details").is_some(), "{value}");
        if matches!(status, 429 | 503) {
            assert!(self.header("retry-after").is_some(), "{value}");
        }
        value
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.0.header(name)
    }
}
