//! Memory, counted: what the tables of hot keys take, and what a verdict takes.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]

#[path = "common/allocator.rs"]
mod allocator;
mod common;

use common::world::*;
use imagxp::agent::SignRequest;
use imagxp::agent::reader::{Purse, Reader, ReaderOptions};
use imagxp::agent::visit::{Action, Event};
use imagxp::crypto::{Algorithm, HotKeys, PrivateKey};
use imagxp::resource::path_readings;
use imagxp::{Code, Purpose};
use std::sync::Arc;

/// The counters, which [`HotKeys::new`] names apart from the bound.
const APART: usize = 128 << 10;

#[test]
fn tables_take_no_more_than_they_say() {
    let keys: Vec<_> = (0..200u32)
        .map(|number| {
            let fill = &mut |bytes: &mut [u8]| {
                bytes.fill(7);
                bytes[..4].copy_from_slice(&number.to_be_bytes());
                Ok(())
            };
            PrivateKey::generate(Algorithm::Es256, fill).unwrap().public_key().clone()
        })
        .collect();
    // The generator's table is the process's, as long as somebody has it.
    let _other = HotKeys::default();
    for max_bytes in [1 << 20, 1 << 19, 0] {
        let before = allocator::live();
        let hot = HotKeys::new(max_bytes);
        for _ in 0..3 {
            keys.iter().for_each(|key| hot.credit(key));
            let taken = usize::try_from(allocator::live() - before).unwrap();
            assert!(hot.bytes() <= max_bytes && taken <= hot.bytes() + APART, "{taken} {hot:?}");
            assert!(taken >= hot.len() * 12_288, "{taken} {hot:?}");
        }
        assert_eq!(hot.is_empty(), max_bytes == 0);
        // What is left is less than another table.
        assert!(max_bytes - hot.bytes() < 12_600, "{hot:?}");
        drop(hot);
        assert_eq!(allocator::live(), before);
    }
}

/// The second request makes a table of its agent's key, 12 KiB; that of the generator, 512 KiB, was there before the first one.
#[test]
fn no_request_makes_a_table_but_its_own_agents() {
    let publisher = publisher(POLICY);
    let largest: Vec<usize> = (0..4)
        .map(|number| {
            Signed::read(&format!("nonce-000000001{number}")).act(|request| {
                let (verification, _, largest) = allocator::asked(|| publisher.verify(request, now()));
                assert!(verification.verdict.is_allowed());
                largest
            })
        })
        .collect();
    assert!((12_288..30_000).contains(&largest[1]), "{largest:?}");
    assert!(largest.iter().enumerate().all(|(number, bytes)| number == 1 || *bytes < 12_288), "{largest:?}");
}

/// A ratchet: lowered with each saving. The verdict's own texts are three of them.
#[test]
fn a_verdict_allocates_little() {
    const MOST: usize = 8;
    let publisher = publisher(POLICY);
    let requests: Vec<_> =
        (0..40).map(|number| Signed::read(&format!("nonce-00000000{number:02}"))).collect();
    let mut most = 0;
    for (number, request) in requests.iter().enumerate() {
        let calls = request.act(|request| {
            let (verification, calls, _) = allocator::asked(|| publisher.verify(request, now()));
            assert!(verification.verdict.is_allowed());
            calls
        });
        if number >= 10 {
            most = most.max(calls);
        }
    }
    println!("{most} allocations for a verdict");
    assert!(most <= MOST, "{most} allocations");
}

