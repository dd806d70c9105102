//! Reads the typed document from parsed JSON, and says where it is wrong.
//!
//! By hand: the readers that `serde` derives were 60 KB of a library of 1 MB. A test compares the two. `serde_json` would also read the
//! text a second time, take the last of two equal members where our parser refuses them, and need another crate to name the path of
//! an error.

use super::document::{
    self, AdNetwork, AgentRule, Binding, Broker, Check, Clock, ContentOrigin, Document, IdentityMode, Mode,
    PathRule, Payment, Price, Provenance, PurposeRule, Rate, ResourceMatch, Unsigned,
};
use super::members::{Members, boolean, choice, list, narrow, natural, short, text, texts};
use super::refusal::{Refusal, instead_of};
use crate::json::Value;
use crate::purpose::Purpose;
use std::collections::BTreeMap;

type Result<T> = core::result::Result<T, Refusal>;

/// The document in a value.
#[cold]
pub(super) fn document(value: &Value<'_>) -> Result<Document> {
    let mut members = Members::of(value, "struct Document")?;
    let document = Document {
        version: members.required("version", narrow)?,
        origins: members.required("origins", texts)?,
        mode: members.or_default("mode", |value| {
            choice(value, &[("enforce", Mode::Enforce), ("observe", Mode::Observe)])
        })?,
        unsigned: members.or_default("unsigned", unsigned)?,
        identity: members.or_default("identity", |value| {
            choice(value, &[("bound", IdentityMode::Bound), ("key_only", IdentityMode::KeyOnly)])
        })?,
        require_resource: members.or("require_resource", true, boolean)?,
        resource_match: members.or_default("resource_match", resource_match)?,
        require_user_agent: members.or_default("require_user_agent", boolean)?,
        methods: members.optional("methods", texts)?.unwrap_or_else(document::read_methods),
        clock: members.or_default("clock", clock)?,
        purposes: members.or_default("purposes", purposes)?,
        agents: members.or_default("agents", |value| list(value, agent_rule))?,
        paths: members.or_default("paths", |value| list(value, path_rule))?,
        payment: members.or_default("payment", payment)?,
        price: members.nullable("price", price)?,
        rate: members.nullable("rate", rate)?,
        provenance: members.nullable("provenance", provenance)?,
        allow_loopback: members.or_default("allow_loopback", boolean)?,
    };
    members.finish()?;
    Ok(document)
}

fn unsigned(value: &Value<'_>) -> Result<Unsigned> {
    choice(value, &[("allow", Unsigned::Allow), ("browsers", Unsigned::Browsers), ("deny", Unsigned::Deny)])
}

fn resource_match(value: &Value<'_>) -> Result<ResourceMatch> {
    choice(
        value,
        &[("strict", ResourceMatch::Strict), ("path", ResourceMatch::Path), ("off", ResourceMatch::Off)],
    )
}

#[inline(never)]
fn clock(value: &Value<'_>) -> Result<Clock> {
    let mut members = Members::of(value, "struct Clock")?;
    let usual = Clock::default();
    let clock = Clock {
        past_s: members.or("past_s", usual.past_s, short)?,
        future_s: members.or("future_s", usual.future_s, short)?,
    };
    members.finish()?;
    Ok(clock)
}

#[inline(never)]
#[cold]
fn purposes(value: &Value<'_>) -> Result<BTreeMap<Purpose, PurposeRule>> {
    let Value::Object(object) = value else { return Err(instead_of(value, "a map")) };
    let mut rules = BTreeMap::new();
    for (place, (name, value)) in object.iter().enumerate() {
        let rule = Purpose::from_name(name)
            .ok_or_else(|| Refusal::new(format!("`{name}` is not a purpose")))
            .and_then(|purpose| Ok((purpose, purpose_rule(value)?)));
        let (purpose, rule) = rule.map_err(|refusal| refusal.within(place, Some(name)))?;
        rules.insert(purpose, rule);
    }
    Ok(rules)
}

fn purpose_rule(value: &Value<'_>) -> Result<PurposeRule> {
    let mut members = Members::of(value, "struct PurposeRule")?;
    let rule =
        PurposeRule { allow: members.or("allow", true, boolean)?, price: members.nullable("price", price)? };
    members.finish()?;
    Ok(rule)
}

