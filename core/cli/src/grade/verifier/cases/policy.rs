//! Steps 10 and 12: purposes, agents, rates; and the policy that everybody may read.

use super::Case;
use crate::grade::verifier::World;
use crate::grade::verifier::again;
use crate::grade::verifier::cast::Role;
use crate::grade::verifier::request::{passed, refused};
use crate::grade::verifier::site::BURST;
use imagxp::Code;
use imagxp::json::Value;

pub(super) const CASES: &[Case] = &[
    Case::new("policy.purpose_allowed", "§7", "every purpose that is allowed", |world| {
        world.allow(&world.read()?.set("purpose", "SUMMARY").sign())
    }),
    Case::new("policy.purpose_denied", "§7", "a purpose that is denied", |world| {
        purpose(world, "CRAWL_TRAINING")
    }),
    Case::new("policy.purpose_unlisted", "§7", "a purpose that is not listed is denied", |world| {
        purpose(world, "QUOTATION")
    }),
    Case::new("policy.embedding", "§7", "EMBEDDING falls under CRAWL_TRAINING's rule", |world| {
        purpose(world, "EMBEDDING")
    }),
    Case::new("policy.agent_denied", "§7", "an agent that is denied", |world| {
        let ask = || world.send(&world.claim(Role::Denied, "page")?.sign());
        let answer = World::once_more(again::AGENT, &[Code::IdentityKeyMismatch], ask)?;
        refused(&answer, Code::PolicyAgentDenied)
    }),
    Case::new("policy.rate", "§7", "more requests than the agent's rate, with Retry-After", |world| {
        let ask = || world.send(&world.claim(Role::Rated, "page")?.sign());
        let burst = || {
            let mut answer = ask()?;
            for _ in 1..BURST {
                if passed(&answer).is_err() {
                    break;
                }
                answer = ask()?;
            }
            Ok(answer)
        };
        let earlier = [Code::IdentityKeyMismatch, Code::RateAgent];
        passed(&World::once_more(again::AGENT, &earlier, burst)?)?;
        let answer = ask()?;
        refused(&answer, Code::RateAgent)?;
        match answer.header("retry-after").and_then(|seconds| seconds.parse::<u32>().ok()) {
            Some(1..) => Ok(()),
            _ => Err("expected `retry-after` in seconds".to_owned()),
        }
    }),
    Case::new("policy.rate_is_per_agent", "§7", "another agent is not held up by that", |world| {
        world.allow(&world.read()?.sign())
    }),
    Case::new("policy.public", "§7", "the public policy is served, without the list of agents", |world| {
        let answer = world.site.exchange("GET", "/.well-known/imagxp-policy.json", &[], &[])?;
        if answer.status != 200 {
            return Err(format!("expected 200, got {}", answer.status));
        }
        let policy = answer.json().ok_or("expected a JSON object")?;
        let denied = world.cast.agent_id(Role::Denied);
        if policy.contains("agents") || String::from_utf8_lossy(&answer.body).contains(&denied) {
            return Err("it tells about single agents".to_owned());
        }
        match policy.get("purposes") {
            Some(Value::Object(purposes)) if purposes.contains("RAG_RETRIEVAL") => Ok(()),
            _ => Err("it does not tell the purposes".to_owned()),
        }
    }),
];

fn purpose(world: &World, name: &'static str) -> Result<(), String> {
    world.refuse(&world.read()?.set("purpose", name).sign(), Code::PolicyPurposeDenied)
}
