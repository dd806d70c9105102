//! RSL: what is read keeps its bounds, and every page gets an answer.
#![no_main]

use imagxp::discovery::rsl::Rsl;
use imagxp::discovery::{Preferences, Sources};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    const PAGE: &str = "https://pub.example/news/1?x";
    if let Ok(rsl) = Rsl::parse(data) {
        assert!(rsl.contents.len() <= 1024 && rsl.findings.len() <= 100);
        assert!(!rsl.contents.is_empty() || !rsl.findings.is_empty());
        assert!(rsl.covering(PAGE).len() <= rsl.contents.len());
        let lines = data.iter().filter(|byte| **byte == b'\n').count() + 1;
        assert!(rsl.contents.iter().all(|content| (1..=lines).contains(&(content.line as usize))));
    }
    let documents = [("https://pub.example/license.xml", data)];
    let sources = Sources { rsl: &documents, ..Sources::new(PAGE, "bot") };
    let report = Preferences::read(&sources).expect("an absolute page").to_json();
    imagxp::json::parse(&report, &imagxp::json::Limits::INTERCHANGE).expect("the report is JSON");
});
