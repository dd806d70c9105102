//! `imagxp broker ledger`, `settle`, `backup`, `restore`: on the data folder or the database itself.

use crate::commands::server::{Options, now, wrong};
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::input::name;
use imagxp::audit::SignedCheckpoint;
use imagxp::crypto::PublicKey;
use imagxp::encoding::hex_encode;
use imagxp::json::{Number, Object, Value};
use imagxp::jwks::JwkSet;
use imagxp_broker::{Actor, Due, Reader as _, Request};
use imagxp_server::restored::{self, Restored};
use imagxp_server::{kept, ledger};
use imagxp_storage::backup::{self, Summary};
use imagxp_storage::{Address, Ledger};
use std::fs::{File, OpenOptions};
use std::io::{BufReader, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// Visas settled in one go.
const BATCH: usize = 256;
/// What every SQLite file begins with.
const SQLITE: &[u8; 16] = b"SQLite format 3\0";
/// What the names of operators and keys are printed for.
const COUNTS_AGAIN: &str = "operators and keys of a backup count again: end those that were ended since it was made, before the service starts \
     (`imagxp operator remove`, `imagxp keys drop`)";

/// The ledger itself
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Audit(Audit),
}

/// Check every balance against its transfers, every visa against its money, every entry against the log
///
/// Reads one state, beside a service that runs. Exit code 1 when an invariant does not hold, a checkpoint is not of this log, or none of the
/// given keys has signed it.
#[derive(Debug, clap::Args)]
struct Audit {
    /// A checkpoint that the log must contain, as `/v1/log/checkpoint` gave it; may be repeated
    #[arg(long, value_name = "FILE")]
    checkpoint: Vec<PathBuf>,
    /// A key set of the broker, as it was kept with a checkpoint: one of its keys must have signed each checkpoint; may be repeated
    #[arg(long, value_name = "FILE", requires = "checkpoint")]
    jwks: Vec<PathBuf>,
    #[command(flatten)]
    options: Options,
}

impl Args {
    pub(super) fn run(self, context: &Context) -> Result<Exit, CliError> {
        match self.command {
            Command::Audit(audit) => audit.run(context),
        }
    }
}

impl Audit {
    fn run(self, context: &Context) -> Result<Exit, CliError> {
        let checkpoints: Vec<SignedCheckpoint> = self
            .checkpoint
            .iter()
            .map(|path| kept::read_signed(path))
            .collect::<Result<_, _>>()
            .map_err(wrong)?;
        let keys = self.keys()?;
        let ledger = open(&self.options)?;
        let report = ledger.audit_full().map_err(stored)?;
        let (mut missing, mut unsigned) = (Vec::new(), Vec::new());
        for (path, checkpoint) in self.checkpoint.iter().zip(&checkpoints) {
            let path = || Value::from(path.display().to_string());
            if !ledger
                .read()
                .and_then(|mut reading| kept::contains(&mut reading, checkpoint.checkpoint()))
                .map_err(stored)?
            {
                missing.push(path());
            }
            if !self.jwks.is_empty() && checkpoint.verify(&keys).is_err() {
                unsigned.push(path());
            }
        }
        let holds = report.is_sound() && missing.is_empty() && unsigned.is_empty();
        let mut object = summary(&Summary::from(&report));
        object.insert("sound", report.is_sound());
        object.insert("wrong", number(report.wrong));
        let findings = report.findings.iter().map(|finding| {
            let mut object = Object::new();
            object.insert("kind", finding.kind.as_str());
            object.insert("message", finding.message.clone());
            Value::from(object)
        });
        object.insert("findings", findings.collect::<Vec<_>>());
        object.insert("checkpoints_missing", missing);
        if !self.jwks.is_empty() {
            object.insert("checkpoints_unsigned", unsigned);
        }
        super::show::show(context, &object)?;
        Ok(if holds { Exit::Ok } else { Exit::Deny })
    }

    /// The keys of the given sets.
    fn keys(&self) -> Result<Vec<PublicKey>, CliError> {
        let mut keys = Vec::new();
        for path in &self.jwks {
            let unreadable = |error| {
                CliError::new(CliError::UNREADABLE, format!("cannot be read: {error}")).in_file(name(path))
            };
            let set = JwkSet::parse(&std::fs::read(path).map_err(unreadable)?)
                .map_err(|error| CliError::from(error).in_file(name(path)))?;
            keys.extend(set.keys().iter().map(|jwk| jwk.key().clone()));
        }
        Ok(keys)
    }
}

/// Settle now what time has made due, as the service does every second: visas that expired, feedback that did not come
///
/// For a ledger whose service does not run; beside one that does, each visa is settled once all the same. A ledger that the service would not write
/// to is left as it is.
#[derive(Debug, clap::Args)]
pub(crate) struct Settle {
    #[command(flatten)]
    options: Options,
}

impl Settle {
    pub(super) fn run(self, context: &Context) -> Result<Exit, CliError> {
        let ledger = ledger::open_to_write(&self.options.beside()?).map_err(wrong)?;
        let now_ms = ledger
            .time(now()?.as_millis())
            .map_err(|refusal| CliError::new(refusal.code().as_str(), refusal.message().to_owned()))?;
        let (mut settled, mut refused) = (0_u64, 0_u64);
        let mut after = None;
        loop {
            let due =
                ledger.read().and_then(|mut reading| reading.due(now_ms, after, BATCH)).map_err(stored)?;
            after = due.last().copied();
            for jti in due.iter().map(|due| due.jti) {
                match ledger.submit_and_wait(Request::new(Due { jti }, Actor::Clock, now_ms)) {
                    Ok(_) => settled += 1,
                    Err(refusal) => {
                        refused += 1;
                        let message = format!("{jti}: {}", refusal.message());
                        context.out.warning(&CliError::new(refusal.code().as_str(), message));
                    }
                }
            }
            if due.len() < BATCH {
                break;
            }
        }
        ledger.close();
        let mut object = Object::new();
        object.insert("settled", number(settled));
        object.insert("refused", number(refused));
        super::show::show(context, &object)?;
        Ok(if refused == 0 { Exit::Ok } else { Exit::Deny })
    }
}

