//! The reference SDK's variables: `IMAGXP_AGENT_ID`, `IMAGXP_PRIVATE_KEY`, `IMAGXP_PUBLIC_KEY`, in a `.env` file or in the environment.
//!
//! The reference writes the keys in base64: PKCS#8 DER and SubjectPublicKeyInfo. PEM is read too, with line ends as they are or as `\n`.
//! An empty value is none, as in its `.env.example`. Nothing here changes the environment of the process, and no message holds a value.

use imagxp::crypto::{PrivateKey, PublicKey};
use imagxp::encoding::base64_decode;
use imagxp::{Code, Error, Result};
use zeroize::Zeroizing;

/// The agent's domain.
pub const AGENT_ID: &str = "IMAGXP_AGENT_ID";
/// The private key.
pub const PRIVATE_KEY: &str = "IMAGXP_PRIVATE_KEY";
/// The public key, which must be the private key's.
pub const PUBLIC_KEY: &str = "IMAGXP_PUBLIC_KEY";

/// The largest file that is read.
pub const MAX_BYTES: usize = 64 * 1024;
/// The longest value: a PEM key is far shorter.
const MAX_VALUE: usize = 4096;

/// The three variables as they were found, erased when dropped.
#[derive(Default)]
pub struct Variables {
    agent_id: Option<Zeroizing<String>>,
    private_key: Option<Zeroizing<String>>,
    public_key: Option<Zeroizing<String>>,
}

impl core::fmt::Debug for Variables {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let given = |value: &Option<Zeroizing<String>>| value.is_some();
        f.debug_struct("Variables")
            .field("agent_id", &self.agent_id())
            .field("private_key", &given(&self.private_key))
            .field("public_key", &given(&self.public_key))
            .finish()
    }
}

impl Variables {
    /// Reads a `.env` file. Other variables in it are passed over.
    ///
    /// `usage.argument` for a file that is too large, not UTF-8 or not in the form of `.env` files, and for one of our variables that is
    /// there twice.
    pub fn parse(content: &[u8]) -> Result<Self> {
        if content.len() > MAX_BYTES {
            return Err(Error::argument("the .env file is larger than 64 KiB"));
        }
        let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
        if core::str::from_utf8(content).is_err() {
            return Err(Error::argument("the .env file is not UTF-8 text"));
        }
        let mut found = Self::default();
        for entry in dotenvy::from_read_iter(content) {
            // The parser's own error quotes the line, which may hold the key.
            let (name, value) =
                entry.map_err(|_| Error::argument("the .env file has a line that is not NAME=value"))?;
            let value = Zeroizing::new(value);
            if found.slot(&name).is_some_and(|slot| slot.is_some()) {
                return Err(Error::argument(format!("{name} is set twice in the .env file")));
            }
            found.set(&name, value);
        }
        Ok(found)
    }

