//! Encrypted key files: where the passphrase comes from, and what every command that reads a key does with them.

use crate::sandbox::{NONCE, NOW, Sandbox, URL};

const SIGN: &str = "sign --agent-id bot.example.com --purpose SUMMARY";

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("right", "correct horse\nanother line\n");
    sandbox.write("wrong", "correct house\n");
    sandbox.sh("keygen --encrypt -o sealed.key --passphrase-file right").exits(0);
    sandbox
}

#[test]
fn every_command_opens_it() {
    let sandbox = sandbox();
    assert!(sandbox.read("sealed.key").starts_with("-----BEGIN IMAGXP ENCRYPTED PRIVATE KEY-----\n"));
    let shown = sandbox.sh("key show sealed.key --passphrase-file right --json").exits(0).json();
    let sign = format!(
        "{SIGN} --key sealed.key --url {URL} --now {NOW} --nonce {NONCE} --passphrase-file right --json"
    );
    let headers = sandbox.sh(&sign).exits(0).json()["headers"].to_string();
    assert!(headers.contains(shown["spki"].as_str().unwrap()));
    let manifest =
        sandbox.sh("manifest --agent-id bot.example.com --key sealed.key --passphrase-file right").exits(0);
    assert_eq!(manifest.json()["keys"][0]["kid"], shown["thumbprint"]);
    sandbox.sh("jwk sealed.key --passphrase-file right").exits(0);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(sandbox.path("sealed.key")).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode, 0o600);
    }
}

#[test]
fn the_passphrase_comes_from_a_file_a_variable_or_standard_input() {
    let sandbox = sandbox();
    sandbox.sh("key show sealed.key --passphrase-file right").exits(0);
    assert!(
        sandbox
            .run_with(b"correct horse", "key show sealed.key --passphrase-file -")
            .exits(0)
            .out
            .contains("ES256")
    );
    let mut command = sandbox.command(["key", "show", "sealed.key", "--passphrase-env", "SECRET"]);
    assert!(command.env("SECRET", "correct horse").status().unwrap().success());
    let error = |args: &str| sandbox.sh(&format!("{args} --json")).json_error();
    assert_eq!(error("key show sealed.key --passphrase-env NOT_SET")["code"], "usage.argument");
    assert_eq!(error("key show sealed.key --passphrase-file none")["code"], "file.unreadable");
    assert_eq!(
        error("key show sealed.key --passphrase-env A --passphrase-file right")["code"],
        "usage.argument"
    );
    sandbox.write("empty", "\nx\n");
    assert_eq!(error("keygen --encrypt -o b.key --passphrase-file empty")["code"], "usage.argument");
    sandbox.sh("key show sealed.key --passphrase correct").exits(2);
    sandbox.sh("keygen --encrypt --stdout").exits(2);
}

#[test]
fn wrong_passphrase_and_damage_are_one_error() {
    let sandbox = sandbox();
    let wrong = sandbox.sh("key show sealed.key --passphrase-file wrong --json").json_error();
    assert_eq!(
        (wrong["code"].as_str(), wrong["file"].as_str()),
        (Some("key_file.locked"), Some("sealed.key"))
    );
    let text = sandbox.read("sealed.key");
    for damaged in [
        text.replacen("SU1B", "SU1C", 1),
        text.replace("BEGIN IMAGXP", "BEGIN IMAGXQ"),
        format!("{text}\n"),
        text.chars().take(100).collect(),
    ] {
        assert_ne!(damaged, text);
        sandbox.write("sealed.key", &damaged);
        assert_eq!(sandbox.sh("key show sealed.key --passphrase-file right --json").json_error(), wrong);
    }
}

#[cfg(unix)]
#[test]
fn others_must_not_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let sandbox = sandbox();
    std::fs::set_permissions(sandbox.path("sealed.key"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = sandbox
        .sh(&format!("{SIGN} --key sealed.key --url {URL} --passphrase-file right --json"))
        .json_error();
    assert_eq!(error["code"], "file.permissions");
}

/// On a terminal it is asked for, twice when it is new, and is not shown.
#[cfg(target_os = "linux")]
#[test]
fn a_terminal_does_not_echo() {
    use std::io::{Read, Write};
    use std::process::{Command, Stdio};
    use std::sync::mpsc::RecvTimeoutError;

    let sandbox = Sandbox::new();
    let on_a_terminal = |args: &str, typed: &[(&str, &str)]| {
        let line = format!("{} {args}", env!("CARGO_BIN_EXE_imagxp"));
        // `script` gives the command a terminal of its own; its standard input is the keyboard.
        let started = Command::new("script")
            .args(["-qec", &line, "/dev/null"])
            .current_dir(sandbox.path(""))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = match started {
            Ok(child) => child,
            Err(error) => {
                crate::skip::skipped(&format!("no script: {error}"));
                return None;
            }
        };
        // A command that asks for something else is not waited for without an end.
        let script = rustix::process::Pid::from_child(&child);
        let (ended, end) = std::sync::mpsc::channel::<()>();
        let keeper = std::thread::spawn(move || {
            if end.recv_timeout(std::time::Duration::from_secs(120)) == Err(RecvTimeoutError::Timeout) {
                let _ = rustix::process::kill_process(script, rustix::process::Signal::KILL);
            }
        });
        let (mut keyboard, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut shown = Vec::new();
        for (prompt, text) in typed {
            let mut byte = [0];
            while !String::from_utf8_lossy(&shown).ends_with(prompt) && screen.read(&mut byte).unwrap() == 1 {
                shown.push(byte[0]);
            }
            // The prompt is shown a moment before echo is switched off.
            std::thread::sleep(std::time::Duration::from_millis(500));
            keyboard.write_all(format!("{text}\n").as_bytes()).unwrap();
        }
        screen.read_to_end(&mut shown).unwrap();
        drop((keyboard, ended));
        keeper.join().unwrap();
        Some((child.wait().unwrap().success(), String::from_utf8_lossy(&shown).into_owned()))
    };
    let typed = [("New passphrase: ", "hunter-22"), ("Again: ", "hunter-22")];
    let Some((fine, shown)) = on_a_terminal("keygen --encrypt -o typed.key", &typed) else { return };
    assert!(fine && !shown.contains("hunter"), "{shown}");
    let (fine, shown) = on_a_terminal("key show typed.key", &[("Passphrase: ", "hunter-22")]).unwrap();
    assert!(fine && shown.contains("thumbprint") && !shown.contains("hunter"), "{shown}");
    let typed = [("New passphrase: ", "hunter-22"), ("Again: ", "hunter-23")];
    let (fine, shown) = on_a_terminal("keygen --encrypt -o other.key", &typed).unwrap();
    assert!(
        !fine && shown.contains("the two passphrases differ") && !sandbox.path("other.key").exists(),
        "{shown}"
    );
}
