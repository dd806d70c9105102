//! What must pass, however unusual it looks.

use super::Case;
use crate::grade::verifier::cast::Role;
use imagxp::digest::content_digest;
use imagxp::encoding::{base64_decode, base64url_encode};
use imagxp::headers::{PAYLOAD, SIGNATURE};
use std::time::Duration;

pub(super) const CASES: &[Case] = &[
    Case::new("good.read", "§5", "a signed read", |world| world.allow(&world.read()?.sign())),
    Case::new("good.no_hint", "§1", "the key header is optional", |world| {
        world.allow(&world.read()?.sign().unhinted())
    }),
    Case::new("good.ed25519", "§3", "an Ed25519 key, by the manifest", |world| {
        world.allow(&world.claim(Role::Edwards, "page")?.sign())
    }),
    Case::new("good.seed_manifest", "§4", "a manifest with public_key alone", |world| {
        world.allow(&world.claim(Role::Seed, "page")?.sign())
    }),
    Case::new("good.version_1_0", "§2", "version 1.0 with an integer timestamp", |world| {
        let seconds = i32::try_from(world.now()?.as_secs()).unwrap_or(i32::MAX);
        let claim = world.read()?.without("ts").set("v", "1.0").set("timestamp", seconds);
        world.allow(&claim.sign())
    }),
    Case::new("good.version_absent", "§2", "no version means 1.0", |world| {
        world.allow(&world.read()?.without("v").sign())
    }),
    Case::new("good.not_canonical", "§3", "JSON that is not canonical, signed as canonical", |world| {
        world.allow(&world.read()?.reformed(|json| json.replace(',', " ,\n").into_bytes()).sign())
    }),
    Case::new("good.signed_as_sent", "§3", "JSON that is not canonical, signed as sent", |world| {
        world.allow(&world.read()?.sending(|json| json.replace(',', " ,\n").into_bytes()).sign())
    }),
    Case::new("good.high_s", "§3", "a high-s signature", |world| {
        world.allow(&world.read()?.sign().high_s())
    }),
    Case::new("good.hex_upper_case", "§3", "hex digits of either case", |world| {
        world.allow(&world.read()?.sign().map(SIGNATURE, |hex| hex.to_uppercase()))
    }),
    Case::new("good.base64url", "§2", "the URL-safe alphabet without padding", |world| {
        let claim = world.read()?.set("x", "???>>>~~~\u{ff}\u{3ff}");
        let url_safe = |text: String| base64url_encode(&base64_decode(text.as_bytes()).unwrap_or_default());
        world.allow(&claim.sign().map(PAYLOAD, url_safe))
    }),
    Case::new("good.no_padding", "§2", "the standard alphabet without padding", |world| {
        world.allow(&world.read()?.sign().map(PAYLOAD, |text| text.trim_end_matches('=').to_owned()))
    }),
    Case::new("good.header_case", "§1", "header names of any case", |world| {
        world.allow(&world.read()?.sign().renamed(str::to_uppercase))
    }),
    Case::new("good.other_members", "§2", "members that nobody knows, and a context", |world| {
        let context = imagxp::json::Object::new();
        world.allow(&world.read()?.set("x-own", vec![true.into()]).set("context", context).sign())
    }),
    Case::new("good.no_method", "§2", "a claim without a method", |world| {
        world.allow(&world.read()?.without("method").sign())
    }),
    Case::new("good.head", "§7", "HEAD", |world| world.allow(&world.read()?.method("HEAD").sign())),
    Case::new("good.query", "§5", "a query belongs to the resource", |world| {
        world.allow(&world.claim(Role::Reader, "page?a=1&b=%20")?.sign())
    }),
    Case::new("good.equivalent_url", "§5", "a URL that RFC 3986 makes the same", |world| {
        world.allow(&world.claim(Role::Reader, "x/%7euser/../page")?.asking("x/page").sign())
    }),
    Case::new("good.nonce_lengths", "§2", "nonces of 16 and 128 bytes", |world| {
        let nonce = || world.read().map(|claim| claim.sign().value(SIGNATURE));
        let (short, long) = (nonce()?.split_off(112), nonce()?);
        world.allow(&world.read()?.set("nonce", short).sign())?;
        world.allow(&world.read()?.set("nonce", long).sign())
    }),
    Case::new("good.unsigned_copies", "§1", "unsigned copies that agree", |world| {
        let id = world.cast.agent_id(Role::Reader);
        world.allow(&world.read()?.sign().with("x-imagxp-agent-id", &id).with("x-imagxp-alg", "ES256"))
    }),
    Case::new("good.body_digest", "§2", "a POST whose body has the digest that was signed", |world| {
        let body = b"a question";
        let claim = world.read()?.method("POST").body(body).set("content_digest", content_digest(body));
        world.allow(&claim.sign())
    }),
    Case::new("good.second_key", "§4", "either of two published keys", |world| {
        world.allow(&world.claim(Role::Rotating, "page")?.sign())?;
        world.allow(&world.claim(Role::Rotating, "page")?.key(&world.cast.keys(Role::Rotating).next).sign())
    }),
    Case::slow("good.new_key", "§4", "a key that is published later causes a refresh", |world| {
        world.allow(&world.claim(Role::Renewed, "page")?.sign())?;
        world.cast.renew();
        // At most one fetch in 30 s, and the first one may count.
        std::thread::sleep(Duration::from_secs(31));
        world.allow(&world.claim(Role::Renewed, "page")?.key(&world.cast.keys(Role::Renewed).next).sign())
    }),
];
