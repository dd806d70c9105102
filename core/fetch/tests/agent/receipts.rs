//! Provenance receipts: verified with the publisher's own keys, or not believed.

use crate::town::{Broker, Manner, Reply, Site, agent, agent_with, options, purse, receipt};
use imagxp::agent::reader::{ReaderOptions, Receipts};

/// A site that serves `content` with whatever receipt this makes.
fn site(
    broker: &Broker,
    make: impl Fn(&str, &str, &[u8]) -> Vec<(String, String)> + Send + Sync + 'static,
) -> Site {
    answering(broker, move |origin, target, body| Reply {
        headers: make(origin, target, body),
        ..Reply::new(200, body)
    })
}

fn answering(broker: &Broker, make: impl Fn(&str, &str, &[u8]) -> Reply + Send + Sync + 'static) -> Site {
    Site::start(
        &broker.server.origin,
        Box::new(move |seen, origin| {
            seen.header("x-imagxp-payload")?;
            Some(Some(make(origin, &seen.target, b"content")))
        }),
    )
}

#[test]
fn wrong_receipts_are_found_out() {
    let broker = Broker::start(Manner::Good);
    let manifests =
        |site: &Site| site.server.lines().iter().filter(|line| line.ends_with("imagxp-agent.json")).count();
    type Make = Box<dyn Fn(&str, &str, &[u8]) -> Vec<(String, String)> + Send + Sync>;
    let cases: [(Make, &str, usize); 7] = [
        (Box::new(|origin, target, body| receipt(origin, target, body, 5)), "verified", 1),
        (Box::new(|_, _, _| Vec::new()), "missing", 0),
        (Box::new(|origin, target, _| receipt(origin, target, b"other", 5)), "provenance.mismatch", 0),
        (Box::new(|origin, _, body| receipt(origin, "/other", body, 5)), "provenance.mismatch", 0),
        (
            Box::new(|_, target, body| receipt("https://other.example", target, body, 5)),
            "provenance.mismatch",
            0,
        ),
        (Box::new(|origin, target, body| receipt(origin, target, body, 6)), "identity.key_mismatch", 1),
        (
            Box::new(|origin, target, body| {
                let mut lines = receipt(origin, target, body, 5);
                lines[1].1.replace_range(0..8, "00000000");
                lines
            }),
            "sig.invalid",
            1,
        ),
    ];
    for (make, state, fetched) in cases {
        let site = site(&broker, make);
        let page = agent(&broker).read(&site.url("/free")).unwrap();
        assert_eq!((page.report.receipt.as_str(), page.body.as_slice()), (state, &b"content"[..]));
        assert_eq!(manifests(&site), fetched, "{state}");

        let strict = ReaderOptions { receipts: Receipts::Require, ..options(&broker) };
        let code =
            agent_with(strict, purse()).read(&site.url("/free")).map_err(|refusal| refusal.error.code());
        match state {
            "verified" => assert!(code.is_ok()),
            "missing" => assert_eq!(code.unwrap_err(), "provenance.missing"),
            state => assert_eq!(code.unwrap_err(), state),
        }
        let blind = ReaderOptions { receipts: Receipts::Ignore, ..options(&broker) };
        let page = agent_with(blind, purse()).read(&site.url("/free")).unwrap();
        assert_eq!(page.report.receipt.as_str(), "unchecked");
    }
}

#[test]
fn half_a_receipt_and_two_receipts() {
    let broker = Broker::start(Manner::Good);
    for (keep, state) in [(&[0][..], "missing"), (&[1], "missing"), (&[0, 1, 1], "provenance.malformed")] {
        let site = site(&broker, move |origin, target, body| {
            let lines = receipt(origin, target, body, 5);
            keep.iter().map(|&index| lines[index].clone()).collect()
        });
        assert_eq!(agent(&broker).read(&site.url("/free")).unwrap().report.receipt.as_str(), state);
    }
}

#[test]
fn a_receipt_may_come_behind_the_body() {
    let broker = Broker::start(Manner::Good);
    // Which of the two lines are in the head, and which behind the body.
    for (head, behind, end) in [
        (&[][..], &[0, 1][..], "verified"),
        (&[0, 1], &[0, 1], "provenance.malformed"),
        (&[], &[0, 1, 1], "provenance.malformed"),
        (&[], &[0], "provenance.missing"),
    ] {
        let site = answering(&broker, move |origin, target, body| {
            let lines = receipt(origin, target, body, 5);
            let those = |indices: &[usize]| indices.iter().map(|&index| lines[index].clone()).collect();
            let other =
                [("set-cookie".to_owned(), "a=b".to_owned()), ("location".to_owned(), "/".to_owned())];
            let trailers = [those(behind), other.to_vec()].concat();
            Reply { headers: those(head), trailers, ..Reply::new(200, body) }
        });
        let strict = ReaderOptions { receipts: Receipts::Require, ..options(&broker) };
        match agent_with(strict, purse()).read(&site.url("/free")) {
            Ok(page) => {
                assert_eq!((page.report.receipt.as_str(), page.body.as_slice()), (end, &b"content"[..]));
                let others = page.headers.iter().find(|(name, _)| name == "set-cookie" || name == "location");
                assert_eq!(others, None, "a trailer says what only a head may say");
            }
            Err(refusal) => assert_eq!(refusal.error.code(), end),
        }
        let seen = site.server.seen();
        let page = seen.iter().find(|seen| seen.target == "/free").unwrap();
        assert_eq!((page.header("te"), page.header("connection")), (Some("trailers"), Some("close, te")));
    }
}
