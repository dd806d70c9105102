//! Reading a log from its first entry to its last.

use super::altered;
use super::folder::files;
use super::header::Header;
use super::lines::{Lines, Next};
use imagxp::Result;
use imagxp::audit::{Entry, Frame};
use std::path::Path;

/// An entry in its place.
#[derive(Debug)]
pub struct Stored<'a> {
    /// The file.
    pub file: &'a Path,
    /// The line in the file, counted from 1; the header is line 1.
    pub line: u64,
    /// The line as it stands there, without its line feed.
    pub bytes: &'a [u8],
    /// Its parts.
    pub frame: Frame<'a>,
}

impl Stored<'_> {
    /// Reads the body. Error: `audit.malformed`.
    pub fn entry(&self) -> Result<Entry> {
        Entry::parse(self.frame.body)
    }
}

/// Hands each entry to `act`, until it answers `false`. Nothing is verified: see [`super::verify()`].
///
/// An unfinished last line is passed over: it may be about to be written. Errors: `io.failed`, `audit.malformed`, and those of `act`.
pub fn scan(folder: &Path, act: &mut dyn FnMut(&Stored<'_>) -> Result<bool>) -> Result<()> {
    for (_, path) in files(folder)? {
        let mut lines = Lines::open(&path)?;
        let mut number = 0;
        loop {
            number += 1;
            let place = |error: imagxp::Error| {
                let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
                let text = format!("{}: line {number}: {}", name.unwrap_or_default(), error.message());
                imagxp::Error::new(error.kind(), text)
            };
            match lines.next()? {
                Next::End | Next::Torn => break,
                Next::Whole(line) if number == 1 => drop(Header::parse(line).map_err(place)?),
                Next::Whole(line) => {
                    let frame = Frame::parse(line).map_err(place)?;
                    if !act(&Stored { file: &path, line: number, bytes: line, frame })? {
                        return Ok(());
                    }
                }
            }
        }
    }
    Ok(())
}

/// As [`scan`], but a log without files is an error: the folder is hardly the right one.
pub(super) fn expect_log(folder: &Path) -> Result<()> {
    if files(folder)?.is_empty() {
        return Err(altered(format!("`{}` holds no audit log", folder.display())));
    }
    Ok(())
}
