//! Private keys in files: in the clear or encrypted, readable by their owner only, written whole or not at all.

use crate::errors;
use crate::js::{self, JsBoolean, argument};
use crate::options::options;
use crate::worker;
use imagxp::crypto::PrivateKey;
use imagxp_files::atomic::Existing;
use imagxp_files::key_file::{self, Access};
use napi::bindgen_prelude::{FromNapiValue, PromiseRaw, ToNapiValue, TypeName, ValidateNapiValue};
use napi::{Env, Result, ValueType, sys};
use std::path::PathBuf;
use std::sync::Arc;
use zeroize::Zeroizing;

options! {
    /// How a key file is read.
    LoadOptions {
        /// Opens an encrypted file.
        #[napi(ts_type = "Text | null")]
        passphrase: Option<Passphrase>,
        /// Also reads a file that others than its owner may read or write.
        allow_readable: Option<JsBoolean>,
        /// Identities only: also admits `localhost` and `127.0.0.1`, with a port: for development.
        allow_loopback: Option<JsBoolean>,
    }
}

options! {
    /// How a key file is written.
    SaveOptions {
        /// Encrypts the file.
        #[napi(ts_type = "Text | null")]
        passphrase: Option<Passphrase>,
        /// Replaces a file that exists.
        overwrite: Option<JsBoolean>,
    }
}

/// A passphrase as JavaScript passes it: text or bytes. Our copies are erased; JavaScript's own lives as long as it is kept.
#[derive(Clone)]
pub struct Passphrase(pub(crate) Arc<key_file::Passphrase>);
argument!(Passphrase);

impl FromNapiValue for Passphrase {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        // SAFETY: as this function's.
        let bytes = unsafe { js::text(env, value) }.map(Zeroizing::new);
        let bytes = bytes.ok_or_else(|| js::expected("a passphrase as a string or a Uint8Array"))?;
        key_file::Passphrase::new(bytes.as_slice())
            .map(|passphrase| Self(Arc::new(passphrase)))
            .map_err(|error| errors::raise(&error))
    }
}

/// Reads a key file on a thread of its own.
pub(crate) fn load<V: ToNapiValue + 'static>(
    env: &Env,
    path: String,
    options: Option<LoadOptions>,
    finish: impl FnOnce(PrivateKey) -> Result<V> + Send + 'static,
) -> Result<PromiseRaw<'static, V>> {
    let (passphrase, readable) =
        options.map_or((None, None), |options| (options.passphrase, options.allow_readable));
    let access = if readable.is_some_and(|flag| flag.0) { Access::Anybody } else { Access::OwnerOnly };
    let path = PathBuf::from(path);
    let work = move || key_file::load(&path, passphrase.as_ref().map(|passphrase| &*passphrase.0), access);
    worker::run(env, work, |key| key.map_err(|error| errors::raise(&error)).and_then(finish))
}

/// Writes a key file on a thread of its own.
pub(crate) fn save(
    env: &Env,
    path: String,
    key: Arc<PrivateKey>,
    options: Option<SaveOptions>,
) -> Result<PromiseRaw<'static, ()>> {
    let (passphrase, overwrite) =
        options.map_or((None, None), |options| (options.passphrase, options.overwrite));
    let existing =
        if overwrite.is_some_and(|flag| flag.0) { Existing::ReplaceLink } else { Existing::Refuse };
    let path = PathBuf::from(path);
    let work =
        move || key_file::save(&path, &key, passphrase.as_ref().map(|passphrase| &*passphrase.0), existing);
    worker::run(env, work, |done| done.map_err(|error| errors::raise(&error)))
}
