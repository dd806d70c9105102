//! Visas of the grader's broker, good and otherwise (PROTOCOL §8).

use super::World;
use super::cast::Role;
use super::site::PRICE;
use crate::random;
use imagxp::crypto::PrivateKey;
use imagxp::encoding::base64url_encode;
use imagxp::json::{Number, Object, Value, object_to_canonical};

/// A visa that can still be changed; it begins as a good one for [`Role::Reader`].
pub(super) struct Visa<'w> {
    header: Object<'static>,
    claims: Object<'static>,
    key: &'w PrivateKey,
}

impl World {
    /// A good visa for the reader, for one read of the price.
    pub(super) fn visa(&self) -> Result<Visa<'_>, String> {
        let now = self.now()?.as_secs();
        let key = &self.cast.keys(Role::Broker).own;
        let mut cnf = Object::new();
        let holder = self.cast.keys(Role::Reader).own.public_key().thumbprint();
        cnf.insert("jkt", holder.as_str().to_owned());
        let mut claims = Object::new();
        claims.insert("iss", self.cast.place.origin(Role::Broker));
        claims.insert("aud", self.site.origin().to_owned());
        claims.insert("sub", self.cast.agent_id(Role::Reader));
        claims.insert("iat", seconds(now));
        claims.insert("exp", seconds(now.saturating_add(600)));
        claims.insert("jti", random::uuid().map_err(|error| error.line("error"))?);
        claims.insert("amount", PRICE.0);
        claims.insert("currency", PRICE.1);
        claims.insert("payment_status", "paid");
        claims.insert("cnf", cnf);
        let mut header = Object::new();
        header.insert("typ", "imagxp-visa+jwt");
        header.insert("kid", key.public_key().thumbprint().as_str().to_owned());
        Ok(Visa { header, claims, key })
    }
}

impl<'w> Visa<'w> {
    /// Sets a claim.
    pub(super) fn set(mut self, name: &'static str, value: impl Into<Value<'static>>) -> Self {
        self.claims.insert(name, value);
        self
    }

    /// Leaves a claim out.
    pub(super) fn without(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// Moves a time claim to so many seconds from now.
    pub(super) fn at(self, name: &'static str, world: &World, offset: i64) -> Result<Self, String> {
        let now = world.now()?.as_secs();
        Ok(self.set(name, seconds(now.saturating_add(offset))))
    }

    /// Sets a header member.
    pub(super) fn header(mut self, name: &'static str, value: impl Into<Value<'static>>) -> Self {
        self.header.insert(name, value);
        self
    }

    /// Signs with another key.
    pub(super) fn key(mut self, key: &'w PrivateKey) -> Self {
        self.key = key;
        self
    }

    /// The token, whatever its header says: a library would refuse to write half of them.
    pub(super) fn sign(&self) -> String {
        let mut header = self.header.clone();
        if !header.contains("alg") {
            header.insert("alg", "ES256");
        }
        let part = |object: &Object<'_>| base64url_encode(&object_to_canonical(object));
        let input = format!("{}.{}", part(&header), part(&self.claims));
        let signature = self.key.sign(input.as_bytes());
        format!("{input}.{}", base64url_encode(signature.as_bytes()))
    }
}

fn seconds(value: i64) -> Value<'static> {
    Number::from_i64(value).map_or(Value::Null, Value::Number)
}
