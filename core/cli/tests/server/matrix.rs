//! Role × endpoint: who may do what, and that nobody sees what is not theirs.

use crate::deal::Deal;
use crate::party::Party;
use crate::service::{Reply, Service};
use serde_json::{Value, json};

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Who {
    Nobody,
    Agent,
    Publisher,
    Stranger,
    Viewer,
    Cashier,
    Admin,
}

const ALL: [Who; 7] =
    [Who::Nobody, Who::Agent, Who::Publisher, Who::Stranger, Who::Viewer, Who::Cashier, Who::Admin];

struct World {
    service: Service,
    deal: Deal,
    stranger: Party,
    viewer: String,
    cashier: String,
}

impl World {
    fn new() -> Self {
        let service = Service::start(&[]);
        let (viewer, cashier) = (service.operator("vic", "viewer"), service.operator("cas", "cashier"));
        let deal = Deal::new(&service);
        Self { stranger: Party::new(), viewer, cashier, deal, service }
    }

    fn ask(&self, who: Who, method: &str, path: &str, body: &Value) -> Reply {
        let text = body.to_string();
        let bytes = if method == "GET" { b"".as_slice() } else { text.as_bytes() };
        let party = |party: &Party| party.ask(&self.service, method, path, &[], bytes);
        let operator = |token: &str| {
            let authorization = format!("Bearer {token}");
            self.service.send(
                method,
                path,
                &[("authorization", &authorization), ("content-type", "application/json")],
                bytes,
            )
        };
        match who {
            Who::Nobody => self.service.send(method, path, &[("content-type", "application/json")], bytes),
            Who::Agent => party(&self.deal.agent),
            Who::Publisher => party(&self.deal.publisher),
            Who::Stranger => party(&self.stranger),
            Who::Viewer => operator(&self.viewer),
            Who::Cashier => operator(&self.cashier),
            Who::Admin => operator(&self.service.token),
        }
    }
}

/// What a caller gets: by the route's rule (401, 403), or by whose the rows are (404), or whatever the operation itself says.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Gets {
    /// Past every check of who asks.
    In,
    /// 403 `auth.forbidden`.
    Out,
    /// 404.
    Unseen,
}

use Gets::{In, Out, Unseen};

