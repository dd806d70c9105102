//! The reference SDK's variables, in the environment or in a `.env` file.

use crate::{boundary, errors, key_file};
use imagxp::crypto::PrivateKey;
use imagxp_files::atomic;
use imagxp_files::dotenv::{AGENT_ID, MAX_BYTES, Variables};
use pyo3::prelude::*;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use zeroize::Zeroizing;

/// Where the variables are looked for when no file is named and the environment has no key.
const DEFAULT: &str = ".env";

/// The agent's domain and its key.
pub(crate) fn load(
    py: Python<'_>,
    path: Option<&Path>,
    agent_id: Option<&str>,
) -> PyResult<(String, PrivateKey)> {
    let variables = find(py, path)?;
    let key = boundary::call(py, || variables.key())?;
    let name = match (agent_id, variables.agent_id()) {
        (Some(given), Some(found)) if given != found => {
            let message = format!("{AGENT_ID} is `{found}`, not `{given}`");
            return Err(errors::argument(py, &message));
        }
        (Some(name), _) | (None, Some(name)) => name.to_owned(),
        (None, None) => return Err(errors::argument(py, &format!("{AGENT_ID} is not set"))),
    };
    Ok((name, key))
}

fn find(py: Python<'_>, path: Option<&Path>) -> PyResult<Variables> {
    let Some(path) = path else {
        // What Python changed in `os.environ` counts, which is not what the process was started with.
        let environment = py.import("os")?.getattr("environ")?;
        let mut failure = None;
        let found = Variables::from_lookup(|name| {
            let value =
                environment.call_method1("get", (name,)).and_then(|value| value.extract::<Option<String>>());
            value.unwrap_or_else(|error| {
                failure = Some(error);
                None
            })
        });
        return match failure {
            Some(error) => Err(error),
            None if found.has_private_key() || !Path::new(DEFAULT).exists() => Ok(found),
            None => find(py, Some(Path::new(DEFAULT))),
        };
    };
    key_file::call(py, path, || {
        let mut content = Zeroizing::new(Vec::with_capacity(MAX_BYTES + 1));
        File::open(path)
            .and_then(|file| file.take(MAX_BYTES as u64 + 1).read_to_end(&mut content))
            .map_err(|error| atomic::failed(path, "read", error))?;
        Variables::parse(&content)
    })
}
