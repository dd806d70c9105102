//! Manifests: the key document of an agent's domain.

use crate::agent_id::agent_id;
use crate::boundary::{accessor, boundary};
use crate::bytes::{give_bytes, imagxp_bytes, imagxp_slice};
use crate::error::imagxp_error;
use crate::handle::{give, need};
use crate::public_key::imagxp_public_key;
use crate::status::imagxp_status;
use core::mem::MaybeUninit;
use imagxp::manifest::{MAX_MANIFEST_BYTES, ManifestKey};
use imagxp::{Error, Manifest, Timestamp};

/// No time: where a date may be absent.
pub const IMAGXP_TIME_NONE: i64 = i64::MIN;

/// A manifest whose every rule holds.
pub struct imagxp_manifest {
    manifest: Manifest,
}

impl imagxp_manifest {
    pub(crate) fn new(manifest: Manifest) -> Self {
        Self { manifest }
    }

    #[cfg(feature = "full")]
    pub(crate) const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn key(&self, index: usize) -> Option<&ManifestKey> {
        self.manifest.keys().get(index)
    }
}

/// Reads a manifest that was fetched for `agent`, at most 16 KiB. Free it with `imagxp_manifest_free`. Error: `identity.manifest_invalid`.
///
/// A publisher needs no manifest object: it gets the bytes by `imagxp_publisher_supply`.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_manifest_parse(
    agent: imagxp_slice<'_>,
    allow_loopback: bool,
    json: imagxp_slice<'_>,
    manifest: Option<&mut MaybeUninit<*mut imagxp_manifest>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        give(manifest, || {
            let agent = agent_id(agent, allow_loopback)?;
            Manifest::parse(json.bytes()?, &agent, MAX_MANIFEST_BYTES).map(imagxp_manifest::new)
        })
    })
}

/// Adds a key, at most 8 in all: during a rotation, the old or the next one. It exists from `not_before_ms` to `not_after_ms`, both inclusive;
/// `IMAGXP_TIME_NONE` leaves an end open. The first key stays the current one.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_manifest_add_key(
    manifest: Option<&mut imagxp_manifest>,
    key: Option<&imagxp_public_key>,
    not_before_ms: i64,
    not_after_ms: i64,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        let this = need(manifest, "manifest")?;
        let old = &this.manifest;
        let mut keys = old.keys().to_vec();
        keys.push(ManifestKey {
            key: need(key, "key")?.key.clone(),
            not_before: date(not_before_ms)?,
            not_after: date(not_after_ms)?,
        });
        this.manifest = Manifest::new(old.agent_id().clone(), old.contact().map(str::to_owned), keys)?;
        Ok(())
    })
}

/// Writes the JSON document to publish at `/.well-known/imagxp-agent.json`.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_manifest_to_json(
    manifest: Option<&imagxp_manifest>,
    json: Option<&mut MaybeUninit<imagxp_bytes>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || give_bytes(json, || Ok(need(manifest, "manifest")?.manifest.to_json())))
}

/// Whose manifest it is. Lives as long as the manifest.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_manifest_agent_id(manifest: Option<&imagxp_manifest>) -> imagxp_slice<'_> {
    accessor(imagxp_slice::NONE, || manifest.map(|this| this.manifest.agent_id().as_str()).into())
}

/// Whom to write to; empty when not said. Lives as long as the manifest, or until `imagxp_manifest_add_key`.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_manifest_contact(manifest: Option<&imagxp_manifest>) -> imagxp_slice<'_> {
    accessor(imagxp_slice::NONE, || manifest.and_then(|this| this.manifest.contact()).into())
}

/// How many keys there are, whatever their dates. 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_manifest_key_count(manifest: Option<&imagxp_manifest>) -> usize {
    accessor(0, || manifest.map_or(0, |this| this.manifest.keys().len()))
}

/// Whether the n-th key, counted from 0, exists at this time; outside its dates it does not. False beyond the last.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_manifest_key_exists(
    manifest: Option<&imagxp_manifest>,
    index: usize,
    now_ms: i64,
) -> bool {
    accessor(false, || {
        let key = manifest.and_then(|this| this.key(index));
        key.is_some_and(|key| key.exists_at(Timestamp::from_millis(now_ms)))
    })
}

/// The n-th key, counted from 0; the current one is first. Free it with `imagxp_public_key_free`.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_manifest_key(
    manifest: Option<&imagxp_manifest>,
    index: usize,
    key: Option<&mut MaybeUninit<*mut imagxp_public_key>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        give(key, || {
            let entry = need(manifest, "manifest")?.key(index);
            let entry = entry.ok_or_else(|| Error::argument(format!("there is no key {index}")))?;
            Ok(imagxp_public_key::new(entry.key.clone()))
        })
    })
}

/// Frees the manifest. NULL is accepted.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_manifest_free(manifest: Option<Box<imagxp_manifest>>) {
    accessor((), || drop(manifest));
}

fn date(ms: i64) -> imagxp::Result<Option<Timestamp>> {
    if ms == IMAGXP_TIME_NONE {
        return Ok(None);
    }
    let time = Timestamp::from_millis(ms);
    // What a manifest says must be readable again.
    let readable = Timestamp::parse(&time.to_string()).is_some();
    readable.then_some(Some(time)).ok_or_else(|| Error::argument("a date is not in the years 2000 to 2100"))
}
