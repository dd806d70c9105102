//! The operation `key_file`.

use crate::answer::{Answer, text};
use imagxp_files::key_file::{Passphrase, open};
use serde_json::json;

pub(crate) fn key_file(case: &serde_json::Value) -> Answer {
    let passphrase = Passphrase::new(text(case, "passphrase")?)?;
    Ok(match open(text(case, "text")?.as_bytes(), &passphrase) {
        Ok(key) => {
            let public = key.public_key();
            json!({ "thumbprint": public.thumbprint().as_str(), "alg": public.algorithm().as_str() })
        }
        Err(error) => json!({ "code": error.code() }),
    })
}
