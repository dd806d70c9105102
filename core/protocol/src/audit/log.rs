//! The hash chain: entries of any kind, each of which names the one before it.

use super::checkpoint::Checkpoint;
use super::tree::{Tree, leaf_hash};
use super::{altered, malformed};
use crate::encoding::base64_encode;
use crate::error::Result;

/// The largest entry, in bytes, with its frame. A verdict with the largest claim, URL and manifest stays below.
pub const MAX_ENTRY_BYTES: usize = 128 * 1024;

const START: &[u8] = br#"{"body":"#;
const NUMBER: &[u8] = br#","n":"#;
const PREVIOUS: &[u8] = br#","prev":""#;
const END: &[u8] = br#""}"#;
const HASH_TEXT: usize = 44;

/// The state of a log: how many entries, the hash of the last one, and the Merkle tree over all.
///
/// An entry is one line of RFC 8785 JSON, `{"body":{…},"n":<number>,"prev":"<base64>"}`: what is recorded, its number from 0 on, and the RFC
/// 6962 leaf hash of the entry before it (32 zero bytes before the first). The line without its line feed is the leaf.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    tree: Tree,
    last: [u8; 32],
}

/// The parts of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The JSON object that was recorded.
    pub body: &'a [u8],
    /// The entry's number.
    pub number: u64,
    /// The leaf hash of the entry before it, in base64.
    pub previous: &'a [u8],
}

/// What an entry has become part of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The entry's number.
    pub number: u64,
    /// What [`Tree::push`] has returned for its leaf.
    pub subtrees: Vec<[u8; 32]>,
}

impl<'a> Frame<'a> {
    /// Takes an entry apart, without its line feed. The body is not read. Error: `audit.malformed`.
    pub fn parse(line: &'a [u8]) -> Result<Self> {
        Self::split(line).ok_or_else(|| malformed("it is no entry of a log"))
    }

    /// Writes the line of an entry, without its line feed: `body` is an RFC 8785 object, `previous` the leaf hash of the entry before it.
    pub fn line(body: &[u8], number: u64, previous: &[u8; 32]) -> Vec<u8> {
        let mut line = Vec::with_capacity(body.len() + 96);
        Self::write(body, number, previous, &mut line);
        line
    }

    fn write(body: &[u8], number: u64, previous: &[u8; 32], out: &mut Vec<u8>) {
        out.extend_from_slice(START);
        out.extend_from_slice(body);
        out.extend_from_slice(NUMBER);
        out.extend_from_slice(number.to_string().as_bytes());
        out.extend_from_slice(PREVIOUS);
        out.extend_from_slice(base64_encode(previous).as_bytes());
        out.extend_from_slice(END);
    }

    fn split(line: &'a [u8]) -> Option<Self> {
        let rest = line.strip_prefix(START)?.strip_suffix(END)?;
        let (rest, previous) = rest.split_at_checked(rest.len().checked_sub(HASH_TEXT)?)?;
        let rest = rest.strip_suffix(PREVIOUS)?;
        let digits = rest.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        let (rest, number) = rest.split_at_checked(rest.len() - digits)?;
        let body = rest.strip_suffix(NUMBER)?;
        if line.len() > MAX_ENTRY_BYTES || number.len() > 16 || (number.len() > 1 && number.starts_with(b"0"))
        {
            return None;
        }
        let number = core::str::from_utf8(number).ok()?.parse().ok()?;
        (body.starts_with(b"{") && body.ends_with(b"}")).then_some(Self { body, number, previous })
    }
}

impl Log {
    /// A log without entries.
    pub const fn new() -> Self {
        Self { tree: Tree::new(), last: [0; 32] }
    }

    /// Takes a log up where another [`Log`] left it: its tree, and the leaf hash of its last entry.
    pub const fn resume(tree: Tree, last: [u8; 32]) -> Self {
        Self { tree, last }
    }

