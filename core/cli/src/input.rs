//! Reading files and standard input, within bounds.

use crate::error::CliError;
use std::cell::Cell;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use zeroize::Zeroizing;

/// The largest file that is read.
const MAX_BYTES: usize = 1 << 20;
/// The largest key file that is read.
const MAX_KEY_BYTES: usize = 16 << 10;

/// Files, and standard input as the file `-`, which can be read once.
#[derive(Debug, Default)]
pub(crate) struct Input {
    stdin_taken: Cell<bool>,
}

impl Input {
    /// The content of a file of at most 1 MiB; larger ones are refused before they are read.
    pub(crate) fn bytes(&self, path: &Path) -> Result<Vec<u8>, CliError> {
        let mut content = Vec::new();
        self.read(path, MAX_BYTES, &mut content)?;
        Ok(content)
    }

    /// The content of a text file.
    pub(crate) fn text(&self, path: &Path) -> Result<String, CliError> {
        String::from_utf8(self.bytes(path)?)
            .map_err(|_| CliError::malformed("the file is not UTF-8 text").in_file(name(path)))
    }

    /// The content of a file that may hold a secret, at most 16 KiB; it is erased when it is dropped.
    pub(crate) fn secret(&self, path: &Path) -> Result<Zeroizing<Vec<u8>>, CliError> {
        // Room for everything at once: a vector that grows leaves copies behind.
        let mut content = Zeroizing::new(Vec::with_capacity(MAX_KEY_BYTES + 64));
        self.read(path, MAX_KEY_BYTES, &mut content)?;
        Ok(content)
    }

    fn read(&self, path: &Path, most: usize, into: &mut Vec<u8>) -> Result<(), CliError> {
        let unreadable = |error: std::io::Error| {
            CliError::new(CliError::UNREADABLE, format!("cannot be read: {error}")).in_file(name(path))
        };
        let too_large =
            || CliError::new(CliError::TOO_LARGE, format!("larger than {most} bytes")).in_file(name(path));
        // One byte more than allowed tells a file that fits from one that does not, also where no length is known before.
        let limit = most as u64 + 1;
        if path == Path::new("-") {
            if self.stdin_taken.replace(true) {
                return Err(CliError::usage("standard input can be read for one argument only"));
            }
            std::io::stdin().lock().take(limit).read_to_end(into).map_err(unreadable)?;
        } else {
            let file = File::open(path).map_err(unreadable)?;
            let metadata = file.metadata().map_err(unreadable)?;
            if metadata.is_file() && metadata.len() >= limit {
                return Err(too_large());
            }
            file.take(limit).read_to_end(into).map_err(unreadable)?;
        }
        if into.len() > most { Err(too_large()) } else { Ok(()) }
    }
}

/// How a file is named in messages.
pub(crate) fn name(path: &Path) -> String {
    if path == Path::new("-") { "standard input".into() } else { path.to_string_lossy().into_owned() }
}

/// The value of an option that may be given as `@FILE` instead, so that tokens need not stand on the command line.
pub(crate) fn or_file(input: &Input, value: &str) -> Result<String, CliError> {
    match value.strip_prefix('@') {
        None => Ok(value.to_owned()),
        Some(path) => Ok(input.text(Path::new(path))?.trim_end_matches(['\r', '\n']).to_owned()),
    }
}
