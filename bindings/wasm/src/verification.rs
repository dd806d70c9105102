//! A verification, and one that waits for something.

use crate::errors::{self, Thrown};
use crate::options::Options;
use crate::replay::{self, DistantStore};
use crate::verdict;
use core::cell::RefCell;
use imagxp::publisher::{self, Redemption};
use js_sys::{Object, Reflect};
use std::sync::Arc;
use wasm_bindgen::prelude::*;

/// A verification that waits for what its verdict's `needs` name. It can be resumed once.
#[wasm_bindgen]
pub struct Pending {
    inner: RefCell<Option<publisher::Pending>>,
    store: Option<Arc<DistantStore>>,
}

impl Pending {
    /// Takes what is to be resumed. Resuming twice would let one spent nonce pass two requests.
    pub(crate) fn take(&self) -> Result<publisher::Pending, Thrown> {
        self.inner.borrow_mut().take().ok_or_else(resumed)
    }
}

#[wasm_bindgen]
impl Pending {
    /// Records the broker's answer to a `redeem` need: `accepted`, `refused` or `unavailable`.
    pub fn redeemed(
        &self,
        #[wasm_bindgen(unchecked_param_type = "Redemption")] answer: &str,
    ) -> Result<(), Thrown> {
        let answer = match answer {
            "accepted" => Redemption::Accepted,
            "refused" => Redemption::Refused,
            "unavailable" => Redemption::Unavailable,
            _ => return Err(errors::argument("the answer is not one of accepted, refused, unavailable")),
        };
        self.inner.borrow_mut().as_mut().ok_or_else(resumed)?.redeemed(answer);
        Ok(())
    }

    /// What the replay store has to insert, when there is a `replay` need.
    #[wasm_bindgen(getter, unchecked_return_type = "ReplayEntry | undefined")]
    pub fn insertion(&self) -> Result<JsValue, Thrown> {
        let pending = self.inner.borrow();
        match pending.as_ref().ok_or_else(resumed)?.insertion() {
            Some(entry) => replay::to_js(entry),
            None => Ok(JsValue::UNDEFINED),
        }
    }

    /// Records the store's answer to a `replay` need: `fresh`, `seen`, `full` or `error`.
    pub fn inserted(
        &self,
        #[wasm_bindgen(unchecked_param_type = "Insert")] answer: &str,
        #[wasm_bindgen(unchecked_optional_param_type = "NowOptions")] options: JsValue,
    ) -> Result<(), Thrown> {
        let now = Options::new(options, &["now"])?.now()?;
        let answer = replay::answer(answer)?;
        let mut pending = self.inner.borrow_mut();
        let pending = pending.as_mut().ok_or_else(resumed)?;
        if let Some((store, entry)) = self.store.as_ref().zip(pending.insertion()) {
            store.answered(entry, answer, now);
        }
        pending.inserted(answer);
        Ok(())
    }
}

fn resumed() -> Thrown {
    errors::argument("this verification has been resumed already")
}

/// `{verdict, pending}`: the verdict so far, and what to resume when it has needs.
pub(crate) fn to_js(
    verification: publisher::Verification,
    store: Option<&Arc<DistantStore>>,
) -> Result<JsValue, Thrown> {
    let answer = Object::new();
    let pending = verification
        .pending
        .map(|pending| Pending { inner: RefCell::new(Some(pending)), store: store.map(Arc::clone) });
    Reflect::set(&answer, &"verdict".into(), &verdict::to_js(&verification.verdict)?)?;
    Reflect::set(&answer, &"pending".into(), &pending.map_or(JsValue::UNDEFINED, JsValue::from))?;
    Ok(answer.into())
}
