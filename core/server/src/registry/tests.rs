//! What a running service takes over when not all of it can be read.

use super::*;
use imagxp_storage::Options;
use std::path::Path;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(1_800_000_000).saturating_add_secs(seconds)
}

/// The name of the key that signs.
fn signer(live: &Live) -> String {
    live.keys.signer(at(9)).unwrap().public_key().thumbprint().as_str().to_owned()
}

/// A registry with a key and two operators, and what a service has read of it.
fn place(data: &Path, shared: Option<Ledger>) -> (Registry, Stamp, Live) {
    let registry = Registry { data: data.to_owned(), secret: Secret::new(data, Path::new("")), shared };
    registry.create_key(at(0)).unwrap();
    for name in ["ann", "mallory"] {
        registry.add_operator(name, Role::Admin, at(0)).unwrap();
    }
    let mut stamp = Stamp::default();
    let (live, failed) = registry.read(&mut stamp, None).unwrap().unwrap();
    assert!(failed.is_none());
    (registry, stamp, live)
}

/// A key has come that does not open; then somebody is removed, and a session ends.
fn removes(registry: &Registry, stamp: &mut Stamp, live: &Live) -> Live {
    registry.remove_operator("mallory", at(2)).unwrap();
    registry.revoke("session", at(3600), at(2)).unwrap();
    let (read, failed) = registry.read(stamp, Some(live)).unwrap().unwrap();
    assert!(failed.is_some(), "the key is told of");
    assert!(read.operators.by_name("mallory").is_none() && read.operators.by_name("ann").is_some());
    assert!(read.revoked.has("session"));
    assert_eq!(signer(&read), signer(live), "the keys of before go on");
    assert!(registry.read(stamp, Some(live)).unwrap().is_some(), "it is tried again");
    assert!(registry.read(&mut Stamp::default(), None).is_err(), "no service starts with it");
    read
}

#[test]
fn a_key_of_the_database_that_does_not_open_keeps_nobody() {
    let data = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&Address::Memory, Options::default(), 0).unwrap();
    let (registry, mut stamp, live) = place(data.path(), Some(ledger.clone()));
    let sealed = |text: Option<&str>| {
        let text = text.map(str::to_owned);
        ledger
            .register(move |registry| {
                let row = registry.keys()?.pop();
                let Some(row) = row else { return Ok(None) };
                let was = row.sealed.clone();
                registry.put_key(&imagxp_storage::key::SigningKey { sealed: text, ..row })?;
                Ok(was)
            })
            .unwrap()
    };
    registry.rotate_keys(at(1)).unwrap();
    let good = sealed(Some("nothing that opens"));
    let read = removes(&registry, &mut stamp, &live);
    // A key that is dropped is gone all the same.
    let leaked = signer(&live);
    ledger
        .register(move |registry| {
            let row = registry.keys()?.into_iter().find(|row| row.kid == leaked);
            let Some(row) = row else { return Ok(()) };
            registry.put_key(&imagxp_storage::key::SigningKey { dropped_at: Some(1), ..row })
        })
        .unwrap();
    let (without, _) = registry.read(&mut stamp, Some(&read)).unwrap().unwrap();
    assert!(without.keys.has_dropped(&signer(&live)) && without.keys.signer(at(9)).is_none());
    // With the key as it was, all is well again.
    sealed(good.as_deref());
    assert!(registry.read(&mut stamp, Some(&read)).unwrap().unwrap().1.is_none());
    assert!(registry.read(&mut stamp, Some(&read)).unwrap().is_none());
}

#[test]
fn a_key_of_the_folder_that_does_not_open_keeps_nobody() {
    let data = tempfile::tempdir().unwrap();
    let (registry, mut stamp, live) = place(data.path(), None);
    let old = signer(&live);
    registry.rotate_keys(at(1)).unwrap();
    let files = std::fs::read_dir(data.path().join("keys")).unwrap().map(|file| file.unwrap().path());
    let new = files
        .filter(|file| file.extension().is_some_and(|end| end == "pem"))
        .find(|file| file.file_stem().is_some_and(|name| name.to_str() != Some(&old)));
    std::fs::write(new.unwrap(), "nothing that opens").unwrap();
    removes(&registry, &mut stamp, &live);
}
