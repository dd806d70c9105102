//! Receipts: what is read can be written again and says the same; what nobody signed is never believed.
#![no_main]

use imagxp::agent::Identity;
use imagxp::crypto::Algorithm;
use imagxp::encoding::base64_encode;
use imagxp::headers::{PROVENANCE, PROVENANCE_SIG};
use imagxp::provenance::SignedReceipt;
use imagxp_fuzz::key;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // As it comes, and as the JSON inside the base64.
    let encoded = base64_encode(data);
    for value in [data, encoded.as_bytes()] {
        let Ok(read) = SignedReceipt::parse(value, &[b'1'; 128]) else { continue };
        let Some(publisher) = read.publisher(true) else { continue };
        let signer = key(Algorithm::Es256, 3);
        let manifest = Identity::new(publisher, signer).manifest(None, &[]).expect("one key");
        assert!(read.verify(&manifest).is_err(), "nobody has signed it");
        let signer = key(Algorithm::Es256, 3);
        let Ok(headers) = read.receipt().sign(&signer) else { continue };
        let value = |name| headers.get(name).expect("both headers").as_bytes();
        let again = SignedReceipt::parse(value(PROVENANCE), value(PROVENANCE_SIG))
            .expect("what we write we can read");
        assert_eq!(again.receipt(), read.receipt());
        assert_eq!(again.verify(&manifest).expect("it is signed"), read.receipt());
    }
});
