//! The state of a rotation as JSON, to be kept beside the keys.

use super::{LONGEST_LIFETIME_S, MAX_REVOKED, Other, Rotation, SHORTEST_LIFETIME_S, Stage};
use crate::crypto::{PublicKey, Thumbprint};
use crate::error::{Error, Result};
use crate::json::{self, Object, Value};
use crate::time::Timestamp;

/// The largest state: two keys and [`MAX_REVOKED`] thumbprints are far less.
const MAX_STATE_BYTES: usize = 16 * 1024;

impl Rotation {
    /// The state in RFC 8785 form: `version` 1, `stage`, `current` and `other` (base64 SPKI), `at`, `lifetime_s`, `revoked`
    /// (thumbprints). No private key is in it.
    pub fn to_json(&self) -> Vec<u8> {
        let mut object = Object::new();
        object.insert("version", 1_u32);
        object.insert("stage", self.stage().as_str());
        object.insert("current", self.signing_key().to_spki_base64());
        if let Some(other) = self.other_key() {
            object.insert("other", other.to_spki_base64());
        }
        if let Some(at) = self.since() {
            object.insert("at", at.to_string());
        }
        if let Other::Published { lifetime_s, .. } = self.other {
            object.insert("lifetime_s", u32::try_from(lifetime_s).unwrap_or(u32::MAX));
        }
        let revoked = self.revoked().iter().map(|key| Value::from(key.as_str().to_owned()));
        object.insert("revoked", revoked.collect::<Vec<_>>());
        json::object_to_canonical(&object)
    }

    /// Reads what [`Self::to_json`] wrote. `usage.argument` for everything else: a state that was edited is not guessed at.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let limits = json::Limits { max_bytes: MAX_STATE_BYTES, ..json::Limits::MANIFEST };
        let object = json::parse_object(bytes, &limits).map_err(|error| {
            invalid(&format!("is not acceptable JSON ({})", error.code())).with_source(error)
        })?;
        let rotation = read(&object)?;
        // Members that do not belong to the stage, and forms that we do not write, are signs of an editor.
        if rotation.to_json() != json::object_to_canonical(&object) {
            return Err(invalid("has members that do not fit together"));
        }
        Ok(rotation)
    }
}

fn read(object: &Object<'_>) -> Result<Rotation> {
    if number(object, "version")? != 1 {
        return Err(invalid("is of another version"));
    }
    let current = key(object, "current")?;
    let other = match text(object, "stage")? {
        stage if stage == Stage::Settled.as_str() => Other::None,
        stage if stage == Stage::Prepared.as_str() => Other::Prepared { next: key(object, "other")? },
        stage if stage == Stage::Published.as_str() => {
            let lifetime_s = number(object, "lifetime_s")?;
            if !(SHORTEST_LIFETIME_S..=LONGEST_LIFETIME_S).contains(&lifetime_s) {
                return Err(invalid("has a lifetime outside 60 to 3600 s"));
            }
            Other::Published { next: key(object, "other")?, at: time(object)?, lifetime_s }
        }
        stage if stage == Stage::Switched.as_str() => {
            Other::Switched { old: key(object, "other")?, at: time(object)? }
        }
        _ => return Err(invalid("names no known stage")),
    };
    let list = object.get("revoked").and_then(Value::as_array).ok_or_else(|| invalid("lacks revoked"))?;
    if list.len() > MAX_REVOKED {
        return Err(invalid("lists too many revoked keys"));
    }
    let revoked =
        list.iter().map(|entry| entry.as_str().and_then(Thumbprint::parse)).collect::<Option<Vec<_>>>();
    let revoked = revoked.ok_or_else(|| invalid("lists a revoked key that is no thumbprint"))?;
    let rotation = Rotation { current, other, revoked };
    if rotation.other_key() == Some(&rotation.current) {
        return Err(invalid("names one key twice"));
    }
    let revoked = |key: &PublicKey| rotation.revoked.contains(key.thumbprint());
    if revoked(&rotation.current) || rotation.other_key().is_some_and(revoked) {
        return Err(invalid("uses a revoked key"));
    }
    Ok(rotation)
}

