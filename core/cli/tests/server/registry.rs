//! Operators and signing keys: in the database of several servers, in the data folder of one, and on the way from here to there.

use crate::deal::Deal;
use crate::party::nonce;
use crate::service::{Service, soon};
use crate::support::Postgres;
use imagxp::jwks::JwkSet;
use serde_json::{Value, json};
use std::path::Path;

/// A PostgreSQL that speaks TLS, and the options with which a service reaches it.
fn database(folder: &Path) -> Option<(Postgres, Vec<String>)> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (ca, passphrase) = (folder.join("ca.pem"), folder.join("passphrase"));
    std::fs::write(&ca, made.cert.pem()).unwrap();
    std::fs::write(&passphrase, "one secret for all servers\n").unwrap();
    let postgres = Postgres::with_tls(&made.cert.pem(), &made.signing_key.serialize_pem())?;
    let options = [
        format!("database.url=postgres://postgres@localhost:{}/postgres", postgres.port()),
        "database.sslmode=verify-full".to_owned(),
        format!("database.ca_file={}", ca.display()),
        format!("keys.passphrase_file={}", passphrase.display()),
    ];
    Some((postgres, options.into_iter().flat_map(|option| ["--set".to_owned(), option]).collect()))
}

fn kids(service: &Service) -> Vec<String> {
    let keys = service.send("GET", "/.well-known/jwks.json", &[], b"");
    let set = JwkSet::parse(&keys.0.body).unwrap();
    set.keys().iter().map(|key| key.kid().unwrap().to_owned()).collect()
}

fn redeemed(deal: &Deal, service: &Service, visa: &str) -> Value {
    let body = json!({"visas": [Deal::presented(visa, &deal.request(visa))]});
    deal.publisher.post(service, "/v1/visas/redeem", &body).is(200)["results"][0].clone()
}

fn knows(service: &Service, token: &str) -> bool {
    service.get("/v1/money", token).0.status == 200
}

#[test]
fn servers_without_a_common_folder_share_operators_and_keys() {
    let folder = tempfile::tempdir().unwrap();
    let Some((postgres, options)) = database(folder.path()) else { return };
    let first = Service::start(&options.iter().map(String::as_str).collect::<Vec<_>>());
    let second = first.elsewhere();
    assert!(!second.data().join("keys").exists() && !second.data().join("operators.json").exists());
    // Operators.
    assert!(knows(&second, &first.token));
    let ann = first.command(&["operator", "add", "ann"]).trim().to_owned();
    soon("a new operator", || knows(&first, &ann) && knows(&second, &ann));
    second.command(&["operator", "remove", "ann"]);
    soon("the end of an operator", || !knows(&first, &ann) && !knows(&second, &ann));
    // A session that ends on one server ends on the other.
    let login = json!({"token": first.token}).to_string();
    let entered =
        first.send("POST", "/v1/session", &[("content-type", "application/json")], login.as_bytes());
    let cookie = entered.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let inside = |service: &Service| service.send("GET", "/v1/session", &[("cookie", &cookie)], b"").0.status;
    assert_eq!((inside(&first), inside(&second)), (200, 200));
    first
        .send("DELETE", "/v1/session", &[("cookie", &cookie), ("sec-fetch-site", "same-origin")], b"")
        .is(200);
    soon("the end of a session", || inside(&first) == 401 && inside(&second) == 401);
    // Two rotations at once are one.
    let old = kids(&first);
    assert_eq!(old, kids(&second));
    let rotated = std::thread::scope(|scope| {
        let threads =
            [&first, &second].map(|service| scope.spawn(move || service.tried(&["keys", "rotate"])));
        threads.map(|thread| thread.join().unwrap())
    });
    let refused: Vec<_> = rotated.iter().filter_map(|tried| tried.as_ref().err()).collect();
    assert!(refused.len() == 1 && refused[0].contains("rotation.order"), "{rotated:?}");
    soon("a new key", || kids(&first).len() == 2 && kids(&first) == kids(&second));
    // A key that has leaked.
    let deal = Deal::new(&first);
    let ((kept, _), (lost, _)) = (deal.buy(&second, "1"), deal.buy(&second, "1"));
    assert_eq!(redeemed(&deal, &first, &kept)["accepted"], true);
    second.command(&["keys", "drop", &old[0], "--reason", "it was on a laptop"]);
    soon("the end of a key", || kids(&first).len() == 1 && kids(&first) == kids(&second));
    assert!(!kids(&first).contains(&old[0]));
    for server in [&first, &second] {
        assert_eq!(redeemed(&deal, server, &lost)["error"]["code"], "visa.key_dropped");
    }
    let (fresh, _) = deal.buy(&first, "1");
    assert_eq!(redeemed(&deal, &second, &fresh)["accepted"], true);
    // What lies in the database is sealed, and gone with a key that was dropped.
    let mut client = postgres::Client::connect(&postgres.address("postgres"), postgres::NoTls).unwrap();
    let rows = client.query("SELECT sealed, dropped_for FROM signing_key ORDER BY active_at", &[]).unwrap();
    let sealed: Vec<Option<String>> = rows.iter().map(|row| row.get(0)).collect();
    assert!(sealed.len() == 2 && sealed[0].is_none(), "{sealed:?}");
    assert!(sealed[1].as_deref().unwrap().starts_with("-----BEGIN IMAGXP ENCRYPTED PRIVATE KEY-----"));
    assert_eq!(rows[0].get::<_, Option<&str>>(1), Some("it was on a laptop"));
}

#[test]
fn a_data_folder_moves_into_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let Some((_postgres, options)) = database(folder.path()) else { return };
    let mut service = Service::start(&[]);
    let deal = Deal::new(&service);
    let (lost, _) = deal.buy(&service, "1");
    let old = kids(&service);
    service.command(&["keys", "drop", &old[0], "--reason", &nonce()]);
    soon("the end of a key", || kids(&service) != old);
    assert_eq!(redeemed(&deal, &service, &lost)["error"]["code"], "visa.key_dropped");
    let (ann, keys) = (service.command(&["operator", "add", "ann"]).trim().to_owned(), kids(&service));
    service.stop();
    service.more(&options);
    // The folder's keys have no passphrase: it is the database's.
    service.run();
    assert_eq!(kids(&service), keys);
    assert!(knows(&service, &ann) && knows(&service, &service.token));
    let second = service.elsewhere();
    assert_eq!(kids(&second), keys);
    assert!(knows(&second, &ann));
}
