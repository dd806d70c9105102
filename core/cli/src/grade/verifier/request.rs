//! Signed requests that can be changed before and after they are signed.

use super::cast::Role;
use super::{ROOM, World};
use crate::grade::wire::Answer;
use crate::{random, time};
use imagxp::crypto::{PrivateKey, Signature};
use imagxp::encoding::base64_encode;
use imagxp::headers::{PAYLOAD, PAYMENT, PUBLIC_KEY, SIGNATURE};
use imagxp::json::{Limits, Object, Value, canonicalize, object_to_canonical};
use imagxp::{Code, Timestamp};

/// The order of the P-256 group, big-endian.
const N: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
    0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// A claim that has not been signed yet.
pub(super) struct Draft<'w> {
    key: &'w PrivateKey,
    method: String,
    target: String,
    claim: Object<'static>,
    /// The bytes that are sent, if they are not the canonical ones.
    sent: Option<Vec<u8>>,
    /// Whether the signature is over the bytes as sent, rather than over their canonical form.
    over_sent: bool,
    body: Vec<u8>,
}

/// A signed request, to be sent or tampered with.
#[derive(Clone)]
pub(super) struct Signed {
    method: String,
    target: String,
    lines: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl World {
    /// The clock's time.
    pub(super) fn now(&self) -> Result<Timestamp, String> {
        time::now_or(None).map_err(|error| error.line("error"))
    }

    /// A good claim of a role for a path below the room.
    pub(super) fn claim(&self, role: Role, path: &str) -> Result<Draft<'_>, String> {
        let target = format!("{ROOM}{path}");
        let mut claim = Object::new();
        claim.insert("v", "1.1");
        claim.insert("agent_id", self.cast.agent_id(role));
        claim.insert("purpose", "RAG_RETRIEVAL");
        claim.insert("ts", self.now()?.to_string());
        claim.insert("nonce", random::uuid().map_err(|error| error.line("error"))?);
        claim.insert("resource", format!("{}{target}", self.site.origin()));
        claim.insert("method", "GET");
        Ok(Draft {
            key: &self.cast.keys(role).own,
            method: "GET".to_owned(),
            target,
            claim,
            sent: None,
            over_sent: false,
            body: Vec::new(),
        })
    }

    /// A good claim of the reader.
    pub(super) fn read(&self) -> Result<Draft<'_>, String> {
        self.claim(Role::Reader, "page")
    }

    /// A good claim of the reader for what costs something, with this visa.
    pub(super) fn paid(&self, visa: &str) -> Result<Signed, String> {
        Ok(self.claim(Role::Reader, "premium/page")?.sign().with(PAYMENT, visa))
    }

    /// Sends a request.
    pub(super) fn send(&self, request: &Signed) -> Result<Answer, String> {
        self.site.exchange(&request.method, &request.target, &request.lines, &request.body)
    }

    /// It must pass.
    pub(super) fn allow(&self, request: &Signed) -> Result<(), String> {
        passed(&self.send(request)?)
    }

    /// It must be refused with this code and its status.
    pub(super) fn refuse(&self, request: &Signed, code: Code) -> Result<(), String> {
        refused(&self.send(request)?, code)
    }

    /// It must be refused with one of these codes: PROTOCOL leaves open which.
    pub(super) fn refuse_by(&self, request: &Signed, codes: &[Code]) -> Result<(), String> {
        let answer = self.send(request)?;
        if codes.iter().any(|code| refused(&answer, *code).is_ok()) {
            return Ok(());
        }
        let codes: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
        let found = answer.code().unwrap_or_else(|| "no code".to_owned());
        Err(format!("expected {}, got {} {found}", codes.join(" or "), answer.status))
    }

    /// Each of these must be refused with this code.
    pub(super) fn refuse_each(&self, requests: &[Signed], code: Code) -> Result<(), String> {
        requests.iter().enumerate().try_for_each(|(index, request)| {
            self.refuse(request, code).map_err(|reason| format!("variant {}: {reason}", index + 1))
        })
    }
}

/// Whether an answer is one that lets pass.
pub(super) fn passed(answer: &Answer) -> Result<(), String> {
    if (200..300).contains(&answer.status) {
        return Ok(());
    }
    let code = answer.code().unwrap_or_else(|| "no code".to_owned());
    Err(format!("expected 2xx, got {} {code}", answer.status))
}

/// Whether an answer is this refusal.
pub(super) fn refused(answer: &Answer, code: Code) -> Result<(), String> {
    let found = answer.code();
    // What is too large may be refused by the server in front, which has a status of its own for it (RFC 6585 §5).
    if code == Code::HeaderTooLarge && answer.status == 431 {
        return Ok(());
    }
    if answer.status == code.http() && found.as_deref() == Some(code.as_str()) {
        return Ok(());
    }
    let found = found.unwrap_or_else(|| "no code".to_owned());
    Err(format!("expected {} {code}, got {} {found}", code.http(), answer.status))
}

impl<'w> Draft<'w> {
    /// Sets a member of the claim.
    pub(super) fn set(mut self, name: &'static str, value: impl Into<Value<'static>>) -> Self {
        self.claim.insert(name, value);
        self
    }

