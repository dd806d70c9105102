//! Tokens that the broker signs for itself: access tokens (RFC 9068), ID tokens (OpenID Connect Core §2) and operators' sessions.

use crate::error::SetupError;
use crate::keys::{Due, KeyRing};
use crate::random;
use imagxp::Timestamp;
use imagxp::crypto::{HotKeys, Jws, jws};
use imagxp::json::{Number, Object, Value, object_to_canonical};

/// What a token is for. One kind is never taken for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// For the broker's own API.
    Access,
    /// Says who the client is.
    Id,
    /// An operator at the dashboard.
    Session,
}

impl Kind {
    const fn typ(self) -> &'static str {
        match self {
            Self::Access => "at+jwt",
            Self::Id => "JWT",
            Self::Session => "imagxp-session+jwt",
        }
    }
}

/// Seconds that an access or ID token lives.
pub(crate) const ACCESS_S: i64 = 900;
/// Seconds that an operator's session lives.
pub(crate) const SESSION_S: i64 = 12 * 3600;

const MAX_BYTES: usize = 4096;
const LEEWAY_S: i64 = 5;

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) subject: String,
    /// The thumbprint of the key with which the client proved itself.
    pub(crate) key_id: Option<String>,
}

/// Signs a token.
pub(crate) fn mint(
    ring: &KeyRing,
    kind: Kind,
    issuer: &str,
    audience: &str,
    said: &Said,
    now: Timestamp,
) -> Result<String, SetupError> {
    let signer = ring
        .signer(now)
        .map(Due)
        .ok_or_else(|| SetupError::new("keys.missing", "there is no signing key"))?;
    let lifetime = if kind == Kind::Session { SESSION_S } else { ACCESS_S };
    let seconds = |time: Timestamp| Number::from_i64(time.as_secs()).map_or(Value::Null, Value::Number);
    let mut claims = Object::new();
    claims.insert("iss", issuer);
    claims.insert("sub", said.subject.as_str());
    claims.insert("aud", audience);
    claims.insert("iat", seconds(now));
    claims.insert("exp", seconds(now.saturating_add_secs(lifetime)));
    claims.insert("jti", random::uuid()?);
    if kind == Kind::Access {
        claims.insert("client_id", said.subject.as_str());
    }
    if kind == Kind::Id {
        claims.insert("auth_time", seconds(now));
    }
    if let Some(key_id) = &said.key_id {
        let mut cnf = Object::new();
        cnf.insert("jkt", key_id.as_str());
        claims.insert("cnf", cnf);
    }
    let mut header = Object::new();
    header.insert("typ", kind.typ());
    header.insert("kid", imagxp::crypto::Signer::public_key(&signer).thumbprint().as_str().to_owned());
    Ok(jws::sign(&header, &object_to_canonical(&claims), &signer)?)
}