/// A URL may have a score of readings, each a copy of it: nobody makes them for a signature that is none.
#[test]
fn a_forgery_has_no_readings_made_of_its_url() {
    let publisher = publisher(POLICY);
    let root = SignRequest::new("GET", "https://pub.example/", Purpose::RagRetrieval);
    let mut forged = Signed::new(&identity(1), &root, now(), "nonce-0000000001");
    forged.url = format!("/{}", "a/../".repeat(1600));
    assert!(path_readings(&forged.url).unwrap().len() > 1);
    let peak = |signed: &Signed, code| {
        signed.act(|request| {
            let (verification, peak) = allocator::peak(|| publisher.verify(request, now()));
            assert_eq!(verification.verdict.code, code);
            peak
        })
    };
    let genuine = forged.clone();
    *forged.header_mut("x-imagxp-signature") = vec![b'1'; 128];
    // The normal form of the path.
    let (refused, passed) = (peak(&forged, Some(Code::SigInvalid)), peak(&genuine, None));
    println!("{refused} bytes for the forgery, {passed} for the request");
    assert!(refused < 50_000, "{refused} bytes");
    // What is signed is heard in every reading.
    assert!(passed > 50_000, "{passed} bytes");
}

/// Nor for a visitor who does not sign: only a rule for visitors makes them, and of short paths only.
#[test]
fn a_visitor_has_few_readings_made_of_the_url() {
    let ruled = POLICY.replace("\"paths\":[", "\"paths\":[{\"match\":\"/members/*\",\"unsigned\":\"deny\"},");
    let open =
        |json: &str| publisher(&json.replacen("{\"version\":1", "{\"version\":1,\"unsigned\":\"allow\"", 1));
    let disguised = |count: usize| format!("/x%2Fy;z//{}", "a/../".repeat(count));
    let denied = Some(Code::AuthRequired);
    for (publisher, url, code) in [
        (publisher(POLICY), disguised(1600), denied),
        (open(POLICY), disguised(1600), None),
        (publisher(&ruled), disguised(1600), denied),
        (open(&ruled), disguised(200), None),
        (open(&ruled), disguised(1600), denied),
        (open(&ruled), format!("/{}", "a".repeat(8000)), None),
    ] {
        let mut visitor = Signed::read("nonce-0000000001");
        visitor.headers.clear();
        visitor.url = url;
        let (verification, peak) =
            visitor.act(|request| allocator::peak(|| publisher.verify(request, now())));
        println!("{peak} bytes for {} bytes of path", visitor.url.len());
        assert_eq!(verification.verdict.code, code);
        assert!(peak < 32_000, "{peak} bytes");
    }
    let before = allocator::peak(|| path_readings(&disguised(1600)).unwrap().len());
    assert!(before.0 >= 10 && before.1 > 64_000, "{before:?}");
}

/// A crawler may be led through a thousand names of one site, each with a robots.txt of 500 KiB that takes twenty times as much.
#[test]
fn what_an_agent_knows_of_sites_has_a_bound_in_bytes() {
    const MOST: isize = 64 << 20;
    let options = ReaderOptions::new(Purpose::RagRetrieval, "TestBot");
    let reader = Reader::new(identity(1), options, Arc::new(Purse::in_memory([]))).unwrap();
    let reader = Arc::new(reader);
    let begin = |number: usize| {
        let mut visit = reader.visit("GET", &format!("https://s{number}.example/"), None).unwrap();
        let action = visit.step(&Event::Start, now(), "nonce-0000000001");
        (visit, matches!(action, Action::FetchRobots { .. }))
    };
    let robots = "user-agent:a\nallow:/\n".repeat(24_000);
    let before = allocator::live();
    let mut one = 0;
    for number in 0..6 {
        let (mut visit, asks) = begin(number);
        assert!(asks);
        let answer = Event::Answered { status: 200, headers: &[], body: robots.as_bytes() };
        assert!(matches!(visit.step(&answer, now(), "nonce-0000000002"), Action::FetchPolicy { .. }));
        drop(visit);
        let held = allocator::live() - before;
        one = if number == 0 { held } else { one };
        assert!(held <= MOST && !begin(number).1, "{held} bytes for {} sites", number + 1);
    }
    println!("{one} bytes for a robots.txt of {}", robots.len());
    assert!(one * 6 > MOST && begin(0).1, "{one} bytes");
}
