//! What a publisher presents to the broker: the body of a POST, signed in its name.

use crate::broker::text;
use crate::message::Node;
use crate::people::people;
use imagxp::crypto::Signature;
use imagxp::json::{Limits, Value, parse_object};
use imagxp_broker::PresentedRequest;

/// A visa and the request that brought it, as `POST /v1/visas/redeem` takes them. The signature stands for those of the publisher's own request.
#[derive(Clone, Debug)]
pub(crate) struct Presentation {
    /// In whose name.
    pub(crate) name: Node,
    /// The `Idempotency-Key`.
    pub(crate) key: String,
    pub(crate) body: String,
    signature: String,
}

impl Presentation {
    /// Signed by somebody, who may be another than he says.
    pub(crate) fn new(name: Node, by: Node, key: String, body: String) -> Result<Self, String> {
        let signer = people()?.identity(by)?.signer();
        let signature = signer.sign(signed(&key, &body).as_bytes()).map_err(text)?.to_hex();
        Ok(Self { name, key, body, signature })
    }

    /// Whether it is of whom it says.
    pub(crate) fn holds(&self) -> Result<bool, String> {
        let key = people()?.identity(self.name)?.public_key();
        let signature = Signature::from_hex(self.signature.as_bytes());
        Ok(signature
            .is_some_and(|signature| key.verify(signed(&self.key, &self.body).as_bytes(), &signature)))
    }

    /// The visa and the request, unless the body is another one than the API describes.
    pub(crate) fn read<T>(&self, then: impl FnOnce(&str, Option<&PresentedRequest<'_>>) -> T) -> Option<T> {
        let body = parse_object(self.body.as_bytes(), &Limits::INTERCHANGE).ok()?;
        let presented = body.get("visas")?.as_array()?.first()?.as_object()?;
        let visa = presented.get("visa")?.as_str()?;
        let Some(request) = presented.get("request") else { return Some(then(visa, None)) };
        let request = request.as_object()?;
        let text = |name: &str| request.get(name).and_then(Value::as_str);
        let (payload, signature, public_key) = (text("payload")?, text("signature")?, text("public_key")?);
        Some(then(visa, Some(&PresentedRequest { payload, signature, public_key })))
    }
}

fn signed(key: &str, body: &str) -> String {
    format!("{key}\n{body}")
}