#[inline(never)]
fn agent_rule(value: &Value<'_>) -> Result<AgentRule> {
    let mut members = Members::of(value, "struct AgentRule")?;
    let rule = AgentRule {
        matches: members.required("match", text)?,
        allow: members.or("allow", true, boolean)?,
        purposes: members.or_default("purposes", purposes)?,
        rate: members.nullable("rate", rate)?,
    };
    members.finish()?;
    Ok(rule)
}

#[inline(never)]
fn path_rule(value: &Value<'_>) -> Result<PathRule> {
    let mut members = Members::of(value, "struct PathRule")?;
    let rule = PathRule {
        matches: members.required("match", text)?,
        purposes: members.or_default("purposes", purposes)?,
        price: members.nullable("price", price)?,
        unsigned: members.nullable("unsigned", unsigned)?,
    };
    members.finish()?;
    Ok(rule)
}

#[inline(never)]
#[cold]
fn payment(value: &Value<'_>) -> Result<Payment> {
    let mut members = Members::of(value, "struct Payment")?;
    let payment = Payment {
        required: members.or_default("required", boolean)?,
        brokers: members.or_default("brokers", |value| list(value, broker))?,
        accept_ads: members.or_default("accept_ads", boolean)?,
        ad_networks: members.or_default("ad_networks", |value| list(value, ad_network))?,
    };
    members.finish()?;
    Ok(payment)
}

#[inline(never)]
fn broker(value: &Value<'_>) -> Result<Broker> {
    let mut members = Members::of(value, "struct Broker")?;
    let broker = Broker {
        issuer: members.required("issuer", text)?,
        jwks_uri: members.required("jwks_uri", text)?,
        binding: members.or_default("binding", |value| {
            choice(value, &[("agent", Binding::Agent), ("bearer", Binding::Bearer)])
        })?,
        check: members.or_default("check", |value| {
            choice(value, &[("offline", Check::Offline), ("redeem", Check::Redeem)])
        })?,
    };
    members.finish()?;
    Ok(broker)
}

#[inline(never)]
fn ad_network(value: &Value<'_>) -> Result<AdNetwork> {
    let mut members = Members::of(value, "struct AdNetwork")?;
    let network = AdNetwork {
        issuer: members.required("issuer", text)?,
        jwks_uri: members.required("jwks_uri", text)?,
        audience: members.required("audience", text)?,
    };
    members.finish()?;
    Ok(network)
}

#[inline(never)]
fn price(value: &Value<'_>) -> Result<Price> {
    let mut members = Members::of(value, "struct Price")?;
    let price =
        Price { amount: members.required("amount", text)?, currency: members.required("currency", text)? };
    members.finish()?;
    Ok(price)
}

#[inline(never)]
fn rate(value: &Value<'_>) -> Result<Rate> {
    let mut members = Members::of(value, "struct Rate")?;
    let rate =
        Rate { requests: members.required("requests", natural)?, per_s: members.required("per_s", natural)? };
    members.finish()?;
    Ok(rate)
}

