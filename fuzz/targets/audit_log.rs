//! A log's file: whatever stands in it, lines either follow each other or are refused, and what follows is what was chained.
#![no_main]

use imagxp_fuzz::log;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    log::read(data);
});
