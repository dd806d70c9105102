//! `keygen`: where private keys go, and where they never go.

use crate::sandbox::{Run, Sandbox};

#[test]
fn writes_a_private_key_for_its_owner_alone() {
    let sandbox = Sandbox::new();
    for (alg, name, prefix) in [("es256", "ES256", "MFkw"), ("eddsa", "EdDSA", "MCow")] {
        let file = format!("{alg}.pem");
        let run = sandbox.sh(&format!("keygen --alg {alg} --out {file} --json")).exits(0);
        let facts = run.json();
        assert_eq!(facts["algorithm"], name);
        assert_eq!(facts["file"], file.as_str());
        assert_eq!(facts["thumbprint"].as_str().unwrap().len(), 43);
        assert!(facts["spki"].as_str().unwrap().starts_with(prefix));
        assert!(facts["jwk"]["x"].is_string() && facts["jwk"]["d"].is_null());
        assert_eq!(run.err, "");
        let pem = sandbox.read(&file);
        assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(sandbox.path(&file)).unwrap().permissions().mode() & 0o7777, 0o600);
        }
        let shown = sandbox.sh(&format!("key show {file} --json")).exits(0).json();
        assert_eq!(shown["thumbprint"], facts["thumbprint"]);
        assert!(no_line_of(&pem, &run), "{run:#?}");
    }
}

/// Whether none of a PEM's lines was printed.
fn no_line_of(pem: &str, run: &Run) -> bool {
    let secret = pem.lines().filter(|line| !line.starts_with("-----"));
    !secret.into_iter().any(|line| run.out.contains(line) || run.err.contains(line))
        && !run.out.contains("PRIVATE")
}

#[test]
fn text_tells_public_facts_only() {
    let sandbox = Sandbox::new();
    let run = sandbox.sh("keygen -o new.pem").exits(0);
    for word in ["new.pem: new ES256 key", "algorithm ", "thumbprint ", "spki ", "jwk "] {
        assert!(run.out.contains(word), "{run:#?}");
    }
    assert!(no_line_of(&sandbox.read("new.pem"), &run), "{run:#?}");
}

#[test]
fn does_not_overwrite_without_force() {
    let sandbox = Sandbox::new();
    sandbox.write("old.pem", "mine");
    let error = sandbox.sh("keygen -o old.pem --json").json_error();
    assert_eq!((error["code"].as_str(), error["file"].as_str()), (Some("file.exists"), Some("old.pem")));
    assert_eq!(sandbox.read("old.pem"), "mine");
    sandbox.sh("keygen -o old.pem --force").exits(0);
    assert!(sandbox.read("old.pem").contains("PRIVATE KEY"));
    #[cfg(unix)]
    {
        // The replaced file's own permissions do not live on.
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(sandbox.path("old.pem")).unwrap().permissions().mode() & 0o7777, 0o600);
    }
}

#[test]
fn leaves_no_drafts_behind() {
    let sandbox = Sandbox::new();
    let before = sandbox.files();
    sandbox.sh("keygen -o a.pem").exits(0);
    sandbox.sh("keygen -o a.pem").exits(2);
    sandbox.sh("keygen -o a.pem --force").exits(0);
    sandbox.sh("keygen -o none/a.pem").exits(2);
    let added: Vec<String> = sandbox.files().into_iter().filter(|name| !before.contains(name)).collect();
    assert_eq!(added, ["a.pem"]);
}