    /// Adds an entry: appends its line, without a line feed, to `out`.
    ///
    /// `body` is an RFC 8785 object, from [`crate::json::object_to_canonical`]. Error: `usage.argument` when it is larger than
    /// [`MAX_ENTRY_BYTES`] allows.
    pub fn append(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<Appended> {
        let number = self.tree.size();
        let start = out.len();
        Frame::write(body, number, &self.last, out);
        let line = out.get(start..).unwrap_or_default();
        if line.len() > MAX_ENTRY_BYTES {
            out.truncate(start);
            return Err(crate::Error::argument(format!("an entry has at most {MAX_ENTRY_BYTES} bytes")));
        }
        let subtrees = self.absorb(line);
        Ok(Appended { number, subtrees })
    }

    /// Checks that this line is the next entry, and adds it. Errors: `audit.malformed`, `audit.altered` when it does not follow the last
    /// one; the log is then as it was.
    pub fn follow<'a>(&mut self, line: &'a [u8]) -> Result<Frame<'a>> {
        let frame = Frame::parse(line)?;
        if frame.number != self.size() {
            return Err(altered(format!("it is entry {} where entry {} belongs", frame.number, self.size())));
        }
        if frame.previous != base64_encode(&self.last).as_bytes() {
            return Err(altered("it does not follow the entry before it: one of the two was altered"));
        }
        self.absorb(line);
        Ok(frame)
    }

    /// Adds a line whatever it is, to go on after a fault. Returns what [`Tree::push`] returns.
    pub fn absorb(&mut self, line: &[u8]) -> Vec<[u8; 32]> {
        self.last = leaf_hash(line);
        self.tree.push(self.last)
    }

    /// The number of entries.
    pub const fn size(&self) -> u64 {
        self.tree.size()
    }

    /// The leaf hash of the last entry; zeros in an empty log.
    pub const fn last(&self) -> &[u8; 32] {
        &self.last
    }

    /// The tree over all entries.
    pub const fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The state as a checkpoint that is to be signed.
    pub fn checkpoint(&self, origin: &str) -> Checkpoint {
        Checkpoint {
            origin: origin.to_owned(),
            size: self.size(),
            root: self.tree.root(),
            extensions: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_follow_each_other() {
        let mut log = Log::new();
        let mut lines = Vec::new();
        for body in [&br#"{"a":1}"#[..], br#"{"b":",\"n\":7"}"#, b"{}"] {
            let mut line = Vec::new();
            assert_eq!(log.append(body, &mut line).unwrap().number, lines.len() as u64);
            assert_eq!(crate::json::canonicalize(&line, &crate::json::Limits::POLICY).unwrap(), line);
            assert_eq!(Frame::parse(&line).unwrap().body, body);
            let previous = lines.last().map_or([0; 32], |line: &Vec<u8>| leaf_hash(line));
            assert_eq!(Frame::line(body, lines.len() as u64, &previous), line);
            lines.push(line);
        }
        let mut again = Log::new();
        for line in &lines {
            again.follow(line).unwrap();
        }
        assert_eq!(again, log);
        let mut swapped = Log::new();
        assert_eq!(swapped.follow(&lines[1]).unwrap_err().code(), "audit.altered");
        swapped.follow(&lines[0]).unwrap();
        assert_eq!(swapped.follow(&lines[0]).unwrap_err().code(), "audit.altered");
        assert_eq!(Log::resume(swapped.tree().clone(), *swapped.last()), swapped);
        let other = String::from_utf8(lines[1].clone()).unwrap().replace("\"b\"", "\"c\"");
        swapped.follow(other.as_bytes()).unwrap();
        assert_eq!(swapped.follow(&lines[2]).unwrap_err().code(), "audit.altered");
        let mut out = vec![1];
        assert!(log.append(&vec![b'x'; MAX_ENTRY_BYTES], &mut out).is_err());
        assert_eq!((out.len(), log.size()), (1, 3), "nothing half-done");
    }

    #[test]
    fn what_is_no_entry() {
        let good = r#"{"body":{},"n":12,"prev":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}"#;
        assert_eq!(Frame::parse(good.as_bytes()).unwrap().number, 12);
        for bad in [
            good.replace("12", "012"),
            good.replace("12", ""),
            good.replace("12", "-1"),
            good.replace("12", "99999999999999999"),
            good.replace("{}", "[]"),
            good.replace("\"n\"", "\"m\""),
            good.replace("A=", "="),
            format!("{good} "),
            String::new(),
        ] {
            assert_eq!(Frame::parse(bad.as_bytes()).unwrap_err().code(), "audit.malformed", "{bad}");
        }
    }
}
