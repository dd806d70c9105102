//! `imagxp broker …`: against the running service, and beside it.

use crate::deal::{Deal, audit};
use crate::party::Party;
use crate::service::Service;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// Runs the program; its exit code and both streams.
fn imagxp(args: &[&str], token: Option<&str>) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_imagxp"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("IMAGXP_")) {
        command.env_remove(name);
    }
    if let Some(token) = token {
        command.env("IMAGXP_OPERATOR_TOKEN", token);
    }
    let output = command.args(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[track_caller]
fn object(run: (i32, String, String)) -> Value {
    assert_eq!(run.0, 0, "{run:?}");
    serde_json::from_str(&run.1).unwrap()
}

/// The arguments with which a party asks.
fn by(service: &Service, folder: &Path, party: &Party) -> Vec<String> {
    let key = folder.join(party.name().replace(':', "_"));
    std::fs::write(&key, &party.pem).unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let key = key.to_str().unwrap();
    ["--json", "--broker", &service.issuer, "--allow-loopback", "--key", key, "--agent-id", party.name()]
        .map(str::to_owned)
        .to_vec()
}

#[test]
fn the_triangle_on_the_command_line() {
    let service = Service::start(&[]);
    let deal = Deal::new(&service);
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str], who: &[String]| {
        let args: Vec<&str> =
            ["broker"].iter().chain(args).copied().chain(who.iter().map(String::as_str)).collect();
        imagxp(&args, Some(&service.token))
    };
    let operator = ["--json", "--broker", &service.issuer, "--allow-loopback"].map(str::to_owned).to_vec();
    let (agent, publisher) =
        (by(&service, folder.path(), &deal.agent), by(&service, folder.path(), &deal.publisher));

    let first = object(run(&["deposit", deal.agent.name(), "5", "--reference", "bank-7"], &operator));
    let again = object(run(&["deposit", deal.agent.name(), "5", "--reference", "bank-7"], &operator));
    assert_eq!((&first["id"], &first["amount"]), (&again["id"], &json!("5")));
    let token_file = folder.path().join("token");
    std::fs::write(&token_file, format!("{}\n", service.token)).unwrap();
    let account = ["broker", "account", deal.agent.name(), "--token-file", token_file.to_str().unwrap()];
    let args: Vec<&str> = account.into_iter().chain(operator.iter().map(String::as_str)).collect();
    assert_eq!(object(imagxp(&args, None))["accounts"][0]["balance"], "15");

    // A bond, locked by the agent itself and given back by an operator, who loses what is lost.
    let bond = ["lock", deal.agent.name(), "crawl-1", "3"];
    assert_eq!(object(run(&bond, &agent))["code"], "LOCK");
    let part = |command, amount| [command, deal.agent.name(), "crawl-1", amount, "--memo", "looked into"];
    assert_eq!(object(run(&part("unlock", "2"), &operator))["code"], "UNLOCK");
    assert_eq!(object(run(&part("slash", "1"), &operator))["code"], "SLASH");
    let (code, _, err) = run(&part("unlock", "1"), &operator);
    assert!(code == 1 && err.contains("account.insufficient"), "{err}");
    let (code, _, err) = run(&part("slash", "1"), &agent);
    assert!(code == 1 && err.contains("auth.forbidden"), "{err}");

    // Issue, verify's form of a request, redeem.
    let issue =
        ["issue", &deal.origin(), "0.5", "--purpose", "SUMMARY", "--idempotency-key", "purchase-0000001"];
    let visa = object(run(&issue, &agent));
    assert_eq!(object(run(&issue, &agent))["jti"], visa["jti"]);
    let (code, token, _) = {
        let plain: Vec<String> = agent.iter().filter(|arg| *arg != "--json").cloned().collect();
        run(&issue, &plain)
    };
    assert_eq!((code, token.trim().split('.').count()), (0, 3), "the visa alone, for a pipe");
    let headers = deal.request(visa["token"].as_str().unwrap());
    let request = folder.path().join("request.json");
    std::fs::write(&request, json!({"method": "GET", "url": "/page", "headers": headers}).to_string())
        .unwrap();
    let request = request.to_str().unwrap();
    assert_eq!(object(run(&["redeem", request], &publisher))["results"][0]["accepted"], true);
    let (code, out, _) = run(&["redeem", request], &publisher);
    assert!(code == 1 && out.contains("visa.state"), "{out}");
    let jti = visa["jti"].as_str().unwrap();
    assert_eq!(object(run(&["visa", jti], &agent))["state"], "REDEEMED");

    deal.give_feedback(&service, jti, 0).is(200);
    assert_eq!(object(run(&["contest", jti, "it was good"], &publisher))["state"], "DISPUTED");
    let (code, _, err) = run(&["decide", jti, "release"], &publisher);
    assert!(code == 1 && err.contains("auth.forbidden"), "{err}");
    assert_eq!(object(run(&["decide", jti, "split", "--amount", "0.25"], &operator))["released"], "0.25");
    let statement = object(run(&["statement", "--asset", "USD"], &publisher));
    assert_eq!((&statement["opening"], &statement["closing"]), (&json!("0"), &json!("0.245")));
    let (code, out, _) = run(&["statement", deal.publisher.name()], &operator[1..]);
    assert!(code == 0 && out.contains("closing") && out.contains("amount=0.005"), "{out}");

    // How it ends when it does not work.
    let (code, _, err) = run(&["issue", &deal.origin(), "1000", "--purpose", "SUMMARY"], &agent);
    assert!(code == 1 && err.contains("account.insufficient"), "{err}");
    let (code, _, err) = run(&["visa", "../x"], &agent);
    assert!(code == 2 && err.contains("usage.argument"), "{err}");
    let args: Vec<&str> =
        ["broker", "visa", jti].into_iter().chain(operator.iter().map(String::as_str)).collect();
    let (code, _, err) = imagxp(&args, None);
    assert!(code == 2 && err.contains("IMAGXP_OPERATOR_TOKEN"), "{err}");
    let nobody = ["broker", "visa", jti, "--broker", "http://127.0.0.1:1", "--allow-loopback"];
    let (code, _, err) = imagxp(&nobody, Some(&service.token));
    assert!(code == 3 && err.contains("broker.unreachable") && !err.contains(&service.token), "{err}");
    audit(&service);
}

