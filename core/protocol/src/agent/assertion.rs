//! Proving to a broker who asks: the client assertion of RFC 7523 (`private_key_jwt`), signed with the agent's IMAGXP key (BROKER §3).
//!
//! An assertion says who asks, at which endpoint, and lives a minute. It names no price: that stands in the form beside it, which only
//! TLS protects, as OAuth does it (RFC 6749 §4.4).

use super::Identity;
use crate::agent_id::AgentId;
use crate::claim::is_nonce;
use crate::code::Code;
use crate::crypto::{HotKeys, Jws, Prepared, PublicKey, Thumbprint, jws};
use crate::error::{Error, Result};
use crate::json::{self, Number, Object, Value};
use crate::manifest::Manifest;
use crate::time::Timestamp;
use crate::visa::LEEWAY_S;

/// How long an assertion lives, in seconds.
pub const ASSERTION_LIFETIME_S: i64 = 60;

/// The largest assertion that is read, in bytes.
pub const MAX_ASSERTION_BYTES: usize = 4 * 1024;

/// A client assertion that was verified. Whether its `jti` is new is for the broker's replay store to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assertion {
    /// Who asks.
    pub agent_id: AgentId,
    /// With which key: what a visa is bound to (`cnf.jkt`).
    pub key_id: Thumbprint,
    /// The assertion's name; it counts once until `exp`.
    pub jti: String,
    /// When it ends.
    pub exp: Timestamp,
}

impl Identity {
    /// Signs a client assertion for one token request: ES256, `kid` = thumbprint, `iss` = `sub` = agent_id, `aud` = the token endpoint.
    ///
    /// `jti` is 16 to 128 bytes of `A-Z a-z 0-9 - . _ ~`, unique: use a random UUID. Errors: `usage.argument` for a bad `jti` and for an
    /// Ed25519 key (tokens are ES256), `usage.signer`.
    pub fn assert_client(&self, token_endpoint: &str, jti: &str, now: Timestamp) -> Result<String> {
        self.prepare_assertion(token_endpoint, jti, now)?.sign_with(self.signer())
    }

    /// What [`Identity::assert_client`] would sign, for a key that answers later. Error: `usage.argument`, as there.
    pub fn prepare_assertion(
        &self,
        token_endpoint: &str,
        jti: &str,
        now: Timestamp,
    ) -> Result<Prepared<String>> {
        if !is_nonce(jti) {
            return Err(Error::argument("a jti has 16 to 128 characters of A-Z a-z 0-9 - . _ ~"));
        }
        let seconds = |secs: i64| {
            Number::from_i64(secs)
                .map(Value::Number)
                .ok_or_else(|| Error::argument("the time is out of range"))
        };
        let mut claims = Object::new();
        claims.insert("aud", token_endpoint);
        claims.insert("exp", seconds(now.as_secs().saturating_add(ASSERTION_LIFETIME_S))?);
        claims.insert("iat", seconds(now.as_secs())?);
        claims.insert("iss", self.agent_id().as_str());
        claims.insert("jti", jti);
        claims.insert("sub", self.agent_id().as_str());
        let mut header = Object::new();
        header.insert("kid", self.public_key().thumbprint().as_str());
        header.insert("typ", "JWT");
        jws::prepare(&header, &json::object_to_canonical(&claims), self.public_key())
    }
}

/// The agent that an unverified assertion names: to find its manifest, never to trust it.
///
/// Error: `sig.malformed`.
pub fn read_agent(assertion: &[u8], allow_loopback: bool) -> Result<AgentId> {
    let jws = parse(assertion)?;
    let claims = claims(&jws)?;
    let agent = claims.get("iss").and_then(Value::as_str).and_then(|iss| AgentId::parse(iss, allow_loopback));
    agent.ok_or_else(|| malformed("iss is not an agent's domain"))
}

/// Verifies a client assertion with the agent's manifest: what a broker does before anything else.
///
/// Errors: `sig.malformed` (not such a token), `identity.key_mismatch` (a key that the manifest does not list now, or another agent's
/// manifest), `sig.invalid`, `time.expired`, `time.future`.
pub fn verify(
    assertion: &[u8],
    manifest: &Manifest,
    token_endpoint: &str,
    now: Timestamp,
) -> Result<Assertion> {
    check(assertion, manifest, token_endpoint, now, |jws, key| jws.verify(key))
        .map(|(assertion, _)| assertion)
}

/// [`verify`], faster for an agent that asks often: a key whose assertions have been accepted twice gets a table.
pub fn verify_hot(
    assertion: &[u8],
    manifest: &Manifest,
    token_endpoint: &str,
    now: Timestamp,
    hot: &HotKeys,
) -> Result<Assertion> {
    let signed = |jws: &Jws<'_>, key: &PublicKey| jws.verify_hot(hot, key);
    let (assertion, key) = check(assertion, manifest, token_endpoint, now, signed)?;
    hot.credit(key);
    Ok(assertion)
}

