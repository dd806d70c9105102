//! Policies: an accepted document evaluates, explains and publishes itself, always the same way.
#![no_main]

use imagxp::agent_id::AgentId;
use imagxp::json::{Limits, parse_object};
use imagxp::policy::Question;
use imagxp::resource::path_readings;
use imagxp::{Policy, Purpose};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let policy = match Policy::from_json(data) {
        Ok(policy) => policy,
        Err(error) => {
            assert_eq!(error.code(), "usage.policy");
            return;
        }
    };
    assert!(!policy.origins().is_empty());
    for agent in ["bot.example.com", "a.b.example.org"] {
        let agent = AgentId::parse(agent, false).expect("a public domain");
        for purpose in Purpose::ALL {
            for target in ["/", "/premium/a", "/a//b/../c?x=%2F", "/%70remium/;x/."] {
                let paths = path_readings(target).expect("a request target");
                for domain_bound in [true, false] {
                    let question = Question { agent_id: &agent, domain_bound, purpose, paths: &paths };
                    let decision = policy.evaluate(&question);
                    let (explained, _) = policy.explain(&question);
                    assert_eq!(decision.refusal, explained.refusal);
                    assert_eq!(decision.price, explained.price);
                    assert_eq!(decision.payment_needed, explained.payment_needed);
                }
            }
        }
    }
    let _ = (policy.unsigned_at(&["/premium/a".to_owned()]), policy.unsigned_strictest(), policy.remarks());
    let public = policy.public_json();
    assert!(parse_object(&public, &Limits::INTERCHANGE).is_ok(), "the public part is not strict JSON");
});
