//! Feedback: what is read can be signed again and says the same; what nobody signed is never taken.
#![no_main]

use imagxp::crypto::Algorithm;
use imagxp::feedback::{MAX_FEEDBACK_BYTES, SignedFeedback, header_value};
use imagxp::{Publisher, agent::Identity};
use imagxp_fuzz::{NOW, identity, key, publisher};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static PUBLISHER: LazyLock<Publisher> = LazyLock::new(publisher);
static AGENT: LazyLock<Identity> = LazyLock::new(identity);

fuzz_target!(|data: &[u8]| {
    // As it comes, and as the JSON inside the base64.
    let encoded = header_value(data);
    for value in [data, encoded.as_bytes()] {
        assert!(!PUBLISHER.feedback(value, None, NOW).verdict.is_allowed(), "nobody has signed it");
        let Ok(read) = SignedFeedback::parse(value) else { continue };
        assert!(value.len() <= 2 * MAX_FEEDBACK_BYTES);
        assert!(!read.verify(key(Algorithm::Es256, 3).public_key()));
        let feedback = read.feedback();
        let signed = feedback.sign(&AGENT, NOW, "0123456789abcdef").expect("what is read can be signed");
        let again = SignedFeedback::parse(&signed).expect("what we write we can read");
        assert!(again.verify(AGENT.public_key()));
        assert_eq!(
            (&again.feedback().url, again.feedback().quality_score),
            (&feedback.url, feedback.quality_score)
        );
    }
});
