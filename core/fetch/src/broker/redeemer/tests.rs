//! When a redeemer is closed, and when its key cannot sign.

use super::super::confirm::tests::{broker, client, client_of};
use super::*;
use imagxp::agent::Identity;
use imagxp::crypto::{Algorithm, PrivateKey, PublicKey, Signature, Signer};
use imagxp::{AgentId, ErrorKind};
use std::io::{Read, Write};
use std::sync::atomic::{AtomicU32, Ordering};

#[test]
fn who_closes_waits_for_a_broker_that_is_gone_once() {
    let (issuer, asked) = broker(drop);
    let options = RedeemerOptions { batch: 1, ..RedeemerOptions::default() };
    let (sender, told) = std::sync::mpsc::channel();
    let sender = Mutex::new(sender);
    let report = move |outcome: Outcome| sender.lock().unwrap().send(outcome.result).unwrap();
    let redeemer = Redeemer::new(client(&issuer), options, report).unwrap();
    let state = redeemer.start().unwrap();
    // The thread sleeps until it is closed.
    let mut held = state.lock();
    held.closing = Some(Instant::now());
    held.queue.extend((0..5).map(|_| (Presented::bearer("a.b.c"), Instant::now())));
    held.tally.waiting = 5;
    drop(held);
    redeemer.close(Duration::ZERO);
    assert_eq!(redeemer.tally().failed, 5);
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    let told: Vec<_> = told.try_iter().map(|result| result.unwrap_err().is_unknown()).collect();
    assert_eq!(told.len(), 5);
    assert!(!told[1..].contains(&true), "what was not sent was not redeemed");
}

#[test]
fn a_broker_pays_each_host_by_its_own_name() {
    let redeemer = Redeemer::new(client("http://127.0.0.1:1"), RedeemerOptions::default(), drop).unwrap();
    let own = ["https://pub.example", "https://pub.example/page?q", "https://PUB.example:8443/page"];
    let others = ["https://www.pub.example", "https://example/", "http://127.0.0.1:1/page", "/page", ""];
    assert_eq!(own.map(|url| redeemer.is_paid_for(url)), [true; 3]);
    assert_eq!(others.map(|url| redeemer.is_paid_for(url)), [false; 5]);
}

/// A key whose holder cannot be asked the first time.
struct Away(PrivateKey, AtomicU32);

impl Signer for Away {
    fn public_key(&self) -> &PublicKey {
        self.0.public_key()
    }

    fn sign(&self, message: &[u8]) -> imagxp::Result<Signature> {
        match self.1.fetch_add(1, Ordering::Relaxed) {
            0 => Err(imagxp::Error::new(ErrorKind::Signer, "the KMS is away")),
            _ => Ok(self.0.sign(message)),
        }
    }
}

#[test]
fn a_signer_that_failed_is_asked_again() {
    let (issuer, asked) = broker(|mut stream| {
        let mut request = Vec::new();
        while !request.ends_with(b"}") {
            let mut piece = [0; 4096];
            let read = stream.read(&mut piece).unwrap();
            request.extend_from_slice(&piece[..read]);
        }
        let body = r#"{"results":[{"jti":"visa-0001","accepted":true,"amount":"1","asset":"USD","repeated":false}]}"#;
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
    });
    let key = PrivateKey::generate(Algorithm::Es256, &mut |bytes| {
        bytes.fill(1);
        Ok(())
    });
    let signer = Arc::new(Away(key.unwrap(), AtomicU32::new(0)));
    let identity = Identity::with_signer(AgentId::parse("pub.example", false).unwrap(), signer);
    let client = client_of(&issuer, identity);
    let options = RedeemerOptions { interval: Duration::ZERO, ..RedeemerOptions::default() };
    let redeemer = Redeemer::new(client, options, |_| ()).unwrap();
    assert_eq!(redeemer.issuer(), issuer);
    redeemer.push(Presented::bearer("a.b.c")).unwrap();
    assert!(redeemer.flush(Duration::from_secs(20)));
    assert_eq!((redeemer.tally().accepted, redeemer.tally().failed), (1, 0));
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}
