//! Memory that runs out. What holds, and what does not:
//!
//! * What a stranger sends is refused by its size before memory is asked for: whatever its length, a parser takes no more than its limit allows.
//! * Where the system has no memory left for something small, Rust ends the process (`SIGABRT`, "memory allocation of N bytes failed"): no
//!   verdict is given, nothing is half done that counts as done, and no memory is touched that was not given. Nothing is caught, and nothing
//!   could be: docs/hardening.md. Each operation is tried in a process of its own, in which its first, second, … allocation fails.

use crate::allocator;
use crate::common::world::*;
use crate::parsers::{PARSERS, Parser};
use crate::report::{amount, figures};
use imagxp::agent::{Identity, SignRequest};
use imagxp::crypto::Algorithm;
use imagxp::{Code, Policy, Purpose};
use std::process::Command;

/// So long are inputs that nobody honest sends.
const HUGE: usize = 4 << 20;
/// What a parser may hold at most while it refuses one.
const HELD: usize = 2 << 20;
/// What has no limit of its own, because its callers have one or read documents of their own: a part of the input's length, in bytes.
/// Of a robots.txt the first half of a MiB counts, and each rule takes more than its text. A list of header lines is the test's own.
const PROPORTIONAL: [(&str, usize); 8] = [
    ("base64", 2),
    ("pem", 2),
    ("digest", 2),
    ("json", 40),
    ("jcs", 40),
    ("aipref", 2),
    ("head", 3),
    ("robots", 4),
];

/// How many inputs these parsers were given, what one without a part of its own held at most, and who held more than it may.
fn held(parsers: &[Parser]) -> (u64, usize, Vec<String>) {
    let (mut inputs, mut most, mut wrong) = (0, 0, Vec::new());
    for parser in parsers {
        for (name, shape) in parser.shapes {
            let input = shape(HUGE);
            let small = shape(1024);
            (parser.read)(&small);
            let ((), bytes) = allocator::peak(|| (parser.read)(&input));
            let own = PROPORTIONAL.iter().find(|(known, _)| *known == parser.name);
            let bound = own.map_or(HELD, |(_, times)| times * HUGE);
            if bytes > bound {
                wrong.push(format!("{}/{name} takes {bytes} bytes for {}", parser.name, input.len()));
            }
            inputs += 1;
            if own.is_none() {
                most = most.max(bytes);
            }
        }
    }
    (inputs, most, wrong)
}

#[test]
fn a_parser_that_copies_before_it_refuses_is_found() {
    let greedy = Parser {
        name: "greedy",
        read: |bytes| drop(std::hint::black_box(bytes.to_vec())),
        shapes: &[("letters", |size| vec![b'a'; size])],
    };
    let (inputs, most, wrong) = held(&[greedy]);
    assert_eq!((inputs, most), (1, HUGE));
    assert_eq!(wrong, [format!("greedy/letters takes {HUGE} bytes for {HUGE}")]);
}

#[test]
fn huge_inputs_are_refused_before_memory_is_asked_for() {
    let (inputs, most, wrong) = held(&PARSERS);
    assert!(wrong.is_empty(), "{wrong:#?}");
    figures(
        "huge-inputs",
        0,
        &[("inputs", inputs), ("input_bytes", HUGE as u64), ("most_held_bytes", most as u64)],
    );
}

