//! Options: plain objects whose every member is known. A slip in a name must show, not fall back to a default.

use crate::errors;
use crate::js::{self, named};
use napi::bindgen_prelude::{FromNapiValue, JsObjectValue, Object};
use napi::{Result, ValueType, sys};

/// An object that is being read.
pub(crate) struct Reader {
    env: sys::napi_env,
    object: Object<'static>,
    known: Vec<String>,
}

impl Reader {
    /// Begins. A `TypeError` when it is not an object.
    ///
    /// # Safety
    ///
    /// As `FromNapiValue::from_napi_value`.
    pub(crate) unsafe fn new(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        if js::type_of(env, value) != ValueType::Object {
            return Err(js::expected("an object of options"));
        }
        // SAFETY: as this function's.
        let object = unsafe { Object::from_napi_value(env, value) }?;
        Ok(Self { env, object, known: Vec::new() })
    }

    /// Reads one member; its name is `name` in camel case.
    pub(crate) fn member<T: FromNapiValue>(&mut self, name: &'static str) -> Result<T> {
        let camel = camel_case(name);
        let value: napi::bindgen_prelude::Unknown<'_> = self.object.get_named_property_unchecked(&camel)?;
        let raw = napi::JsValue::raw(&value);
        // SAFETY: the value is the object's, and the object is an argument of the call that goes on.
        let read = named(&camel, || unsafe { T::from_napi_value(self.env, raw) });
        self.known.push(camel);
        read
    }

    /// Ends: a `TypeError` names a member that was not asked for.
    pub(crate) fn finish(self) -> Result<()> {
        for name in Object::keys(&self.object)? {
            if !self.known.contains(&name) {
                let shown: String = name.chars().take(40).collect();
                return Err(errors::wrong_type(&format!("there is no option `{shown}`")));
            }
        }
        Ok(())
    }
}

fn camel_case(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    let mut upper = false;
    for letter in name.chars() {
        if letter == '_' {
            upper = true;
        } else if upper {
            camel.push(letter.to_ascii_uppercase());
            upper = false;
        } else {
            camel.push(letter);
        }
    }
    camel
}

/// Declares an options object: its type for TypeScript, and how it is read.
macro_rules! options {
    ($(#[$about:meta])* $name:ident { $($(#[$note:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$about])*
        #[napi_derive::napi(object, object_from_js = false, object_to_js = false)]
        pub struct $name {
            $($(#[$note])* pub $field: $type,)*
        }

        impl napi::bindgen_prelude::FromNapiValue for $name {
            unsafe fn from_napi_value(
                env: napi::sys::napi_env,
                value: napi::sys::napi_value,
            ) -> napi::Result<Self> {
                // SAFETY: as this function's.
                let mut reader = unsafe { $crate::options::Reader::new(env, value) }?;
                let read = Self { $($field: reader.member(stringify!($field))?,)* };
                reader.finish()?;
                Ok(read)
            }
        }

        impl napi::bindgen_prelude::ValidateNapiValue for $name {
            unsafe fn validate(
                _: napi::sys::napi_env,
                _: napi::sys::napi_value,
            ) -> napi::Result<napi::sys::napi_value> {
                Ok(::core::ptr::null_mut())
            }
        }
    };
}
pub(crate) use options;
