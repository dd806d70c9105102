//! DNSSEC with a root of our own: what is signed is secure, what is provably not signed is insecure, what is signed wrongly is a failure.
#![cfg(feature = "dnssec")]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

mod support;

use hickory_resolver::proto::dnssec::crypto::Ed25519SigningKey;
use hickory_resolver::proto::dnssec::rdata::{DNSKEY, DNSSECRData, NSEC, RRSIG};
use hickory_resolver::proto::dnssec::{DnssecSigner, SigningKey};
use hickory_resolver::proto::op::Message;
use hickory_resolver::proto::rr::rdata::{A, AAAA, NS, SOA};
use hickory_resolver::proto::rr::{DNSClass, Name, RData, Record, RecordSet, RecordType};
use imagxp::agent::{Identity, SignRequest};
use imagxp::crypto::{Algorithm, PrivateKey};
use imagxp::{Policy, Publisher, Purpose, Request, Timestamp};
use imagxp_fetch::{Dnssec, FetchFailure, Fetcher, Options, Profile, Resolver};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;
use support::{Authority, HOME, Server, answer, host_of};

/// A root zone that holds everything, and delegates com without signing that.
struct Root {
    address: SocketAddr,
    anchor: tempfile::NamedTempFile,
}

impl Root {
    fn new() -> Self {
        let pkcs8 = Ed25519SigningKey::generate_pkcs8().unwrap();
        let key = Ed25519SigningKey::from_pkcs8(&pkcs8).unwrap();
        let public = key.to_public_key().unwrap();
        let dnskey = DNSKEY::new(true, true, false, public);
        let anchor = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(anchor.path(), format!(". 3600 IN DNSKEY {dnskey}\n")).unwrap();
        let years = Duration::from_secs(10 * 365 * 86_400);
        let signer = Arc::new(DnssecSigner::new(dnskey, Box::new(key), Name::root(), years));
        let socket = UdpSocket::bind((HOME, 0)).unwrap();
        let address = socket.local_addr().unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
                let request = Message::from_vec(&buffer[..length]).unwrap();
                let _ = socket.send_to(&respond(&request, &signer), peer);
            }
        });
        Self { address, anchor }
    }
}

fn record(name: &Name, data: RData) -> Record {
    Record::from_rdata(name.clone(), 300, data)
}

/// The record and its signature.
fn signed(record: &Record, signer: &DnssecSigner) -> Vec<Record> {
    let mut set = RecordSet::new(record.name.clone(), record.record_type(), 0);
    set.insert(record.clone(), 0);
    let rrsig = RRSIG::from_rrset(&set, DNSClass::IN, rcgen::date_time_ymd(2025, 1, 1), signer).unwrap();
    let rrsig = Record::from_rdata(record.name.clone(), 300, RData::DNSSEC(DNSSECRData::RRSIG(rrsig)));
    vec![record.clone(), rrsig]
}

fn respond(request: &Message, signer: &DnssecSigner) -> Vec<u8> {
    let query = request.queries[0].clone();
    let name = query.name().to_lowercase();
    let text = name.to_ascii();
    let mut response = Message::response(request.metadata.id, request.metadata.op_code);
    response.metadata.recursion_available = true;
    response.add_query(query.clone());
    let address = |last: u8| match query.query_type() {
        RecordType::A => Some(RData::A(A(Ipv4Addr::new(127, 0, 0, last)))),
        RecordType::AAAA => Some(RData::AAAA(AAAA(Ipv6Addr::LOCALHOST))),
        _ => None,
    };
    match (query.query_type(), address(1)) {
        (RecordType::DNSKEY, _) if name.is_root() => {
            let dnskey = RData::DNSSEC(DNSSECRData::DNSKEY(signer.to_dnskey()));
            response.add_answers(signed(&record(&name, dnskey), signer));
        }
        (RecordType::NS, _) if text == "com." => {
            response.add_answer(record(&name, RData::NS(NS(name.clone()))));
        }
        (_, Some(data)) if text.starts_with("signed.") => {
            response.add_answers(signed(&record(&name, data), signer));
        }
        (_, Some(data)) if text.starts_with("bogus.") => {
            // The signature of another address: someone on the way has changed this one.
            let mut records = signed(&record(&name, address(9).unwrap()), signer);
            records[0] = record(&name, RData::A(A(HOME)));
            let unsigned = query.query_type() == RecordType::AAAA;
            response.add_answers(if unsigned { vec![record(&name, data)] } else { records });
        }
        (_, Some(data)) if text.starts_with("plain.") => {
            response.add_answer(record(&name, data));
        }
        _ => {
            let soa = SOA::new(Name::root(), Name::root(), 1, 1, 1, 1, 1);
            let mut authorities = signed(&record(&Name::root(), RData::SOA(soa)), signer);
            let mut next = Name::from_ascii("zz").unwrap();
            next.set_fqdn(true);
            let nsec = NSEC::new_cover_self(next, [RecordType::NS]);
            authorities.extend(signed(&record(&name, RData::DNSSEC(DNSSECRData::NSEC(nsec))), signer));
            response.add_authorities(authorities);
        }
    }
    response.to_vec().unwrap()
}

