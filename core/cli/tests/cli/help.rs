//! Help, version, completions, manual pages, and what happens to wrong arguments.

use crate::sandbox::Sandbox;

const COMMANDS: &[&str] = &[
    "",
    "keygen",
    "key",
    "key show",
    "jwk",
    "manifest",
    "manifest check",
    "manifest serve",
    "rotate",
    "rotate init",
    "rotate status",
    "rotate prepare",
    "rotate publish",
    "rotate switch",
    "rotate retire",
    "rotate abort",
    "rotate revoke",
    "manifest fetch",
    "sign",
    "verify",
    "explain",
    "fetch",
    "policy",
    "policy check",
    "policy emit",
    "policy public",
    "policy schema",
    "discover",
    "visa",
    "visa issue",
    "audit",
    "audit verify",
    "audit prove",
    "audit show",
    "audit export",
    "broker",
    "broker deposit",
    "broker lock",
    "broker unlock",
    "broker slash",
    "broker account",
    "broker statement",
    "broker issue",
    "broker redeem",
    "broker visa",
    "broker contest",
    "broker decide",
    "broker settle",
    "broker ledger",
    "broker ledger audit",
    "broker log",
    "broker log accept",
    "broker log trust-clock",
    "broker backup",
    "broker restore",
    "serve",
    "config",
    "config check",
    "operator",
    "operator add",
    "operator remove",
    "operator list",
    "keys",
    "keys create",
    "keys rotate",
    "keys drop",
    "grade",
    "grade verifier",
    "grade signer",
    "grade policy",
    "codes",
    "canonicalize",
    "completions",
    "man",
];

#[test]
fn help_fits_and_lists_every_command() {
    let sandbox = Sandbox::new();
    for command in COMMANDS {
        for flag in ["--help", "-h"] {
            // A wide terminal changes nothing: the text stays readable.
            let mut run = sandbox.command(format!("{command} {flag}").split_whitespace());
            let run = crate::sandbox::Run::from(run.env("COLUMNS", "400").output().unwrap()).exits(0);
            assert!(run.out.contains("Usage: imagxp"), "{run:#?}");
            for line in run.out.lines() {
                assert!(line.chars().count() <= 100, "{command}: {line}");
            }
        }
    }
    let listed = |command: &str| {
        let help = sandbox.sh(&format!("{command} --help")).exits(0).out;
        let lines =
            help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
        let names =
            lines.filter(|line| !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next());
        names
            .filter(|name| *name != "help")
            .map(|name| format!("{command} {name}").trim().to_owned())
            .collect::<Vec<_>>()
    };
    let mut found = listed("");
    for command in [
        "audit",
        "broker",
        "broker ledger",
        "broker log",
        "config",
        "grade",
        "key",
        "keys",
        "manifest",
        "operator",
        "policy",
        "rotate",
        "visa",
    ] {
        found.extend(listed(command));
    }
    found.extend([String::new(), "man".into()]);
    found.sort();
    let mut expected = COMMANDS.to_vec();
    expected.sort_unstable();
    assert_eq!(found, expected, "this test must know every command");
    assert!(sandbox.sh("--help").out.contains("3  undecided"));
}

#[test]
fn version() {
    let run = Sandbox::new().sh("--version").exits(0);
    assert_eq!(run.out, format!("imagxp {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn completions_for_every_shell() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let run = sandbox.sh(&format!("completions {shell}")).exits(0);
        // PowerShell's and Elvish's scripts list no values.
        let values = if matches!(shell, "powershell" | "elvish") { None } else { Some("RAG_RETRIEVAL") };
        for word in ["keygen", "canonicalize"].into_iter().chain(values) {
            assert!(run.out.contains(word), "{shell} lacks {word}");
        }
        let json = sandbox.sh(&format!("completions {shell} --json")).exits(0).json();
        assert_eq!((json["shell"].as_str(), json["script"].as_str()), (Some(shell), Some(run.out.as_str())));
    }
    sandbox.sh("completions tcsh").exits(2);
}

/// The script is one that bash itself accepts.
#[cfg(unix)]
#[test]
fn bash_reads_its_script() {
    let sandbox = Sandbox::new();
    sandbox.write("imagxp.bash", &sandbox.sh("completions bash").out);
    match std::process::Command::new("bash").arg("-n").arg(sandbox.path("imagxp.bash")).status() {
        Ok(status) => assert!(status.success()),
        Err(error) => crate::skip::skipped(&format!("no bash: {error}")),
    }
}

#[test]
fn manual_pages() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("man1")).unwrap();
    sandbox.sh("man man1").exits(0);
    assert!(sandbox.read("man1/imagxp.1").contains(".TH"));
    assert!(sandbox.read("man1/imagxp-verify.1").contains("policy"));
    assert_eq!(sandbox.sh("man none --json").json_error()["code"], "file.unwritable");
    assert!(!sandbox.sh("--help").out.contains("  man "), "for packagers only");
}

#[test]
fn wrong_arguments_are_2() {
    let sandbox = Sandbox::new();
    for args in ["", "nothing", "keygen --nothing", "codes a b", "key", "policy", "visa", "--json nothing"] {
        let run = sandbox.sh(args).exits(2);
        assert!(run.out.is_empty() && !run.err.is_empty(), "{run:#?}");
    }
    let error = sandbox.sh("verify --nothing --json").json_error();
    assert_eq!(error["code"], "usage.argument");
    assert!(error["message"].as_str().unwrap().contains("--nothing"));
    // Behind `--` it is a file that happens to have this name.
    assert!(!sandbox.sh("canonicalize -- --json").exits(2).err.starts_with('{'));
}

#[cfg(unix)]
#[test]
fn arguments_need_not_be_utf8() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let sandbox = Sandbox::new();
    let odd = OsStr::from_bytes(b"\xff\xfe.pem");
    let os = OsStr::new;
    // As text it is refused; as a file name it is as good as any.
    let run = sandbox.run([os("manifest"), os("--agent-id"), odd, os("--key"), os("agent.jwk")]).exits(2);
    assert!(!run.err.is_empty());
    sandbox.run([os("--json"), odd]).json_error();
    sandbox.run([os("keygen"), os("--out"), odd]).exits(0);
    sandbox.run([os("key"), os("show"), odd]).exits(0);
    sandbox.run([os("manifest"), os("--agent-id"), os("bot.example.com"), os("--key"), odd]).exits(0);
    assert_eq!(
        sandbox.run([os("keygen"), os("--out"), odd, os("--json")]).json_error()["code"],
        "file.exists"
    );
}
