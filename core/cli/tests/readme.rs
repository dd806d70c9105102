//! The README's shell blocks do what it says, and every command has one.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "helpers of tests, which fail by panicking")]

use std::path::Path;
use std::process::Command;

const README: &str = include_str!("../README.md");

fn blocks() -> Vec<&'static str> {
    README
        .split("```sh\n")
        .skip(1)
        .filter_map(|rest| rest.split_once("```"))
        .map(|(block, _)| block)
        .collect()
}

#[test]
fn every_block_runs() {
    let folder = tempfile::tempdir().unwrap();
    let binary = Path::new(env!("CARGO_BIN_EXE_imagxp")).parent().unwrap();
    let path = std::env::join_paths(
        std::iter::once(binary.to_path_buf())
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let path = path.unwrap();
    assert!(blocks().len() >= 10, "the README has lost its blocks");
    for block in blocks() {
        // Without `pipefail`, which not every sh has, the last command of a pipe decides: here always the one that is shown.
        let mut shell = Command::new("sh");
        shell.args(["-euc", block]).current_dir(&folder).env("PATH", &path);
        // As a newcomer's shell: variables of whoever runs the tests are options of the service, or unknown ones.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("IMAGXP_"))
        {
            shell.env_remove(name);
        }
        let output = shell.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{block}\n{}\n{}", text(&output.stdout), text(&output.stderr));
        assert_eq!(text(&output.stderr), "", "{block}");
    }
    let size = |name: &str| std::fs::metadata(folder.path().join(name)).unwrap().len();
    for name in [
        "manifest.json",
        "request.json",
        "request.sh",
        "visa.txt",
        "jwks.json",
        "policy.schema.json",
        "imagxp.bash",
        "man1/imagxp.1",
    ] {
        assert!(size(name) > 0, "{name}");
    }
}

#[test]
fn every_command_has_an_example() {
    let help = Command::new(env!("CARGO_BIN_EXE_imagxp")).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let commands =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let commands: Vec<&str> = commands
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(commands.len() >= 12, "{commands:?}");
    let shown = blocks().concat();
    for command in commands.iter().filter(|command| **command != "help") {
        let used = [" ", "\n"].iter().any(|end| shown.contains(&format!("imagxp {command}{end}")));
        assert!(used, "{command}");
    }
}
