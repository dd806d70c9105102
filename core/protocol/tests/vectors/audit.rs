//! Evidence and inclusion proofs of audit logs (PROTOCOL §12).

use crate::common::world::*;
use crate::*;

pub(crate) fn cases() -> Vec<Value> {
    let mut cases = Vec::new();
    for (name, algorithm) in [("ed25519", Algorithm::EdDsa), ("es256", Algorithm::Es256)] {
        let made = common::memory::evidence(algorithm);
        let spki = made.public_key.to_spki_base64();
        let stranger = key(6, algorithm).public_key().to_spki_base64();
        let evidence = from_core(&made.to_json().unwrap());
        let report = from_core(&imagxp::json::object_to_canonical(&made.verify(&[]).unwrap().to_json()));
        let known = {
            let mut report = report.clone();
            report["key_known"] = json!(true);
            json!({ "valid": true, "code": null, "report": report })
        };
        let bad = |code: &str| json!({ "valid": false, "code": code });
        let mut add = |id: &str, why: &str, spki: Option<&str>, evidence: Value, expect: Value| {
            let mut case = json!({ "id": format!("audit-{name}-{id}"), "why": why, "op": "audit", "evidence": evidence, "expect": expect });
            if let Some(spki) = spki {
                case["spki"] = json!(spki);
            }
            cases.push(case);
        };
        let changed = |change: &dyn Fn(&mut Value)| {
            let mut evidence = evidence.clone();
            change(&mut evidence);
            evidence
        };
        add("known-key", "the publisher's key is known", Some(&spki), evidence.clone(), known);
        let unknown = json!({ "valid": true, "code": null, "report": report });
        add("own-key", "only the key in the evidence vouches", None, evidence.clone(), unknown);
        add("other-key", "another publisher's key", Some(&stranger), evidence.clone(), bad("audit.altered"));
        let outcome = changed(&|evidence| evidence["record"]["body"]["outcome"] = json!("deny"));
        add("outcome", "an altered record", Some(&spki), outcome, bad("audit.proof_invalid"));
        let number = changed(&|evidence| evidence["record"]["n"] = json!(6));
        add("number", "a record under another number", Some(&spki), number, bad("audit.proof_invalid"));
        let shorter = changed(&|evidence| drop(evidence["proof"].as_array_mut().unwrap().pop()));
        add("shorter", "a proof that is too short", Some(&spki), shorter, bad("audit.proof_invalid"));
        let manifest_gone = changed(&|evidence| drop(evidence.as_object_mut().unwrap().remove("manifest")));
        add(
            "no-manifest",
            "without the manifest in force",
            Some(&spki),
            manifest_gone,
            bad("audit.malformed"),
        );
        let other = imagxp::encoding::base64_encode(&manifest(&[1, 2]));
        let other = changed(&|evidence| evidence["manifest"] = json!(other));
        add("other-manifest", "with another manifest", Some(&spki), other, bad("audit.altered"));
        let size = changed(&|evidence| {
            evidence["checkpoint"] =
                json!(evidence["checkpoint"].as_str().unwrap().replace("\n20\n", "\n21\n"));
        });
        add("size", "an altered checkpoint", Some(&spki), size, bad("audit.altered"));
        let member = changed(&|evidence| evidence["more"] = json!(1));
        add("member", "a member that nobody knows", Some(&spki), member, bad("audit.malformed"));
        // Records that a publisher has written itself, and sealed.
        let signed = Signed::read("0123456789abcdef");
        let record = common::memory::record_of(r#""identity":"bound""#, &signed);
        let of = |evidence: &imagxp::audit::Evidence| from_core(&evidence.to_json().unwrap());
        let proven = |evidence: &imagxp::audit::Evidence| {
            let proven = evidence.verify(std::slice::from_ref(&evidence.public_key)).unwrap();
            let report = from_core(&imagxp::json::object_to_canonical(&proven.to_json()));
            json!({ "valid": true, "code": null, "report": report })
        };
        let sealed = |change: &dyn Fn(&mut Value)| {
            let mut record = record.clone();
            change(&mut record);
            common::memory::sealed(&record, Some(manifest(&[1])), algorithm)
        };
        let time = sealed(&|record| record["time"] = json!("2026-03-01T12:05:00.001Z"));
        add("time", "a time that was not signed", Some(&spki), of(&time), bad("audit.altered"));
        let url = sealed(&|record| record["url"] = json!("/elsewhere"));
        let expect = proven(&url);
        assert_eq!(expect["report"]["url_signed"], false);
        add("url", "a URL that was not signed is the publisher's word", Some(&spki), of(&url), expect);
        let mut unbound = record_of_key(&record);
        let key_only = common::memory::sealed(&unbound, None, algorithm);
        let expect = proven(&key_only);
        assert_eq!(expect["report"]["binding"], "key_only");
        add("key-only", "a key that nobody vouches for", Some(&spki), of(&key_only), expect);
        unbound["binding"] = json!("none");
        let none = common::memory::sealed(&unbound, None, algorithm);
        add("no-binding", "a verified agent without a key", Some(&spki), of(&none), bad("audit.altered"));
        let proof: Vec<String> =
            made.proof.iter().map(|hash| imagxp::encoding::base64_encode(hash)).collect();
        let entry = String::from_utf8(made.entry).unwrap();
        for (id, why, entry, expect) in [
            (
                "entry",
                "an entry by its checkpoint",
                entry.clone(),
                json!({ "valid": true, "code": null, "size": 20 }),
            ),
            (
                "entry-altered",
                "an altered entry",
                entry.replace("\"allow\"", "\"deny\""),
                bad("audit.proof_invalid"),
            ),
            ("entry-none", "what is no entry", "{}".into(), bad("audit.malformed")),
        ] {
            cases.push(json!({
                "id": format!("audit-{name}-{id}"), "why": why, "op": "audit", "spki": spki,
                "checkpoint": made.checkpoint, "entry": entry, "proof": proof, "expect": expect,
            }));
        }
    }
    cases
}

/// The same request by the record of a publisher that asks for no more than a key.
fn record_of_key(record: &Value) -> Value {
    let mut record = record.clone();
    let body = record.as_object_mut().unwrap();
    body.remove("manifest");
    body.insert("binding".into(), json!("key_only"));
    body.insert("public_key".into(), json!(key(1, Algorithm::Es256).public_key().to_spki_base64()));
    record
}
