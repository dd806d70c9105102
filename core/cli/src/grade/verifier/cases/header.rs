//! Step 1: which headers may stand together.

use super::Case;
use crate::grade::verifier::World;
use crate::grade::verifier::request::{Signed, refused};
use imagxp::Code;
use imagxp::headers::{PAYLOAD, PUBLIC_KEY, SIGNATURE};

pub(super) const CASES: &[Case] = &[
    Case::new(
        "header.unsigned",
        "§8",
        "a client without a signature gets 401 with WWW-Authenticate",
        |world| {
            let answer = world.send(&Signed::unsigned())?;
            refused(&answer, Code::AuthRequired)?;
            match answer.header("www-authenticate") {
                Some(value) if value.starts_with("IMAGXP") => Ok(()),
                other => Err(format!("expected `www-authenticate: IMAGXP`, got {other:?}")),
            }
        },
    ),
    Case::new("header.payload_alone", "§1", "a payload without a signature", |world| {
        world.refuse(&world.read()?.sign().without(SIGNATURE), Code::HeaderMissing)
    }),
    Case::new("header.signature_alone", "§1", "a signature without a payload", |world| {
        world.refuse(&world.read()?.sign().without(PAYLOAD), Code::HeaderMissing)
    }),
    Case::new("header.visa_alone", "§1", "a visa alone takes the agent path", |world| {
        world.refuse(&Signed::unsigned().with("x-imagxp-payment", "a.b.c"), Code::HeaderMissing)
    }),
    Case::new("header.payload_twice", "§1", "the same payload on two lines", |world| twice(world, PAYLOAD)),
    Case::new("header.signature_twice", "§1", "the same signature on two lines", |world| {
        twice(world, SIGNATURE)
    }),
    Case::new("header.key_twice", "§1", "the same key on two lines", |world| twice(world, PUBLIC_KEY)),
    Case::new("header.unknown_twice", "§1", "any x-imagxp- header on two lines", |world| {
        let request = world.read()?.sign().with("x-imagxp-extra", "1").with("X-IMAGXP-Extra", "1");
        world.refuse(&request, Code::HeaderDuplicate)
    }),
    Case::new("header.joined", "§1", "two payloads that a proxy joined", |world| {
        let joined = world.read()?.sign().map(PAYLOAD, |text| format!("{text},{text}"));
        world.refuse(&joined, Code::HeaderDuplicate)
    }),
    Case::new("header.two_visas", "§1", "payment and credential that differ", |world| {
        let request = world.read()?.sign();
        let request = request.with("x-imagxp-payment", "a.b.c").with("x-imagxp-credential", "a.b.d");
        world.refuse(&request, Code::HeaderConflict)
    }),
    Case::new("header.other_agent", "§1", "an unsigned agent-id that contradicts the claim", |world| {
        world.refuse(&world.read()?.sign().with("x-imagxp-agent-id", "other.example"), Code::HeaderConflict)
    }),
    Case::new("header.other_time", "§1", "an unsigned timestamp that contradicts the claim", |world| {
        let request = world.read()?.sign().with("x-imagxp-timestamp", "2020-01-01T00:00:00Z");
        world.refuse(&request, Code::HeaderConflict)
    }),
    Case::new("header.other_alg", "§1", "an unsigned algorithm that contradicts the key", |world| {
        world.refuse(&world.read()?.sign().with("x-imagxp-alg", "EdDSA"), Code::HeaderConflict)
    }),
    Case::new("header.not_base64", "§2", "payloads that are not strict base64", |world| {
        let variants = [
            |text: String| format!("*{}", text.get(1..).unwrap_or_default()),
            |text: String| {
                format!("{} {}", text.get(..8).unwrap_or_default(), text.get(8..).unwrap_or_default())
            },
            |text: String| format!("{text}==="),
            |_: String| "-+==".to_owned(),
            |_: String| "e31=".to_owned(),
        ];
        let request = world.read()?.sign();
        world.refuse_each(
            &variants.map(|change| request.clone().map(PAYLOAD, change)),
            Code::HeaderBase64Invalid,
        )
    }),
    Case::new("header.large_payload", "§14", "a payload of more than 12 KiB", |world| {
        let request = world.read()?.sign().map(PAYLOAD, |_| "YWFh".repeat(3 * 1024 + 8));
        world.refuse(&request, Code::HeaderTooLarge)
    }),
    Case::new("header.large_claim", "§2", "a claim of more than 8 KiB", |world| {
        let text = "x".repeat(2900);
        let claim = world.read()?.set("a", text.clone()).set("b", text.clone()).set("c", text);
        world.refuse(&claim.sign(), Code::HeaderTooLarge)
    }),
    Case::new("header.large_key", "§14", "a key header of more than 512 bytes", |world| {
        world.refuse(&world.read()?.sign().map(PUBLIC_KEY, |_| "A".repeat(516)), Code::HeaderTooLarge)
    }),
];

fn twice(world: &World, name: &'static str) -> Result<(), String> {
    let request = world.read()?.sign();
    let value = request.value(name);
    world.refuse(&request.with(name, &value), Code::HeaderDuplicate)
}
