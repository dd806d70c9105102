//! An agent on the core, faithful or with one fault: it reads each room that the grader names.

use crate::http;
use imagxp::Purpose;
use imagxp::agent::{Identity, SignRequest};
use imagxp::crypto::{Algorithm, PrivateKey};
use imagxp::encoding::{base64_decode, base64_encode, uuid_v4};
use imagxp::json::{Limits, Number, Object, Value, object_to_canonical, parse_object};
use std::net::TcpListener;
use std::time::Duration;

/// What a signer does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// These seven are no faults: the profile has them, though our own signer does otherwise.
    HighS,
    NotCanonical,
    NoMethod,
    Version10,
    SendsFrom,
    ProductInComment,
    MemberD,
    SameNonce,
    UpperCaseHex,
    WrongMethod,
    WithoutQuery,
    SlowClock,
    SlowClock10,
    BothTimes,
    Version12,
    NoProduct,
    SendsCookie,
    OtherKey,
    Repeats,
    TakesClaimsAlong,
    PublishesPrivateKey,
    PublishesPrivateJwk,
    SignsPrivateJwk,
    IgnoresRobots,
}

pub(crate) struct Agent {
    identity: Identity,
    fault: Fault,
    count: u8,
}

impl Agent {
    /// An agent whose manifest is served from now on.
    pub(crate) fn new(fault: Fault) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let id = listener.local_addr().unwrap().to_string();
        let identity = Identity::parse(&id, key(1), true).unwrap();
        let published = match fault {
            Fault::OtherKey => Identity::parse(&id, key(2), true).unwrap(),
            _ => identity.clone(),
        };
        let mut manifest = published.manifest(None, &[]).unwrap().to_json();
        if fault == Fault::PublishesPrivateKey {
            let text = String::from_utf8(manifest).unwrap();
            manifest = text.replacen('{', "{\"private_key\" : \"MEECAQAwEwYHKoZIzj0\",", 1).into_bytes();
        }
        if fault == Fault::PublishesPrivateJwk {
            let text = String::from_utf8(manifest).unwrap();
            manifest = text.replacen('{', "{\"jwk\":[{\"d\" : \"AQ\",\"kty\":\"EC\"}],", 1).into_bytes();
        }
        if fault == Fault::MemberD {
            let text = String::from_utf8(manifest).unwrap();
            manifest = text.replacen('{', "{\"d\":1,\"more\":{\"d\":2},", 1).into_bytes();
        }
        http::serve(listener, None, move |_| {
            (200, vec![("content-type".into(), "application/json".into())], manifest.clone())
        });
        Self { identity, fault, count: 0 }
    }

    pub(crate) fn home(&self) -> String {
        format!("http://{}", self.identity.agent_id())
    }

    /// Reads one room, and does what its answer says.
    pub(crate) fn read(&mut self, url: &str) {
        if url.ends_with("/closed/1") && self.fault != Fault::IgnoresRobots {
            return;
        }
        let headers = self.sign(url);
        let answer = http::send(url, "GET", &headers);
        let again = match answer.word(1) {
            "409" | "403" | "503" if self.fault == Fault::Repeats => Some(headers),
            "409" => Some(self.sign(url)),
            "503" => {
                std::thread::sleep(Duration::from_millis(2050));
                Some(self.sign(url))
            }
            "302" => {
                let url = answer.value("location").unwrap();
                let headers = if self.fault == Fault::TakesClaimsAlong { headers } else { self.sign(&url) };
                http::send(&url, "GET", &headers);
                None
            }
            _ => None,
        };
        if let Some(headers) = again {
            http::send(url, "GET", &headers);
        }
    }

    fn sign(&mut self, url: &str) -> Vec<(String, String)> {
        self.count += 1;
        let now = crate::publisher::now();
        let slow = matches!(self.fault, Fault::SlowClock | Fault::SlowClock10);
        let now = if slow { now.saturating_add_secs(-90) } else { now };
        let mut nonce = uuid_v4([self.count; 16]);
        if self.fault == Fault::SameNonce {
            nonce = uuid_v4([1; 16]);
        }
        let method = if self.fault == Fault::WrongMethod { "HEAD" } else { "GET" };
        let shown = if self.fault == Fault::WithoutQuery { url.split('?').next().unwrap() } else { url };
        let request = SignRequest::new(method, shown, Purpose::Summary);
        let signed = self.identity.sign(&request, now, &nonce).unwrap();
        let mut headers: Vec<(String, String)> =
            signed.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        match self.fault {
            Fault::HighS => high_s(&mut headers[1].1),
            Fault::UpperCaseHex => headers[1].1 = headers[1].1.to_uppercase(),
            Fault::NotCanonical => {
                let bytes = base64_decode(headers[0].1.as_bytes()).unwrap();
                let text = String::from_utf8(bytes).unwrap().replace(",\"", ", \"");
                sign_as(&mut headers, text.as_bytes());
            }
            Fault::NoMethod => reclaim(&mut headers, |claim| drop(claim.remove("method"))),
            Fault::Version10 | Fault::SlowClock10 => reclaim(&mut headers, |claim| {
                claim.remove("ts");
                claim.insert("v", "1.0");
                claim.insert("timestamp", Value::Number(Number::from_i64(now.as_secs()).unwrap()));
            }),
            Fault::BothTimes => reclaim(&mut headers, |claim| {
                claim.insert("timestamp", Value::Number(Number::from_i64(now.as_secs()).unwrap()));
            }),
            Fault::Version12 => reclaim(&mut headers, |claim| drop(claim.insert("v", "1.2"))),
            Fault::MemberD => reclaim(&mut headers, |claim| drop(claim.insert("d", "a member of one's own"))),
            Fault::SignsPrivateJwk => reclaim(&mut headers, |claim| {
                let mut jwk = Object::new();
                jwk.insert("kty", "EC");
                jwk.insert("d", "AQ");
                claim.insert("key", jwk);
            }),
            Fault::SendsFrom => headers.push(("From".into(), "crawler@agent.example".into())),
            Fault::SendsCookie => headers.push(("Cookie".into(), "session=1".into())),
            _ => {}
        }
        let product = match self.fault {
            Fault::NoProduct => "reader/1.0",
            Fault::ProductInComment => "reader/1.0 (IMAGXP/1.0; crawler)",
            _ => "reader/1.0 IMAGXP/1.0",
        };
        headers.push(("User-Agent".into(), product.into()));
        headers
    }

    /// Asks for robots.txt, as a crawler does before anything else.
    pub(crate) fn robots(&self, room: &str) {
        let origin = room.split("/read").next().unwrap();
        http::send(&format!("{origin}/robots.txt"), "GET", &[]);
    }
}

