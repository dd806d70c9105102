//! Values of JavaScript as arguments. Each checks its type, and says `TypeError` when it is another.
//!
//! Some have the names of napi's own types, whose place they take: it is by these names that napi knows what to write into
//! `index.d.ts`. Others are declared in `types.d.ts`.

use crate::errors;
use core::ops::Deref;
use napi::bindgen_prelude::{
    FnArgs, FromNapiValue, Function, FunctionRef, JsObjectValue, JsValue, MaybeTypeTag, TypeName, Uint8Array,
    Unknown, ValidateNapiValue,
};
use napi::{Env, Result, Status, ValueType, sys};
use std::cell::RefCell;
use std::thread::{self, ThreadId};

thread_local! {
    /// The member that is being read, for the sentence of a `TypeError`.
    static MEMBER: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Reads with a name in the sentence of whatever goes wrong.
pub(crate) fn named<T>(name: &str, read: impl FnOnce() -> Result<T>) -> Result<T> {
    let before = MEMBER.replace(Some(name.to_owned()));
    let read = read();
    MEMBER.set(before);
    read
}

/// The `TypeError` for a value that is something else than it should be.
pub(crate) fn expected(what: &str) -> napi::Error {
    MEMBER.with_borrow(|member| match member {
        Some(member) => errors::wrong_type(&format!("`{member}`: expected {what}")),
        None => errors::wrong_type(&format!("expected {what}")),
    })
}

/// Makes the two traits that napi asks of an argument; the check itself is in `from_napi_value`.
macro_rules! argument {
    ($type:ty) => {
        impl TypeName for $type {
            fn type_name() -> &'static str {
                stringify!($type)
            }

            fn value_type() -> ValueType {
                ValueType::Unknown
            }
        }

        impl ValidateNapiValue for $type {
            unsafe fn validate(_: sys::napi_env, _: sys::napi_value) -> Result<sys::napi_value> {
                Ok(core::ptr::null_mut())
            }
        }
    };
}
pub(crate) use argument;

/// The type of a value, which asking cannot change.
pub(crate) fn type_of(env: sys::napi_env, value: sys::napi_value) -> ValueType {
    // SAFETY: both come from the call that is being converted.
    let unknown = unsafe { Unknown::from_napi_value(env, value) };
    unknown.and_then(|value| value.get_type()).unwrap_or(ValueType::Unknown)
}

/// A string. Lone surrogates become U+FFFD.
pub struct JsString(pub(crate) String);
argument!(JsString);

impl FromNapiValue for JsString {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        // SAFETY: as this function's.
        unsafe { String::from_napi_value(env, value) }.map(Self).map_err(|_| expected("a string"))
    }
}

impl Deref for JsString {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// True or false.
#[derive(Clone, Copy)]
pub struct JsBoolean(pub(crate) bool);
argument!(JsBoolean);

impl FromNapiValue for JsBoolean {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        // SAFETY: as this function's.
        unsafe { bool::from_napi_value(env, value) }.map(Self).map_err(|_| expected("a boolean"))
    }
}

/// A number; what it may be is asked with `JsNumber::whole`.
#[derive(Clone, Copy)]
pub struct JsNumber(pub(crate) f64);
argument!(JsNumber);

impl FromNapiValue for JsNumber {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        // SAFETY: as this function's.
        unsafe { f64::from_napi_value(env, value) }.map(Self).map_err(|_| expected("a number"))
    }
}

impl JsNumber {
    /// The number when it is whole, safe to be written, and in the range of `T`: never wrapped, never cut.
    pub(crate) fn whole<T: TryFrom<i64>>(self, name: &str) -> Result<T> {
        const SAFE: f64 = 9_007_199_254_740_991.0;
        let whole = self.0.fract() == 0.0 && (-SAFE..=SAFE).contains(&self.0);
        #[expect(clippy::cast_possible_truncation, reason = "whole, and within 53 bits")]
        let number = whole.then_some(self.0 as i64).and_then(|number| T::try_from(number).ok());
        number.ok_or_else(|| errors::argument(&format!("`{name}` is out of range or not a whole number")))
    }
}

/// A `Uint8Array` (a `Buffer` is one), copied.
#[derive(Clone)]
pub struct Bytes(pub(crate) Vec<u8>);
argument!(Bytes);

impl FromNapiValue for Bytes {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        // SAFETY: as this function's.
        unsafe { bytes(env, value) }.map(Self).ok_or_else(|| expected("a Uint8Array"))
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// Text as a string, or its bytes.
#[derive(Clone)]
pub struct Text(pub(crate) Vec<u8>);
argument!(Text);

impl FromNapiValue for Text {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        // SAFETY: as this function's.
        unsafe { text(env, value) }.map(Self).ok_or_else(|| expected("a string or a Uint8Array"))
    }
}

/// The bytes of a string or a `Uint8Array`.
///
/// # Safety
///
/// As `FromNapiValue::from_napi_value`: called on the environment's thread with a value of the call.
pub(crate) unsafe fn text(env: sys::napi_env, value: sys::napi_value) -> Option<Vec<u8>> {
    // SAFETY: as this function's.
    match unsafe { String::from_napi_value(env, value) } {
        Ok(text) => Some(text.into_bytes()),
        // SAFETY: as this function's.
        Err(_) => unsafe { bytes(env, value) },
    }
}

unsafe fn bytes(env: sys::napi_env, value: sys::napi_value) -> Option<Vec<u8>> {
    if type_of(env, value) != ValueType::Object {
        return None;
    }
    // SAFETY: as this function's; napi checks that it is an array of bytes.
    unsafe { Uint8Array::from_napi_value(env, value) }.ok().map(|array| array.to_vec())
}

