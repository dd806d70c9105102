//! Step 6: a claim is for one resource, one method and one body.

use super::Case;
use crate::grade::verifier::cast::Role;
use imagxp::Code;
use imagxp::digest::content_digest;

pub(super) const CASES: &[Case] = &[
    Case::new("binding.path", "§5", "signed for another path", |world| {
        world.refuse(&world.read()?.asking("other").sign(), Code::ClaimResourceMismatch)
    }),
    Case::new("binding.query", "§5", "signed for another query, or for none", |world| {
        let other = world.claim(Role::Reader, "page?a=1")?.asking("page?a=2").sign();
        let none = world.read()?.asking("page?a=1").sign();
        let lost = world.claim(Role::Reader, "page?a=1")?.asking("page").sign();
        world.refuse_each(&[other, none, lost], Code::ClaimResourceMismatch)
    }),
    Case::new("binding.site", "§5", "signed for another site", |world| {
        let claim = world.read()?.set("resource", "https://elsewhere.example/grade/page");
        world.refuse(&claim.sign(), Code::ClaimResourceMismatch)
    }),
    Case::new("binding.host_header", "§5", "the client's X-Forwarded-Host changes nothing", |world| {
        let claim = world.read()?.set("resource", "https://elsewhere.example/grade/page").sign();
        let request = claim.with("x-forwarded-host", "elsewhere.example").with("x-forwarded-proto", "https");
        world.refuse(&request, Code::ClaimResourceMismatch)
    }),
    Case::new("binding.scheme", "§5", "signed for the other scheme", |world| {
        let origin = world.site.origin();
        let other = match origin.strip_prefix("https://") {
            Some(rest) => format!("http://{rest}"),
            None => origin.replacen("http://", "https://", 1),
        };
        world.refuse(
            &world.read()?.set("resource", format!("{other}/grade/page")).sign(),
            Code::ClaimResourceMismatch,
        )
    }),
    Case::new("binding.case", "§5", "the path's case matters", |world| {
        world.refuse(&world.read()?.asking("PAGE").sign(), Code::ClaimResourceMismatch)
    }),
    Case::new("binding.slash", "§5", "%2F is no slash", |world| {
        world.refuse(&world.claim(Role::Reader, "a/b")?.asking("a%2Fb").sign(), Code::ClaimResourceMismatch)
    }),
    Case::new("binding.relative", "§2", "a relative resource", |world| {
        // No resource of the kind that the policy asks for, or not the one that was asked for.
        let codes = [Code::ClaimResourceMismatch, Code::ClaimResourceInvalid];
        world.refuse_by(&world.read()?.set("resource", "/grade/page").sign(), &codes)
    }),
    Case::new("binding.method", "§2", "signed for another method", |world| {
        world.refuse(&world.read()?.sign().by("POST"), Code::ClaimMethodMismatch)?;
        world.refuse(&world.read()?.set("method", "get").sign(), Code::ClaimMethodMismatch)
    }),
    Case::new("binding.method_denied", "§7", "a method that the policy does not list", |world| {
        world.refuse(&world.read()?.method("PUT").sign(), Code::MethodNotAllowed)
    }),
    Case::new("binding.body", "§2", "a body other than the one that was signed", |world| {
        let claim = world.read()?.method("POST").body(b"another question");
        world.refuse(
            &claim.set("content_digest", content_digest(b"a question")).sign(),
            Code::ClaimDigestMismatch,
        )
    }),
];
