//! A child process that ends with the test, however the test ends.

use rustix::process::{Pid, Signal, kill_process};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub(super) struct Server {
    pub(super) folder: TempDir,
    stop: mpsc::Sender<()>,
    pid: u32,
    keeper: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts the command through setpriv, so that it dies when this process does. `user` when this is root and the program must not be.
    ///
    /// `signal` is what ends it at once, without tidying up.
    pub(super) fn start(folder: TempDir, user: Option<&str>, signal: Signal, command: &[&str]) -> Self {
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let mut child = as_user(user);
        child.arg(if signal == Signal::KILL { "--pdeathsig=KILL" } else { "--pdeathsig=QUIT" }).args(command);
        child.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).current_dir(folder.path());
        let (stop, stopped) = mpsc::channel();
        let (started, pid) = mpsc::channel();
        // The signal comes when the thread that started the child ends; a test's own thread may end long before the instance.
        let keeper = std::thread::spawn(move || {
            let mut child: Child = child.spawn().unwrap();
            started.send(child.id()).unwrap();
            let _ = stopped.recv();
            // A crash: what is acknowledged must be on the disk by then, and there is no state to save.
            let _ = kill_process(Pid::from_child(&child), signal);
            // One that a test has stopped hears it then.
            let _ = kill_process(Pid::from_child(&child), Signal::CONT);
            let _ = child.wait();
        });
        let pid = pid.recv().unwrap();
        Self { folder, stop, pid, keeper: Some(keeper) }
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(super) const fn pid(&self) -> u32 {
        self.pid
    }

    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.path().join("log")).unwrap_or_default()
    }

    /// Kills it at once and gives its folder back.
    pub(super) fn kill(mut self) -> TempDir {
        self.end();
        std::mem::replace(&mut self.folder, TempDir::new().unwrap())
    }

    /// Waits until `ready` holds; fails with the log after a minute.
    pub(super) fn wait(&self, mut ready: impl FnMut() -> bool) {
        let begin = Instant::now();
        while !ready() {
            assert!(begin.elapsed() < Duration::from_secs(60), "it does not start:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn end(&mut self) {
        let _ = self.stop.send(());
        if let Some(keeper) = self.keeper.take() {
            keeper.join().unwrap();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// `setpriv`, as this user when this process is root.
pub(super) fn as_user(user: Option<&str>) -> Command {
    let mut command = Command::new("setpriv");
    if let Some(user) = user.filter(|_| is_root()) {
        command.args(["--reuid", user, "--regid", &group(user), "--clear-groups"]);
    }
    command
}

pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn group(user: &str) -> String {
    id(&["-gn", user])
}

/// The numbers of a user and its group.
pub(super) fn numbers(user: &str) -> (u32, u32) {
    (id(&["-u", user]).parse().unwrap(), id(&["-g", user]).parse().unwrap())
}

pub(super) fn exists(user: &str) -> bool {
    Command::new("id").arg(user).output().is_ok_and(|output| output.status.success())
}

fn id(arguments: &[&str]) -> String {
    let output = Command::new("id").args(arguments).output().unwrap();
    assert!(output.status.success(), "there is no {arguments:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Where a program is: in the path, or where Debian keeps those of PostgreSQL.
pub(super) fn find(program: &str) -> Option<PathBuf> {
    let mut folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path().join("bin"))).collect())
        .unwrap_or_default();
    versions.sort();
    folders.extend(versions.into_iter().rev());
    folders.into_iter().map(|folder| folder.join(program)).find(|path| path.is_file())
}