/// An object of one of our classes.
pub struct ClassInstance<T: 'static>(napi::bindgen_prelude::ClassInstance<'static, T>);

impl<T: 'static> Deref for ClassInstance<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: 'static> TypeName for ClassInstance<T> {
    fn type_name() -> &'static str {
        core::any::type_name::<T>().rsplit("::").next().unwrap_or_default()
    }

    fn value_type() -> ValueType {
        ValueType::Object
    }
}

impl<T: 'static> ValidateNapiValue for ClassInstance<T> {
    unsafe fn validate(_: sys::napi_env, _: sys::napi_value) -> Result<sys::napi_value> {
        Ok(core::ptr::null_mut())
    }
}

impl<T: MaybeTypeTag + 'static> FromNapiValue for ClassInstance<T> {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        // SAFETY: as this function's. The type tag of the object is compared before anything is read.
        unsafe { napi::bindgen_prelude::ClassInstance::from_napi_value(env, value) }
            .map(Self)
            .map_err(|_| expected(&format!("an instance of {}", Self::type_name())))
    }
}

/// An array.
pub struct List<T>(pub(crate) Vec<T>);

impl<T> TypeName for List<T> {
    fn type_name() -> &'static str {
        "Array"
    }

    fn value_type() -> ValueType {
        ValueType::Object
    }
}

impl<T> ValidateNapiValue for List<T> {
    unsafe fn validate(_: sys::napi_env, _: sys::napi_value) -> Result<sys::napi_value> {
        Ok(core::ptr::null_mut())
    }
}

impl<T: FromNapiValue> FromNapiValue for List<T> {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        // SAFETY: as this function's.
        let array = unsafe { napi::bindgen_prelude::Array::from_napi_value(env, value) };
        let array = array.map_err(|_| expected("an array"))?;
        let length = array.len();
        let mut list = Vec::new();
        for index in 0..length {
            let mut element = core::ptr::null_mut();
            // SAFETY: the array is one, and the index is within it; a getter that throws is reported by the status.
            let status = unsafe { sys::napi_get_element(env, value, index, &raw mut element) };
            napi::check_status!(status)?;
            // SAFETY: as this function's.
            list.push(unsafe { T::from_napi_value(env, element) }?);
        }
        Ok(Self(list))
    }
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// Whatever it is; what it must be is asked later.
pub struct Anything(Unknown<'static>);
argument!(Anything);

impl FromNapiValue for Anything {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        // SAFETY: as this function's.
        unsafe { Unknown::from_napi_value(env, value) }.map(Self)
    }
}

impl Anything {
    /// The value as `T`, which checks its type.
    pub(crate) fn read<T: FromNapiValue>(&self) -> Result<T> {
        let value = self.0.value();
        // SAFETY: the value came with the call that is still going on.
        unsafe { T::from_napi_value(value.env, value.value) }
    }

    /// Refuses a promise: what has not happened yet counts as not done.
    pub(crate) fn refuse_promise(&self) -> Result<()> {
        match self.0.is_promise()? {
            true => Err(napi::Error::new(
                Status::InvalidArg,
                "the function returned a promise; it must be done at once",
            )),
            false => Ok(()),
        }
    }

    /// Whether it is a function.
    pub(crate) fn is_function(&self) -> bool {
        self.0.get_type().is_ok_and(|found| found == ValueType::Function)
    }
}

/// A function of the caller's, called on the thread that gave it and nowhere else.
pub(crate) struct Callback<A: napi::bindgen_prelude::JsValuesTupleIntoVec> {
    function: FunctionRef<A, Unknown<'static>>,
    env: Env,
    home: ThreadId,
}

// SAFETY: the environment and the reference are used on `home` only, which `call` checks; napi releases a reference that is dropped
// elsewhere on its own thread.
unsafe impl<A: napi::bindgen_prelude::JsValuesTupleIntoVec> Send for Callback<A> {}
// SAFETY: as above.
unsafe impl<A: napi::bindgen_prelude::JsValuesTupleIntoVec> Sync for Callback<A> {}

impl<A: napi::bindgen_prelude::JsValuesTupleIntoVec> Callback<A> {
    /// Keeps a function.
    pub(crate) fn new(env: Env, value: &Anything, name: &'static str) -> Result<Self> {
        if !value.is_function() {
            return named(name, || Err(expected("a function")));
        }
        Ok(Self { function: value.read()?, env, home: thread::current().id() })
    }

    /// Keeps a method, bound to its object.
    pub(crate) fn method(
        env: Env,
        object: &napi::bindgen_prelude::Object<'_>,
        name: &'static str,
    ) -> Result<Self> {
        let value: Unknown<'_> = object.get_named_property_unchecked(name)?;
        if value.get_type()? != ValueType::Function {
            return Err(errors::wrong_type(&format!("the object has no method `{name}`")));
        }
        let method: Function<'_, A, Unknown<'static>> = object.get_named_property_unchecked(name)?;
        Ok(Self { function: method.bind(*object)?.create_ref()?, env, home: thread::current().id() })
    }

    /// Whether this thread may call it.
    pub(crate) fn is_home(&self) -> bool {
        thread::current().id() == self.home
    }

    /// Calls it and reads the answer.
    pub(crate) fn call<T>(
        &self,
        arguments: impl FnOnce() -> A,
        read: impl FnOnce(Anything) -> Result<T>,
    ) -> Result<T> {
        if !self.is_home() {
            return Err(napi::Error::new(Status::GenericFailure, "called on another thread than its own"));
        }
        read(Anything(self.function.borrow_back(&self.env)?.call(arguments())?))
    }
}

/// The arguments of a function, which napi spreads.
pub(crate) fn arguments<T>(values: T) -> FnArgs<T>
where
    FnArgs<T>: From<T>,
{
    FnArgs::from(values)
}
