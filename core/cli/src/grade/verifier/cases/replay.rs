//! Steps 5 and 9: a nonce is good once, and only a good request spends it.

use super::Case;
use crate::grade::verifier::cast::Role;
use imagxp::Code;

pub(super) const CASES: &[Case] = &[
    Case::new("replay.same_request", "§5", "the same request a second time", |world| {
        let request = world.read()?.sign();
        world.allow(&request)?;
        world.refuse(&request, Code::ReplayNonceSeen)
    }),
    Case::new("replay.other_signature", "§3", "the same claim with the signature's high-s twin", |world| {
        let request = world.read()?.sign();
        world.allow(&request)?;
        world.refuse(&request.high_s(), Code::ReplayNonceSeen)
    }),
    Case::new("replay.other_claim", "§5", "the same nonce in another claim", |world| {
        let nonce = "grader-nonce-of-two-claims";
        let nonce = format!("{nonce}.{}", world.now()?.as_millis());
        world.allow(&world.read()?.set("nonce", nonce.clone()).sign())?;
        let again = world.claim(Role::Reader, "other")?.set("nonce", nonce).set("purpose", "SUMMARY");
        world.refuse(&again.sign(), Code::ReplayNonceSeen)
    }),
    Case::new("replay.other_agent", "§5", "another agent may use the same nonce", |world| {
        let nonce = format!("grader-nonce-of-two-agents.{}", world.now()?.as_millis());
        world.allow(&world.read()?.set("nonce", nonce.clone()).sign())?;
        world.allow(&world.claim(Role::Edwards, "page")?.set("nonce", nonce).sign())
    }),
    Case::new("replay.forgery_spends_nothing", "§5", "a forged copy does not burn the nonce", |world| {
        let request = world.read()?.sign();
        let forged = request.clone().resigned(|bytes| bytes.rotate_left(1));
        world.refuse(&forged, Code::SigInvalid)?;
        world.allow(&request)
    }),
    Case::new("replay.wrong_place_spends_nothing", "§5", "nor does a copy for another resource", |world| {
        let request = world.read()?.sign();
        world.refuse(&request.clone().asking_for("/grade/other"), Code::ClaimResourceMismatch)?;
        world.allow(&request)
    }),
    Case::new("replay.refusal_spends", "§5", "a refusal by the policy has spent the nonce", |world| {
        let request = world.read()?.set("purpose", "CRAWL_TRAINING").sign();
        world.refuse(&request, Code::PolicyPurposeDenied)?;
        world.refuse(&request, Code::ReplayNonceSeen)
    }),
];