fn provenance(value: &Value<'_>) -> Result<Provenance> {
    let mut members = Members::of(value, "struct Provenance")?;
    let provenance = Provenance {
        origin: members.required_or("origin", ContentOrigin::Human, |value| {
            choice(value, &ContentOrigin::ALL.map(|origin| (origin.as_str(), origin)))
        })?,
        attribution_required: members.or_default("attribution_required", boolean)?,
    };
    members.finish()?;
    Ok(provenance)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Limits, parse};
    use crate::policy::Policy;

    /// What `serde` derives from the types reads the same document, and refuses the same.
    #[test]
    fn reads_what_the_types_say() {
        let full = r#"{"version":1,"origins":["https://a.example"],"mode":"observe","unsigned":"browsers","identity":"key_only",
            "require_resource":false,"resource_match":"path","require_user_agent":true,"methods":["GET"],
            "clock":{"past_s":1,"future_s":2},"purposes":{"SUMMARY":{"allow":false,"price":{"amount":"1","currency":"USD"}}},
            "agents":[{"match":"a.example","allow":false,"purposes":{"QUOTATION":{}},"rate":{"requests":1,"per_s":2}}],
            "paths":[{"match":"/x","purposes":{"EMBEDDING":{}},"price":null,"unsigned":"allow"},{"match":"/y","unsigned":"deny"}],
            "payment":{"required":true,"brokers":[{"issuer":"i","jwks_uri":"j","binding":"bearer","check":"redeem"},
            {"issuer":"k","jwks_uri":"l","binding":"agent","check":"offline"}],"accept_ads":true,
            "ad_networks":[{"issuer":"i","jwks_uri":"j","audience":"a"}]},"price":{"amount":"0","currency":"EUR"},
            "rate":{"requests":4294967295,"per_s":1},"provenance":{"origin":"HYBRID","attribution_required":true},
            "allow_loopback":true}"#;
        let ours =
            |text: &str| parse(text.as_bytes(), &Limits::POLICY).ok().and_then(|value| document(&value).ok());
        let theirs = |text: &str| serde_json::from_str::<Document>(text).ok();
        assert_eq!(ours(full).unwrap(), theirs(full).unwrap());
        let least = r#"{"version":1,"origins":[]}"#;
        assert_eq!(ours(least).unwrap(), theirs(least).unwrap());
        // Each value in turn becomes another, or goes with its name.
        let tokens: Vec<&str> = full.split_inclusive([',', '{', '}', '[', ']', ':']).collect();
        let mut read = 0;
        for index in 0..tokens.len() {
            let (word, end) = tokens[index].split_at(tokens[index].len() - 1);
            for other in [
                "null",
                "true",
                "0",
                "-1",
                "1.5",
                "1e2",
                "256",
                "65536",
                "4294967296",
                "\"strict\"",
                "{}",
                "[]",
            ] {
                if word.trim().is_empty() || end == ":" {
                    continue;
                }
                let mut changed = tokens.clone();
                let new = format!("{other}{end}");
                changed[index] = &new;
                let text = changed.concat();
                assert_eq!(ours(&text), theirs(&text), "{text}");
                read += usize::from(ours(&text).is_some());
            }
            let renamed = tokens.clone().into_iter().enumerate();
            let text: String = renamed
                .map(|(at, token)| if at == index { token.replace("\":", "s\":") } else { token.to_owned() })
                .collect();
            assert_eq!(ours(&text), theirs(&text), "{text}");
        }
        assert!(read > 10);
    }

    #[test]
    fn refusals_name_the_path_and_the_line() {
        for (rest, sentence) in [
            ("\n}", "line 1: `.`: missing field `origins`"),
            (",\n\"a, \\\"{[\": 1}", "line 2: `a, \"{[`: unknown field `a, \"{[`, expected one of `version`"),
            (
                ",\"mode\": \n\"maybe\"}",
                "line 1: `mode`: unknown variant `maybe`, expected `enforce` or `observe`",
            ),
            (",\n\"mode\": {\"enforce\": null}}", "line 2: `mode`: invalid type: map, expected a string"),
            (
                ",\"clock\": {\n\"past_s\": 65536}}",
                "line 2: `clock.past_s`: invalid value: integer `65536`, expected u16",
            ),
            (
                ",\"clock\": {\"past_s\": -1}}",
                "line 1: `clock.past_s`: invalid value: integer `-1`, expected u16",
            ),
            (
                ",\"clock\": {\"past_s\": 1.0}}",
                "line 1: `clock.past_s`: invalid type: floating point `1.0`, expected u16",
            ),
            (",\"clock\": [1, 2]}", "line 1: `clock`: invalid type: sequence, expected struct Clock"),
            (
                ",\"purposes\": {\"SUMMARY\": {},\n \"READ\": {}}}",
                "line 2: `purposes.READ`: `READ` is not a purpose",
            ),
            (
                ",\"methods\": [\"}\\\\\",\n\"]\\\"\",\nnull]}",
                "line 3: `methods[2]`: invalid type: null, expected a string",
            ),
            (
                ",\"agents\": [],\n\"p\\u0061ths\": [{\"match\": \"[,\"},\n {\"match\": \"/\", \"purposes\":\n{\"QUOTATION\": {}, \"SUMMARY\":\n{ \"price\": null,\n\"allow\": 1}}}]}",
                "line 6: `paths[1].purposes.SUMMARY.allow`: invalid type: integer `1`, expected a boolean",
            ),
        ] {
            let error = Policy::from_json(format!("{{\"version\": 1{rest}").as_bytes()).unwrap_err();
            assert!(error.message().starts_with(sentence), "{}", error.message());
        }
        let error = Policy::from_json(b"\n []").unwrap_err();
        assert_eq!(error.message(), "line 2: `.`: invalid type: sequence, expected struct Document");
    }
}
