//! JSON between JavaScript and the core. Text is parsed by the core's strict parser only.

use crate::boundary;
use crate::js::{self, Text, argument};
use imagxp::json::{Limits, Object, Value, canonicalize as core_canonicalize, parse_object};
use napi::bindgen_prelude::{
    Array, Buffer, FromNapiValue, JsObjectValue, Null, ToNapiValue, TypeName, Unknown, ValidateNapiValue,
};
use napi::{Env, Result, ValueType, sys};
use napi_derive::napi;

/// A JSON document: text, bytes, or an object that `JSON.stringify` can write.
pub struct Json(pub(crate) Vec<u8>);
argument!(Json);

impl FromNapiValue for Json {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        // SAFETY: as this function's.
        if let Some(text) = unsafe { js::text(env, value) } {
            return Ok(Self(text));
        }
        if js::type_of(env, value) != ValueType::Object {
            return Err(js::expected("an object, or JSON as a string or a Uint8Array"));
        }
        // SAFETY: as this function's.
        unsafe { written(env, value) }.map(Self)
    }
}

/// An object as `JSON.stringify` writes it. Lone surrogates and whatever else is wrong are refused by whoever parses it.
unsafe fn written(env: sys::napi_env, value: sys::napi_value) -> Result<Vec<u8>> {
    // SAFETY: as this function's.
    let object = unsafe { Unknown::from_napi_value(env, value) }?;
    let json: napi::bindgen_prelude::Object<'_> = Env::from(env).get_global()?.get_named_property("JSON")?;
    let stringify: napi::bindgen_prelude::Function<'_, Unknown<'_>, Unknown<'_>> =
        json.get_named_property_unchecked("stringify")?;
    let text = stringify.call(object)?;
    let raw = napi::JsValue::raw(&text);
    // SAFETY: as this function's. `undefined`, for an object with such a `toJSON`, is no string.
    let text = unsafe { String::from_napi_value(env, raw) };
    text.map(String::into_bytes).map_err(|_| js::expected("an object that JSON can write"))
}

/// A JSON object for functions of the core that take one.
pub(crate) fn to_object(document: &Json, limits: &Limits) -> Result<Object<'static>> {
    boundary::call(|| Ok(parse_object(&document.0, limits)?.into_owned()))
}

/// A JSON object as an object of JavaScript.
pub struct JsonObject(pub(crate) Object<'static>);

impl ToNapiValue for JsonObject {
    unsafe fn to_napi_value(env: sys::napi_env, object: Self) -> Result<sys::napi_value> {
        let env = Env::from(env);
        Ok(napi::JsValue::raw(&self::object(env, &object.0)?))
    }
}

fn object<'env>(env: Env, object: &Object<'_>) -> Result<napi::bindgen_prelude::Object<'env>> {
    let made = napi::bindgen_prelude::Object::new(&env)?;
    // The object's own life is the caller's handle scope, not this copy of the environment.
    let mut made = napi::bindgen_prelude::Object::from_raw(env.raw(), napi::JsValue::raw(&made));
    for (name, member) in object.iter() {
        // Defined, not assigned: a member named `__proto__` is a member like any other.
        let property = napi::Property::new()
            .with_utf8_name(name)?
            .with_value(&value(env, member)?)
            .with_property_attributes(
                napi::PropertyAttributes::Writable
                    | napi::PropertyAttributes::Enumerable
                    | napi::PropertyAttributes::Configurable,
            );
        made.define_properties(&[property])?;
    }
    Ok(made)
}

/// A JSON value. The core bounds the depth.
fn value(env: Env, member: &Value<'_>) -> Result<Unknown<'static>> {
    let raw = env.raw();
    // SAFETY: these run within the call whose environment it is.
    let made = unsafe {
        match member {
            Value::Null => Null::to_napi_value(raw, Null)?,
            Value::Bool(flag) => bool::to_napi_value(raw, *flag)?,
            Value::Number(number) => f64::to_napi_value(raw, number.as_f64())?,
            Value::String(text) => <&str>::to_napi_value(raw, text)?,
            Value::Array(items) => {
                let mut list = Array::from_vec(&env, Vec::<f64>::new())?;
                for item in items.iter() {
                    list.insert(value(env, item)?)?;
                }
                napi::JsValue::raw(&list)
            }
            Value::Object(members) => napi::JsValue::raw(&object(env, members)?),
        }
    };
    // SAFETY: just made in this environment.
    unsafe { Unknown::from_napi_value(raw, made) }
}

/// The RFC 8785 form of a strict I-JSON text (at most 16 MiB, 64 levels), as bytes.
#[napi]
pub fn canonicalize(json: Text) -> Result<Buffer> {
    boundary::call(|| Ok(core_canonicalize(&json.0, &Limits::INTERCHANGE)?)).map(Buffer::from)
}
