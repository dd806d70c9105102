//! A visa as a publisher presents it, and what became of it.

use imagxp::crypto::PublicKey;
use imagxp::headers::{self, HeaderLine};
use imagxp::json::{Object, Value};
use imagxp::{Error, Result};

/// A visa with the signed request that brought it: the broker looks at both.
#[derive(Clone, PartialEq, Eq)]
pub struct Presented {
    visa: String,
    request: Option<Signed>,
}

#[derive(Clone, PartialEq, Eq)]
struct Signed {
    payload: String,
    signature: String,
    public_key: Option<String>,
}

impl Presented {
    /// A visa alone: one that is bound to no key.
    pub fn bearer(visa: impl Into<String>) -> Self {
        Self { visa: visa.into(), request: None }
    }

    /// The visa and the signature among the header lines of a request that has been verified.
    ///
    /// Error: `usage.argument` when there is no visa, or half a signature.
    pub fn of_request(lines: &[HeaderLine<'_>]) -> Result<Self> {
        let line = |name: &str| {
            let value = lines.iter().find(|(own, _)| own.eq_ignore_ascii_case(name.as_bytes()))?.1;
            core::str::from_utf8(value.trim_ascii()).ok().map(str::to_owned)
        };
        let visa = line(headers::PAYMENT).or_else(|| line(headers::CREDENTIAL));
        let visa = visa.ok_or_else(|| Error::argument("the request brings no visa"))?;
        let request = match (line(headers::PAYLOAD), line(headers::SIGNATURE)) {
            (Some(payload), Some(signature)) => {
                Some(Signed { payload, signature, public_key: line(headers::PUBLIC_KEY) })
            }
            (None, None) => None,
            _ => return Err(Error::argument("the request has a payload or a signature, but not both")),
        };
        Ok(Self { visa, request })
    }

    /// Names the key that signed, for a request that did not bring it: the one of the verdict's `key_id`, from the agent's manifest.
    #[must_use]
    pub fn with_key(mut self, key: &PublicKey) -> Self {
        if let Some(request) = &mut self.request {
            request.public_key = Some(key.to_spki_base64());
        }
        self
    }

    /// The visa.
    pub fn visa(&self) -> &str {
        &self.visa
    }

    /// About how many bytes it takes to send.
    pub(super) fn size(&self) -> usize {
        let request = self.request.as_ref().map_or(0, |request| {
            request.payload.len()
                + request.signature.len()
                + request.public_key.as_ref().map_or(0, String::len)
        });
        self.visa.len() + request + 80
    }

    /// As the API takes it. Error: `usage.argument` when the key is not known.
    pub(super) fn to_json(&self) -> Result<Object<'_>> {
        let mut object = Object::new();
        object.insert("visa", self.visa.as_str());
        if let Some(request) = &self.request {
            let key = request.public_key.as_deref().ok_or_else(|| {
                Error::argument("the request came without its key; name the one of the agent's manifest")
            })?;
            let mut signed = Object::new();
            signed.insert("payload", request.payload.as_str());
            signed.insert("signature", request.signature.as_str());
            signed.insert("public_key", key);
            object.insert("request", signed);
        }
        Ok(object)
    }
}

impl core::fmt::Debug for Presented {
    /// Nothing of the visa, which is as good as money.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Presented").field("signed", &self.request.is_some()).finish_non_exhaustive()
    }
}

/// What became of one visa.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redeemed {
    /// Its name, as far as it could be read.
    pub jti: Option<String>,
    /// Whether the money stands behind it.
    pub accepted: bool,
    /// For how much, a decimal string.
    pub amount: Option<String>,
    /// In which asset.
    pub asset: Option<String>,
    /// Whether it was accepted by an earlier sending of this very batch.
    pub repeated: bool,
    /// Why it was not accepted: the broker's code and one sentence.
    pub refusal: Option<(String, String)>,
}

impl Redeemed {
    pub(super) fn read(value: &Value<'_>) -> Option<Self> {
        let object = value.as_object()?;
        let text = |name: &str| object.get(name).and_then(Value::as_str).map(str::to_owned);
        let accepted = object.get("accepted")?.as_bool()?;
        let refusal = object.get("error").and_then(Value::as_object).map(|error| {
            let text = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            (text("code"), text("message"))
        });
        Some(Self {
            jti: text("jti"),
            accepted,
            amount: text("amount"),
            asset: text("asset"),
            repeated: object.get("repeated").and_then(Value::as_bool).unwrap_or(false),
            refusal,
        })
    }

    /// Whether it was not decided now and may be later.
    pub fn is_transient(&self) -> bool {
        let waits = |code: &str| {
            code.starts_with("store.") || code == "ledger.broken" || code == "idempotency.in_progress"
        };
        self.refusal.as_ref().is_some_and(|(code, _)| waits(code))
    }

    /// As JSON, with the API's names.
    pub fn to_json(&self) -> Object<'static> {
        let mut object = Object::new();
        let text = |text: &Option<String>| text.clone().map_or(Value::Null, Value::from);
        object.insert("jti", text(&self.jti));
        object.insert("accepted", self.accepted);
        object.insert("amount", text(&self.amount));
        object.insert("asset", text(&self.asset));
        object.insert("repeated", self.repeated);
        let error = self.refusal.as_ref().map_or(Value::Null, |(code, message)| {
            let mut error = Object::new();
            error.insert("code", code.clone());
            error.insert("message", message.clone());
            error.into()
        });
        object.insert("error", error);
        object
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_whole_or_not_at_all() {
        let lines: [HeaderLine<'_>; 4] = [
            (b"X-IMAGXP-Payment", b" v.i.s "),
            (b"x-imagxp-payload", b"p"),
            (b"x-imagxp-signature", b"s"),
            (b"x-imagxp-public-key", b"k"),
        ];
        let presented = Presented::of_request(&lines).unwrap();
        assert_eq!(presented.visa(), "v.i.s");
        let text = imagxp::json::object_to_canonical(&presented.to_json().unwrap());
        assert_eq!(
            String::from_utf8(text).unwrap(),
            r#"{"request":{"payload":"p","public_key":"k","signature":"s"},"visa":"v.i.s"}"#
        );
        assert!(!format!("{presented:?}").contains("v.i.s"));
        assert!(Presented::of_request(&lines[1..]).is_err(), "no visa");
        assert!(Presented::of_request(&lines[..2]).is_err(), "half a signature");
        assert!(Presented::of_request(&lines[..3]).unwrap().to_json().is_err(), "no key");
        assert!(Presented::of_request(&lines[..1]).unwrap().to_json().unwrap().get("request").is_none());
    }
}
