//! A verification that waits for something. `Verification` itself is a class of `index.cjs`: a verdict, and this when there is one.

use crate::errors;
use crate::js::JsString;
use imagxp::publisher::{self, Redemption};
use napi::Result;
use napi_derive::napi;
use std::sync::{Mutex, PoisonError};

/// A verification that waits for what its verdict's `needs` name. It can be resumed once.
#[napi]
pub struct Pending(Mutex<Option<publisher::Pending>>);

impl Pending {
    pub(crate) const fn new(pending: publisher::Pending) -> Self {
        Self(Mutex::new(Some(pending)))
    }

    /// Takes what is to be resumed. Resuming twice would let one spent nonce pass two requests.
    pub(crate) fn take(&self) -> Result<publisher::Pending> {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        taken.ok_or_else(resumed)
    }
}

#[napi]
impl Pending {
    /// Records the broker's answer to a `redeem` need: `accepted`, `refused` or `unavailable`.
    #[napi(ts_args_type = "answer: 'accepted' | 'refused' | 'unavailable'")]
    pub fn redeemed(&self, answer: JsString) -> Result<()> {
        let answer = match &*answer {
            "accepted" => Redemption::Accepted,
            "refused" => Redemption::Refused,
            "unavailable" => Redemption::Unavailable,
            _ => return Err(errors::argument("the answer is not one of accepted, refused, unavailable")),
        };
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            Some(pending) => pending.redeemed(answer),
            None => return Err(resumed()),
        }
        Ok(())
    }
}

fn resumed() -> napi::Error {
    errors::argument("this verification has been resumed already")
}
