//! `imagxp keygen`: a new key pair.

use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::input::name;
use crate::key_file::{facts, facts_text, print_facts};
use crate::output::shown;
use crate::{key_file, random};
use clap::ValueEnum;
use imagxp::crypto::{Algorithm, PrivateKey};
use std::path::{Path, PathBuf};

/// Make a key: the private half goes to a file of mode 0600, the public facts are printed
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The algorithm
    #[arg(long, value_enum, default_value_t)]
    alg: Alg,
    /// Where the private key goes, as PKCS#8 PEM
    #[arg(short, long, value_name = "FILE", required_unless_present = "stdout", conflicts_with = "stdout")]
    out: Option<PathBuf>,
    /// Replace an existing file
    #[arg(long, requires = "out")]
    force: bool,
    /// Print the private key on standard output instead; refused when that is a terminal
    #[arg(long)]
    stdout: bool,
    /// Print the private key even to a terminal, which may keep it
    #[arg(long, requires = "stdout", conflicts_with = "out")]
    even_to_a_terminal: bool,
}

/// The algorithms by the names of the command line.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Alg {
    /// ECDSA on P-256 with SHA-256
    #[default]
    Es256,
    /// Ed25519
    Eddsa,
}

impl From<Alg> for Algorithm {
    fn from(alg: Alg) -> Self {
        match alg {
            Alg::Es256 => Self::Es256,
            Alg::Eddsa => Self::EdDsa,
        }
    }
}

impl Args {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, CliError> {
        let key = PrivateKey::generate(self.alg.into(), &mut random::fill)
            .map_err(|error| CliError::new(CliError::SYSTEM, error.message().to_owned()))?;
        match &self.out {
            Some(path) if path == Path::new("-") => {
                return Err(CliError::usage("use --stdout to print a private key on standard output"));
            }
            Some(path) => {
                key_file::write(path, key.to_pem().as_bytes(), self.force)?;
                let title = format!(
                    "{}: new {} key, readable by its owner only\n",
                    shown(&name(path)),
                    key.algorithm()
                );
                print_facts(&context.out, key.public_key(), Some(path), &title)?;
            }
            None => self.print(context, &key)?,
        }
        Ok(Exit::Ok)
    }

    fn print(&self, context: &Context, key: &PrivateKey) -> Result<(), CliError> {
        let pem = key.to_pem();
        if context.out.is_json() {
            let mut object = facts(key.public_key());
            object.insert("private_key", pem.as_str());
            let text = zeroize::Zeroizing::new(imagxp::json::object_to_canonical(&object));
            let line = zeroize::Zeroizing::new(format!("{}\n", String::from_utf8_lossy(&text)));
            return context.out.secret(&line, self.even_to_a_terminal);
        }
        context.out.secret(&pem, self.even_to_a_terminal)?;
        context.out.complain(&facts_text(key.public_key()));
        Ok(())
    }
}
