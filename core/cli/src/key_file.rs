//! Key files in whatever form they come: encrypted, PEM, JWK, DER, or the base64 of manifests.

use crate::context::Context;
use crate::error::CliError;
use crate::input::name;
use crate::output::Output;
use imagxp::crypto::{Algorithm, PrivateKey, PublicKey};
use imagxp::encoding::base64_encode;
use imagxp::json::{Object, object_to_canonical};
use imagxp_files::atomic::{self, Existing, open_to_others};
use imagxp_files::key_file::{self, Passphrase};
use imagxp_files::rotation::Keyring;
use std::fmt::Write as _;
use std::io;
use std::path::Path;

/// Writes a private key to a file of mode 0600, whole or not at all. With `force` a regular file of that name is replaced.
pub(crate) fn write(path: &Path, secret: &[u8], force: bool) -> Result<(), CliError> {
    let existing = if force { Existing::Replace } else { Existing::Refuse };
    atomic::write(path, secret, existing).map_err(|error| {
        let regular = path.symlink_metadata().is_ok_and(|found| found.is_file());
        match error.kind() {
            io::ErrorKind::AlreadyExists if regular => {
                CliError::new(CliError::EXISTS, "exists; use --force to replace it")
            }
            io::ErrorKind::AlreadyExists => {
                CliError::new(CliError::EXISTS, "exists, and is not a regular file")
            }
            _ => CliError::new(CliError::UNWRITABLE, format!("cannot be written: {error}")),
        }
        .in_file(name(path))
    })
}

/// A private key from a PEM (PKCS#8, SEC 1), JWK, PKCS#8 DER or encrypted key file, or the key that signs now in a folder of
/// `imagxp rotate`. Warns when others can read a key in the clear; refuses an encrypted one then, as ssh does.
pub(crate) fn private(context: &Context, path: &Path) -> Result<PrivateKey, CliError> {
    if Keyring::is_in(path) {
        let keyring = Keyring::open(path)?;
        return Ok(keyring.signing_key(keyring_passphrase(context, &keyring)?.as_ref())?);
    }
    let content = context.input.secret(path)?;
    let key = with_passphrase(context, |ask| key_file::read(&content, ask));
    let key = key.map_err(|error| error.in_file(name(path)))?;
    if let Some(mode) = open_to_others(path) {
        let message = format!("a private key that others can read (mode {mode:04o}); use chmod 600");
        let error = CliError::new(CliError::PERMISSIONS, message).in_file(name(path));
        if key_file::is_sealed(&content) {
            return Err(error);
        }
        context.out.warning(&error);
    }
    Ok(key)
}

/// The public half of any key file: besides the forms of [`private`] a public PEM, JWK, SPKI DER, or its base64.
pub(crate) fn public(context: &Context, path: &Path) -> Result<PublicKey, CliError> {
    if Keyring::is_in(path) {
        return Ok(Keyring::open(path)?.rotation().signing_key().clone());
    }
    let content = context.input.secret(path)?;
    with_passphrase(context, |ask| key_file::read_public(&content, ask))
        .map_err(|error| error.in_file(name(path)))
}

/// The passphrase of a folder's keys when they are sealed.
pub(crate) fn keyring_passphrase(
    context: &Context,
    keyring: &Keyring,
) -> Result<Option<Passphrase>, CliError> {
    Ok(if keyring.is_sealed()? { Some(context.passphrase.ask(&context.input)?) } else { None })
}

/// Reads with a passphrase that is asked for when it is needed; why it could not be had is the error then.
fn with_passphrase<T>(
    context: &Context,
    read: impl FnOnce(&mut dyn FnMut() -> imagxp::Result<Passphrase>) -> imagxp::Result<T>,
) -> Result<T, CliError> {
    let mut refusal = None;
    let result = read(&mut || {
        context.passphrase.ask(&context.input).map_err(|error| {
            let told = imagxp::Error::argument("no passphrase");
            refusal = Some(error);
            told
        })
    });
    result.map_err(|error| refusal.unwrap_or_else(|| error.into()))
}

/// The public facts of a key: `algorithm`, `thumbprint`, `spki`, `jwk`.
pub(crate) fn facts(key: &PublicKey) -> Object<'static> {
    let mut object = Object::new();
    object.insert("algorithm", key.algorithm().as_str());
    object.insert("thumbprint", key.thumbprint().as_str().to_owned());
    object.insert("spki", base64_encode(key.to_spki_der()));
    object.insert("jwk", key.to_jwk());
    object
}

/// The same for people.
pub(crate) fn facts_text(key: &PublicKey) -> String {
    let mut text = String::new();
    let jwk = object_to_canonical(&key.to_jwk());
    // Writing to a string does not fail.
    let _ = writeln!(text, "algorithm   {}", key.algorithm());
    let _ = writeln!(text, "thumbprint  {}", key.thumbprint());
    let _ = writeln!(text, "spki        {}", key.to_spki_base64());
    let _ = writeln!(text, "jwk         {}", String::from_utf8_lossy(&jwk));
    text
}

/// Prints the public facts of a key, below a first line or member that says what they are of.
pub(crate) fn print_facts(
    out: &Output,
    key: &PublicKey,
    file: Option<&Path>,
    title: &str,
) -> Result<(), CliError> {
    if !out.is_json() {
        return out.text(&format!("{title}{}", facts_text(key)));
    }
    let mut object = facts(key);
    if let Some(file) = file {
        object.insert("file", name(file));
    }
    out.object(&object)
}

/// Whether a key may sign visas: ES256 only (PROTOCOL §8).
pub(crate) fn require_es256(key: &PrivateKey, path: &Path) -> Result<(), CliError> {
    match key.algorithm() {
        Algorithm::Es256 => Ok(()),
        _ => Err(CliError::usage("visas are signed with an ES256 key").in_file(name(path))),
    }
}
