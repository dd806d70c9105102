//! A thumbprint, a nonce or another name may begin with a hyphen (one thumbprint in 64 does): it is a name, and no option.

use crate::sandbox::{NOW, Sandbox, URL};

/// One that begins with letters of options, too: `-h`, `-c`.
const NAMES: [&str; 3] = [
    "-l5api0FJtmLisnxa6PmUFrtsAkYY_XO6zmtKkPxL5c",
    "-hcapi0FJtmLisnxa6PmUFrtsAkYY_XO6zmtKkPxL5c",
    "--5api0FJtmLisnxa6PmUFrtsAkYY_XO6zmtKkPxL5c",
];

/// It is the command that answers, and not the parser of arguments.
#[track_caller]
fn nobody_has(sandbox: &Sandbox, command: &str) {
    let error = sandbox.sh(command).json_error();
    let message = error["message"].as_str().unwrap();
    assert!(
        ["is not a key of this rotation", "there is no key of this name"]
            .iter()
            .any(|said| message.contains(said)),
        "{command}: {error}"
    );
}

#[test]
fn a_key_with_a_hyphen_can_be_dropped_and_revoked() {
    let sandbox = Sandbox::new();
    sandbox.sh(&format!("rotate init --agent-id bot.example --now {NOW}")).exits(0);
    sandbox.sh("keys create --data broker").exits(0);
    for name in NAMES {
        for command in [
            format!("rotate revoke {name} --now {NOW} --json"),
            format!("keys drop {name} --reason lost --data broker --json"),
            format!("keys drop --reason lost --data broker --json {name}"),
        ] {
            nobody_has(&sandbox, &command);
        }
    }
    // So is what looks like an option that is misspelt.
    let error = sandbox.sh("keys drop --reason lost --data broker --json --kidd").json_error();
    assert_eq!(error["message"], "the name of a key has 43 characters");
}

#[test]
fn a_nonce_with_a_hyphen_is_signed() {
    let sandbox = Sandbox::new();
    for name in NAMES {
        let run = sandbox.sh(&format!(
            "sign --key agent.jwk --agent-id bot.example.com --purpose SUMMARY --url {URL} --now {NOW} --json --nonce {name}"
        ));
        let request = run.exits(0).json();
        let payload = request["headers"][1][1].as_str().unwrap();
        let claim = imagxp::encoding::base64_decode(payload.as_bytes()).unwrap();
        assert!(String::from_utf8(claim).unwrap().contains(&format!("\"nonce\":\"{name}\"")), "{request}");
    }
}

#[test]
fn a_visa_is_bound_to_a_key_with_a_hyphen() {
    let sandbox = Sandbox::new();
    sandbox
        .sh(&format!(
            "visa issue --issuer https://broker.example --audience https://pub.example --agent-id bot.example.com --currency EUR --key agent.jwk --jkt {} --amount 0.10 --jti {} --now {NOW} --json",
            NAMES[0], NAMES[1]
        ))
        .exits(0);
}
