//! Step 8: the signature.

use super::Case;
use crate::grade::verifier::cast::Role;
use imagxp::Code;
use imagxp::crypto::Signature;
use imagxp::encoding::base64_encode;
use imagxp::headers::{PAYLOAD, SIGNATURE};

pub(super) const CASES: &[Case] = &[
    Case::new("signature.not_hex", "§3", "DER, base64, 0x, and hex of another length", |world| {
        let request = world.read()?.sign();
        let hex = request.value(SIGNATURE);
        let bytes = Signature::from_hex(hex.as_bytes()).map(|signature| *signature.as_bytes());
        let bytes = bytes.unwrap_or([0; 64]);
        let (r, s) = hex.split_at(64.min(hex.len()));
        let der = format!("3046022100{r}022100{s}");
        let forms = [
            der,
            base64_encode(&bytes),
            format!("0x{hex}"),
            hex.get(1..).unwrap_or_default().to_owned(),
            format!("{hex}00"),
            hex.replacen(|_: char| true, "g", 1),
        ];
        world.refuse_each(&forms.map(|form| request.clone().map(SIGNATURE, |_| form)), Code::SigMalformed)
    }),
    Case::new("signature.changed", "§3", "one bit of the signature", |world| {
        let flip = |bytes: &mut [u8; 64]| bytes.iter_mut().take(1).for_each(|byte| *byte ^= 1);
        world.refuse(&world.read()?.sign().resigned(flip), Code::SigInvalid)
    }),
    Case::new("signature.other_claim", "§3", "the signature of another claim", |world| {
        let other = world.read()?.sign().value(SIGNATURE);
        world.refuse(&world.read()?.sign().map(SIGNATURE, |_| other), Code::SigInvalid)
    }),
    Case::new("signature.claim_changed", "§3", "a claim that was changed afterwards", |world| {
        let other = world.read()?.set("purpose", "SUMMARY").sign().value(PAYLOAD);
        world.refuse(&world.read()?.sign().map(PAYLOAD, |_| other), Code::SigInvalid)
    }),
    Case::new("signature.no_hint", "§3", "a forgery without a key header", |world| {
        let request = world.read()?.sign().unhinted().resigned(|bytes| bytes.rotate_left(1));
        world.refuse(&request, Code::SigInvalid)
    }),
    Case::new("signature.zero", "§3", "r and s of 0", |world| {
        let zero = world.read()?.sign().resigned(|bytes| bytes.fill(0));
        let no_r = world.read()?.sign().resigned(|bytes| bytes.split_at_mut(32).0.fill(0));
        let no_s = world.read()?.sign().resigned(|bytes| bytes.split_at_mut(32).1.fill(0));
        world.refuse_each(&[zero, no_r, no_s], Code::SigInvalid)
    }),
    Case::new("signature.out_of_range", "§3", "s of n, r and s beyond it", |world| {
        let beyond = world.read()?.sign().resigned(|bytes| bytes.fill(0xff));
        world.refuse_each(&[world.read()?.sign().s_is_n(), beyond], Code::SigInvalid)
    }),
    Case::new("signature.other_algorithm", "§3", "the algorithm is the key's, not the message's", |world| {
        // An Ed25519 signature under the name of an agent whose key is ES256, without a hint.
        let claim = world.read()?.key(&world.cast.keys(Role::Edwards).own);
        world.refuse(&claim.sign().unhinted(), Code::SigInvalid)
    }),
];
