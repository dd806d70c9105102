//! A PostgreSQL of our own.

use super::server::{Server, as_user, exists, find, is_root, numbers};
use postgres::{Client, NoTls};
use rustix::process::{Pid, Signal, kill_process};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};

pub struct Postgres {
    server: Option<Server>,
    program: PathBuf,
    user: Option<&'static str>,
    databases: AtomicU32,
    port: u16,
    tls: bool,
}

static SHARED: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());

impl Postgres {
    /// The instance that the tests of this process share while one of them holds it. `None`, said aloud, when PostgreSQL is not installed.
    pub fn shared() -> Option<Arc<Self>> {
        let mut shared = SHARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(running) = shared.upgrade() {
            return Some(running);
        }
        let started = Arc::new(Self::start()?);
        *shared = Arc::downgrade(&started);
        Some(started)
    }

    /// Starts one. It is durable as any other (fsync on).
    pub fn start() -> Option<Self> {
        Self::with(None)
    }

    /// Starts one that listens on 127.0.0.1, too, and speaks TLS there with this certificate and key (PEM).
    pub fn with_tls(certificate: &str, key: &str) -> Option<Self> {
        Self::with(Some((certificate, key)))
    }

    fn with(tls: Option<(&str, &str)>) -> Option<Self> {
        let (Some(initdb), Some(program)) = (find("initdb"), find("postgres")) else {
            super::missing("postgresql");
            return None;
        };
        let folder = tempfile::Builder::new().prefix("imagxp-pg-").tempdir().unwrap();
        // It refuses to be root.
        let user = is_root().then(|| if exists("postgres") { "postgres" } else { "nobody" });
        if let Some(user) = user {
            let (user, group) = numbers(user);
            std::os::unix::fs::chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        let output = as_user(user)
            .arg(initdb)
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(folder.path().join("data"))
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
        for (name, text) in
            tls.iter().flat_map(|(certificate, key)| [("tls.crt", certificate), ("tls.key", key)])
        {
            let file = folder.path().join(name);
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
            if let Some(user) = user {
                let (user, group) = numbers(user);
                std::os::unix::fs::chown(&file, Some(user), Some(group)).unwrap();
            }
        }
        let port = if tls.is_some() { super::free_port() } else { 5432 };
        let mut postgres =
            Self { server: None, program, user, databases: AtomicU32::new(0), port, tls: tls.is_some() };
        postgres.run(folder);
        Some(postgres)
    }

    fn run(&mut self, folder: tempfile::TempDir) {
        let data = folder.path().join("data");
        let _ = std::fs::remove_file(data.join("postmaster.pid"));
        let sockets = format!("unix_socket_directories={}", folder.path().display());
        let port = format!("port={}", self.port);
        let mut command = vec![
            self.program.to_str().unwrap(),
            "-D",
            data.to_str().unwrap(),
            "-c",
            if self.tls { "listen_addresses=127.0.0.1" } else { "listen_addresses=" },
            "-c",
            &port,
            "-c",
            &sockets,
            "-c",
            "max_connections=100",
            "-c",
            "shared_buffers=64MB",
        ];
        if self.tls {
            command.extend([
                "-c",
                "ssl=on",
                "-c",
                "ssl_cert_file=../tls.crt",
                "-c",
                "ssl_key_file=../tls.key",
            ]);
        }
        // SIGQUIT: stop at once, as in a crash. SIGKILL would leave its own children behind.
        let server = Server::start(folder, self.user, Signal::QUIT, &command);
        let address =
            format!("host={} port={} user=postgres dbname=postgres", server.path().display(), self.port);
        server.wait(|| Client::connect(&address, NoTls).is_ok());
        self.server = Some(server);
    }

    /// The address of a database.
    pub fn address(&self, database: &str) -> String {
        let folder = self.server.as_ref().unwrap().path().display();
        format!("host={folder} port={} user=postgres dbname={database}", self.port)
    }

    /// Its Unix socket.
    pub fn socket(&self) -> PathBuf {
        self.server.as_ref().unwrap().path().join(format!(".s.PGSQL.{}", self.port))
    }

    /// Where it listens on 127.0.0.1, when it does.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address of a new, empty database.
    pub fn database(&self) -> String {
        let name = format!("t{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let mut client = Client::connect(&self.address("postgres"), NoTls).unwrap();
        client.batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
        self.address(&name)
    }

    /// Sends a signal to the server and to each process of it. Whoever serves a connection is a child of the first.
    pub fn signal(&self, signal: Signal) {
        // One that has just ended hears nothing.
        let send = |pid: i32| _ = kill_process(Pid::from_raw(pid).unwrap(), signal);
        let first = self.server.as_ref().unwrap().pid();
        // First, so that it starts no more of them.
        send(first.try_into().unwrap());
        let children = std::fs::read_to_string(format!("/proc/{first}/task/{first}/children")).unwrap();
        children.split_whitespace().for_each(|pid| send(pid.parse().unwrap()));
    }

    /// Stops it at once, as in a crash, and starts it again on what it has kept.
    pub fn restart(&mut self) {
        self.restart_after(|| {});
    }

    /// The same, with something done while it is down.
    pub fn restart_after(&mut self, meanwhile: impl FnOnce()) {
        let folder = self.server.take().unwrap().kill();
        meanwhile();
        self.run(folder);
    }
}
