//! Step 3: the claim's members.

use super::Case;
use crate::grade::verifier::World;
use imagxp::Code;
use imagxp::json::{Object, Value};

pub(super) const CASES: &[Case] = &[
    Case::new("claim.version", "§2", "versions that do not exist", |world| {
        each(
            world,
            "v",
            &["2.0".into(), "1".into(), "".into(), Value::Null, 1_u32.into()],
            Code::ClaimVersionUnsupported,
        )
    }),
    Case::new("claim.agent_id_missing", "§2", "no agent_id", |world| {
        world.refuse(&world.read()?.without("agent_id").sign(), Code::ClaimAgentIdInvalid)
    }),
    Case::new("claim.agent_id", "§2", "what is no public domain name", |world| {
        let texts = [
            "Bot.example.com",
            "bot.example.com.",
            "https://bot.example.com",
            "bot",
            "10.0.0.1",
            "[::1]",
            "0x7f.1",
            "bot.example.com:8443",
            "a@bot.example.com",
            "bot_1.example.com",
            "-bot.example.com",
            "bot..example.com",
            "b\u{fc}cher.example",
            "bot.example.com/",
        ];
        each(world, "agent_id", &texts.map(Value::from), Code::ClaimAgentIdInvalid)?;
        each(world, "agent_id", &[1_u32.into(), Value::Null], Code::ClaimAgentIdInvalid)
    }),
    Case::new("claim.purpose", "§2", "purposes that do not exist", |world| {
        let values = [
            "".into(),
            "rag_retrieval".into(),
            "ALL".into(),
            vec![Value::from("SUMMARY")].into(),
            Value::Null,
        ];
        each(world, "purpose", &values, Code::ClaimPurposeInvalid)?;
        world.refuse(&world.read()?.without("purpose").sign(), Code::ClaimPurposeInvalid)
    }),
    Case::new("claim.ts", "§2", "times in another form", |world| {
        let now = world.now()?.to_string();
        let seconds = now.get(..19).unwrap_or_default();
        let forms = [
            seconds.to_owned(),
            format!("{seconds}+00:00"),
            format!("{seconds}z"),
            format!("{seconds}.1234Z"),
            format!("{seconds}.Z"),
            format!("{}Z", seconds.replace('T', " ")),
            format!("{}:60Z", seconds.get(..16).unwrap_or_default()),
            "2026-02-30T00:00:00Z".to_owned(),
            "1999-12-31T23:59:59Z".to_owned(),
            "2101-01-01T00:00:00Z".to_owned(),
        ];
        each(world, "ts", &forms.map(Value::from), Code::ClaimTsInvalid)?;
        let number = i32::try_from(world.now()?.as_secs()).unwrap_or(i32::MAX);
        each(world, "ts", &[number.into(), Value::Null], Code::ClaimTsInvalid)
    }),
    Case::new("claim.ts_missing", "§2", "no time at all", |world| {
        world.refuse(&world.read()?.without("ts").sign(), Code::ClaimTsInvalid)
    }),
    Case::new("claim.ts_and_timestamp", "§2", "both forms of the time", |world| {
        let number = i32::try_from(world.now()?.as_secs()).unwrap_or(i32::MAX);
        world.refuse(&world.read()?.set("v", "1.0").set("timestamp", number).sign(), Code::ClaimTsInvalid)
    }),
    Case::new("claim.nonce", "§2", "nonces that are too short, too long, or of other characters", |world| {
        let values =
            ["x".repeat(15), "x".repeat(129), format!("{} ", "x".repeat(16)), format!("{}/", "x".repeat(16))];
        each(world, "nonce", &values.map(Value::from), Code::ClaimNonceInvalid)?;
        each(world, "nonce", &[7_u32.into(), Value::Null], Code::ClaimNonceInvalid)
    }),
    Case::new("claim.resource", "§2", "resources that are missing or no URL", |world| {
        world.refuse(&world.read()?.without("resource").sign(), Code::ClaimResourceInvalid)?;
        let origin = world.site.origin();
        let values = [
            String::new(),
            "ftp://pub.example/".to_owned(),
            origin.replace("://", "://u@"),
            format!("{origin}/grade/page#part"),
        ];
        each(world, "resource", &values.map(Value::from), Code::ClaimResourceInvalid)?;
        each(world, "resource", &[7_u32.into(), Value::Null], Code::ClaimResourceInvalid)
    }),
    Case::new(
        "claim.context",
        "§2",
        "a context that is no object, ads_displayed that is no boolean",
        |world| {
            let mut ads = Object::new();
            ads.insert("ads_displayed", "true");
            let values = ["x".into(), vec![Value::Null].into(), Value::Null, Value::Object(ads)];
            each(world, "context", &values, Code::ClaimContextInvalid)
        },
    ),
];

/// The claim with each of these values is refused with this code.
fn each(world: &World, name: &'static str, values: &[Value<'static>], code: Code) -> Result<(), String> {
    values.iter().enumerate().try_for_each(|(index, value)| {
        let request = world.read()?.set(name, value.clone()).sign();
        world.refuse(&request, code).map_err(|reason| format!("{name}, variant {}: {reason}", index + 1))
    })
}
