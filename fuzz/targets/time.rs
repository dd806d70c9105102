//! Times: one text for each instant, and the text means that instant.
#![no_main]

use imagxp::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = core::str::from_utf8(data)
        && let Some(time) = Timestamp::parse(text)
    {
        assert_eq!(Timestamp::parse(&time.to_string()), Some(time), "{text}");
        assert!(text.len() >= 20 && text.ends_with('Z'));
        assert!((2000..=2100).contains(&text[..4].parse::<u16>().expect("a year")));
    }
    // Any instant at all can be printed and calculated with.
    let Some((millis, rest)) = data.split_first_chunk::<8>() else { return };
    let time = Timestamp::from_millis(i64::from_le_bytes(*millis));
    let text = time.to_string();
    if let Some(again) = Timestamp::parse(&text) {
        assert_eq!(again, time);
    }
    if let Some((step, _)) = rest.split_first_chunk::<8>() {
        let step = i64::from_le_bytes(*step);
        let later = time.saturating_add_secs(step);
        assert_eq!(later >= time, step >= 0 || later == time);
        let _ = (time.saturating_add_millis(step), later.millis_since(time), later.as_secs());
    }
});
