//! What is redeemed: a visa with the request that brought it.

use crate::boundary;
use crate::headers::Joined;
use crate::js::ClassInstance;
use crate::key::PublicKey;
use imagxp_fetch::broker;
use napi::Result;
use napi_derive::napi;

/// A visa with the signed request that brought it: the broker looks at both.
#[napi]
pub struct Presented(pub(crate) broker::Presented);

#[napi]
impl Presented {
    /// The visa and the signature among the headers of a request that was verified. `publicKey` is the agent's, where the request did not
    /// bring it; `Publisher.presented` finds it by itself.
    #[napi(
        configurable,
        writable,
        ts_args_type = "headers: Headers, publicKey?: PublicKey",
        ts_return_type = "Presented"
    )]
    pub fn of_request(
        headers: Joined,
        count: u32,
        separator: u32,
        public_key: Option<ClassInstance<PublicKey>>,
    ) -> Result<Option<Presented>> {
        let Some(lines) = headers.lines(count, separator) else { return Ok(None) };
        let presented = boundary::call(|| broker::Presented::of_request(&lines))?;
        Ok(Some(Self(match public_key {
            Some(key) => presented.with_key(&key.0),
            None => presented,
        })))
    }

    /// The visa, which is as good as money.
    #[napi(getter)]
    pub fn visa(&self) -> &str {
        self.0.visa()
    }
}
