//! `.env` files: nothing panics, and no message holds a value.
#![no_main]

use imagxp_files::dotenv::Variables;
use libfuzzer_sys::fuzz_target;

const SECRET: &str = "c2VjcmV0IHNlY3JldCBzZWNyZXQ";

fuzz_target!(|data: &[u8]| {
    let Some((kind, data)) = data.split_first() else { return };
    // The secret somewhere in a text of the fuzzer's.
    let (before, after) = data.split_at(usize::from(*kind).min(data.len()));
    let text = [before, SECRET.as_bytes(), after].concat();
    let told = match Variables::parse(&text) {
        Ok(found) => {
            let told = found.key().err().map(|error| error.to_string()).unwrap_or_default();
            // The domain is no secret, wherever the fuzzer put it.
            assert!(
                found.agent_id().is_some_and(|name| name.contains(SECRET))
                    || !format!("{found:?}").contains(SECRET)
            );
            told
        }
        Err(error) => error.to_string(),
    };
    assert!(!told.contains(SECRET), "{told}");
});
