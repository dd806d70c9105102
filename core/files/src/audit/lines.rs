//! Lines of a file, of bounded length, with their places.

use super::io_error;
use imagxp::Result;
use imagxp::audit::MAX_ENTRY_BYTES;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

/// Reads a file line by line; memory stays below one line.
pub(super) struct Lines {
    path: PathBuf,
    reader: BufReader<File>,
    line: Vec<u8>,
    /// Where the next line begins.
    offset: u64,
}

/// What comes next in a file.
pub(super) enum Next<'a> {
    /// A line, without its line feed.
    Whole(&'a [u8]),
    /// The end of the file.
    End,
    /// Bytes that no line feed ends, or none within the longest line.
    Torn,
}

impl Lines {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| io_error("open", path, error))?;
        Ok(Self {
            path: path.to_owned(),
            reader: BufReader::with_capacity(256 * 1024, file),
            line: Vec::new(),
            offset: 0,
        })
    }

    pub(super) fn next(&mut self) -> Result<Next<'_>> {
        self.line.clear();
        let most = u64::try_from(MAX_ENTRY_BYTES).unwrap_or(u64::MAX).saturating_add(1);
        let read = self
            .reader
            .by_ref()
            .take(most)
            .read_until(b'\n', &mut self.line)
            .map_err(|error| io_error("read", &self.path, error))?;
        match self.line.strip_suffix(b"\n") {
            Some(line) => {
                self.offset = self.offset.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
                Ok(Next::Whole(line))
            }
            None if read == 0 => Ok(Next::End),
            None => Ok(Next::Torn),
        }
    }

    /// Where the next line begins.
    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    /// After [`Next::Torn`]: whether anywhere behind it a line feed follows.
    pub(super) fn line_feed_follows(&mut self) -> Result<bool> {
        loop {
            let block = self.reader.fill_buf().map_err(|error| io_error("read", &self.path, error))?;
            if block.is_empty() {
                return Ok(false);
            }
            if block.contains(&b'\n') {
                return Ok(true);
            }
            let read = block.len();
            self.reader.consume(read);
        }
    }
}