/// Operations and what they answer when there is memory. Everything that comes before counts for nothing.
type Operation = (&'static str, fn() -> Box<dyn FnOnce() -> String>);

const OPERATIONS: [Operation; 7] = [
    ("verify", || {
        let (publisher, request) = (publisher(POLICY), Signed::read("nonce-0000000001"));
        Box::new(move || {
            let verification = request.start(&publisher, now());
            let code = verification.verdict.code;
            format!("{code:?} {:?}", request.start(&publisher, now()).verdict.code)
        })
    }),
    ("verify-visa", || {
        let publisher = publisher(POLICY);
        let token = visa("jti-0001", |_| ());
        let ask = SignRequest {
            payment: Some(&token),
            ..SignRequest::new("GET", "https://pub.example/premium/1", Purpose::RagRetrieval)
        };
        let request = Signed::new(&identity(1), &ask, now(), "nonce-0000000001");
        Box::new(move || format!("{:?}", request.start(&publisher, now()).verdict.code))
    }),
    ("refuse", || {
        let publisher = publisher(POLICY);
        let request = Signed::new(
            &identity(2),
            &SignRequest::new("GET", URL, Purpose::RagRetrieval),
            now(),
            "nonce-0000000001",
        );
        Box::new(move || format!("{:?}", request.start(&publisher, now()).verdict.code))
    }),
    ("sign", || {
        let identity = Identity::parse(AGENT, key(1, Algorithm::Es256), false).unwrap();
        Box::new(move || {
            let ask = SignRequest::new("GET", URL, Purpose::RagRetrieval);
            identity
                .sign(&ask, now(), "nonce-0000000001")
                .map_or("refused".into(), |signed| signed.iter().count().to_string())
        })
    }),
    ("policy", || {
        Box::new(|| {
            Policy::from_json(POLICY.as_bytes())
                .map_or("refused".into(), |policy| policy.origins().len().to_string())
        })
    }),
    ("supply", || {
        let publisher = imagxp::Publisher::new(policy(POLICY), [7; 16]);
        let body = manifest(&[1, 2]);
        Box::new(move || {
            publisher.supply(MANIFEST_URL, &body, None, now()).map_or("refused".into(), |()| "taken".into())
        })
    }),
    ("supply-keys", || {
        let publisher = imagxp::Publisher::new(policy(POLICY), [7; 16]);
        let body = jwks();
        Box::new(move || {
            publisher.supply(JWKS_URL, &body, None, now()).map_or("refused".into(), |()| "taken".into())
        })
    }),
];

/// The seeded fault: who gets no memory for the reasons against a request knows none.
const CARELESS: Operation = ("careless", || {
    Box::new(|| {
        let mut reasons: Vec<u8> = Vec::new();
        let is_known = std::hint::black_box(&mut reasons).try_reserve(64).is_ok();
        if is_known { "refused" } else { "allowed" }.to_owned()
    })
});

/// Runs one operation in a process of its own: what it said, or nothing when it ended as a process without memory does.
fn child(operation: &str, number: usize) -> Option<(String, bool)> {
    let done = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "exhaustion::one_allocation_fails", "--ignored", "--nocapture"])
        .env("IMAGXP_EXHAUSTED", format!("{operation} {number}"))
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap();
    let (said, complaint) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    if let Some(answer) = said.lines().find_map(|line| line.strip_prefix("answer ")) {
        assert!(done.status.success(), "{operation} {number}: {complaint}");
        let (reached, answer) = answer.split_once(' ').unwrap();
        return Some((answer.to_owned(), reached == "reached"));
    }
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt;
        assert_eq!(done.status.signal(), Some(6), "{operation} {number}: {:?} {complaint}", done.status);
    }
    assert!(complaint.contains("memory allocation of"), "{operation} {number}: {complaint}");
    None
}

#[test]
#[ignore = "the test below runs it in a process of its own"]
fn one_allocation_fails() {
    let told = std::env::var("IMAGXP_EXHAUSTED").unwrap();
    let (name, number) = told.split_once(' ').unwrap();
    let act = OPERATIONS.iter().chain([&CARELESS]).find(|(known, _)| *known == name).unwrap().1();
    allocator::fail_at(number.parse().unwrap());
    let answer = act();
    let reached = !allocator::fail_at(0);
    println!("\nanswer {} {answer}", if reached { "reached" } else { "beyond" });
}

/// Lets allocations of an operation fail, one in each process, the first `most` of them and some later ones: how many processes have ended, and
/// how many did without that memory what they do with it.
fn tried(name: &str, whole: &str, most: usize) -> (u64, u64) {
    let (mut ended, mut survived, mut number) = (0, 0, 1);
    loop {
        match child(name, number) {
            None => ended += 1,
            Some((answer, true)) => {
                assert_eq!(answer, whole, "{name} without its allocation {number}");
                survived += 1;
            }
            Some((_, false)) => return (ended, survived),
        }
        // The first ones, and from then on further and further apart.
        number += if number < most { 1 } else { number / most };
    }
}

#[test]
#[should_panic(expected = "careless without its allocation 1")]
fn a_verdict_without_memory_is_found() {
    tried("careless", "refused", 6);
}

#[test]
fn without_memory_there_is_no_verdict_and_no_damage() {
    // The short form tries a few of each operation, the long one each of them.
    let most = usize::try_from(amount("IMAGXP_EXHAUSTION", 6)).unwrap();
    let (mut ended, mut survived) = (0, 0);
    for (name, _) in OPERATIONS {
        let (whole, _) = child(name, 0).unwrap();
        let expected = match name {
            "verify" => format!("None {:?}", Some(Code::ReplayNonceSeen)),
            "verify-visa" => "None".into(),
            "refuse" => format!("{:?}", Some(Code::IdentityKeyMismatch)),
            "policy" => "1".into(),
            "supply" | "supply-keys" => "taken".into(),
            _ => whole.clone(),
        };
        assert_eq!(whole, expected, "{name}");
        let (gone, did_without) = tried(name, &whole, most);
        ended += gone;
        survived += did_without;
    }
    assert!(ended > 20, "only {ended} processes have ended without memory");
    figures(
        "exhaustion",
        0,
        &[
            ("operations", OPERATIONS.len() as u64),
            ("processes_ended", ended),
            ("processes_that_did_without", survived),
        ],
    );
}
