//! `codes`.

use crate::sandbox::Sandbox;
use imagxp::Code;

#[test]
fn the_whole_table() {
    let sandbox = Sandbox::new();
    let json = sandbox.sh("codes --json").exits(0).json();
    let codes = json["codes"].as_array().unwrap();
    assert_eq!(codes.len(), Code::ALL.len());
    for (entry, code) in codes.iter().zip(Code::ALL) {
        assert_eq!(entry["code"], code.as_str());
        assert_eq!(entry["number"], code.number());
        assert_eq!(entry["http"], code.http());
        assert_eq!(entry["retry"], code.retry().to_string());
        assert_eq!(entry["message"], code.message());
        assert_eq!(entry["hint"], code.hint());
    }
    let text = sandbox.sh("codes").exits(0).out;
    assert!(Code::ALL.iter().all(|code| text.contains(code.as_str())));
}

#[test]
fn a_part_of_it() {
    let sandbox = Sandbox::new();
    let json = sandbox.sh("codes time. --json").exits(0).json();
    assert_eq!(json["codes"].as_array().unwrap().len(), 2);
    assert_eq!(sandbox.sh("codes nothing --json").json_error()["code"], "usage.argument");
}