    /// Leaves a member out.
    pub(super) fn without(mut self, name: &str) -> Self {
        self.claim.remove(name);
        self
    }

    /// The claim was made so many seconds from now.
    pub(super) fn at(self, world: &World, offset: i64) -> Result<Self, String> {
        let ts = world.now()?.saturating_add_secs(offset);
        Ok(self.set("ts", ts.to_string()))
    }

    /// Asks with another method, and claims it.
    pub(super) fn method(mut self, method: &'static str) -> Self {
        self.method = method.to_owned();
        self.set("method", method)
    }

    /// Asks for another target than the claim says.
    pub(super) fn asking(mut self, path: &str) -> Self {
        self.target = format!("{ROOM}{path}");
        self
    }

    /// Sends a body.
    pub(super) fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }

    /// Signs with another key.
    pub(super) fn key(mut self, key: &'w PrivateKey) -> Self {
        self.key = key;
        self
    }

    /// Sends the claim's JSON in another form, and signs that form.
    pub(super) fn sending(mut self, change: impl FnOnce(String) -> Vec<u8>) -> Self {
        let text = String::from_utf8_lossy(&object_to_canonical(&self.claim)).into_owned();
        self.sent = Some(change(text));
        self.over_sent = true;
        self
    }

    /// Sends the claim's JSON in another form, and signs the canonical one.
    pub(super) fn reformed(mut self, change: impl FnOnce(String) -> Vec<u8>) -> Self {
        self = self.sending(change);
        self.over_sent = false;
        self
    }

    /// A member written by hand in front of the others.
    pub(super) fn member(self, text: &str) -> Self {
        let text = format!("{{{text},");
        self.sending(|json| json.replacen('{', &text, 1).into_bytes())
    }

    /// The request.
    pub(super) fn sign(&self) -> Signed {
        let canonical = object_to_canonical(&self.claim);
        let sent = self.sent.as_deref().unwrap_or(&canonical);
        let signature = if self.over_sent {
            self.key.sign(sent)
        } else {
            self.key.sign(&canonicalize(sent, &Limits::CLAIM).unwrap_or(canonical.clone()))
        };
        let mut signed = Signed {
            method: self.method.clone(),
            target: self.target.clone(),
            lines: vec![("user-agent".to_owned(), b"imagxp-grader IMAGXP/1.0".to_vec())],
            body: self.body.clone(),
        };
        signed = signed.with(PAYLOAD, &base64_encode(sent)).with(SIGNATURE, &signature.to_hex());
        signed.with(PUBLIC_KEY, &self.key.public_key().to_spki_base64())
    }
}

impl Signed {
    /// A request that is not signed at all.
    pub(super) fn unsigned() -> Self {
        let lines = vec![("user-agent".to_owned(), b"imagxp-grader".to_vec())];
        Self { method: "GET".to_owned(), target: format!("{ROOM}page"), lines, body: Vec::new() }
    }

    /// One more line.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.lines.push((name.to_owned(), value.as_bytes().to_vec()));
        self
    }

    /// Without the lines of this name.
    pub(super) fn without(mut self, name: &str) -> Self {
        self.lines.retain(|(found, _)| !found.eq_ignore_ascii_case(name));
        self
    }

    /// With another target.
    pub(super) fn asking_for(mut self, path: &str) -> Self {
        path.clone_into(&mut self.target);
        self
    }

    /// With another method.
    pub(super) fn by(mut self, method: &str) -> Self {
        method.clone_into(&mut self.method);
        self
    }

    /// With header names as another client would write them.
    pub(super) fn renamed(mut self, change: impl Fn(&str) -> String) -> Self {
        for (name, _) in &mut self.lines {
            *name = change(name);
        }
        self
    }

    /// The value of a header as text.
    pub(super) fn value(&self, name: &str) -> String {
        let found = self.lines.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
    }

    /// A header's value, changed.
    pub(super) fn map(self, name: &str, change: impl FnOnce(String) -> String) -> Self {
        let value = change(self.value(name));
        self.without(name).with(name, &value)
    }

    /// Without the hint which key it was.
    pub(super) fn unhinted(self) -> Self {
        self.without(PUBLIC_KEY)
    }

    /// With the signature's 64 bytes changed.
    pub(super) fn resigned(self, change: impl FnOnce(&mut [u8; 64])) -> Self {
        self.map(SIGNATURE, |hex| match Signature::from_hex(hex.as_bytes()) {
            Some(signature) => {
                let mut bytes = *signature.as_bytes();
                change(&mut bytes);
                Signature::from_bytes(bytes).to_hex()
            }
            None => hex,
        })
    }

    /// The signature's high-s twin: s becomes n − s.
    pub(super) fn high_s(self) -> Self {
        self.resigned(|bytes| {
            let mut borrow = 0_u16;
            let (_, s) = bytes.split_at_mut(32);
            for (s, n) in s.iter_mut().zip(N).rev() {
                let difference = 0x100 + u16::from(n) - u16::from(*s) - borrow;
                borrow = u16::from(difference < 0x100);
                *s = difference.to_le_bytes()[0];
            }
        })
    }

    /// With s = n.
    pub(super) fn s_is_n(self) -> Self {
        self.resigned(|bytes| bytes.split_at_mut(32).1.copy_from_slice(&N))
    }
}