#[test]
fn role_times_endpoint() {
    let world = World::new();
    let jti = world.deal.read(&world.service, "0.5");
    let agent = world.deal.agent.name().to_owned();
    let id = "0190f3a0-0000-7000-8000-0123456789ab";
    let account = format!("/v1/accounts/{agent}");
    let bodies = json!({});
    let statement = json!({"statement": "x"});
    // Agent, Publisher, Stranger, Viewer, Cashier, Admin. Nobody gets 401 everywhere.
    let parties = [In, In, In, Out, Out, Out];
    let readers = [In, In, In, In, In, In];
    let operators = [Out, Out, Out, In, In, In];
    let cashiers = [Out, Out, Out, Out, In, In];
    let admins = [Out, Out, Out, Out, Out, In];
    let of_the_agent = [In, Unseen, Unseen, In, In, In];
    let of_the_visa = [In, In, Unseen, In, In, In];
    let rows: Vec<(&str, String, Value, [Gets; 6])> = vec![
        ("GET", "/v1/events".into(), bodies.clone(), [Out, Out, Out, In, In, In]),
        ("GET", "/v1/verdicts".into(), bodies.clone(), operators),
        ("GET", "/v1/money".into(), bodies.clone(), operators),
        ("GET", "/v1/accounts".into(), bodies.clone(), operators),
        ("GET", "/v1/session".into(), bodies.clone(), operators),
        ("GET", "/v1/log/verify".into(), bodies.clone(), operators),
        ("GET", "/v1/log/entries".into(), bodies.clone(), readers),
        ("GET", "/v1/visas".into(), bodies.clone(), readers),
        ("GET", "/v1/transfers".into(), bodies.clone(), readers),
        ("GET", account.clone(), bodies.clone(), of_the_agent),
        ("GET", format!("{account}/statement"), bodies.clone(), of_the_agent),
        ("GET", format!("/v1/visas?party={agent}"), bodies.clone(), of_the_agent),
        ("GET", format!("/v1/transfers?owner={agent}"), bodies.clone(), of_the_agent),
        ("GET", format!("/v1/visas/{jti}"), bodies.clone(), of_the_visa),
        ("POST", "/v1/visas".into(), bodies.clone(), parties),
        ("POST", "/issue-visa".into(), bodies.clone(), parties),
        ("POST", "/v1/visas/redeem".into(), bodies.clone(), parties),
        ("POST", "/v1/payments".into(), bodies.clone(), parties),
        ("POST", "/v1/withdrawals".into(), bodies.clone(), [In, In, In, Out, Out, In]),
        ("POST", format!("/v1/visas/{jti}/feedback"), bodies.clone(), [In, In, In, Out, Out, Out]),
        ("POST", format!("/v1/visas/{jti}/contest"), statement, [In, In, Unseen, Out, Out, Out]),
        ("POST", format!("/v1/visas/{jti}/decide"), bodies.clone(), admins),
        ("POST", "/v1/deposits".into(), bodies.clone(), cashiers),
        ("POST", format!("/v1/withdrawals/{id}/post"), json!({"x": 1}), cashiers),
        ("POST", format!("/v1/withdrawals/{id}/void"), json!({"x": 1}), cashiers),
        ("POST", "/v1/bonds/lock".into(), bodies.clone(), [In, In, In, Out, Out, In]),
        ("POST", "/v1/bonds/unlock".into(), bodies.clone(), admins),
        ("POST", "/v1/bonds/slash".into(), bodies.clone(), admins),
        ("POST", "/v1/corrections".into(), bodies.clone(), admins),
        ("POST", format!("/v1/corrections/{id}/approve"), json!({"x": 1}), admins),
        ("POST", format!("/v1/corrections/{id}/reject"), json!({"x": 1}), admins),
        ("POST", "/v1/log/time".into(), bodies.clone(), admins),
        ("POST", "/v1/log/accept".into(), bodies.clone(), admins),
        ("POST", format!("{account}/freeze"), json!({"x": 1}), admins),
        ("POST", format!("{account}/unfreeze"), json!({"x": 1}), admins),
        ("POST", format!("{account}/close"), json!({"x": 1}), admins),
    ];
    let mut asked = 0;
    for (method, path, body, expected) in &rows {
        for (who, expected) in
            ALL.into_iter().zip([None].into_iter().chain(expected.iter().copied().map(Some)))
        {
            if path == "/v1/events" && expected == Some(In) {
                continue;
            }
            asked += 1;
            let reply = world.ask(who, method, path, body);
            let text = String::from_utf8_lossy(&reply.0.body).into_owned();
            match expected {
                None => drop(reply.refuses(401, "auth.required")),
                Some(Out) => drop(reply.refuses(403, "auth.forbidden")),
                Some(Unseen) => assert_eq!(reply.0.status, 404, "{who:?} {method} {path} {text}"),
                Some(In) => {
                    let fine = reply.0.status == 200
                        || (*method == "POST"
                            && matches!(reply.0.status, 400 | 403 | 409)
                            && !text.contains("auth."));
                    assert!(fine, "{who:?} {method} {path} {} {text}", reply.0.status);
                }
            }
        }
    }
    // Every operation of the document that is not public is a row.
    let document = world.service.send("GET", "/openapi.json", &[], b"").is(200);
    let rowed = |method: &str, path: &str| {
        rows.iter().any(|(other, at, _, _)| {
            let at = at
                .split('?')
                .next()
                .unwrap()
                .replace(&jti, "{jti}")
                .replace(&agent, "{owner}")
                .replace(id, "{id}");
            other.eq_ignore_ascii_case(method) && at == path
        })
    };
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in
            item.as_object().unwrap().iter().filter(|(name, _)| ["get", "post"].contains(&name.as_str()))
        {
            let public = operation["security"]
                .as_array()
                .unwrap()
                .iter()
                .any(|one| one.as_object().unwrap().is_empty());
            assert!(public || path.contains("/verify") || rowed(method, path), "no row for {method} {path}");
        }
    }
    assert!(asked > 200, "{asked}");
}

