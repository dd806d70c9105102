//! Redirects: signed anew for each hop, never to another origin unasked, never down to http.

use crate::town::{Broker, Manner, Reply, Site, agent, agent_with, options, purse};
use imagxp::agent::reader::{ReaderOptions, Redirects};
use imagxp::encoding::base64_decode;

fn redirecting(
    broker: &Broker,
    status: u16,
    to: impl Fn(&str, &str) -> Option<String> + Send + Sync + 'static,
) -> Site {
    Site::start(
        &broker.server.origin,
        Box::new(move |seen, origin| {
            let target = seen.header("x-imagxp-payload").and_then(|_| to(&seen.target, origin))?;
            Some(Some(Reply::new(status, "").with("location", target)))
        }),
    )
}

#[test]
fn each_hop_is_signed_for_its_own_url() {
    for status in [301, 302, 303, 307, 308] {
        let broker = Broker::start(Manner::Good);
        let site = redirecting(&broker, status, |target, _| (target == "/a").then(|| "free?x#y".to_owned()));
        let page = agent(&broker).read(&site.url("/a")).unwrap();
        assert_eq!((page.status, page.report.url), (200, site.url("/free?x")));
        let claims: Vec<String> = site
            .server
            .seen()
            .iter()
            .filter_map(|seen| seen.header("x-imagxp-payload").map(str::to_owned))
            .map(|payload| String::from_utf8(base64_decode(payload.as_bytes()).unwrap()).unwrap())
            .collect();
        assert_eq!(claims.len(), 2);
        assert!(claims[0].contains("/a\"") && claims[1].contains("/free?x\""), "{claims:?}");
    }
}

#[test]
fn a_redirect_to_what_robots_txt_disallows_is_not_followed() {
    let broker = Broker::start(Manner::Good);
    let site = redirecting(&broker, 302, |target, _| (target == "/a").then(|| "/private/x".to_owned()));
    assert_eq!(agent(&broker).read(&site.url("/a")).unwrap_err().error.code(), "robots.denied");
    assert_eq!(site.server.pages(), 1);
}

#[test]
fn another_origin_is_refused_or_a_visit_of_its_own() {
    let broker = Broker::start(Manner::Good);
    let other = Site::plain(&broker);
    let target = other.url("/paid/1");
    let site = redirecting(&broker, 302, move |_, _| Some(target.clone()));
    let refusal = agent(&broker).read(&site.url("/a")).unwrap_err();
    assert_eq!(refusal.error.code(), "redirect.denied");
    assert_eq!((site.server.pages(), other.server.seen().len()), (1, 0), "nothing of ours goes there");

    let any = ReaderOptions { redirects: Redirects::AnyOrigin, ..options(&broker) };
    let page = agent_with(any, purse()).read(&site.url("/a")).unwrap();
    assert_eq!((page.status, page.report.url), (200, other.url("/paid/1")));
    assert_eq!(other.server.lines()[..2], ["GET /robots.txt", "GET /.well-known/imagxp-policy.json"]);
    assert_eq!((other.server.pages(), broker.booked()), (2, 1));

    let back = ReaderOptions { redirects: Redirects::Return, ..options(&broker) };
    let page = agent_with(back, purse()).read(&site.url("/a")).unwrap();
    assert_eq!(page.status, 302);
}

#[test]
fn places_that_nobody_goes_to() {
    let broker = Broker::start(Manner::Good);
    for place in [
        "http://pub.example/x",
        "ftp://127.0.0.1/",
        "https://u:p@127.0.0.1/",
        "//[::1",
        "/a b",
        "javascript:1",
    ] {
        let site = redirecting(&broker, 302, move |_, _| Some(place.to_owned()));
        let any = ReaderOptions { redirects: Redirects::AnyOrigin, ..options(&broker) };
        let refusal = agent_with(any, purse()).read(&site.url("/a")).unwrap_err();
        assert_eq!((refusal.error.code(), site.server.pages()), ("redirect.denied", 1), "{place}");
    }
}

#[test]
fn there_is_an_end_to_redirects() {
    let broker = Broker::start(Manner::Good);
    let site = redirecting(&broker, 302, |target, _| Some(format!("{target}x")));
    assert_eq!(agent(&broker).read(&site.url("/a")).unwrap_err().error.code(), "redirect.denied");
    assert_eq!(site.server.pages(), 6);
    let site = redirecting(&broker, 302, |_, _| Some("/a".to_owned()));
    assert_eq!(agent(&broker).read(&site.url("/a")).unwrap_err().error.code(), "redirect.denied");
    assert_eq!(site.server.pages(), 6);
}

/// A site that takes the visa and sends the reader on, to be paid again, is paid once.
#[test]
fn one_read_pays_once_over_all_hops() {
    let broker = Broker::start(Manner::Good);
    let site = Site::start(
        &broker.server.origin,
        Box::new(|seen, _| {
            seen.header("x-imagxp-payment")
                .map(|_| Some(Reply::new(302, "").with("location", format!("{}x", seen.target))))
        }),
    );
    let refusal = agent(&broker).read(&site.url("/paid/1")).unwrap_err();
    assert_eq!(refusal.error.code(), "payment.required");
    assert_eq!((site.server.pages(), broker.booked()), (3, 1));
}
