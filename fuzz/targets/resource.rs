//! URLs, domains and path patterns: normalising is a fixed point, and no accepted domain is an address.
#![no_main]

use imagxp::agent_id::AgentId;
use imagxp::policy::PathPattern;
use imagxp::resource::Resource;
use libfuzzer_sys::fuzz_target;
use std::net::IpAddr;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = core::str::from_utf8(data) else { return };
    if let Some(resource) = Resource::parse(text) {
        let written = resource.to_string();
        let again = Resource::parse(&written).expect("what we write we can read");
        assert!(resource.same_target(&again), "{text} became {written}");
        assert_eq!(again.to_string(), written, "normalising is not a fixed point");
        assert!(resource.routed_path().starts_with('/') || resource.path.is_empty());
    }
    if let Some(agent) = AgentId::parse(text, false) {
        assert!(text.parse::<IpAddr>().is_err() && agent.as_str().contains('.'));
        assert_eq!(AgentId::from_manifest_url(&agent.manifest_url()).as_ref(), Some(&agent));
    }
    if let Some((pattern, path)) = text.split_once('\n') {
        if let Ok(pattern) = PathPattern::parse(pattern) {
            let _ = pattern.matches(path);
        }
    }
});