#[test]
fn of_many_at_once_one_wins() {
    let sandbox = Sandbox::new();
    let children: Vec<_> = (0..12)
        .map(|_| {
            sandbox
                .command(["keygen", "-o", "race.pem", "--json"])
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    let outputs: Vec<_> = children.into_iter().map(|child| child.wait_with_output().unwrap()).collect();
    let winners: Vec<_> = outputs.iter().filter(|output| output.status.success()).collect();
    assert_eq!(winners.len(), 1);
    let told: serde_json::Value = serde_json::from_slice(&winners[0].stdout).unwrap();
    let kept = sandbox.sh("key show race.pem --json").exits(0).json();
    assert_eq!(told["thumbprint"], kept["thumbprint"], "the key on the disk is the one that was reported");
}

#[cfg(unix)]
#[test]
fn links_devices_and_folders_are_never_replaced() {
    let sandbox = Sandbox::new();
    sandbox.write("target.pem", "mine");
    std::os::unix::fs::symlink("target.pem", sandbox.path("link.pem")).unwrap();
    std::os::unix::fs::symlink("nowhere.pem", sandbox.path("dangling.pem")).unwrap();
    std::fs::create_dir(sandbox.path("folder")).unwrap();
    for path in ["link.pem", "dangling.pem", "folder", "/dev/null", "."] {
        for force in ["", "--force"] {
            let error = sandbox.sh(&format!("keygen -o {path} {force} --json")).json_error();
            assert_eq!(error["code"], "file.exists", "{path}");
        }
    }
    assert_eq!(sandbox.read("target.pem"), "mine");
    assert!(!sandbox.path("nowhere.pem").exists());
    assert!(!std::fs::metadata("/dev/null").unwrap().is_file());
}

#[test]
fn standard_output_needs_to_be_asked_for() {
    let sandbox = Sandbox::new();
    sandbox.sh("keygen").exits(2);
    sandbox.sh("keygen -o a.pem --stdout").exits(2);
    sandbox.sh("keygen --even-to-a-terminal -o a.pem").exits(2);
    assert!(sandbox.sh("keygen -o -").exits(2).err.contains("--stdout"));
    let run = sandbox.sh("keygen --stdout").exits(0);
    assert!(
        run.out.starts_with("-----BEGIN PRIVATE KEY-----\n")
            && run.out.ends_with("-----END PRIVATE KEY-----\n")
    );
    assert!(run.err.contains("thumbprint") && !run.err.contains("PRIVATE"));
    let json = sandbox.sh("keygen --stdout --json").exits(0).json();
    assert!(json["private_key"].as_str().unwrap().contains("PRIVATE KEY"));
}

#[cfg(unix)]
#[test]
fn a_closed_pipe_loses_no_key_silently() {
    let sandbox = Sandbox::new();
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    drop(ours);
    let theirs: std::os::fd::OwnedFd = theirs.into();
    let output = sandbox.command(["keygen", "--stdout"]).stdout(theirs).output().unwrap();
    let run = Run::from(output).exits(2);
    assert!(run.err.contains("file.unwritable"), "{run:#?}");
}

/// The heart of it: with a terminal as standard output, nothing of the key is shown.
#[cfg(target_os = "linux")]
#[test]
fn no_private_key_on_a_terminal() {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use std::io::Read;

    let sandbox = Sandbox::new();
    let on_a_terminal = |args: &[&str]| {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = std::fs::OpenOptions::new().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        let mut command = sandbox.command(args);
        let status = command.stdout(slave).stderr(std::process::Stdio::null()).status().unwrap();
        // Closes our copy of the terminal, so that reading ends (with EIO on Linux).
        drop(command);
        let mut shown = Vec::new();
        let _ = std::fs::File::from(master).read_to_end(&mut shown);
        (status.code(), String::from_utf8_lossy(&shown).into_owned())
    };
    for args in [&["keygen", "--stdout"][..], &["keygen", "--stdout", "--json"]] {
        let (code, shown) = on_a_terminal(args);
        assert_eq!((code, shown.as_str()), (Some(2), ""), "{args:?}");
    }
    let (code, shown) = on_a_terminal(&["keygen", "--stdout", "--even-to-a-terminal"]);
    assert_eq!(code, Some(0));
    assert!(shown.contains("BEGIN PRIVATE KEY"), "the terminal of this test does not work: {shown}");
}