/// Puts these bytes into the payload, with their signature.
fn sign_as(headers: &mut [(String, String)], bytes: &[u8]) {
    headers[1].1 = key(1).sign(bytes).to_hex();
    headers[0].1 = base64_encode(bytes);
}

/// Changes the claim before it is signed.
fn reclaim(headers: &mut [(String, String)], change: impl FnOnce(&mut Object<'static>)) {
    let bytes = base64_decode(headers[0].1.as_bytes()).unwrap();
    let mut claim = parse_object(&bytes, &Limits::CLAIM).unwrap().into_owned();
    change(&mut claim);
    sign_as(headers, &object_to_canonical(&claim));
}

fn key(seed: u8) -> PrivateKey {
    PrivateKey::generate(Algorithm::Es256, &mut |bytes: &mut [u8]| {
        bytes.fill(seed);
        Ok(())
    })
    .unwrap()
}

/// s becomes n − s, in hex.
fn high_s(hex: &mut String) {
    let n = u128_pair("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    let s = u128_pair(&hex[64..]);
    let (low, borrow) = n.1.overflowing_sub(s.1);
    let high = n.0 - s.0 - u128::from(borrow);
    hex.truncate(64);
    hex.push_str(&format!("{high:032x}{low:032x}"));
}

fn u128_pair(hex: &str) -> (u128, u128) {
    (u128::from_str_radix(&hex[..32], 16).unwrap(), u128::from_str_radix(&hex[32..], 16).unwrap())
}
