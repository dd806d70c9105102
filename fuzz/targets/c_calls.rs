//! Sequences of C calls: any order, any argument that C is allowed to pass (NULL, hostile lengths, rubbish text), every handle freed.
//!
//! Only what the header forbids is left out: freed handles and handles of another kind. AddressSanitizer watches the memory, and
//! LeakSanitizer that everything which was made can be freed.
#![no_main]

use imagxp_fuzz::c_calls::call::{Call, run};
use imagxp_fuzz::c_calls::callbacks::ANSWER;
use imagxp_fuzz::c_calls::caller::Caller;
use imagxp_fuzz::c_calls::tables::FREE;
use libfuzzer_sys::fuzz_target;
use std::collections::BTreeMap;
use std::ptr::null_mut;
use std::sync::atomic::Ordering;

fuzz_target!(|calls: Vec<Call<'_>>| {
    ANSWER.store(1, Ordering::Relaxed);
    let mut caller = Caller { handles: BTreeMap::new(), last: Vec::new(), output: true, error: true };
    for call in calls.iter().take(64) {
        run(&mut caller, call);
    }
    for (kind, _) in FREE {
        while caller.handles.get(&kind).is_some_and(|handles| !handles.is_empty()) {
            caller.free(kind, 0);
        }
        // SAFETY: NULL is accepted.
        unsafe { FREE.iter().for_each(|(_, free)| free(null_mut())) };
    }
});
