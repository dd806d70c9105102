//! The last argument of most functions: an object whose members have names.

use crate::errors::{self, Thrown};
use crate::{digest, json, time};
use imagxp::Timestamp;
use js_sys::{Array, Function, Object, Reflect};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;

/// Named arguments. A name that the function does not have is refused: a check that was asked for and misspelt must not be left out.
pub(crate) struct Options(Option<Object>);

impl Options {
    pub(crate) fn new(value: JsValue, names: &[&str]) -> Result<Self, Thrown> {
        if value.is_undefined() || value.is_null() {
            return Ok(Self(None));
        }
        let object: Object =
            value.dyn_into().map_err(|_| errors::argument("the options are not an object"))?;
        for name in Object::keys(&object).iter().filter_map(|name| name.as_string()) {
            if !names.contains(&name.as_str()) {
                return Err(errors::argument(&format!("there is no option `{name}`")));
            }
        }
        Ok(Self(Some(object)))
    }

    /// A member; `None` when it is absent, `undefined` or `null`.
    pub(crate) fn value(&self, name: &str) -> Result<Option<JsValue>, Thrown> {
        let Some(object) = &self.0 else { return Ok(None) };
        let value = Reflect::get(object, &name.into())?;
        Ok((!value.is_undefined() && !value.is_null()).then_some(value))
    }

    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, Thrown> {
        self.read(name, "a string", |value| value.as_string())
    }

    /// A member that has to be there.
    pub(crate) fn required(&self, name: &str) -> Result<String, Thrown> {
        self.text(name)?.ok_or_else(|| errors::argument(&format!("`{name}` is missing")))
    }

    pub(crate) fn flag(&self, name: &str) -> Result<bool, Thrown> {
        Ok(self.maybe(name)?.unwrap_or(false))
    }

    pub(crate) fn maybe(&self, name: &str) -> Result<Option<bool>, Thrown> {
        self.read(name, "true or false", |value| value.as_bool())
    }

    pub(crate) fn whole(&self, name: &str) -> Result<Option<u32>, Thrown> {
        self.read(name, "a whole number", |value| {
            let number = value.as_f64()?;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "checked on this line"
            )]
            (number.fract() == 0.0 && (0.0..=4_294_967_295.0).contains(&number)).then_some(number as u32)
        })
    }

    pub(crate) fn texts(&self, name: &str) -> Result<Vec<String>, Thrown> {
        let list = self.read(name, "a list of strings", |value| {
            value.dyn_ref::<Array>()?.iter().map(|item| item.as_string()).collect()
        })?;
        Ok(list.unwrap_or_default())
    }

    pub(crate) fn list(&self, name: &str) -> Result<Vec<JsValue>, Thrown> {
        let list = self.read(name, "a list", |value| Some(value.dyn_ref::<Array>()?.to_vec()))?;
        Ok(list.unwrap_or_default())
    }

    pub(crate) fn function(&self, name: &str) -> Result<Option<Function>, Thrown> {
        self.read(name, "a function", |value| value.dyn_ref::<Function>().cloned())
    }

    pub(crate) fn bytes(&self, name: &str) -> Result<Option<Vec<u8>>, Thrown> {
        self.value(name)?.map(|value| json::bytes(&value)).transpose()
    }

    pub(crate) fn document(&self, name: &str) -> Result<Option<Vec<u8>>, Thrown> {
        self.value(name)?.map(|value| json::document(&value)).transpose()
    }

    pub(crate) fn sha256(&self, name: &str) -> Result<Option<[u8; 32]>, Thrown> {
        self.value(name)?.map(|value| digest::sha256(&value)).transpose()
    }

    pub(crate) fn time(&self, name: &str) -> Result<Option<Timestamp>, Thrown> {
        self.value(name)?.map(|value| time::read(&value)).transpose()
    }

    /// `now`, or the clock's time: JavaScript is the outermost layer, where a clock may be read.
    pub(crate) fn now(&self) -> Result<Timestamp, Thrown> {
        Ok(self.time("now")?.unwrap_or_else(time::clock))
    }

    fn read<T>(
        &self,
        name: &str,
        kind: &str,
        read: impl FnOnce(&JsValue) -> Option<T>,
    ) -> Result<Option<T>, Thrown> {
        let Some(value) = self.value(name)? else { return Ok(None) };
        read(&value).map(Some).ok_or_else(|| errors::argument(&format!("`{name}` is not {kind}")))
    }
}

/// Reads every element of an array.
pub(crate) fn list<T>(
    value: &JsValue,
    read: impl Fn(&JsValue) -> Result<T, Thrown>,
) -> Result<Vec<T>, Thrown> {
    let list = value.dyn_ref::<Array>().ok_or_else(|| errors::argument("the requests are not a list"))?;
    list.iter().map(|element| read(&element)).collect()
}
