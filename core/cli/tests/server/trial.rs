//! The first minutes with `serve --dev`, `keys` and `operator`: a port that is taken, a variable that is misspelt.

use crate::service::Service;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

/// Runs the program with a variable that is no option, and one that another command reads.
fn imagxp(data: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_imagxp"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("IMAGXP_")) {
        command.env_remove(name);
    }
    command.env("IMAGXP_KEYS_PASSPHRASE_FIL", "/run/TOPSECRET").env("IMAGXP_OPERATOR_TOKEN", "TOPSECRET");
    command.env("IMAGXP_SERVICE_PORT_HTTP", "8420").env("IMAGXP_PORT_8420_TCP", "tcp://10.0.0.1:8420");
    command.args(args).arg("--data").arg(data).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The token that something printed.
fn token(text: &str) -> Option<&str> {
    let start = text.find("imagxp_op_")?;
    let token = &text[start..];
    Some(token.split(|end: char| !end.is_ascii_alphanumeric() && !"-_".contains(end)).next().unwrap())
}

#[test]
fn a_port_that_is_taken_costs_no_token() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let serve = ["serve", "--dev", "--listen", &address, "--admin-listen", "127.0.0.1:0"];
    for json in [false, true] {
        let mut service = Service::start(&[]);
        service.stop();
        let folder = tempfile::tempdir().unwrap();
        let args: Vec<&str> = json.then_some("--json").into_iter().chain(serve).collect();
        let output = imagxp(folder.path(), &args);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.code() == Some(2) && err.contains("listen.failed"), "{err}");
        let told = token(&out).unwrap_or_else(|| panic!("no token: {out}")).to_owned();
        assert!(!err.contains(&told), "the log has the operator's token");
        // Nobody is made a second time, and the one who is there has that token.
        let again = imagxp(folder.path(), &args);
        assert_eq!((again.status.code(), token(&text(&again.stdout))), (Some(2), None));
        let operators = service.data().join("operators.json");
        std::fs::copy(folder.path().join("operators.json"), operators).unwrap();
        service.run();
        assert!(service.knows(&told));
    }
}

#[test]
fn a_variable_that_is_misspelt_is_told_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for args in [
        ["keys", "create"].as_slice(),
        &["keys", "rotate"],
        &["operator", "add", "ann"],
        &["operator", "list"],
        &["operator", "remove", "ann"],
        &["serve", "--dev", "--listen", &address, "--admin-listen", "127.0.0.1:0"],
        &["config", "check", "--set", "issuer=https://broker.example"],
    ] {
        let output = imagxp(folder.path(), args);
        let err = text(&output.stderr);
        let said: Vec<&str> = err.lines().filter(|line| line.contains("config.unknown_variable")).collect();
        assert!(said.len() == 1 && said[0].contains("`IMAGXP_KEYS_PASSPHRASE_FIL`"), "{args:?} {err}");
        assert!(!err.contains("TOPSECRET"), "{args:?} {err}");
        assert_eq!(output.status.code(), Some(if args[0] == "serve" { 2 } else { 0 }), "{args:?} {err}");
    }
}
