//! `imagxp jwk`: public keys as JWK or JWKS.

use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::key_file::public;
use imagxp::json::{Object, Value};
use std::path::PathBuf;

/// Print the public half of a key as a JWK, or of several as a JWKS such as brokers publish
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Private or public keys: PEM, JWK, DER, or base64 SPKI; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print a JWKS, with `kid`, `alg` and `use` for each key
    #[arg(long)]
    set: bool,
}

impl Args {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, CliError> {
        let keys = self.files.iter().map(|file| public(context, file)).collect::<Result<Vec<_>, _>>()?;
        if let ([key], false) = (keys.as_slice(), self.set) {
            context.out.object(&key.to_jwk())?;
            return Ok(Exit::Ok);
        }
        if !self.set {
            return Err(CliError::usage("several keys make a set; use --set"));
        }
        let list = keys.iter().map(|key| {
            let mut jwk = key.to_jwk();
            jwk.insert("kid", key.thumbprint().as_str().to_owned());
            jwk.insert("alg", key.algorithm().as_str());
            jwk.insert("use", "sig");
            Value::Object(jwk)
        });
        let mut set = Object::new();
        set.insert("keys", list.collect::<Vec<_>>());
        context.out.object(&set)?;
        Ok(Exit::Ok)
    }
}
