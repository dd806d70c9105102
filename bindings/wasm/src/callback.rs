//! Functions of JavaScript that the core calls.

use core::cell::{Cell, RefCell};
use js_sys::Function;
use std::collections::BTreeMap;
use wasm_bindgen::prelude::*;

thread_local! {
    // The core asks for `Send`, which no value of JavaScript is: what is sent is the number under which the function is kept.
    static FUNCTIONS: RefCell<BTreeMap<u32, Function>> = const { RefCell::new(BTreeMap::new()) };
    static NEXT: Cell<u32> = const { Cell::new(0) };
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = console, js_name = error)]
    fn console_error(message: &str, error: &JsValue);
}

/// A function of JavaScript; it is let go when this is dropped.
pub(crate) struct Callback(u32);

impl Callback {
    pub(crate) fn new(function: Function) -> Self {
        let number = NEXT.get();
        NEXT.set(number.wrapping_add(1));
        FUNCTIONS.with_borrow_mut(|functions| functions.insert(number, function));
        Self(number)
    }

    /// Calls it. What it throws is written to the console, and a promise is a mistake: nobody here can wait for it.
    pub(crate) fn call(&self, what: &str, first: &JsValue, second: &JsValue) -> Option<JsValue> {
        let function = FUNCTIONS.with_borrow(|functions| functions.get(&self.0).cloned())?;
        match function.call2(&JsValue::UNDEFINED, first, second) {
            Ok(answer) if answer.is_instance_of::<js_sys::Promise>() => {
                console_error(
                    &format!("imagxp: {what} returned a promise; it has to answer at once"),
                    &answer,
                );
                None
            }
            Ok(answer) => Some(answer),
            Err(error) => {
                console_error(&format!("imagxp: {what} failed"), &error);
                None
            }
        }
    }
}

impl Drop for Callback {
    fn drop(&mut self) {
        FUNCTIONS.with_borrow_mut(|functions| functions.remove(&self.0));
    }
}
