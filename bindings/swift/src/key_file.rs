//! Private keys in files: in the clear or encrypted, readable by their owner only, written whole or not at all.

use imagxp::Result;
use imagxp::crypto::PrivateKey;
use imagxp_files::atomic::Existing;
use imagxp_files::key_file::{self, Access, Passphrase};
use std::path::Path;

/// See `PrivateKey.load`. Our copy of the passphrase is erased; Swift's own lives as long as Swift keeps it.
pub(crate) fn load(path: &str, passphrase: Option<Vec<u8>>, allow_readable: bool) -> Result<PrivateKey> {
    let access = if allow_readable { Access::Anybody } else { Access::OwnerOnly };
    let passphrase = passphrase.map(Passphrase::new).transpose()?;
    key_file::load(Path::new(path), passphrase.as_ref(), access)
}

/// See `PrivateKey.save`.
pub(crate) fn save(path: &str, key: &PrivateKey, passphrase: Option<Vec<u8>>, overwrite: bool) -> Result<()> {
    let existing = if overwrite { Existing::ReplaceLink } else { Existing::Refuse };
    let passphrase = passphrase.map(Passphrase::new).transpose()?;
    key_file::save(Path::new(path), key, passphrase.as_ref(), existing)
}
