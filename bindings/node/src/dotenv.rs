//! The reference SDK's variables, in the environment or in a `.env` file.

use crate::js::Anything;
use crate::{boundary, errors};
use imagxp::crypto::PrivateKey;
use imagxp_files::atomic;
use imagxp_files::dotenv::{AGENT_ID, MAX_BYTES, Variables};
use napi::bindgen_prelude::{JsObjectValue, Object};
use napi::{Env, Result};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use zeroize::Zeroizing;

/// Where the variables are looked for when no file is named and the environment has no key.
const DEFAULT: &str = ".env";

/// The agent's domain and its key.
pub(crate) fn load(env: &Env, path: Option<&str>, agent_id: Option<&str>) -> Result<(String, PrivateKey)> {
    let variables = match path {
        Some(path) => read(Path::new(path))?,
        None => find(env)?,
    };
    let key = boundary::call(|| variables.key())?;
    let name = match (agent_id, variables.agent_id()) {
        (Some(given), Some(found)) if given != found => {
            return Err(errors::argument(&format!("{AGENT_ID} is `{found}`, not `{given}`")));
        }
        (Some(name), _) | (None, Some(name)) => name.to_owned(),
        (None, None) => return Err(errors::argument(&format!("{AGENT_ID} is not set"))),
    };
    Ok((name, key))
}

fn find(env: &Env) -> Result<Variables> {
    // In a worker `process.env` is a copy, which is not what the process was started with.
    let process: Object<'_> = env.get_global()?.get_named_property("process")?;
    let environment: Object<'_> = process.get_named_property("env")?;
    let mut failure = None;
    let found = Variables::from_lookup(|name| {
        let value = environment.get_named_property_unchecked::<Anything>(name);
        let value = value.and_then(|value| value.read::<Option<String>>());
        value.unwrap_or_else(|error| {
            failure = Some(error);
            None
        })
    });
    match failure {
        Some(error) => Err(error),
        None if found.has_private_key() || !Path::new(DEFAULT).exists() => Ok(found),
        None => read(Path::new(DEFAULT)),
    }
}

fn read(path: &Path) -> Result<Variables> {
    boundary::call(|| {
        let mut content = Zeroizing::new(Vec::with_capacity(MAX_BYTES + 1));
        File::open(path)
            .and_then(|file| file.take(MAX_BYTES as u64 + 1).read_to_end(&mut content))
            .map_err(|error| atomic::failed(path, "read", error))?;
        Variables::parse(&content)
    })
}