    /// Takes the variables from a look-up, for example of the process's environment.
    pub fn from_lookup(mut look_up: impl FnMut(&'static str) -> Option<String>) -> Self {
        let mut found = Self::default();
        for name in [AGENT_ID, PRIVATE_KEY, PUBLIC_KEY] {
            if let Some(value) = look_up(name) {
                found.set(name, Zeroizing::new(value));
            }
        }
        found
    }

    /// Whether there is a private key.
    pub fn has_private_key(&self) -> bool {
        self.private_key.is_some()
    }

    /// The agent's domain as it was written; not checked yet.
    pub fn agent_id(&self) -> Option<&str> {
        self.agent_id.as_deref().map(String::as_str)
    }

    /// The private key.
    ///
    /// `usage.argument` when there is none; `key.malformed` when it cannot be read, or when the public key cannot, or is another key's.
    pub fn key(&self) -> Result<PrivateKey> {
        let text =
            self.private_key.as_ref().ok_or_else(|| Error::argument(format!("{PRIVATE_KEY} is not set")))?;
        let key = read_private(text).map_err(|error| in_variable(PRIVATE_KEY, &error))?;
        if let Some(text) = &self.public_key {
            let public = read_public(text).map_err(|error| in_variable(PUBLIC_KEY, &error))?;
            if public != *key.public_key() {
                return Err(malformed(format!("{PUBLIC_KEY} is not the public half of {PRIVATE_KEY}")));
            }
        }
        Ok(key)
    }

    fn slot(&mut self, name: &str) -> Option<&mut Option<Zeroizing<String>>> {
        match name {
            AGENT_ID => Some(&mut self.agent_id),
            PRIVATE_KEY => Some(&mut self.private_key),
            PUBLIC_KEY => Some(&mut self.public_key),
            _ => None,
        }
    }

    fn set(&mut self, name: &str, value: Zeroizing<String>) {
        if let Some(slot) = self.slot(name) {
            *slot = (!value.trim().is_empty()).then_some(value);
        }
    }
}

fn read_private(text: &str) -> Result<PrivateKey> {
    let text = limited(text)?;
    if text.starts_with("-----BEGIN ") {
        return PrivateKey::from_pem(&unescaped(text));
    }
    let der = base64_decode(text.as_bytes()).map(Zeroizing::new).ok_or_else(|| malformed("not base64"))?;
    PrivateKey::from_pkcs8_der(&der)
}

fn read_public(text: &str) -> Result<PublicKey> {
    let text = limited(text)?;
    if text.starts_with("-----BEGIN ") {
        return PublicKey::from_pem(&unescaped(text));
    }
    PublicKey::from_spki_base64(text.as_bytes())
}

fn limited(text: &str) -> Result<&str> {
    let text = text.trim();
    if text.len() > MAX_VALUE { Err(malformed("longer than a key")) } else { Ok(text) }
}

/// Line ends that were written as a backslash and an `n`.
fn unescaped(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.replace("\\r\\n", "\n").replace("\\n", "\n"))
}

fn in_variable(name: &str, error: &Error) -> Error {
    malformed(format!("{name}: {}", error.message()))
}

fn malformed(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::protocol(Code::KeyMalformed, message)
}

#[cfg(test)]
#[expect(clippy::string_slice, reason = "the texts of these tests are ASCII")]
mod tests {
    use super::*;
    use imagxp::crypto::Algorithm;
    use imagxp::encoding::{base64_encode, base64url_encode};
    use proptest::prelude::*;

    fn key(seed: u8) -> PrivateKey {
        let fill = &mut |bytes: &mut [u8]| {
            bytes.fill(seed);
            Ok(())
        };
        PrivateKey::generate(Algorithm::Es256, fill).unwrap()
    }

    fn private(seed: u8) -> String {
        base64_encode(&key(seed).to_pkcs8_der())
    }

    fn public(seed: u8) -> String {
        key(seed).public_key().to_spki_base64()
    }

    fn parse(text: &str) -> Result<Variables> {
        Variables::parse(text.as_bytes())
    }

    fn error(text: &str) -> String {
        parse(text).and_then(|found| found.key().map(|_| ())).unwrap_err().to_string()
    }

    /// What `npx imagxp generate-identity` of the reference prints, and its `.env.example`.
    #[test]
    fn the_references_file() {
        let text = format!(
            "# IMAGXP Agent Configuration\n# 1. Generate identity\nIMAGXP_AGENT_ID=\"bot.example.com\"\n\
             IMAGXP_PRIVATE_KEY=\"{}\"\nIMAGXP_PUBLIC_KEY=\"{}\"\nIMAGXP_BROKER_URL=\"https://broker.example\"\n",
            private(1),
            public(1)
        );
        for text in
            [text.clone(), text.replace('"', ""), text.replace('\n', "\r\n"), format!("\u{feff}{text}")]
        {
            let found = parse(&text).unwrap();
            assert_eq!(found.agent_id(), Some("bot.example.com"), "{text}");
            assert_eq!(found.key().unwrap().public_key(), key(1).public_key());
        }
        assert_eq!(
            error(
                "IMAGXP_AGENT_ID=\"my-search-agent.example\"\nIMAGXP_PRIVATE_KEY=\"\"\nIMAGXP_PUBLIC_KEY=\"\"\n"
            ),
            "usage.argument: IMAGXP_PRIVATE_KEY is not set"
        );
    }