#[test]
fn the_ledger_is_audited_kept_and_brought_back() {
    let mut service = Service::start(&[]);
    let deal = Deal::new(&service);
    deal.read(&service, "0.5");
    deal.buy(&service, "0.25");
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let on = |args: &[&str], data: &str| {
        let args: Vec<&str> =
            ["--json", "broker"].iter().chain(args).copied().chain(["--data", data]).collect();
        imagxp(&args, None)
    };
    let data = service.data().to_str().unwrap().to_owned();

    // While the service runs.
    let sound = object(on(&["ledger", "audit"], &data));
    assert_eq!((&sound["sound"], &sound["visas"], &sound["wrong"]), (&json!(true), &json!(2), &json!(0)));
    assert_eq!(object(on(&["settle"], &data)), json!({"settled": 0, "refused": 0}));
    let (lines, pages) = (path("ledger.jsonl"), path("ledger.copy"));
    let kept = object(on(&["backup", &lines], &data));
    assert_eq!(kept["root"], sound["root"]);
    assert_eq!(object(on(&["backup", &pages, "--sqlite"], &data)), kept);
    let (code, _, err) = on(&["backup", &lines], &data);
    assert!(code == 2 && err.contains("file.exists"), "{err}");
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&lines).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }

    // Elsewhere, from either form; and never over a ledger that is there.
    for (file, to) in [(&lines, "one"), (&pages, "two")] {
        std::fs::create_dir(path(to)).unwrap();
        let mut restored = object(on(&["restore", file], &path(to)));
        let members = restored.as_object_mut().unwrap();
        assert_eq!((members.remove("operators"), members.remove("keys")), (Some(json!([])), Some(json!([]))));
        assert_eq!(restored, kept);
        assert_eq!(object(on(&["ledger", "audit"], &path(to)))["root"], sound["root"]);
        let (code, _, err) = on(&["restore", file], &path(to));
        assert!(code == 2 && err.contains("storage.not_empty"), "{err}");
    }
    service.stop();
    let damaged = std::fs::read_to_string(&lines).unwrap().replacen("\"10", "\"11", 1);
    std::fs::write(path("damaged"), damaged).unwrap();
    std::fs::create_dir(path("three")).unwrap();
    let (code, _, err) = on(&["restore", &path("damaged")], &path("three"));
    assert!(code == 2 && err.contains("storage."), "{err}");
    let (code, _, err) = on(&["ledger", "audit"], &path("nowhere"));
    assert!(code == 2 && err.contains("there is no ledger"), "{err}");
}

/// A token has leaked, a key was dropped, the disk dies: the backup of the night knows of neither, and the command says so.
#[test]
fn a_restore_says_who_may_act_again() {
    let service = Service::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let data = service.data().to_str().unwrap().to_owned();
    let leaked = service.command(&["operator", "add", "mallory", "--role", "admin"]);
    std::fs::create_dir_all(path("restored/keys")).unwrap();
    for file in std::fs::read_dir(service.data().join("keys")).unwrap().map(Result::unwrap) {
        std::fs::copy(file.path(), folder.path().join("restored/keys").join(file.file_name())).unwrap();
    }
    std::fs::copy(service.data().join("operators.json"), path("restored/operators.json")).unwrap();
    let lines = path("ledger.jsonl");
    object(imagxp(&["--json", "broker", "backup", &lines, "--data", &data], None));

    // What happens after the night.
    service.command(&["operator", "remove", "mallory"]);
    let keys = || -> Value {
        serde_json::from_slice(&std::fs::read(service.data().join("keys/keys.json")).unwrap()).unwrap()
    };
    let dropped = keys()["keys"][0]["kid"].as_str().unwrap().to_owned();
    service.command(&["keys", "drop", &dropped, "--reason", "it has leaked"]);

    let restored = path("restored");
    let (code, out, err) = imagxp(&["--json", "broker", "restore", &lines, "--data", &restored], None);
    assert_eq!(code, 0, "{err}");
    let said: Value = serde_json::from_str(&out).unwrap();
    assert!(said["operators"].as_array().unwrap().contains(&json!("mallory")), "{out}");
    assert_eq!(said["keys"], json!([dropped]));
    assert!(err.contains("registry.restored") && err.contains("before the service starts"), "{err}");
    // The step that the guide has: both are ended again, before anything runs.
    for args in [
        ["operator", "remove", "mallory"].as_slice(),
        &["keys", "drop", &dropped, "--reason", "it had leaked before the restore"],
    ] {
        let args: Vec<&str> = args.iter().copied().chain(["--data", &restored]).collect();
        assert_eq!(imagxp(&args, None).0, 0, "{args:?}");
    }
    assert!(!(out + &err).contains(leaked.trim()), "no token is told");
}
