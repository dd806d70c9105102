//! A Redis of our own.

use super::server::{Server, find};
use rustix::process::Signal;
use std::path::PathBuf;

pub struct Redis {
    server: Option<Server>,
    program: PathBuf,
    options: Vec<String>,
}

impl Redis {
    /// Starts one that writes everything to its disk. `None`, said aloud, when Redis is not installed.
    pub fn start() -> Option<Self> {
        Self::with(&["--appendonly", "yes", "--appendfsync", "always"])
    }

    /// Starts one with these options.
    pub fn with(options: &[&str]) -> Option<Self> {
        let Some(program) = find("redis-server") else {
            super::missing("redis-server");
            return None;
        };
        let folder = tempfile::Builder::new().prefix("imagxp-redis-").tempdir().unwrap();
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        let mut redis = Self { server: None, program, options };
        redis.run(folder);
        Some(redis)
    }

    fn run(&mut self, folder: tempfile::TempDir) {
        let socket = folder.path().join("redis.sock");
        let _ = std::fs::remove_file(&socket);
        let mut command =
            vec![self.program.to_str().unwrap(), "--port", "0", "--save", "", "--unixsocket", "redis.sock"];
        command.extend(self.options.iter().map(String::as_str));
        let server = Server::start(folder, None, Signal::KILL, &command);
        let url = format!("redis+unix://{}", socket.display());
        server.wait(|| {
            let client = redis::Client::open(url.as_str()).unwrap();
            client.get_connection().is_ok_and(|mut connection| {
                redis::Cmd::new().arg("PING").query::<String>(&mut connection).is_ok()
            })
        });
        self.server = Some(server);
    }

    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.server.as_ref().unwrap().path().join("redis.sock").display())
    }

    pub fn connection(&self) -> redis::Connection {
        redis::Client::open(self.url()).unwrap().get_connection().unwrap()
    }

    pub fn pid(&self) -> u32 {
        self.server.as_ref().unwrap().pid()
    }

    /// Kills it and starts it again on what it has kept.
    pub fn restart(&mut self) {
        let folder = self.server.take().unwrap().kill();
        self.run(folder);
    }
}
