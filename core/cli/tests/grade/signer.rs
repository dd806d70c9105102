//! `imagxp grade signer` on a faithful agent, and on agents with one fault each.

use crate::agent::{Agent, Fault};
use crate::{assert_lost, program, report, said};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

fn grade(fault: Fault) -> Value {
    grade_at(fault, &[])
}

fn grade_at(fault: Fault, more: &[&str]) -> Value {
    let mut agent = Agent::new(fault);
    let args = ["grade", "signer", &agent.home(), "--patience", "30", "--json"];
    let mut command = program(&[&args, more].concat());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap()).lines();
    let first = told.next().unwrap().unwrap();
    assert!(first.starts_with("let your agent read"), "{first}");
    // The report waits for the last room, so the list has twelve lines.
    let rooms: Vec<String> = told.by_ref().take(12).map(Result::unwrap).collect();
    agent.robots(&rooms[0]);
    // The closed room comes before the last one that the grader waits for.
    agent.read(&rooms[11]);
    for room in &rooms[..11] {
        agent.read(room);
    }
    let output = child.wait_with_output().unwrap();
    report(&Output { stderr: Vec::new(), ..output })
}

#[test]
fn a_faithful_signer_has_full_marks() {
    let report = grade(Fault::None);
    assert_lost(&report, &[]);
    assert_eq!((report["skipped"].as_u64(), report["graded"].as_str()), (Some(0), Some("signer")));
    assert!(report["of"].as_u64().unwrap() >= 30, "{}", report["of"]);
}

/// Others' signers do what ours do not. Where the profile accepts it, no mark is lost, and the report says what would be better.
#[test]
fn what_the_profile_accepts_is_no_fault() {
    for (habit, advised) in [
        (Fault::HighS, &["signature.low_s"][..]),
        (Fault::NotCanonical, &["payload.canonical"]),
        (Fault::Version10, &["claim.version"]),
        (Fault::NoMethod, &[]),
        (Fault::SendsFrom, &[]),
        (Fault::ProductInComment, &[]),
        (Fault::MemberD, &[]),
    ] {
        let report = grade(habit);
        assert_lost(&report, &[]);
        let found: Vec<String> = said(&report, "advice").into_iter().map(|(id, _)| id).collect();
        assert_eq!(found, advised, "{habit:?}");
        assert_eq!(report["advised"], advised.len());
        let cases = report["cases"].as_array().unwrap().len();
        assert_eq!(report["of"], cases - advised.len(), "advice is no mark");
    }
}

#[test]
fn faults_of_the_claim() {
    for (fault, lost) in [
        (Fault::SameNonce, &["claim.nonce_fresh", "retry.new_nonce", "retry.after"][..]),
        (Fault::WrongMethod, &["claim.method"]),
        (Fault::WithoutQuery, &["claim.resource"]),
        (Fault::SlowClock, &["claim.ts"]),
        (Fault::SlowClock10, &["claim.ts"]),
        (Fault::BothTimes, &["claim.ts"]),
        (Fault::Version12, &["claim.version"]),
    ] {
        assert_lost(&grade(fault), lost);
    }
}

#[test]
fn faults_of_the_signature() {
    for (fault, lost) in [
        (Fault::UpperCaseHex, &["signature.form"][..]),
        (Fault::OtherKey, &["signature.good"]),
        (Fault::PublishesPrivateKey, &["manifest.private"]),
        (Fault::PublishesPrivateJwk, &["manifest.private"]),
        (Fault::SignsPrivateJwk, &["header.private"]),
    ] {
        assert_lost(&grade(fault), lost);
    }
}

#[test]
fn faults_of_the_exchange() {
    for (fault, lost) in [
        (Fault::NoProduct, &["header.user_agent"][..]),
        (Fault::SendsCookie, &["header.private"]),
        (Fault::Repeats, &["retry.new_nonce", "retry.never", "retry.after"]),
        (Fault::TakesClaimsAlong, &["redirect.same_site", "redirect.other_site"]),
        (Fault::IgnoresRobots, &["robots.disallow"]),
    ] {
        assert_lost(&grade(fault), lost);
    }
}

/// Nobody comes: no mark is given for that.
#[test]
fn silence_is_no_virtue() {
    let agent = Agent::new(Fault::None);
    let args = ["grade", "signer", &agent.home(), "--run", "true", "--json"];
    let report = report(&program(&args).output().unwrap());
    let lost = crate::lost(&report);
    for id in ["sent.all", "header.signed", "signature.good"] {
        assert!(lost.iter().any(|(found, _)| found == id), "{id}");
    }
    let skipped = said(&report, "skipped");
    for id in ["claim.nonce_fresh", "retry.new_nonce", "retry.never", "retry.after", "retry.pay"] {
        assert!(skipped.iter().any(|(found, _)| found == id), "{id}");
    }
}

/// A site with one name has no other site to lead to, and no mark for it.
#[test]
fn there_is_another_site_or_no_mark() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let listen = listener.local_addr().unwrap();
    drop(listener);
    let (address, port) = (listen.to_string(), listen.port());
    let (origin, other) = (format!("http://one.test:{port}"), format!("http://other.test:{port}"));
    let place = ["--listen", &address, "--origin", &origin];
    let report = grade_at(Fault::TakesClaimsAlong, &place);
    assert_lost(&report, &["redirect.same_site"]);
    assert_eq!(said(&report, "skipped")[0].0, "redirect.other_site");
    let report = grade_at(Fault::TakesClaimsAlong, &[&place[..], &["--other-origin", &other]].concat());
    assert_lost(&report, &["redirect.same_site", "redirect.other_site"]);
}

/// A command that does not end is ended, with all that it has started.
#[test]
fn commands_end() {
    let agent = Agent::new(Fault::None);
    let folder = tempfile::tempdir().unwrap();
    let survived = folder.path().join("survived");
    let command = format!("sh -c 'sleep 5; echo >> {}'; true", survived.display());
    let args = ["grade", "signer", &agent.home(), "--run", &command, "--patience", "1", "--json"];
    let begin = Instant::now();
    let report = report(&program(&args).output().unwrap());
    assert!(begin.elapsed() < Duration::from_secs(40), "{:?}", begin.elapsed());
    assert!(!survived.exists());
    assert!(crate::lost(&report).iter().any(|(id, _)| id == "sent.all"));
}
