//! Key files in whatever form they come: PEM, JWK, DER, or the base64 of manifests.

use crate::context::Context;
use crate::error::CliError;
use crate::input::name;
use crate::output::Output;
use imagxp::crypto::{Algorithm, PrivateKey, PublicKey};
use imagxp::encoding::base64_encode;
use imagxp::json::{Limits, Object, object_to_canonical, parse_object};
use imagxp_files::atomic::{self, Existing, open_to_others};
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

/// A private key from a PEM (PKCS#8, SEC 1), JWK or PKCS#8 DER file. Warns when others can read the file.
pub(crate) fn private(context: &Context, path: &Path) -> Result<PrivateKey, CliError> {
    let content = context.input.secret(path)?;
    let key = match Form::of(&content) {
        Form::Jwk => parse_object(&content, &Limits::JWKS)
            .map_err(Into::into)
            .and_then(|jwk| PrivateKey::from_jwk(&jwk)),
        Form::Pem(text) => PrivateKey::from_pem(text),
        Form::Der => PrivateKey::from_pkcs8_der(&content),
        Form::Base64(_) => Err(imagxp::Error::protocol(imagxp::Code::KeyMalformed, "not a private key")),
    };
    let key = key.map_err(|error| CliError::from(error).in_file(name(path)))?;
    if let Some(mode) = open_to_others(path) {
        let message = format!("a private key that others can read (mode {mode:04o}); use chmod 600");
        context.out.warning(&CliError::new(CliError::PERMISSIONS, message).in_file(name(path)));
    }
    Ok(key)
}

/// The public half of any key file: besides the forms of [`private`] a public PEM, JWK, SPKI DER, or its base64.
pub(crate) fn public(context: &Context, path: &Path) -> Result<PublicKey, CliError> {
    let content = context.input.secret(path)?;
    let of = |key: PrivateKey| key.public_key().clone();
    let key = match Form::of(&content) {
        Form::Jwk => {
            parse_object(&content, &Limits::JWKS).map_err(Into::into).and_then(|jwk| match jwk.get("d") {
                Some(_) => PrivateKey::from_jwk(&jwk).map(of),
                None => PublicKey::from_jwk(&jwk),
            })
        }
        Form::Pem(text) if text.contains("PRIVATE KEY-----") => PrivateKey::from_pem(text).map(of),
        Form::Pem(text) => PublicKey::from_pem(text),
        Form::Der => {
            PublicKey::from_spki_der(&content).or_else(|_| PrivateKey::from_pkcs8_der(&content).map(of))
        }
        Form::Base64(text) => PublicKey::from_spki_base64(text),
    };
    key.map_err(|error| CliError::from(error).in_file(name(path)))
}

/// What a key file looks like.
enum Form<'a> {
    Jwk,
    Pem(&'a str),
    Der,
    Base64(&'a [u8]),
}

impl<'a> Form<'a> {
    fn of(content: &'a [u8]) -> Self {
        let trimmed = content.trim_ascii();
        match std::str::from_utf8(content) {
            Ok(text) if text.contains("-----BEGIN ") => Self::Pem(text),
            _ if trimmed.starts_with(b"{") => Self::Jwk,
            // The tag of an ASN.1 SEQUENCE is also the digit `0`, with which no SubjectPublicKeyInfo in base64 begins.
            _ if content.first() == Some(&0x30) => Self::Der,
            _ => Self::Base64(trimmed),
        }
    }
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
