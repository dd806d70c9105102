//! Where the passphrase of an encrypted key file comes from: a file, a variable, or a terminal; never the command line, which others see.

use crate::error::CliError;
use crate::input::{Input, name};
use imagxp_files::key_file::{MAX_PASSPHRASE_BYTES, Passphrase};
use std::path::PathBuf;
use zeroize::Zeroizing;

/// Options of every command, because every command that reads a key may meet an encrypted one.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Options {
    /// Read the passphrase from the first line of a file; `-` is standard input
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "passphrase_env")]
    passphrase_file: Option<PathBuf>,
    /// Read the passphrase from the environment variable of this name
    #[arg(long, global = true, value_name = "NAME")]
    passphrase_env: Option<String>,
}

impl Options {
    /// The passphrase of a file that exists.
    pub(crate) fn ask(&self, input: &Input) -> Result<Passphrase, CliError> {
        self.obtain(input, false)
    }

    /// A passphrase for a new file: typed twice when it is typed.
    pub(crate) fn choose(&self, input: &Input) -> Result<Passphrase, CliError> {
        self.obtain(input, true)
    }

    fn obtain(&self, input: &Input, twice: bool) -> Result<Passphrase, CliError> {
        let text = match (&self.passphrase_file, &self.passphrase_env) {
            (Some(path), _) => {
                let content = input.secret(path)?;
                let line = content.split(|byte| *byte == b'\n').next().unwrap_or_default();
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                return Passphrase::new(line).map_err(|error| CliError::from(error).in_file(name(path)));
            }
            (None, Some(variable)) => std::env::var_os(variable)
                .and_then(|value| value.into_string().ok())
                .map(Zeroizing::new)
                .ok_or_else(|| CliError::usage(format!("the variable `{variable}` is not set to text")))?,
            (None, None) => typed(twice)?,
        };
        Ok(Passphrase::new(text.as_bytes())?)
    }
}

fn typed(twice: bool) -> Result<Zeroizing<String>, CliError> {
    let first = prompt(if twice { "New passphrase: " } else { "Passphrase: " })?;
    if twice && *prompt("Again: ")? != *first {
        return Err(CliError::usage("the two passphrases differ"));
    }
    if first.len() > MAX_PASSPHRASE_BYTES {
        return Err(CliError::usage("the passphrase is too long"));
    }
    Ok(first)
}

/// Asks on the terminal, whatever standard input and output are, without echo.
fn prompt(text: &str) -> Result<Zeroizing<String>, CliError> {
    rpassword::prompt_password(text).map(Zeroizing::new).map_err(|_| {
        CliError::usage(
            "a passphrase is needed, and there is no terminal; use --passphrase-file or --passphrase-env",
        )
    })
}
