//! Evidence and inclusion proofs, verified offline.

use crate::boundary::boundary;
use crate::bytes::{give_bytes, imagxp_bytes, imagxp_slice};
use crate::error::imagxp_error;
use crate::handle::{give_plain, need};
use crate::public_key::imagxp_public_key;
use crate::status::imagxp_status;
use core::mem::MaybeUninit;
use imagxp::audit::{Evidence, verify_entry};
use imagxp::{Error, json};

/// Verifies evidence that `imagxp audit prove` wrote: the signed checkpoint, the inclusion proof, and the request's signature, with the
/// manifest that was in force, or with a key that nobody vouches for where `binding` is `key_only`. `key` is the publisher's key as you know
/// it; when it is NULL, the key in the evidence is taken, and `key_known` is false in the report. Writes what is proven as a JSON object;
/// free it with `imagxp_bytes_free`. Of that `ts`, `nonce`, `resource`, `purpose` and `agent_id` were signed; `time` and `url` are the
/// publisher's word, and `url_signed` says whether the URL is the one that was signed.
///
/// Errors: `audit.malformed`, `audit.altered`, `audit.proof_invalid`.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_audit_verify_evidence(
    evidence: imagxp_slice<'_>,
    key: Option<&imagxp_public_key>,
    report: Option<&mut MaybeUninit<imagxp_bytes>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        give_bytes(report, || {
            let keys: Vec<_> = key.map(|key| key.key.clone()).into_iter().collect();
            let proven = Evidence::parse(evidence.bytes()?)?.verify(&keys)?;
            Ok(json::object_to_canonical(&proven.to_json()))
        })
    })
}

/// Verifies that `checkpoint`, a C2SP signed note of the key `key`, seals `entry`, one line of a log without its line feed. `proof` is the
/// RFC 6962 inclusion proof: the hashes from the leaf upwards, 32 bytes each, one after the other. Writes how many entries the checkpoint
/// seals.
///
/// Errors: `usage.argument`, `audit.malformed`, `audit.altered`, `audit.proof_invalid`.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_audit_verify_inclusion(
    checkpoint: imagxp_slice<'_>,
    key: Option<&imagxp_public_key>,
    entry: imagxp_slice<'_>,
    proof: imagxp_slice<'_>,
    size: Option<&mut MaybeUninit<u64>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        give_plain(size, || {
            let key = &need(key, "key")?.key;
            let (hashes, rest) = proof.bytes()?.as_chunks::<32>();
            if !rest.is_empty() || hashes.len() > 64 {
                return Err(Error::argument("`proof` is not a whole number of at most 64 hashes"));
            }
            let keys = core::slice::from_ref(key);
            Ok(verify_entry(checkpoint.bytes()?, keys, entry.bytes()?, hashes)?.size)
        })
    })
}
