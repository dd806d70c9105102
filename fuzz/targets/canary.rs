//! A seeded fault, not a target: proves that the harness finds what depends on coverage and that AddressSanitizer watches.
//! scripts/fuzz.sh fails unless this one crashes.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if data.len() == 8 && data.starts_with(b"ca") && data[2] == b'n' && data[3] == b'!' {
        let copy = data.to_vec();
        // SAFETY: none; reading one byte past the end is the fault.
        let beyond = unsafe { core::ptr::read_volatile(copy.as_ptr().add(copy.len())) };
        core::hint::black_box(beyond);
    }
});