/// Write a backup, while the service runs, and check it: JSON Lines, which either database takes back
#[derive(Debug, clap::Args)]
pub(crate) struct Backup {
    /// The file, which must not be there
    file: PathBuf,
    /// A SQLite file instead, copied page by page; only of a SQLite ledger
    #[arg(long)]
    sqlite: bool,
    #[command(flatten)]
    options: Options,
}

impl Backup {
    pub(super) fn run(self, context: &Context) -> Result<Exit, CliError> {
        let ledger = open(&self.options)?;
        let made = if self.sqlite {
            ledger.backup_file(&self.file).map_err(|error| stored(error).in_file(name(&self.file)))?
        } else {
            dump(&ledger, &self.file)?
        };
        ledger.close();
        super::show::show(context, &summary(&made))
    }
}

/// Writes the dump, and reads it again as a restoration would.
fn dump(ledger: &Ledger, path: &Path) -> Result<Summary, CliError> {
    let unwritable = |error: std::io::Error| {
        let code = if error.kind() == std::io::ErrorKind::AlreadyExists {
            CliError::EXISTS
        } else {
            CliError::UNWRITABLE
        };
        CliError::new(code, format!("cannot be written: {error}")).in_file(name(path))
    };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(unwritable)?;
    let now_ms = now()?.as_millis();
    let write = || -> Result<Summary, CliError> {
        let mut out = BufWriter::new(&file);
        let made = ledger.dump(&mut out, now_ms).map_err(stored)?;
        out.flush().and_then(|()| file.sync_all()).map_err(unwritable)?;
        let mut input = BufReader::new(File::open(path).map_err(unwritable)?);
        let read = backup::verify(&mut input, now_ms).map_err(stored)?;
        if read != made {
            return Err(CliError::malformed("the backup is not what was written").in_file(name(path)));
        }
        Ok(made)
    };
    write().inspect_err(|_| {
        // What is not whole must not be taken for a backup.
        let _ = std::fs::remove_file(path);
    })
}

/// Restore a backup into a ledger that is not there, or holds nothing, and check it; the service must not run
#[derive(Debug, clap::Args)]
pub(crate) struct Restore {
    /// What `imagxp broker backup` wrote
    file: PathBuf,
    #[command(flatten)]
    options: Options,
}

impl Restore {
    pub(super) fn run(self, context: &Context) -> Result<Exit, CliError> {
        let unreadable = |error: std::io::Error| {
            CliError::new(CliError::UNREADABLE, format!("cannot be read: {error}")).in_file(name(&self.file))
        };
        let config = self.options.beside()?;
        let address = ledger::address(&config).map_err(wrong)?;
        let mut start = Vec::new();
        let file = File::open(&self.file).map_err(unreadable)?;
        (&file).take(16).read_to_end(&mut start).map_err(unreadable)?;
        let restored = match &address {
            Address::Sqlite(to) if start == SQLITE => {
                backup::restore_file(&self.file, to, now()?.as_millis())
            }
            _ if start == SQLITE => {
                return Err(CliError::usage(
                    "a SQLite file is restored as one; make the backup without --sqlite",
                ));
            }
            _ => {
                let mut input = BufReader::new(File::open(&self.file).map_err(unreadable)?);
                backup::restore(&address, &mut input, now()?.as_millis())
            }
        };
        let restored = restored.map_err(|error| stored(error).in_file(name(&self.file)))?;
        let mut object = summary(&restored);
        let mut again = true;
        match restored::read(&config) {
            Ok(Restored { operators, keys }) => {
                again = !operators.is_empty() || !keys.is_empty();
                let names = |names: Vec<String>| names.into_iter().map(Value::from).collect::<Vec<_>>();
                object.insert("operators", names(operators));
                object.insert("keys", names(keys));
            }
            Err(error) => context.out.warning(&wrong(error)),
        }
        super::show::show(context, &object)?;
        if again {
            context.out.warning(&CliError::new("registry.restored", COUNTS_AGAIN));
        }
        Ok(Exit::Ok)
    }
}

/// To read it.
fn open(options: &Options) -> Result<Ledger, CliError> {
    ledger::open(&options.beside()?).map_err(wrong)
}

fn stored(error: imagxp_storage::Error) -> CliError {
    wrong(ledger::storage(error))
}

fn summary(summary: &Summary) -> Object<'static> {
    let mut object = Object::new();
    object.insert("size", number(summary.head.size));
    let root = summary.head.log().map(|log| hex_encode(&log.tree().root()));
    object.insert("root", root.map_or(Value::Null, Value::from));
    let counts = [
        ("accounts", summary.accounts),
        ("transfers", summary.transfers),
        ("visas", summary.visas),
        ("events", summary.events),
    ];
    for (name, count) in counts {
        object.insert(name, number(count));
    }
    object
}

fn number(count: u64) -> Value<'static> {
    i64::try_from(count).ok().and_then(Number::from_i64).map_or(Value::Null, Value::Number)
}