fn check<'m>(
    assertion: &[u8],
    manifest: &'m Manifest,
    token_endpoint: &str,
    now: Timestamp,
    signed: impl FnOnce(&Jws<'_>, &PublicKey) -> bool,
) -> Result<(Assertion, &'m PublicKey)> {
    let jws = parse(assertion)?;
    let kid = jws.kid().and_then(Thumbprint::parse).ok_or_else(|| malformed("kid is not a thumbprint"))?;
    let key = manifest.keys_at(now).find(|key| *key.thumbprint() == kid).ok_or_else(|| {
        Error::protocol(Code::IdentityKeyMismatch, "the agent's manifest does not list the assertion's key")
    })?;
    if !signed(&jws, key) {
        return Err(Error::protocol(Code::SigInvalid, "the assertion is not signed by its key"));
    }
    let claims = claims(&jws)?;
    let text = |name: &'static str| claims.get(name).and_then(Value::as_str);
    let agent_id = manifest.agent_id();
    if text("iss") != Some(agent_id.as_str()) || text("sub") != Some(agent_id.as_str()) {
        return Err(Error::protocol(Code::IdentityKeyMismatch, "iss and sub are not the manifest's agent"));
    }
    // One audience, exactly: a list would make the assertion good at another endpoint too (RFC 7523 §3 rule 3).
    if text("aud") != Some(token_endpoint) {
        return Err(malformed("aud is not this token endpoint"));
    }
    let jti =
        text("jti").filter(|jti| is_nonce(jti)).ok_or_else(|| malformed("jti is missing or malformed"))?;
    let time = |name: &'static str, flaw: &'static str| {
        let secs = claims.get(name).and_then(Value::as_number).and_then(Number::as_i64);
        secs.filter(|secs| (0..=4_200_000_000).contains(secs))
            .map(Timestamp::from_secs)
            .ok_or_else(|| malformed(flaw))
    };
    let exp = time("exp", "exp is not a whole number of seconds")?;
    let iat = time("iat", "iat is not a whole number of seconds")?;
    if !(0..=ASSERTION_LIFETIME_S * 1000).contains(&exp.millis_since(iat)) {
        return Err(malformed("exp - iat is not 0 to 60 seconds"));
    }
    if now > exp.saturating_add_secs(LEEWAY_S) {
        return Err(Error::protocol(Code::TimeExpired, "the assertion has expired"));
    }
    if iat > now.saturating_add_secs(LEEWAY_S) {
        return Err(Error::protocol(Code::TimeFuture, "the assertion was issued in the future"));
    }
    Ok((Assertion { agent_id: agent_id.clone(), key_id: kid, jti: jti.to_owned(), exp }, key))
}

fn parse(assertion: &[u8]) -> Result<Jws<'_>> {
    let jws = Jws::parse(assertion, MAX_ASSERTION_BYTES).map_err(|error| malformed(error.message()))?;
    // A visa is an ES256 token too; it must not pass for its holder's word.
    match jws.typ() {
        None => Ok(jws),
        Some(typ) if typ.eq_ignore_ascii_case("JWT") => Ok(jws),
        Some(_) => Err(malformed("typ names another kind of token")),
    }
}

fn claims<'a>(jws: &'a Jws<'_>) -> Result<Object<'a>> {
    jws.claims().map_err(|error| malformed(error.message()))
}

