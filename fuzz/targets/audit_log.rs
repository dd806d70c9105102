//! A log's file: whatever stands in it, lines either follow each other or are refused, and what follows is what was chained.
#![no_main]

use imagxp::audit::{Entry, Frame, Log};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut log = Log::new();
    for line in data.split(|&byte| byte == b'\n') {
        let before = log.clone();
        match log.follow(line) {
            Ok(frame) => {
                assert_eq!(frame.number, before.size());
                let mut again = Vec::new();
                let mut writer = before;
                writer.append(frame.body, &mut again).expect("what was read is not too large");
                assert_eq!(again, line, "an entry has one form");
                assert_eq!(writer, log);
            }
            Err(_) => {
                assert_eq!(log, before, "a refused line changes nothing");
                log.absorb(line);
            }
        }
        if let Ok(frame) = Frame::parse(line)
            && let Ok(Entry::Verdict(verdict)) = Entry::parse(frame.body)
        {
            let _ = verdict.verify_request(None);
            let _ = verdict.summary();
        }
        let _ = Entry::parse(line);
    }
});