#[test]
fn lists_show_nothing_of_others() {
    let world = World::new();
    world.deal.read(&world.service, "0.5");
    let (service, stranger) = (&world.service, &world.stranger);
    for path in ["/v1/visas", "/v1/transfers"] {
        let list = stranger.get(service, path).is(200);
        let rows = list.as_object().unwrap().values().find(|value| value.is_array()).unwrap();
        assert_eq!(rows, &json!([]), "{path}");
        assert_ne!(
            world
                .deal
                .agent
                .get(service, path)
                .is(200)
                .as_object()
                .unwrap()
                .values()
                .find(|value| value.is_array())
                .unwrap(),
            &json!([])
        );
    }
    // Leaves are everybody's, entries are not.
    let log = stranger.get(service, "/v1/log/entries?limit=500").is(200);
    let entries = log["entries"].as_array().unwrap();
    assert!(
        entries.len() >= 4
            && entries.iter().all(|entry| entry["line"].is_null()
                && entry["transfer"].is_null()
                && entry["event"].is_null()
                && entry["leaf"].is_string()),
        "{log}"
    );
    let own = world.deal.agent.get(service, "/v1/log/entries?limit=500").is(200);
    assert!(own["entries"].as_array().unwrap().iter().all(|entry| entry["line"].is_string()), "{own}");
}

#[test]
fn the_log_proves_itself() {
    use imagxp::audit::{SignedCheckpoint, proof, tree::leaf_hash};
    use imagxp::encoding::hex_decode;
    use imagxp::jwks::JwkSet;
    let world = World::new();
    let service = &world.service;
    let first = service.send("GET", "/v1/log/checkpoint", &[], b"").0.body;
    let old = SignedCheckpoint::parse(&first).unwrap();
    world.deal.read(service, "0.5");
    let note = SignedCheckpoint::parse(&service.send("GET", "/v1/log/checkpoint", &[], b"").0.body).unwrap();
    let jwks = JwkSet::parse(&service.send("GET", "/.well-known/jwks.json", &[], b"").0.body).unwrap();
    let keys: Vec<_> = jwks.keys().iter().map(|key| key.key().clone()).collect();
    note.verify(&keys).unwrap();
    let hash = |value: &Value| hex_decode::<32>(value.as_str().unwrap().as_bytes()).unwrap();
    let hashes = |value: &Value| value.as_array().unwrap().iter().map(hash).collect::<Vec<_>>();
    let checkpoint = note.checkpoint();
    let consistency =
        service.send("GET", &format!("/v1/log/proof?old_size={}", old.checkpoint().size), &[], b"").is(200);
    assert_eq!(hash(&consistency["root"]), checkpoint.root);
    proof::verify_consistency(
        old.checkpoint().size,
        checkpoint.size,
        &hashes(&consistency["proof"]),
        &old.checkpoint().root,
        &checkpoint.root,
    )
    .unwrap();
    let entries = service.get("/v1/log/entries", &service.token).is(200);
    for entry in entries["entries"].as_array().unwrap() {
        let seq = entry["seq"].as_u64().unwrap();
        let leaf = leaf_hash(entry["line"].as_str().unwrap().as_bytes());
        let inclusion = service.send("GET", &format!("/v1/log/proof?index={seq}"), &[], b"").is(200);
        proof::verify_inclusion(seq, checkpoint.size, &leaf, &hashes(&inclusion["proof"]), &checkpoint.root)
            .unwrap();
    }
    service.send("GET", "/v1/log/proof?index=9999", &[], b"").refuses(404, "log.range");
    service.send("GET", "/v1/log/proof", &[], b"").refuses(400, "query.malformed");
    service.send("GET", "/v1/log/proof?index=-1", &[], b"").refuses(400, "query.malformed");
}

#[test]
fn a_second_admin_is_needed() {
    let world = World::new();
    let service = &world.service;
    let other = service.operator("eve", "admin");
    let agent = world.deal.agent.name();
    let body = json!({"debit": {"kind": "AVAILABLE", "owner": agent}, "credit": {"kind": "TREASURY"}, "amount": "1", "memo": "booked twice"});
    let id =
        service.post("/v1/corrections", &service.token, &body).is(201)["id"].as_str().unwrap().to_owned();
    service
        .post(&format!("/v1/corrections/{id}/approve"), &service.token, &json!({}))
        .refuses(403, "admin.second_needed");
    service.post(&format!("/v1/corrections/{id}/approve"), &other, &json!({})).is(200);
    assert_eq!(world.deal.balance(service, &world.deal.agent).0, "9");
    // A frozen account pays nothing.
    service
        .post(&format!("/v1/accounts/{agent}/freeze"), &service.token, &json!({"memo": "looked into"}))
        .is(200);
    world
        .deal
        .agent
        .post(service, "/v1/visas", &json!({"resource": world.deal.origin(), "amount": "1"}))
        .refuses(403, "account.frozen");
    service.post(&format!("/v1/accounts/{agent}/unfreeze"), &service.token, &json!({})).is(200);
    world.deal.buy(service, "1");
}
