//! At the door: robots.txt, the policy, and refusals that may be signed again.

use crate::town::{Broker, Hook, Manner, Reply, Site, agent, agent_with, options, purse};
use imagxp::Purpose;
use imagxp::agent::reader::ReaderOptions;

fn robots(status: u16, body: &str) -> Hook {
    let body = body.to_owned();
    Box::new(move |seen, _| (seen.target == "/robots.txt").then(|| Some(Reply::new(status, body.clone()))))
}

#[test]
fn robots_txt_is_respected() {
    let broker = Broker::start(Manner::Good);
    let site = Site::plain(&broker);
    let agent = agent(&broker);
    for path in ["/private", "/private/x?y", "/%70rivate"] {
        let refusal = agent.read(&site.url(path)).unwrap_err();
        assert_eq!(refusal.error.code(), "robots.denied", "{path}");
    }
    assert_eq!(site.server.lines(), ["GET /robots.txt"], "and nothing else is asked for");
    for (status, body, allowed) in [
        (200, "User-agent: testbot\nDisallow: /", false),
        (200, "User-agent: testbot\nAllow: /free\nDisallow: /\nUser-agent: *\nDisallow: /", true),
        (200, "User-agent: other\nDisallow: /", true),
        (200, "", true),
        (404, "", true),
        (403, "", true),
        (500, "", false),
        (503, "User-agent: *\nAllow: /", false),
        (302, "", false),
    ] {
        let site = Site::start(&broker.server.origin, robots(status, body));
        let result = agent.read(&site.url("/free"));
        assert_eq!(result.is_ok(), allowed, "{status} {body}");
        assert_eq!(site.server.pages(), usize::from(allowed), "{status} {body}");
        if let Err(refusal) = result {
            assert_eq!(refusal.error.code(), "robots.denied");
        }
    }
    let site = Site::start(
        &broker.server.origin,
        Box::new(|seen, _| (seen.target == "/robots.txt").then_some(None)),
    );
    assert_eq!(agent.read(&site.url("/free")).unwrap_err().error.code(), "robots.denied");
    // What cannot be had is not asked for again at once.
    agent.read(&site.url("/free")).unwrap_err();
    assert_eq!(site.server.lines(), ["GET /robots.txt"]);
}

#[test]
fn robots_txt_may_move_and_name_a_policy() {
    let broker = Broker::start(Manner::Good);
    let site = Site::start(
        &broker.server.origin,
        Box::new(|seen, origin| match seen.target.as_str() {
            "/robots.txt" => Some(Some(Reply::new(301, "").with("location", "/moved.txt"))),
            "/moved.txt" => Some(Some(Reply::new(
                200,
                format!("IMAGXP-Policy: {origin}/p.json\nUser-agent: *\nDisallow: /x"),
            ))),
            _ => None,
        }),
    );
    let agent = agent(&broker);
    agent.read(&site.url("/free")).unwrap();
    assert_eq!(agent.read(&site.url("/x")).unwrap_err().error.code(), "robots.denied");
    assert_eq!(site.server.lines()[..2], ["GET /robots.txt", "GET /moved.txt"]);
}

#[test]
fn what_the_policy_refuses_is_not_asked_for() {
    let broker = Broker::start(Manner::Good);
    let site = Site::plain(&broker);
    let with = |purpose| agent_with(ReaderOptions { purpose, ..options(&broker) }, purse());
    for purpose in [Purpose::CrawlTraining, Purpose::Embedding] {
        let refusal = with(purpose).read(&site.url("/free")).unwrap_err();
        assert_eq!(refusal.error.code(), "policy.purpose_denied");
    }
    assert_eq!(site.server.pages(), 0);
    // Silence is no answer; the publisher's is.
    let page = with(Purpose::Quotation).read(&site.url("/free")).unwrap();
    assert_eq!((page.status, site.server.pages()), (403, 1));
}