fn malformed(message: &'static str) -> Error {
    Error::protocol(Code::SigMalformed, format!("the client assertion is not acceptable: {message}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{Algorithm, PrivateKey};

    const ENDPOINT: &str = "https://broker.example/oauth/token";
    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
    const JTI: &str = "0123456789abcdef";

    fn identity(algorithm: Algorithm, fill: u8) -> Identity {
        let key = PrivateKey::generate(algorithm, &mut |bytes: &mut [u8]| {
            bytes.fill(fill);
            Ok(())
        });
        Identity::parse("agent.example", key.unwrap(), false).unwrap()
    }

    #[test]
    fn what_is_signed_is_verified() {
        let agent = identity(Algorithm::Es256, 1);
        let manifest = agent.manifest(None, &[]).unwrap();
        let token = agent.assert_client(ENDPOINT, JTI, NOW).unwrap();
        let found = verify(token.as_bytes(), &manifest, ENDPOINT, NOW).unwrap();
        assert_eq!((found.agent_id.as_str(), found.jti.as_str()), ("agent.example", JTI));
        assert_eq!(found.key_id, *agent.public_key().thumbprint());
        assert_eq!(found.exp, NOW.saturating_add_secs(60));
        assert_eq!(read_agent(token.as_bytes(), false).unwrap().as_str(), "agent.example");

        let code = |token: &[u8], manifest: &Manifest, endpoint: &str, late: i64| {
            verify(token, manifest, endpoint, NOW.saturating_add_secs(late)).unwrap_err().code()
        };
        let token = token.as_bytes();
        assert_eq!(code(token, &manifest, "https://broker.example/other", 0), "sig.malformed");
        assert_eq!(code(token, &manifest, ENDPOINT, 66), "time.expired");
        assert_eq!(code(token, &manifest, ENDPOINT, -6), "time.future");
        let other = identity(Algorithm::Es256, 2).manifest(None, &[]).unwrap();
        assert_eq!(code(token, &other, ENDPOINT, 0), "identity.key_mismatch");
        let mut forged = token.to_vec();
        let last = forged.len() - 3;
        forged[last] = if forged[last] == b'A' { b'B' } else { b'A' };
        assert_eq!(code(&forged, &manifest, ENDPOINT, 0), "sig.invalid");
        assert_eq!(code(b"a.b.c", &manifest, ENDPOINT, 0), "sig.malformed");
        assert_eq!(code(&[b'a'; 5000], &manifest, ENDPOINT, 0), "sig.malformed");
    }

    #[test]
    fn only_its_own_kind() {
        let agent = identity(Algorithm::Es256, 1);
        let manifest = agent.manifest(None, &[]).unwrap();
        let kid = agent.public_key().thumbprint().as_str();
        let sign = |typ: &'static str, claims: &str| {
            let mut header = Object::new();
            header.insert("typ", typ);
            header.insert("kid", kid);
            let token = jws::sign(&header, claims.as_bytes(), agent.signer()).unwrap();
            verify(token.as_bytes(), &manifest, ENDPOINT, NOW).map_err(|error| error.code())
        };
        let good = format!(
            r#"{{"aud":"{ENDPOINT}","exp":1800000060,"iat":1800000000,"iss":"agent.example","jti":"{JTI}","sub":"agent.example"}}"#
        );
        assert!(sign("JWT", &good).is_ok());
        assert_eq!(sign("imagxp-visa+jwt", &good).unwrap_err(), "sig.malformed");
        for (from, to, code) in [
            (format!("\"{ENDPOINT}\""), format!("[\"{ENDPOINT}\"]"), "sig.malformed"),
            ("1800000060".into(), "1800000061".into(), "sig.malformed"),
            ("1800000060".into(), "\"1800000060\"".into(), "sig.malformed"),
            ("1800000060".into(), "1799999999".into(), "sig.malformed"),
            (JTI.into(), "short".into(), "sig.malformed"),
            ("\"iss\":\"agent".into(), "\"iss\":\"other".into(), "identity.key_mismatch"),
            ("\"sub\":\"agent".into(), "\"sub\":\"other".into(), "identity.key_mismatch"),
        ] {
            assert_eq!(sign("JWT", &good.replacen(&from, &to, 1)).unwrap_err(), code, "{from} {to}");
        }
    }

    #[test]
    fn tokens_are_p256() {
        let agent = identity(Algorithm::EdDsa, 1);
        assert_eq!(agent.assert_client(ENDPOINT, JTI, NOW).unwrap_err().code(), "usage.argument");
    }

    #[test]
    fn only_accepted_assertions_make_a_table_and_none_is_judged_otherwise_by_it() {
        let (agent, other) = (identity(Algorithm::Es256, 1), identity(Algorithm::Es256, 2));
        let manifest = agent.manifest(None, &[]).unwrap();
        let hot = HotKeys::default();
        let good = agent.assert_client(ENDPOINT, JTI, NOW).unwrap();
        let forged = other.assert_client(ENDPOINT, JTI, NOW).unwrap();
        let elsewhere = agent.assert_client("https://other.example/oauth/token", JTI, NOW).unwrap();
        let mut bent = good.clone();
        let (at, with) = (good.len() - 5, if good.as_bytes()[good.len() - 5] == b'A' { "B" } else { "A" });
        bent.replace_range(at..=at, with);
        for round in 0..3 {
            for bad in [&forged, &elsewhere, &bent] {
                let expected = verify(bad.as_bytes(), &manifest, ENDPOINT, NOW).unwrap_err().code();
                let got = verify_hot(bad.as_bytes(), &manifest, ENDPOINT, NOW, &hot).unwrap_err().code();
                assert_eq!(got, expected);
                assert_eq!(hot.is_empty(), round < 2, "round {round}");
            }
            let assertion = verify_hot(good.as_bytes(), &manifest, ENDPOINT, NOW, &hot).unwrap();
            assert_eq!(assertion, verify(good.as_bytes(), &manifest, ENDPOINT, NOW).unwrap());
        }
        assert_eq!(hot.len(), 1);
    }
}
