//! URLs, domains and path patterns: normalising is a fixed point, and no accepted domain is an address.
#![no_main]

use imagxp::agent_id::AgentId;
use imagxp::policy::PathPattern;
use imagxp::resource::{Resource, path_readings};
use libfuzzer_sys::fuzz_target;
use std::net::IpAddr;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = core::str::from_utf8(data) else { return };
    if let Some(resource) = Resource::parse(text) {
        let written = resource.to_string();
        // A path such as `/.//a` becomes `//a`, which by itself would read as a host (RFC 3986 §3.3): it needs its origin.
        let absolute =
            if resource.origin.is_none() { format!("https://example.org{written}") } else { written.clone() };
        let again = Resource::parse(&absolute).expect("what we write we can read");
        assert!(resource.same_target(&again), "{text} became {written}");
        assert!(again.to_string().ends_with(&written), "normalising is not a fixed point");
        let readings = path_readings(text).expect("a resource has a path");
        assert!(
            (1..=32).contains(&readings.len()) && readings.iter().all(|reading| reading.starts_with('/')),
            "{readings:?}"
        );
    }
    if let Some(agent) = AgentId::parse(text, false) {
        assert!(text.parse::<IpAddr>().is_err() && agent.as_str().contains('.'));
        assert_eq!(AgentId::from_manifest_url(&agent.manifest_url()).as_ref(), Some(&agent));
    }
    if let Some((pattern, path)) = text.split_once('\n')
        && let Ok(pattern) = PathPattern::parse(pattern)
    {
        let _ = pattern.matches(path);
    }
});
