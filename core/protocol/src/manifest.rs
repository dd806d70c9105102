//! The agent's key document at `/.well-known/imagxp-agent.json` (PROTOCOL §4).

mod response;

pub use response::{MANIFEST_MAX_AGE_S, MANIFEST_PATH, ManifestResponse};

use crate::agent_id::AgentId;
use crate::code::Code;
use crate::crypto::{Algorithm, PublicKey, Thumbprint};
use crate::encoding::base64_decode;
use crate::error::{Error, Result};
use crate::json::{self, Object, Value};
use crate::time::Timestamp;

/// The most keys in `keys[]`.
pub const MAX_KEYS: usize = 8;

/// The largest manifest, in bytes, unless a publisher raises its limit.
pub const MAX_MANIFEST_BYTES: usize = 16 * 1024;

/// One key of a manifest with the dates between which it exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestKey {
    /// The key.
    pub key: PublicKey,
    /// From when on the key exists (inclusive); `None`: always has.
    pub not_before: Option<Timestamp>,
    /// Until when the key exists (inclusive); `None`: no end.
    pub not_after: Option<Timestamp>,
}

impl ManifestKey {
    /// A key without dates.
    pub fn new(key: PublicKey) -> Self {
        Self { key, not_before: None, not_after: None }
    }

    /// Whether the key exists at this time; outside its dates it does not (PROTOCOL §4).
    pub fn exists_at(&self, now: Timestamp) -> bool {
        self.not_before.is_none_or(|start| now >= start) && self.not_after.is_none_or(|end| now <= end)
    }
}

/// A manifest whose every rule holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    agent_id: AgentId,
    contact: Option<String>,
    keys: Vec<ManifestKey>,
}

impl Manifest {
    /// A manifest to publish. The first key is the current one: it becomes the seed's `public_key`.
    ///
    /// Errors: no key, more than [`MAX_KEYS`], the same key twice.
    pub fn new(agent_id: AgentId, contact: Option<String>, keys: Vec<ManifestKey>) -> Result<Self> {
        if keys.is_empty() || keys.len() > MAX_KEYS {
            return Err(Error::argument(format!("a manifest has 1 to {MAX_KEYS} keys, not {}", keys.len())));
        }
        for (index, key) in keys.iter().enumerate() {
            if keys.iter().skip(index + 1).any(|other| other.key == key.key) {
                return Err(Error::argument(format!("key `{}` occurs twice", key.key.thumbprint().as_str())));
            }
        }
        Ok(Self { agent_id, contact, keys })
    }

    /// Reads a manifest that was fetched for `agent_id`; at most `max_bytes` long.
    ///
    /// Unknown members are ignored, and so are `keys` of an algorithm that we do not know. Everything else that breaks PROTOCOL §4
    /// is an error with the code `identity.manifest_invalid`.
    pub fn parse(bytes: &[u8], agent_id: &AgentId, max_bytes: usize) -> Result<Self> {
        let limits = json::Limits { max_bytes, ..json::Limits::MANIFEST };
        let object = json::parse_object(bytes, &limits).map_err(|error| {
            invalid(format!("the manifest is not acceptable JSON: {}", error.code())).with_source(error)
        })?;
        let named = object.get("agent_id").and_then(Value::as_str);
        if named != Some(agent_id.as_str()) {
            return Err(invalid(format!("the manifest's agent_id is not `{agent_id}`")));
        }
        let contact = match object.get("contact").or_else(|| object.get("contact_email")) {
            None => None,
            Some(Value::String(contact)) => Some(contact.clone().into_owned()),
            Some(_) => return Err(invalid("contact is not a string")),
        };
        let mut keys = match object.get("keys") {
            None => Vec::new(),
            Some(Value::Array(entries)) => read_keys(entries)?,
            Some(_) => return Err(invalid("keys is not an array")),
        };
        match object.get("public_key") {
            None if object.get("keys").is_some() => {}
            None => return Err(invalid("the manifest has neither public_key nor keys")),
            Some(value) => {
                let key = read_spki(value)?;
                // Listed in `keys` as well, its dates there apply.
                match keys.iter().position(|entry| entry.key == key) {
                    Some(index) => keys.swap(0, index),
                    None => keys.insert(0, ManifestKey::new(key)),
                }
                if keys.len() > MAX_KEYS {
                    return Err(invalid(format!("the manifest has more than {MAX_KEYS} keys")));
                }
            }
        }
        Ok(Self { agent_id: agent_id.clone(), contact, keys })
    }

