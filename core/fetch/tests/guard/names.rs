//! Names: where they lead, and where they may not.

use crate::support::{Authority, HOME, NameServer, Reply, Server, answer, options};
use crate::{URL, failure, ip, ok};
use hickory_resolver::proto::rr::RecordType;
use imagxp_fetch::{FetchFailure, Fetcher, Options, Profile};
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, TcpListener};

#[test]
fn names_on_inner_addresses_are_denied() {
    let authority = Authority::new();
    let trap = Server::https(HOME, authority.tls(&["bot.example.com"]), ok);
    for address in [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.168.1.1",
        "0.0.0.0",
        "::1",
        "::ffff:127.0.0.1",
        "fe80::1",
        "fd00::1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "224.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
    ] {
        let names = NameServer::always(Reply::Addresses(vec![ip(address)]));
        let given = Options { allow_addresses: Vec::new(), ..options(&authority, &names, trap.port) };
        assert_eq!(failure(&Fetcher::new(given).unwrap(), URL), FetchFailure::AddressDenied, "{address}");
    }
    assert_eq!(trap.connections(), 0);
}

#[test]
fn one_bad_address_spoils_the_name() {
    let authority = Authority::new();
    let server = Server::https(HOME, authority.tls(&["bot.example.com"]), ok);
    for set in [
        vec!["127.0.0.1", "10.0.0.1"],
        vec!["10.0.0.1", "127.0.0.1"],
        vec!["127.0.0.1", "fd00::1"],
        vec!["127.0.0.1", "::ffff:10.0.0.1"],
        vec!["127.0.0.1", "93.184.216.34", "2606:4700::1111", "169.254.169.254"],
    ] {
        let addresses: Vec<IpAddr> = set.iter().map(|text| ip(text)).collect();
        let names = NameServer::always(Reply::Addresses(addresses));
        let fetcher = Fetcher::new(options(&authority, &names, server.port)).unwrap();
        assert_eq!(failure(&fetcher, URL), FetchFailure::AddressDenied, "{set:?}");
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn chains_of_names_end_where_they_may() {
    let authority = Authority::new();
    let server = Server::https(HOME, authority.tls(&["bot.example.com"]), ok);
    let chain = |addresses: &[&str]| {
        Reply::Chain(vec!["a.cdn.example", "b.cdn.example"], addresses.iter().map(|text| ip(text)).collect())
    };
    let names = NameServer::always(chain(&["127.0.0.1"]));
    let fetcher = Fetcher::new(options(&authority, &names, server.port)).unwrap();
    assert!(fetcher.get(URL, Profile::MANIFEST).is_ok());
    let names = NameServer::always(chain(&["10.0.0.1"]));
    let fetcher = Fetcher::new(options(&authority, &names, server.port)).unwrap();
    assert_eq!(failure(&fetcher, URL), FetchFailure::AddressDenied);
    // The same over two questions.
    for (end, expected) in [("127.0.0.1", None), ("10.0.0.1", Some(FetchFailure::AddressDenied))] {
        let names = NameServer::new(move |name, _| match name {
            "bot.example.com" => Reply::Alias("inner.example.com"),
            _ => Reply::Addresses(vec![ip(end)]),
        });
        let fetcher = Fetcher::new(options(&authority, &names, server.port)).unwrap();
        assert_eq!(fetcher.get(URL, Profile::MANIFEST).err().map(|error| error.failure), expected, "{end}");
    }
    // A chain that bites its tail.
    let names = NameServer::always(Reply::Alias("bot.example.com"));
    let fetcher = Fetcher::new(options(&authority, &names, server.port)).unwrap();
    assert_eq!(failure(&fetcher, URL), FetchFailure::Failed);
}

/// The name leads to an allowed address when it is checked, and to an inner one ever after.
#[test]
fn rebinding_finds_nobody_at_home() {
    const ALLOWED: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
    let authority = Authority::new();
    let tls = authority.tls(&["bot.example.com"]);
    let listener = TcpListener::bind((ALLOWED, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let inner_listener = TcpListener::bind((HOME, port)).unwrap();
    let outer = Server::listening(listener, move |socket, _| {
        let connection = rustls::ServerConnection::new(std::sync::Arc::clone(&tls)).unwrap();
        let mut stream = rustls::StreamOwned::new(connection, socket);
        let _ = stream.read(&mut [0; 4096]);
        answer(&mut stream, "200 OK", "", b"outer");
    });
    let inner = Server::listening(inner_listener, |_, _| {});
    let names = NameServer::new(|_, before| {
        Reply::Addresses(vec![if before == 0 { ALLOWED.into() } else { HOME.into() }])
    });
    let given = Options { allow_addresses: vec![ALLOWED.into()], ..options(&authority, &names, port) };
    let fetcher = Fetcher::new(given).unwrap();
    let answer = fetcher.get(URL, Profile::MANIFEST).unwrap();
    assert_eq!((answer.address, answer.body.as_slice()), (IpAddr::from(ALLOWED), &b"outer"[..]));
    assert_eq!(
        names.asked("bot.example.com", RecordType::A),
        1,
        "nobody asks again between check and connection"
    );
    assert_eq!(failure(&fetcher, URL), FetchFailure::AddressDenied, "each fetch asks anew");
    assert_eq!((outer.connections(), inner.connections()), (1, 0));
}

#[test]
fn an_address_that_does_not_answer_is_passed_by() {
    let authority = Authority::new();
    let tls = authority.tls(&["bot.example.com"]);
    let server = Server::https(HOME, tls, ok);
    // Nobody listens on the second one, so that the first may come second.
    let dead = IpAddr::from([127, 0, 0, 3]);
    for order in [[dead, HOME.into()], [HOME.into(), dead]] {
        let names = NameServer::always(Reply::Addresses(order.to_vec()));
        let given = Options { allow_addresses: order.to_vec(), ..options(&authority, &names, server.port) };
        let answer = Fetcher::new(given).unwrap().get(URL, Profile::MANIFEST).unwrap();
        assert_eq!(answer.address, IpAddr::from(HOME));
    }
}

#[test]
fn names_that_do_not_exist_fail() {
    let authority = Authority::new();
    let names = NameServer::always(Reply::NoName);
    let fetcher = Fetcher::new(options(&authority, &names, 1)).unwrap();
    let error = fetcher.get(URL, Profile::MANIFEST).unwrap_err();
    assert_eq!((error.failure, error.sent), (FetchFailure::Failed, false), "{error}");
    let names = NameServer::always(Reply::Addresses(Vec::new()));
    let fetcher = Fetcher::new(options(&authority, &names, 1)).unwrap();
    assert_eq!(failure(&fetcher, URL), FetchFailure::Failed);
}