/// Reads a token that this broker signed for itself; `None` for everything else, whatever the reason.
pub(crate) fn read(
    ring: &KeyRing,
    hot: &HotKeys,
    kind: Kind,
    issuer: &str,
    token: &str,
    now: Timestamp,
) -> Option<Said> {
    let jws = Jws::parse(token.as_bytes(), MAX_BYTES).ok()?;
    if jws.typ() != Some(kind.typ()) || !ring.has_signed(&jws, hot, now) {
        return None;
    }
    let claims = jws.claims().ok()?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let time = |name: &str| {
        claims.get(name).and_then(Value::as_number).and_then(Number::as_i64).map(Timestamp::from_secs)
    };
    let (issued, ends) = (time("iat")?, time("exp")?);
    let in_time = issued <= now.saturating_add_secs(LEEWAY_S) && now <= ends.saturating_add_secs(LEEWAY_S);
    if text("iss") != Some(issuer) || text("aud") != Some(issuer) || !in_time {
        return None;
    }
    let cnf = claims.get("cnf").and_then(Value::as_object);
    let key_id = cnf.and_then(|cnf| cnf.get("jkt")).and_then(Value::as_str).map(str::to_owned);
    Some(Said { subject: text("sub")?.to_owned(), key_id })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn one_kind_is_never_another() {
        let data = tempfile::tempdir().unwrap();
        let now = Timestamp::from_secs(1_800_000_000);
        let secret = crate::keys::Secret::new(data.path(), Path::new(""));
        crate::keys::step_in_folder(data.path(), &secret, &crate::keys::Step::Create, now).unwrap();
        let ring = KeyRing::in_folder(data.path(), &secret).unwrap();
        let issuer = "https://broker.example";
        let hot = HotKeys::default();
        let said = Said { subject: "agent.example".into(), key_id: Some("k".into()) };
        for kind in [Kind::Access, Kind::Id, Kind::Session] {
            let token = mint(&ring, kind, issuer, issuer, &said, now).unwrap();
            for other in [Kind::Access, Kind::Id, Kind::Session] {
                assert_eq!(read(&ring, &hot, other, issuer, &token, now).is_some(), kind == other);
            }
            assert!(read(&ring, &hot, kind, "https://other.example", &token, now).is_none());
            assert!(
                read(&ring, &hot, kind, issuer, &token, now.saturating_add_secs(SESSION_S + 6)).is_none()
            );
            assert!(read(&ring, &hot, kind, issuer, &token, now.saturating_add_secs(-6)).is_none());
        }
        assert_eq!(hot.len(), 1, "the ring's one key");
        let access = mint(&ring, Kind::Access, issuer, issuer, &said, now).unwrap();
        assert_eq!(read(&ring, &hot, Kind::Access, issuer, &access, now), Some(said));
        assert!(
            read(&ring, &hot, Kind::Access, issuer, &access, now.saturating_add_secs(ACCESS_S + 6)).is_none()
        );
    }

    #[test]
    fn only_the_brokers_own_good_signatures_make_a_table() {
        let data = tempfile::tempdir().unwrap();
        let now = Timestamp::from_secs(1_800_000_000);
        let secret = crate::keys::Secret::new(data.path(), Path::new(""));
        crate::keys::step_in_folder(data.path(), &secret, &crate::keys::Step::Create, now).unwrap();
        let ring = KeyRing::in_folder(data.path(), &secret).unwrap();
        let (issuer, hot) = ("https://broker.example", HotKeys::default());
        let said = Said { subject: "agent.example".into(), key_id: None };
        let good = mint(&ring, Kind::Access, issuer, issuer, &said, now).unwrap();
        let stranger = imagxp::crypto::PrivateKey::generate(imagxp::crypto::Algorithm::Es256, &mut |bytes| {
            bytes.fill(7);
            Ok(())
        })
        .unwrap();
        let kid = Jws::parse(good.as_bytes(), MAX_BYTES).unwrap().kid().unwrap().to_owned();
        for kid in [kid.as_str(), stranger.public_key().thumbprint().as_str()] {
            let mut header = Object::new();
            header.insert("typ", "at+jwt");
            header.insert("kid", kid.to_owned());
            let forged = jws::sign(&header, b"{}", &stranger).unwrap();
            for _ in 0..8 {
                assert_eq!(read(&ring, &hot, Kind::Access, issuer, &forged, now), None);
            }
        }
        assert!(hot.is_empty());
        for number in 0..4 {
            assert_eq!(hot.len(), usize::from(number >= 2));
            assert!(read(&ring, &hot, Kind::Access, issuer, &good, now).is_some());
        }
        // With the table, too.
        let at = good.len() - 5;
        let other = if good.as_bytes()[at] == b'A' { "B" } else { "A" };
        let mut bent = good.clone();
        bent.replace_range(at..=at, other);
        assert_eq!(read(&ring, &hot, Kind::Access, issuer, &bent, now), None);
    }
}