fn text<'a>(object: &'a Object<'_>, name: &str) -> Result<&'a str> {
    object.get(name).and_then(Value::as_str).ok_or_else(|| invalid(&format!("lacks {name}")))
}

fn number(object: &Object<'_>, name: &str) -> Result<i64> {
    match object.get(name) {
        Some(Value::Number(number)) => number.as_i64(),
        _ => None,
    }
    .ok_or_else(|| invalid(&format!("lacks {name}")))
}

fn key(object: &Object<'_>, name: &str) -> Result<PublicKey> {
    PublicKey::from_spki_base64(text(object, name)?.as_bytes())
        .map_err(|error| invalid(&format!("has no key in {name}")).with_source(error))
}

fn time(object: &Object<'_>) -> Result<Timestamp> {
    Timestamp::parse(text(object, "at")?).ok_or_else(|| invalid("has no time in at"))
}

fn invalid(what: &str) -> Error {
    Error::argument(format!("the state of the rotation {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{Algorithm, PrivateKey};

    fn key(seed: u8, algorithm: Algorithm) -> PublicKey {
        let fill = &mut |bytes: &mut [u8]| {
            bytes.fill(seed);
            Ok(())
        };
        PrivateKey::generate(algorithm, fill).unwrap().public_key().clone()
    }

    fn states() -> Vec<Rotation> {
        let now = Timestamp::from_secs(1_800_000_000);
        let settled = Rotation::new(key(1, Algorithm::Es256));
        let prepared = settled.prepare(key(2, Algorithm::EdDsa)).unwrap();
        let published = prepared.publish(now, Some(300)).unwrap();
        let switched = published.switch(now.saturating_add_millis(400_001)).unwrap();
        let revoked = switched.revoke(settled.signing_key().thumbprint(), None).unwrap();
        vec![settled, prepared, published, switched, revoked]
    }

    #[test]
    fn round_trips() {
        for state in states() {
            assert_eq!(Rotation::parse(&state.to_json()).unwrap(), state);
        }
    }

    #[test]
    fn edited_states_are_refused() {
        for (index, state) in states().into_iter().enumerate() {
            let text = String::from_utf8(state.to_json()).unwrap();
            let (current, other) = (state.signing_key().to_spki_base64(), state.other_key());
            let bad = [
                text.replace("\"version\":1", "\"version\":2"),
                text.replace("\"version\":1", "\"version\":\"1\""),
                text.replace("\"version\":1", "\"version\":1,\"x\":1"),
                text.replace("\"version\":1", "\"lifetime_s\":59,\"version\":1"),
                text.replace("\"stage\":\"", "\"stage\":\"x"),
                text.replace(
                    state.stage().as_str(),
                    if state.stage() == Stage::Settled { "prepared" } else { "settled" },
                ),
                text.replace(&current, "AAAA"),
                text.replace("\"revoked\":[", "\"revoked\":[\"x\","),
                text.replace("\"revoked\":[", "\"revoked\":[["),
                text.replace("\"current\"", "\"currant\""),
                format!("{text:>17000}"),
                String::new(),
                "[]".into(),
                match other {
                    Some(other) => text.replace(&other.to_spki_base64(), &current),
                    None => format!("{text}x"),
                },
            ];
            let twice = format!("\"revoked\":[\"{}\"", state.signing_key().thumbprint());
            let bad = bad.into_iter().chain((index == 0).then(|| text.replace("\"revoked\":[", &twice)));
            for bad in bad {
                assert_ne!(bad, text);
                assert_eq!(Rotation::parse(bad.as_bytes()).unwrap_err().code(), "usage.argument", "{bad}");
            }
        }
    }
}