#[test]
fn a_request_is_signed_again_once_when_the_verdict_says_so() {
    let broker = Broker::start(Manner::Good);
    for (status, body, pages) in [
        (409, r#"{"error":{"code":"replay.nonce_seen","retry":"new_nonce"}}"#, 2),
        (401, r#"{"error":{"code":"time.expired","retry":"new_nonce"}}"#, 2),
        (401, r#"{"error":{"code":"sig.invalid","retry":"fix"}}"#, 1),
        (409, "", 1),
        (503, r#"{"error":{"code":"replay.store_full","retry":"new_nonce"}}"#, 1),
    ] {
        let site = Site::start(
            &broker.server.origin,
            Box::new(move |seen, _| (seen.target == "/free").then(|| Some(Reply::new(status, body)))),
        );
        let page = agent(&broker).read(&site.url("/free")).unwrap();
        assert_eq!((page.status, site.server.pages()), (status, pages), "{status} {body}");
    }
}

#[test]
fn what_cannot_be_read_is_refused_before_anything_is_sent() {
    let broker = Broker::start(Manner::Good);
    let agent = agent(&broker);
    for url in [
        "",
        "/x",
        "http://pub.example/",
        "ftp://pub.example/",
        "https://u@pub.example/",
        "https://pub.example/a b",
    ] {
        assert_eq!(agent.read(url).unwrap_err().error.code(), "usage.argument", "{url}");
    }
    assert_eq!(agent.request("POST", "https://pub.example/").unwrap_err().error.code(), "usage.argument");
    // The guard watches over pages too: no private address, whoever names it.
    for url in ["https://127.0.0.1.nip.example/", "https://10.0.0.1/", "https://[::ffff:127.0.0.1]/"] {
        let refusal = agent.read(url).unwrap_err();
        assert_eq!(refusal.error.code(), "robots.denied", "{url}");
    }
}

/// What may not stand in a URI is not sent, and the signature and the receipt are of what is.
#[test]
fn a_url_is_sent_as_a_uri() {
    let broker = Broker::start(Manner::Good);
    let site = Site::plain(&broker);
    let page = agent(&broker).read(&site.url("/free/caf\u{e9}?q=<a>`\"")).unwrap();
    assert_eq!((page.status, page.report.receipt.as_str()), (200, "verified"), "{:?}", page.report.steps);
    let sent = "/free/caf%C3%A9?q=%3Ca%3E%60%22";
    assert!(site.server.lines().contains(&format!("GET {sent}")), "{:?}", site.server.lines());
    assert_eq!(page.report.url, site.url(sent));
}

/// RFC 9309 §2.5: of a long file the beginning counts. What is at its end is not read, and no reason to stay away.
#[test]
fn of_a_robots_txt_without_end_the_beginning_counts() {
    let broker = Broker::start(Manner::Good);
    let long =
        |lines: &str| format!("User-agent: *\nDisallow: /private\n{}{lines}", "# filled\n".repeat(80_000));
    for (status, allowed, public) in [(200, false, true), (404, true, true), (500, false, false)] {
        let body = long("User-agent: *\nDisallow: /\n");
        assert!(body.len() > 600 * 1024);
        let site = Site::start(&broker.server.origin, robots(status, &body));
        let agent = agent(&broker);
        assert_eq!(agent.read(&site.url("/private")).is_ok(), allowed, "{status}");
        let read = agent.read(&site.url("/free"));
        assert_eq!(read.as_ref().map(|page| page.status).ok(), public.then_some(200), "{status} {read:?}");
        assert_eq!(site.server.lines()[0], "GET /robots.txt");
    }
}

/// PROTOCOL §4: no content coding. Rules that cannot be read are not the same as none.
#[test]
fn a_compressed_robots_txt_closes_the_site() {
    let broker = Broker::start(Manner::Good);
    for (coding, allowed) in [("gzip", false), (" Br", false), ("identity, gzip", false), ("Identity", true)]
    {
        let reply = Reply::new(200, &b"\x1f\x8b\x08\x00"[..]).with("content-encoding", coding);
        let hook: Hook = Box::new(move |seen, _| (seen.target == "/robots.txt").then(|| Some(reply.clone())));
        let site = Site::start(&broker.server.origin, hook);
        let read = agent(&broker).read(&site.url("/free"));
        let code = read.as_ref().map_err(|refusal| refusal.error.code()).map(|page| page.status);
        assert_eq!(code, if allowed { Ok(200) } else { Err("robots.denied") }, "{coding}");
        assert_eq!(site.server.pages(), usize::from(allowed), "{coding}");
    }
}