fn fetcher(act: impl Fn(&mut dyn support::Stream, &str) + Send + Sync + 'static) -> (Fetcher, Root) {
    let authority = Authority::new();
    let names = ["signed.example.com", "plain.example.com", "bogus.example.com"];
    let server = Server::https(HOME, authority.tls(&names), act);
    let root = Root::new();
    let options = Options {
        allow_addresses: vec![HOME.into(), Ipv6Addr::LOCALHOST.into()],
        allowed_port: Some(server.port),
        nameservers: vec![root.address],
        roots: vec![authority.root.clone()],
        dnssec: true,
        trust_anchor: Some(root.anchor.path().into()),
        ..Options::default()
    };
    (Fetcher::new(options).unwrap(), root)
}

#[test]
fn secure_insecure_and_bogus() {
    let (fetcher, _root) = fetcher(|stream, _| answer(stream, "200 OK", "", b"{}"));
    for (name, expected) in [("signed", Dnssec::Secure), ("plain", Dnssec::Insecure)] {
        let answer = fetcher.get(&format!("https://{name}.example.com/"), Profile::DOCUMENT).unwrap();
        assert_eq!(answer.dnssec, expected, "{name}");
    }
    let error = fetcher.get("https://bogus.example.com/", Profile::DOCUMENT).unwrap_err();
    assert_eq!((error.failure, error.sent), (FetchFailure::Failed, false), "{error}");
    assert!(error.detail.contains("bogus"), "{error}");
    let missing = Options { trust_anchor: Some("/nowhere/at/all".into()), ..Options::default() };
    assert!(Fetcher::new(missing).is_err());
}

#[test]
fn the_verdict_says_when_a_name_is_insecure() {
    let key = || {
        let fill = &mut |bytes: &mut [u8]| {
            bytes.fill(1);
            Ok(())
        };
        PrivateKey::generate(Algorithm::EdDsa, fill).unwrap()
    };
    let (fetcher, _root) = fetcher(move |stream, head| {
        let host = host_of(head);
        let manifest = Identity::parse(&host, key(), false).unwrap().manifest(None, &[]).unwrap();
        answer(stream, "200 OK", "", &manifest.to_json());
    });
    let json =
        br#"{"version":1,"origins":["https://pub.example"],"purposes":{"RAG_RETRIEVAL":{"allow":true}}}"#;
    let publisher = Publisher::new(Policy::from_json(json).unwrap(), [7; 16]);
    let resolver = Resolver::new(fetcher);
    let now = Timestamp::parse("2026-03-01T12:00:00Z").unwrap();
    for (host, warnings) in
        [("signed.example.com", vec![]), ("plain.example.com", vec!["identity.dnssec_insecure"])]
    {
        for round in 0..2 {
            let identity = Identity::parse(host, key(), false).unwrap();
            let request = SignRequest::new("GET", "https://pub.example/a", Purpose::RagRetrieval);
            let headers = identity.sign(&request, now, &format!("a-nonce-of-this-test-{round}")).unwrap();
            let mut lines: Vec<(&[u8], &[u8])> =
                headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
            lines.push((b"user-agent", b"bot IMAGXP/1.0"));
            let request = Request { method: "GET", url: "/a", headers: &lines, body_digest: None };
            let verdict = resolver.verify(&publisher, &request, now).verdict;
            let found: Vec<_> = verdict.warnings.iter().map(|warning| warning.as_str()).collect();
            assert!(verdict.is_allowed(), "{verdict:?}");
            assert_eq!(found, warnings, "{host} {round}");
        }
    }
}