    /// Whose manifest it is.
    pub fn agent_id(&self) -> &AgentId {
        &self.agent_id
    }

    /// Whom to write to.
    pub fn contact(&self) -> Option<&str> {
        self.contact.as_deref()
    }

    /// Every key, the current one first.
    pub fn keys(&self) -> &[ManifestKey] {
        &self.keys
    }

    /// The keys that exist at this time.
    pub fn keys_at(&self, now: Timestamp) -> impl Iterator<Item = &PublicKey> {
        self.keys.iter().filter(move |entry| entry.exists_at(now)).map(|entry| &entry.key)
    }

    /// The key with this thumbprint, if it existed at this time.
    pub fn key_at(&self, kid: &Thumbprint, time: Timestamp) -> Option<&PublicKey> {
        self.keys_at(time).find(|key| key.thumbprint() == kid)
    }

    /// The JSON document to publish, in RFC 8785 form: `public_key` for readers of the seed specification, `keys` for all others.
    pub fn to_json(&self) -> Vec<u8> {
        let mut object = Object::new();
        object.insert("agent_id", self.agent_id.as_str());
        if let Some(contact) = &self.contact {
            object.insert("contact", contact.as_str());
        }
        if let Some(current) = self.keys.first() {
            object.insert("public_key", current.key.to_spki_base64());
        }
        let keys = self.keys.iter().map(|entry| {
            let mut member = Object::new();
            member.insert("kid", entry.key.thumbprint().as_str().to_owned());
            member.insert("alg", entry.key.algorithm().as_str());
            member.insert("public_key", entry.key.to_spki_base64());
            for (name, time) in [("not_before", entry.not_before), ("not_after", entry.not_after)] {
                if let Some(time) = time {
                    member.insert(name, time.to_string());
                }
            }
            Value::Object(member)
        });
        object.insert("keys", keys.collect::<Vec<_>>());
        object.insert("version", "1.0");
        json::object_to_canonical(&object)
    }
}

fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::protocol(Code::IdentityManifestInvalid, message)
}

fn read_spki(value: &Value<'_>) -> Result<PublicKey> {
    let text = value.as_str().ok_or_else(|| invalid("public_key is not a string"))?;
    let der = base64_decode(text.as_bytes()).ok_or_else(|| invalid("public_key is not base64"))?;
    PublicKey::from_spki_der(&der)
        .map_err(|error| invalid("public_key is not a P-256 or Ed25519 key").with_source(error))
}

