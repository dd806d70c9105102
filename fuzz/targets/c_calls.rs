//! Sequences of C calls: any order, any argument that C is allowed to pass (NULL, hostile lengths, rubbish text), every handle freed.
//!
//! Only what the header forbids is left out: freed handles and handles of another kind. AddressSanitizer watches the memory, and
//! LeakSanitizer that everything which was made can be freed.
#![no_main]

use imagxp_fuzz::c_calls::call::{Call, run};
use imagxp_fuzz::c_calls::caller::Caller;
use imagxp_fuzz::c_calls::reach;
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: reach::seeds(), |calls: Vec<Call<'_>>| {
    let mut caller = Caller::new();
    for call in calls.iter().take(64) {
        run(&mut caller, call);
    }
    caller.end();
});
