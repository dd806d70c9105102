//! Step 2: strict JSON. Each of these is signed as it is sent: only its form is wrong.

use super::Case;
use imagxp::Code;

pub(super) const CASES: &[Case] = &[
    Case::new("json.not_an_object", "§2", "a claim that is no object", |world| {
        let forms: [&'static str; 4] = ["[]", "null", "\"claim\"", ""];
        let requests = forms.map(|form| world.read().map(|claim| claim.sending(|_| form.into()).sign()));
        let mut all = Vec::new();
        for request in requests {
            // An empty payload is a header without a value.
            all.push(request?);
        }
        all.pop();
        world.refuse_each(&all, Code::JsonMalformed)
    }),
    Case::new("json.trailing", "§2", "data behind the claim", |world| {
        world.refuse(&world.read()?.sending(|json| format!("{json} {{}}").into()).sign(), Code::JsonMalformed)
    }),
    Case::new("json.cut_off", "§2", "a claim that is cut off", |world| {
        let cut = |json: String| json.trim_end_matches('}').as_bytes().to_vec();
        world.refuse(&world.read()?.sending(cut).sign(), Code::JsonMalformed)
    }),
    Case::new(
        "json.comment",
        "§2",
        "what some parsers forgive: comments, trailing commas, single quotes",
        |world| {
            let comment = world.read()?.sending(|json| format!("/**/{json}").into()).sign();
            let comma = world.read()?.sending(|json| json.replace('}', ",}").into()).sign();
            let quotes = world.read()?.sending(|json| json.replace('"', "'").into()).sign();
            world.refuse_each(&[comment, comma, quotes], Code::JsonMalformed)
        },
    ),
    Case::new("json.byte_order_mark", "§2", "a byte order mark", |world| {
        let marked = |json: String| format!("\u{feff}{json}").into_bytes();
        world.refuse(&world.read()?.sending(marked).sign(), Code::JsonMalformed)
    }),
    Case::new("json.duplicate", "§2", "a member twice", |world| {
        world.refuse(&world.read()?.member("\"purpose\":\"SUMMARY\"").sign(), Code::JsonDuplicateKey)
    }),
    Case::new("json.duplicate_escaped", "§2", "a member twice, once written with an escape", |world| {
        world.refuse(&world.read()?.member(r#""\u0070urpose":"SUMMARY""#).sign(), Code::JsonDuplicateKey)
    }),
    Case::new("json.duplicate_deep", "§2", "a member twice, further down", |world| {
        world.refuse(&world.read()?.member(r#""x":[{"a":1,"a":1}]"#).sign(), Code::JsonDuplicateKey)
    }),
    Case::new("json.too_deep", "§2", "more than 8 levels", |world| {
        world.refuse(&world.read()?.member(r#""x":[[[[[[[[1]]]]]]]]"#).sign(), Code::JsonTooDeep)
    }),
    Case::new("json.too_many", "§2", "more than 64 members", |world| {
        let members: Vec<String> = (0..64).map(|number| format!("\"m{number}\":0")).collect();
        world.refuse(&world.read()?.member(&members.join(",")).sign(), Code::JsonTooMany)
    }),
    Case::new("json.number_range", "§2", "numbers that a double does not hold exactly", |world| {
        let numbers = [r#""x":9007199254740992"#, r#""x":-9007199254740993"#, r#""x":1e400"#];
        let mut all = Vec::new();
        for number in numbers {
            all.push(world.read()?.member(number).sign());
        }
        world.refuse_each(&all, Code::JsonNumberRange)
    }),
    Case::new("json.lone_surrogate", "§2", "a lone surrogate", |world| {
        world.refuse(&world.read()?.member(r#""x":"\ud800""#).sign(), Code::JsonInvalidUnicode)
    }),
    Case::new("json.not_utf8", "§2", "bytes that are not UTF-8", |world| {
        let broken = |json: String| {
            let mut bytes = json.replacen('{', "{\"x\":\"?\",", 1).into_bytes();
            bytes.iter_mut().filter(|byte| **byte == b'?').for_each(|byte| *byte = 0xff);
            bytes
        };
        world.refuse(&world.read()?.sending(broken).sign(), Code::JsonInvalidUnicode)
    }),
];