fn read_keys(entries: &[Value<'_>]) -> Result<Vec<ManifestKey>> {
    if entries.is_empty() || entries.len() > MAX_KEYS {
        return Err(invalid(format!("keys has {} entries, not 1 to {MAX_KEYS}", entries.len())));
    }
    let mut keys: Vec<ManifestKey> = Vec::with_capacity(entries.len());
    for entry in entries {
        let entry = entry.as_object().ok_or_else(|| invalid("an entry of keys is not an object"))?;
        let alg = optional(entry, "alg")?;
        // RFC 9864 names the curve where RFC 8037 named the scheme.
        let alg = alg.map(|alg| if alg == "Ed25519" { "EdDSA" } else { alg });
        if alg.is_some_and(|alg| Algorithm::from_name(alg).is_none()) {
            continue;
        }
        let key = read_spki(entry.get("public_key").unwrap_or(&Value::Null))?;
        if alg.is_some_and(|alg| alg != key.algorithm().as_str()) {
            return Err(invalid("alg does not fit the key"));
        }
        if optional(entry, "kid")?
            .is_some_and(|kid| Thumbprint::parse(kid).as_ref() != Some(key.thumbprint()))
        {
            return Err(invalid("kid is not the key's RFC 7638 thumbprint"));
        }
        let (not_before, not_after) = (date(entry, "not_before")?, date(entry, "not_after")?);
        if keys.iter().any(|other| other.key == key) {
            return Err(invalid("keys lists a key twice"));
        }
        keys.push(ManifestKey { key, not_before, not_after });
    }
    Ok(keys)
}

fn optional<'a>(entry: &'a Object<'_>, name: &str) -> Result<Option<&'a str>> {
    match entry.get(name) {
        None => Ok(None),
        Some(value) => value.as_str().map(Some).ok_or_else(|| invalid(format!("{name} is not a string"))),
    }
}

fn date(entry: &Object<'_>, name: &str) -> Result<Option<Timestamp>> {
    match optional(entry, name)? {
        None => Ok(None),
        Some(text) => Timestamp::parse(text)
            .map(Some)
            .ok_or_else(|| invalid(format!("{name} is not an RFC 3339 time in UTC"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::PrivateKey;

    fn key(seed: u8, algorithm: Algorithm) -> PublicKey {
        PrivateKey::generate(algorithm, &mut |bytes| {
            bytes.fill(seed);
            Ok(())
        })
        .unwrap()
        .public_key()
        .clone()
    }

    fn agent() -> AgentId {
        AgentId::parse("agent.example", false).unwrap()
    }

    fn parse(json: &str) -> Result<Manifest> {
        Manifest::parse(json.as_bytes(), &agent(), MAX_MANIFEST_BYTES)
    }

    #[test]
    fn round_trips() {
        let keys = vec![
            ManifestKey {
                not_after: Timestamp::parse("2027-01-01T00:00:00Z"),
                ..ManifestKey::new(key(1, Algorithm::Es256))
            },
            ManifestKey::new(key(2, Algorithm::EdDsa)),
        ];
        let manifest = Manifest::new(agent(), Some("ops@agent.example".into()), keys).unwrap();
        assert_eq!(Manifest::parse(&manifest.to_json(), &agent(), MAX_MANIFEST_BYTES).unwrap(), manifest);
    }

    #[test]
    fn seed_form_and_contact_email() {
        let spki = key(1, Algorithm::Es256).to_spki_base64();
        let manifest =
            parse(&format!(r#"{{"agent_id":"agent.example","public_key":"{spki}","contact_email":"a@b"}}"#))
                .unwrap();
        assert_eq!(manifest.keys().len(), 1);
        assert_eq!(manifest.contact(), Some("a@b"));
    }

    #[test]
    fn dates_of_a_listed_key_bind_public_key_too() {
        let spki = key(1, Algorithm::Es256).to_spki_base64();
        let manifest = parse(&format!(
            r#"{{"agent_id":"agent.example","public_key":"{spki}","keys":[{{"public_key":"{spki}","not_after":"2026-01-01T00:00:00Z"}}]}}"#
        ))
        .unwrap();
        assert_eq!(manifest.keys_at(Timestamp::parse("2026-01-01T00:00:00Z").unwrap()).count(), 1);
        assert_eq!(manifest.keys_at(Timestamp::parse("2026-01-01T00:00:00.001Z").unwrap()).count(), 0);
    }

    #[test]
    fn refuses_what_breaks_a_rule() {
        let spki = key(1, Algorithm::Es256).to_spki_base64();
        let good =
            format!(r#"{{"agent_id":"agent.example","keys":[{{"public_key":"{spki}","alg":"ES256"}}]}}"#);
        assert!(parse(&good).is_ok());
        let nine = format!(
            r#"{{"agent_id":"agent.example","keys":[{}]}}"#,
            vec![format!(r#"{{"public_key":"{spki}"}}"#); 9].join(",")
        );
        for bad in [
            good.replace("agent.example", "other.example"),
            good.replace("ES256", "EdDSA"),
            good.replace("\"alg\":\"ES256\"", "\"kid\":\"x\""),
            good.replace("\"alg\":\"ES256\"", "\"not_before\":\"2026\""),
            good.replace("\"alg\":\"ES256\"", "\"not_before\":5"),
            good.replace("\"public_key\"", "\"k\""),
            good.replace(&spki, "AAAA"),
            good.replace("[{", "{\"a\":[{").replace("}]", "}]}"),
            "{\"agent_id\":\"agent.example\"}".into(),
            "{\"agent_id\":\"agent.example\",\"keys\":[]}".into(),
            "[]".into(),
            nine,
            format!("{good:>17000}"),
        ] {
            assert_eq!(parse(&bad).unwrap_err().code(), "identity.manifest_invalid", "{bad:.200}");
        }
        assert_eq!(parse(&good.replace("ES256", "ML-DSA-44")).unwrap().keys().len(), 0);
    }
}
