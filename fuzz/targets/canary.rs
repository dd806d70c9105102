//! A seeded fault, not a target: proves that the harness finds what depends on coverage of the core, and that AddressSanitizer watches.
//! scripts/fuzz.sh fails unless this one crashes.
#![no_main]

use imagxp::json::{Limits, parse_object};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // `{"":0}` is the shortest. From `{}` on this crate's own branches lead nowhere: four bytes more must be right at once, unless the
    // parser's coverage tells a quote and a colon that were right from those that were not.
    if parse_object(data, &Limits::CLAIM).is_ok_and(|object| !object.is_empty()) {
        let copy = data.to_vec();
        // SAFETY: none; reading one byte past the end is the fault.
        let beyond = unsafe { core::ptr::read_volatile(copy.as_ptr().add(copy.len())) };
        core::hint::black_box(beyond);
    }
});
