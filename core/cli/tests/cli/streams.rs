//! Standard streams and file sizes: closed pipes, full disks, files without end.

use crate::sandbox::{Run, Sandbox};
use std::process::Stdio;

/// A stream whose other end is gone.
#[cfg(unix)]
fn closed() -> Stdio {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    drop(ours);
    std::os::fd::OwnedFd::from(theirs).into()
}

#[cfg(unix)]
#[test]
fn a_closed_pipe_is_no_error() {
    let sandbox = Sandbox::new();
    sandbox.sign("CRAWL_TRAINING", "");
    for (args, code) in [
        ("codes", 0),
        ("--help", 0),
        ("--version", 0),
        ("completions bash", 0),
        ("policy schema", 0),
        ("key show agent.jwk", 0),
        ("canonicalize policy.json", 0),
        // The verdict is in the exit code, whoever reads the words.
        ("verify request.json --policy policy.json --manifest manifest.json", 1),
        ("explain request.json --policy policy.json --manifest manifest.json --json", 1),
    ] {
        let output =
            sandbox.command(args.split(' ')).stdout(closed()).stderr(Stdio::piped()).output().unwrap();
        let run = Run::from(output).exits(code);
        assert_eq!(run.err, "", "{args}");
    }
    // Nor is a standard error that nobody reads.
    let output = sandbox
        .command(["verify", "none", "--policy", "none"])
        .stdout(closed())
        .stderr(closed())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    let sandbox = Sandbox::new();
    for args in ["codes", "--help", "keygen --stdout"] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let run = Run::from(sandbox.command(args.split(' ')).stdout(full).output().unwrap()).exits(2);
        assert!(run.err.contains("file.unwritable"), "{run:#?}");
    }
}

#[test]
fn large_files_are_refused() {
    let sandbox = Sandbox::new();
    sandbox.sign("RAG_RETRIEVAL", "");
    // Sparse files: they take no room on the disk.
    for size in [(1 << 20) + 1, 1 << 40] {
        std::fs::File::create(sandbox.path("huge.json")).unwrap().set_len(size).unwrap();
        for args in [
            "canonicalize huge.json",
            "verify huge.json --policy policy.json",
            "verify request.json --policy huge.json",
            "verify request.json --policy policy.json --manifest huge.json",
            "policy check huge.json",
            "manifest check huge.json --agent-id bot.example.com",
            "key show huge.json",
        ] {
            let error = sandbox.sh(&format!("{args} --json")).json_error();
            assert_eq!(
                (error["code"].as_str(), error["file"].as_str()),
                (Some("file.too_large"), Some("huge.json")),
                "{args}"
            );
        }
    }
    let fits = format!("[{}]", " ".repeat((1 << 20) - 2));
    sandbox.write("fits.json", &fits);
    assert_eq!(sandbox.sh("canonicalize fits.json").exits(0).out, "[]");
    sandbox.write("keys.pem", &"a".repeat((16 << 10) + 1));
    assert_eq!(sandbox.sh("key show keys.pem --json").json_error()["code"], "file.too_large");
}

#[cfg(unix)]
#[test]
fn endless_input_ends() {
    let sandbox = Sandbox::new();
    for args in ["canonicalize /dev/zero", "key show /dev/zero", "verify /dev/zero --policy policy.json"] {
        assert_eq!(sandbox.sh(&format!("{args} --json")).json_error()["code"], "file.too_large", "{args}");
    }
    let zero = std::fs::File::open("/dev/zero").unwrap();
    let run = Run::from(sandbox.command(["canonicalize", "--json"]).stdin(zero).output().unwrap());
    assert_eq!(run.json_error()["code"], "file.too_large");
}
