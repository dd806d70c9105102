//! A visa as a publisher presents it to its broker (BROKER §2).

use crate::crypto::PublicKey;
use crate::headers::{self, HeaderLine};
use crate::json::{Object, Value, object_to_canonical};
use crate::{Error, Result};

/// Visas in one request.
pub const MAX_PRESENTED: usize = 1000;

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

    /// Whether the request came without its key, and needs it.
    pub fn lacks_key(&self) -> bool {
        self.request.as_ref().is_some_and(|request| request.public_key.is_none())
    }

    /// The visa.
    pub fn visa(&self) -> &str {
        &self.visa
    }

    /// About how many bytes it takes to send.
    pub fn size(&self) -> usize {
        let request = self.request.as_ref().map_or(0, |request| {
            request.payload.len()
                + request.signature.len()
                + request.public_key.as_ref().map_or(0, String::len)
        });
        self.visa.len() + request + 80
    }

    /// As the API takes it. Error: `usage.argument` when the key is not known.
    pub fn to_json(&self) -> Result<Object<'_>> {
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

/// The body of `POST /v1/visas/redeem`, an RFC 8785 object. Error: `usage.argument` for none, for more than [`MAX_PRESENTED`], or when a
/// request came without its key.
pub fn redeem_body(visas: &[Presented]) -> Result<Vec<u8>> {
    if visas.is_empty() || visas.len() > MAX_PRESENTED {
        return Err(Error::argument(format!("a batch has 1 to {MAX_PRESENTED} visas")));
    }
    let list = visas.iter().map(|visa| visa.to_json().map(Value::from)).collect::<Result<Vec<_>>>()?;
    let mut body = Object::new();
    body.insert("visas", list);
    Ok(object_to_canonical(&body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{Algorithm, PrivateKey};

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
        let text = object_to_canonical(&presented.to_json().unwrap());
        assert_eq!(
            String::from_utf8(text).unwrap(),
            r#"{"request":{"payload":"p","public_key":"k","signature":"s"},"visa":"v.i.s"}"#
        );
        assert!(!format!("{presented:?}").contains("v.i.s"));
        assert!(Presented::of_request(&lines[1..]).is_err(), "no visa");
        assert!(Presented::of_request(&lines[..2]).is_err(), "half a signature");
        assert!(Presented::of_request(&lines[..3]).unwrap().to_json().is_err(), "no key");
        assert!(Presented::of_request(&lines[..1]).unwrap().to_json().unwrap().get("request").is_none());
        // A visa that came without a request takes no key.
        let fill = &mut |bytes: &mut [u8]| {
            bytes.fill(1);
            Ok(())
        };
        let key = PrivateKey::generate(Algorithm::Es256, fill).unwrap();
        let bearer = Presented::bearer("a").with_key(key.public_key());
        assert!(!bearer.lacks_key());
        assert_eq!(object_to_canonical(&bearer.to_json().unwrap()), br#"{"visa":"a"}"#);
        let body = redeem_body(&[Presented::bearer("a"), Presented::bearer("b")]).unwrap();
        assert_eq!(body, br#"{"visas":[{"visa":"a"},{"visa":"b"}]}"#);
        assert!(redeem_body(&vec![Presented::bearer("a"); MAX_PRESENTED]).is_ok());
        for refused in [Vec::new(), vec![Presented::bearer("a"); MAX_PRESENTED + 1]] {
            assert_eq!(redeem_body(&refused).unwrap_err().code(), "usage.argument");
        }
        assert!(redeem_body(&[Presented::of_request(&lines[..3]).unwrap()]).is_err());
    }
}
