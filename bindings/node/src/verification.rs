//! A verification that waits for something. `Verification` itself is a class of `index.cjs`: a verdict, and this when there is one.

use crate::js::JsString;
use crate::publisher::NowOptions;
use crate::replay_stores::DistantStore;
use crate::{errors, time, worker};
use imagxp::publisher::{self, Redemption};
use napi::bindgen_prelude::PromiseRaw;
use napi::{Env, Result};
use napi_derive::napi;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A verification that waits for what its verdict's `needs` name. It can be resumed once.
#[napi]
pub struct Pending {
    inner: Arc<Mutex<Option<publisher::Pending>>>,
    store: Option<Arc<DistantStore>>,
}

impl Pending {
    pub(crate) fn new(pending: publisher::Pending, store: Option<&Arc<DistantStore>>) -> Self {
        Self { inner: Arc::new(Mutex::new(Some(pending))), store: store.map(Arc::clone) }
    }

    /// Takes what is to be resumed. Resuming twice would let one spent nonce pass two requests.
    pub(crate) fn take(&self) -> Result<publisher::Pending> {
        lock(&self.inner).take().ok_or_else(resumed)
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
        match lock(&self.inner).as_mut() {
            Some(pending) => pending.redeemed(answer),
            None => return Err(resumed()),
        }
        Ok(())
    }

    /// Does what a `replay` need asks for: inserts into the publisher's store in Redis or PostgreSQL, and records the answer; then resume.
    /// A store that does not answer is an answer too, which the next verdict tells.
    #[napi(ts_args_type = "options?: NowOptions", ts_return_type = "Promise<void>")]
    pub fn insert(&self, env: Env, options: Option<NowOptions>) -> Result<PromiseRaw<'static, ()>> {
        let now = time::or_now(options.and_then(|options| options.now));
        let entry = match lock(&self.inner).as_ref() {
            Some(pending) => pending.insertion().copied(),
            None => return Err(resumed()),
        };
        let asked = self.store.as_ref().map(Arc::clone).zip(entry);
        let inner = Arc::clone(&self.inner);
        worker::run(
            &env,
            move || asked.map(|(store, entry)| store.insert(&entry, now)),
            move |answer| {
                if let (Some(answer), Some(pending)) = (answer, lock(&inner).as_mut()) {
                    pending.inserted(answer);
                }
                Ok(())
            },
        )
    }
}

fn lock(inner: &Mutex<Option<publisher::Pending>>) -> MutexGuard<'_, Option<publisher::Pending>> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

fn resumed() -> napi::Error {
    errors::argument("this verification has been resumed already")
}
