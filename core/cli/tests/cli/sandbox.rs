//! A folder to run the binary in, and what came of a run.

use serde_json::Value;
use std::ffi::OsStr;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// RFC 7515 appendix A.3: a published private key, so that signatures in golden texts can be reproduced.
pub(crate) const KNOWN_KEY: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#;
pub(crate) const KNOWN_THUMBPRINT: &str = "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U";
/// The time at which the tests take place.
pub(crate) const NOW: &str = "2026-11-21T12:00:00Z";
pub(crate) const NONCE: &str = "7f9c2ba4-e88f-427d-9fc1-2e5a0d3b6c11";
pub(crate) const URL: &str = "https://pub.example/article?id=1";

/// What a run printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    /// Checks the exit code; a failed run shows what it printed.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    /// The result as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert!(self.out.ends_with('\n'), "{self:#?}");
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// The one error in JSON, which must be the only thing printed: its code and message.
    #[track_caller]
    pub(crate) fn json_error(&self) -> Value {
        assert_eq!((self.code, self.out.as_str(), self.err.lines().count()), (2, "", 1), "{self:#?}");
        let value: Value =
            serde_json::from_str(&self.err).unwrap_or_else(|error| panic!("{error}: {self:#?}"));
        let error = value["error"].clone();
        assert!(
            error["code"].is_string() && error["message"].as_str().is_some_and(|text| !text.is_empty()),
            "{self:#?}"
        );
        error
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the program prints UTF-8");
        // A signal, such as SIGABRT of a panic while panicking, shows as -1.
        let run = Self {
            code: output.status.code().unwrap_or(-1),
            out: text(output.stdout),
            err: text(output.stderr),
        };
        assert!(!run.err.contains("panicked"), "{run:#?}");
        run
    }
}

/// A temporary folder with a known key, its manifest, and a policy.
pub(crate) struct Sandbox {
    folder: tempfile::TempDir,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        let sandbox = Self { folder: tempfile::tempdir().unwrap() };
        sandbox.write("agent.jwk", KNOWN_KEY);
        #[cfg(unix)]
        std::fs::set_permissions(
            sandbox.path("agent.jwk"),
            std::os::unix::fs::PermissionsExt::from_mode(0o600),
        )
        .unwrap();
        sandbox.write(
            "policy.json",
            r#"{"version":1,"origins":["https://pub.example"],"purposes":{"RAG_RETRIEVAL":{}},"require_user_agent":true,"methods":["GET","HEAD","POST"]}"#,
        );
        let manifest =
            sandbox.run(["manifest", "--agent-id", "bot.example.com", "--key", "agent.jwk"]).exits(0).out;
        sandbox.write("manifest.json", &manifest);
        sandbox
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        std::fs::write(self.path(name), content).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// The names of all files, hidden ones included.
    pub(crate) fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// The binary, not yet started, in this folder.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_imagxp"));
        command.args(args).current_dir(self.folder.path()).stdin(Stdio::null()).env_remove("COLUMNS");
        // What the scripts tell the tests is no option of the program.
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("IMAGXP_")) {
            command.env_remove(name);
        }
        command
    }

    pub(crate) fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Run {
        self.command(args).output().unwrap().into()
    }

    /// Like [`Self::run`], with arguments in one text, separated by spaces.
    pub(crate) fn sh(&self, args: &str) -> Run {
        self.run(args.split_whitespace())
    }

    pub(crate) fn run_with(&self, stdin: &[u8], args: &str) -> Run {
        let mut command = self.command(args.split_whitespace());
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A program that refuses its arguments may be gone before it has read.
        let _ = child.stdin.take().unwrap().write_all(stdin);
        child.wait_with_output().unwrap().into()
    }

    /// A signed request in `request.json`; `more` are further arguments.
    pub(crate) fn sign(&self, purpose: &str, more: &str) {
        let args = format!(
            "sign --key agent.jwk --agent-id bot.example.com --purpose {purpose} --url {URL} --now {NOW} --nonce {NONCE} --format json {more}"
        );
        let request = self.sh(&args).exits(0).out;
        self.write("request.json", &request);
    }

    /// `verify` or `explain` of `request.json` with all that is at hand.
    pub(crate) fn judge(&self, command: &str, more: &str) -> Run {
        self.sh(&format!(
            "{command} request.json --policy policy.json --manifest manifest.json --now {NOW} {more}"
        ))
    }
}
