//! Feedback: what is read can be signed again and says the same; what nobody signed is never taken.
#![no_main]

use imagxp::crypto::Algorithm;
use imagxp::feedback::{MAX_FEEDBACK_BYTES, SignedFeedback};
use imagxp_fuzz::{NOW, identity, key, publisher};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    assert!(!publisher().feedback(data, None, NOW).verdict.is_allowed(), "nobody has signed it");
    let Ok(read) = SignedFeedback::parse(data) else { return };
    assert!(data.len() <= 2 * MAX_FEEDBACK_BYTES);
    assert!(!read.verify(key(Algorithm::Es256, 3).public_key()));
    let feedback = read.feedback();
    let signed = feedback.sign(&identity(), NOW, "0123456789abcdef").expect("what is read can be signed");
    let again = SignedFeedback::parse(&signed).expect("what we write we can read");
    assert!(again.verify(identity().public_key()));
    assert_eq!(
        (&again.feedback().url, again.feedback().quality_score),
        (&feedback.url, feedback.quality_score)
    );
});
