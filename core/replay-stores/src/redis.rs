//! The store on Redis: each entry is a key with an end of its own, and each question one script.

use crate::front::{Ask, Backend, Options, Reply};
use crate::kept::Kept;
use crate::shared::Shared;
use ::redis::{Cmd, Connection, Pipeline, RedisError, Value};
use imagxp_database::{Error, ErrorKind, RedisAddress, Result};
use std::time::Duration;

const SCRIPT: &str = include_str!("redis.lua");

pub(super) struct RedisBackend {
    address: RedisAddress,
    /// For connecting, and for each read and write.
    limit: Duration,
    max_entries: u32,
    max_per_agent: u32,
    prefix: String,
    open: Kept<Open>,
}

struct Open {
    connection: Connection,
    script: String,
}

impl Open {
    fn new(address: &RedisAddress, limit: Duration) -> Result<Self> {
        let mut connection = address.connect(limit)?;
        let info: String = Cmd::new().arg("INFO").query(&mut connection).map_err(unavailable)?;
        fit(&info)?;
        let script =
            Cmd::new().arg("SCRIPT").arg("LOAD").arg(SCRIPT).query(&mut connection).map_err(unavailable)?;
        Ok(Self { connection, script })
    }
}

impl RedisBackend {
    pub(super) fn new(address: RedisAddress, options: &Options) -> Self {
        Self {
            address,
            limit: options.time_limit,
            max_entries: options.max_entries,
            max_per_agent: options.max_per_agent,
            // In braces, so that a cluster keeps all of it in one place.
            prefix: format!("{{{}}}:replay:", options.name),
            open: Kept::new(),
        }
    }

    fn connection(&mut self) -> Result<&mut Open> {
        let (address, limit) = (&self.address, self.limit);
        let alive = |open: &mut Open, stale: bool| {
            !stale || Cmd::new().arg("PING").exec(&mut open.connection).is_ok()
        };
        self.open.get(alive, || Open::new(address, limit))
    }

    /// The script with the keys that it always takes.
    fn script(&self, script: &str, entry: bool) -> Cmd {
        let mut command = Cmd::new();
        command.arg("EVALSHA").arg(script).arg(if entry { 6 } else { 4 });
        for name in ["due", "held", "total", "forgotten"] {
            command.arg(format!("{}{name}", self.prefix));
        }
        command
    }

    fn name(&self, kind: &str, bytes: &[u8; 16]) -> Vec<u8> {
        [self.prefix.as_bytes(), kind.as_bytes(), bytes].concat()
    }

    fn pipeline(&self, script: &str, asks: &[Ask]) -> Pipeline {
        let mut pipeline = Pipeline::with_capacity(asks.len());
        for ask in asks {
            let entry = self.name("k:", &ask.key);
            match &ask.insert {
                None => {
                    pipeline.cmd("EXISTS").arg(entry);
                }
                Some(insertion) => {
                    let mut command = self.script(script, true);
                    command.arg(entry).arg(self.name("a:", &insertion.agent));
                    command.arg(insertion.expires_at).arg(insertion.bucket).arg(insertion.kept_ms);
                    command.arg(self.max_entries).arg(self.max_per_agent);
                    pipeline.add_command(command);
                }
            }
        }
        pipeline
    }
}

impl Backend for RedisBackend {
    fn answer(&mut self, asks: &[Ask], shared: &Shared) -> Result<Vec<Reply>> {
        let script = self.connection()?.script.clone();
        let pipeline = self.pipeline(&script, asks);
        let answers = pipeline.query(&mut self.connection()?.connection);
        let answers: Vec<Value> = self.open.unless_failed(answers).map_err(unavailable)?;
        Ok(answers.iter().map(|answer| read(answer, shared)).collect())
    }

    fn tend(&mut self, shared: &Shared) -> Result<()> {
        let script = self.connection()?.script.clone();
        let command = self.script(&script, false);
        let answer = command.query(&mut self.connection()?.connection);
        read(&self.open.unless_failed(answer).map_err(unavailable)?, shared);
        Ok(())
    }
}

fn read(answer: &Value, shared: &Shared) -> Reply {
    let parts = match answer {
        Value::Int(0) => return Reply::Absent,
        Value::Int(_) => return Reply::Seen,
        Value::Array(parts) => parts,
        _ => return Reply::Error,
    };
    let number = |part: &Value| match part {
        Value::BulkString(text) => core::str::from_utf8(text).ok()?.parse::<i64>().ok(),
        _ => None,
    };
    let Some((code, spans)) = parts.split_first() else { return Reply::Error };
    let spans: Option<Vec<(i64, i64)>> = spans
        .chunks(2)
        .map(|span| match span {
            [from, to] => Some((number(from)?, number(to)?)),
            _ => None,
        })
        .collect();
    let Some(spans) = spans else { return Reply::Error };
    shared.learn(spans);
    match number(code) {
        Some(0) => Reply::Absent,
        Some(1) => Reply::Fresh,
        Some(2) => Reply::Seen,
        Some(3) => Reply::Full,
        Some(4) => Reply::Forgotten,
        _ => Reply::Error,
    }
}

/// Whether this server keeps what it is given.
fn fit(info: &str) -> Result<()> {
    let field = |name: &str| {
        info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap_or_default().trim()
    };
    let unfit = |message: String| Err(Error::new(ErrorKind::Config, message));
    let mut version = field("redis_version").split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let version = (version.next().unwrap_or(0), version.next().unwrap_or(0));
    if version < (6, 2) {
        return unfit(format!("redis is of version {}.{}; 6.2 or newer is needed", version.0, version.1));
    }
    if field("role") != "master" {
        return unfit("this redis is a replica; nonces are kept by its master".to_owned());
    }
    if field("loading") == "1" {
        return Err(Error::new(ErrorKind::Unavailable, "redis is still loading what it has kept"));
    }
    let policy = field("maxmemory_policy");
    if field("maxmemory") != "0" && policy != "noeviction" {
        return unfit(format!(
            "redis would forget live nonces: its maxmemory-policy is `{policy}`, not noeviction"
        ));
    }
    Ok(())
}

fn unavailable(error: RedisError) -> Error {
    Error::new(ErrorKind::Unavailable, "redis does not answer as it should").with_source(error)
}
