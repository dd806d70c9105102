//! A log's file as the target `audit_log` reads it. Its seeds are replayed by a test of the core, too (`core/protocol/tests/audit_seeds.rs`).

use imagxp::audit::{Entry, Frame, Log, MAX_ENTRY_BYTES};
use std::borrow::Cow;

/// What a line begins with that is chained before it is read: no change that chance makes gives it the hash of the line before.
const CHAINED: u8 = b'+';

/// Reads a file: lines either follow each other or are refused, and what follows is what was chained. How many followed is the answer.
pub fn read(data: &[u8]) -> u64 {
    let (mut log, mut followed) = (Log::new(), 0);
    for written in data.split(|&byte| byte == b'\n') {
        let line = chained(written, &log);
        let before = log.clone();
        let ours = written.first() == Some(&CHAINED);
        match log.follow(&line) {
            Ok(frame) => {
                assert_eq!(frame.number, before.size());
                let mut again = Vec::new();
                let mut writer = before;
                writer.append(frame.body, &mut again).expect("what was read is not too large");
                assert_eq!(again, *line, "an entry has one form");
                assert_eq!(writer, log);
                followed += 1;
            }
            Err(error) => {
                assert!(!ours || error.code() == "audit.malformed", "what was chained follows: {error}");
                assert_eq!(log, before, "a refused line changes nothing");
                log.absorb(&line);
            }
        }
        if let Ok(frame) = Frame::parse(&line)
            && let Ok(Entry::Verdict(verdict)) = Entry::parse(frame.body)
        {
            let _ = verdict.verify_request(None);
            let _ = verdict.summary();
        }
        let _ = Entry::parse(&line);
    }
    followed
}

/// The line as it stands; behind [`CHAINED`] its body, or what is there instead of an entry, with the number and the hash that belong here.
fn chained<'a>(written: &'a [u8], log: &Log) -> Cow<'a, [u8]> {
    let Some(rest) = written.strip_prefix(&[CHAINED]) else { return Cow::Borrowed(written) };
    let body = Frame::parse(rest).map_or(rest, |frame| frame.body);
    let line = Frame::line(body, log.size(), log.last());
    let whole = body.starts_with(b"{") && body.ends_with(b"}") && line.len() <= MAX_ENTRY_BYTES;
    assert_eq!(Frame::parse(&line).is_ok(), whole, "an entry is an object in its frame");
    Cow::Owned(line)
}
