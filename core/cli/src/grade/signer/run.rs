//! The command that reads one URL.

use crate::error::CliError;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Runs the signer once, and tells whether it ended in its time. What it says about an answer, and its exit code, are its own business.
pub(super) fn ends(command: &str, url: &str, patience: Duration) -> Result<bool, CliError> {
    let wrong = |error| CliError::new(CliError::SYSTEM, format!("`{command}` cannot be run: {error}"));
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{command} \"$1\""), "sh", url]).stdin(Stdio::null()).stdout(Stdio::null());
    // A group of its own, so that what the shell has started ends with it.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut shell, 0);
    let mut child = shell.spawn().map_err(wrong)?;
    let begin = Instant::now();
    loop {
        if child.try_wait().map_err(wrong)?.is_some() {
            return Ok(true);
        }
        if begin.elapsed() >= patience {
            end(&mut child);
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Ends a command with its whole group: the shell's own `kill` knows groups, and is there wherever the command could be run.
fn end(child: &mut Child) {
    let group = child.id().to_string();
    let mut shell = Command::new("sh");
    shell.args(["-c", "kill -s KILL -- \"-$1\"", "sh", &group]);
    // Nothing is left to be done when it has ended by itself meanwhile.
    let _ = shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let _ = child.kill();
    let _ = child.wait();
}