    #[test]
    fn other_forms_of_the_same_key() {
        let (pem, public_pem) = (key(1).to_pem(), key(1).public_key().to_pem());
        for text in [
            format!("IMAGXP_PRIVATE_KEY={}", private(1)),
            format!("export IMAGXP_PRIVATE_KEY={}", private(1)),
            format!("IMAGXP_PRIVATE_KEY='{}'", base64url_encode(&key(1).to_pkcs8_der())),
            format!("IMAGXP_PRIVATE_KEY=\"{}\"", pem.as_str()),
            format!("IMAGXP_PRIVATE_KEY=\"{}\"", pem.replace('\n', "\\n")),
            format!("IMAGXP_PRIVATE_KEY='{}'", pem.replace('\n', "\\n")),
            format!(
                "IMAGXP_PRIVATE_KEY='{}'\nIMAGXP_PUBLIC_KEY=\"{public_pem}\"",
                pem.replace('\n', "\\r\\n")
            ),
        ] {
            assert_eq!(parse(&text).unwrap().key().unwrap().public_key(), key(1).public_key(), "{text}");
        }
        let found = Variables::from_lookup(|name| (name == PRIVATE_KEY).then(|| private(1)));
        assert!(found.has_private_key() && found.agent_id().is_none() && found.key().is_ok());
    }

    #[test]
    fn refusals_name_the_variable_and_nothing_else() {
        let secret = private(1);
        for (text, message) in [
            (String::new(), "usage.argument: IMAGXP_PRIVATE_KEY is not set"),
            (
                format!("IMAGXP_PRIVATE_KEY={secret}\nIMAGXP_PUBLIC_KEY={}", public(2)),
                "key.malformed: IMAGXP_PUBLIC_KEY is not the public half of IMAGXP_PRIVATE_KEY",
            ),
            (
                format!("IMAGXP_PRIVATE_KEY={secret}\nIMAGXP_PRIVATE_KEY={secret}"),
                "usage.argument: IMAGXP_PRIVATE_KEY is set twice in the .env file",
            ),
            (format!("IMAGXP_PRIVATE_KEY={secret}!"), "key.malformed: IMAGXP_PRIVATE_KEY: not base64"),
            (
                format!("IMAGXP_PRIVATE_KEY={}", &secret[4..]),
                "key.malformed: IMAGXP_PRIVATE_KEY: not a PKCS#8 private key",
            ),
            (
                format!("IMAGXP_PRIVATE_KEY={}", public(1)),
                "key.malformed: IMAGXP_PRIVATE_KEY: not a PKCS#8 private key",
            ),
            (
                format!("IMAGXP_PRIVATE_KEY={secret}\nIMAGXP_PUBLIC_KEY={secret}"),
                "key.malformed: IMAGXP_PUBLIC_KEY: not a SubjectPublicKeyInfo of P-256 or Ed25519",
            ),
            (
                format!("IMAGXP_PRIVATE_KEY=\"{secret}"),
                "usage.argument: the .env file has a line that is not NAME=value",
            ),
            (
                format!("IMAGXP PRIVATE KEY {secret}"),
                "usage.argument: the .env file has a line that is not NAME=value",
            ),
            (
                format!("IMAGXP_PRIVATE_KEY={}", "A".repeat(5000)),
                "key.malformed: IMAGXP_PRIVATE_KEY: longer than a key",
            ),
            ("#".repeat(65_537), "usage.argument: the .env file is larger than 64 KiB"),
        ] {
            let told = error(&text);
            assert_eq!(told, message);
            assert!(!told.contains(&secret[40..60]));
        }
        assert_eq!(Variables::parse(b"A=\xff").unwrap_err().code(), "usage.argument");
        let found = parse(&format!("IMAGXP_PRIVATE_KEY={secret}")).unwrap();
        assert!(!format!("{found:?}").contains(&secret[..20]));
    }

    proptest! {
        #[test]
        fn readers_never_panic(text in "([A-Z_]{0,8}|IMAGXP_PRIVATE_KEY)[ =]{0,2}[\\PC\n\"'\\\\$#{} ]{0,60}(\n|)[\\PC\n\"'\\\\$#{} ]{0,30}") {
            if let Ok(found) = parse(&text) {
                let _ = found.key();
            }
        }
    }
}
