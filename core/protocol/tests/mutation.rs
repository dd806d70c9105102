//! Mutated requests are never accepted, valid ones never refused, and a refused copy never spoils the original.
//!
//! `IMAGXP_MUTATIONS` and `IMAGXP_VALID` set how many (100 000 and 20 000 by default; `make soak` runs a million), `IMAGXP_SEED` repeats a
//! run; the seed is printed.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]

mod common;

use common::world::*;
use imagxp::agent::{Identity, SignRequest};
use imagxp::crypto::{Algorithm, Signature};
use imagxp::encoding::{base64_decode, base64_encode};
use imagxp::json::{Limits, canonicalize};
use imagxp::publisher::Outcome;
use imagxp::resource::Resource;
use imagxp::{AgentId, Manifest, Publisher, Purpose};

const PURPOSES: [Purpose; 4] =
    [Purpose::RagRetrieval, Purpose::Summary, Purpose::Quotation, Purpose::Embedding];

const MUTATION_POLICY: &str = r#"{"version":1,"origins":["https://pub.example","https://www.pub.example"],
  "purposes":{"RAG_RETRIEVAL":{},"SUMMARY":{},"QUOTATION":{},"EMBEDDING":{},"CRAWL_TRAINING":{"allow":false}},
  "methods":["GET","HEAD","POST"],
  "paths":[{"match":"/premium/*","price":{"amount":"0.01","currency":"USD"}}],
  "payment":{"brokers":[{"issuer":"https://broker.example","jwks_uri":"https://broker.example/jwks.json"}]}}"#;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

fn seed() -> u64 {
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let seed = setting("IMAGXP_SEED", u64::try_from(clock.as_nanos() & u128::from(u64::MAX)).unwrap());
    println!("IMAGXP_SEED={seed}");
    seed
}

/// Two agents, one of each algorithm, known to the publisher.
fn agents() -> [Identity; 2] {
    [
        Identity::parse(AGENT, key(1, Algorithm::Es256), false).unwrap(),
        Identity::parse("ed.example", key(2, Algorithm::EdDsa), false).unwrap(),
    ]
}

fn mutation_publisher() -> Publisher {
    let publisher = publisher(MUTATION_POLICY);
    let ed = agents()[1].manifest(None, &[]).unwrap();
    publisher.supply("https://ed.example/.well-known/imagxp-agent.json", &ed.to_json(), None, now()).unwrap();
    publisher
}

/// A random request that must be accepted.
fn valid(random: &mut Random) -> Signed {
    let agents = agents();
    let premium = random.below(4) == 0;
    // Visas of the test world belong to the first agent.
    let identity = if premium { &agents[0] } else { &agents[random.below(2)] };
    let origin = ["https://pub.example", "https://www.pub.example"][random.below(2)];
    let folder =
        if premium { "/premium/" } else { ["/", "/a/b/", "/caf%C3%A9/", "/x.y/~z/"][random.below(4)] };
    let query = ["", "?", "?q=1&r=%20", "?a=b;c,d"][random.below(4)];
    let url = format!("{origin}{folder}{:x}{query}", random.next());
    let token = visa(&format!("jti-{:016x}", random.next()), |visa| visa.audience = origin);
    let age = i64::try_from(random.below(361)).unwrap() - 60;
    let digest = imagxp::digest::content_digest(&random.next().to_le_bytes());
    let mut request =
        SignRequest::new(["GET", "HEAD", "POST"][random.below(3)], &url, PURPOSES[random.below(4)]);
    request.payment = premium.then_some(token.as_str());
    request.compatible = random.below(2) == 0;
    request.content_digest = (request.method == "POST").then_some(digest.as_str());
    request.ads_displayed = [None, Some(true), Some(false)][random.below(3)];
    request.context = [None, Some("{\"topic\":\"caf\\u00e9\",\"n\":[1,2.5,1e-7]}")][random.below(2)];
    let mut signed = Signed::new(identity, &request, now().saturating_add_secs(-age), &random.nonce());
    signed.body_digest = request.content_digest.map(str::to_owned);
    if random.below(2) == 0 {
        // The target alone, as servers have it; the origin is then taken from the claim and the policy.
        signed.url = url.strip_prefix(origin).unwrap().to_owned();
    }
    signed
}

/// What a request means: two requests that mean the same may share a verdict.
#[derive(PartialEq)]
struct Meaning {
    claim: Vec<Vec<u8>>,
    signature: Vec<Option<[u8; 64]>>,
    tokens: Vec<Vec<u8>>,
    hint: Vec<Vec<u8>>,
    target: Option<(String, Option<String>)>,
    origin: Option<String>,
    method: String,
    body_digest: Option<String>,
}

fn meaning(signed: &Signed) -> Meaning {
    let all = |name: &str| {
        let lines = signed.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        lines.map(|(_, value)| value.trim_ascii().to_vec()).collect::<Vec<_>>()
    };
    let resource = Resource::parse(&signed.url);
    let decoded = |bytes: Vec<u8>| base64_decode(&bytes).unwrap_or(bytes);
    let canonical = |bytes: Vec<u8>| canonicalize(&bytes, &Limits::CLAIM).unwrap_or(bytes);
    Meaning {
        claim: all("x-imagxp-payload").into_iter().map(decoded).map(canonical).collect(),
        signature: all("x-imagxp-signature")
            .iter()
            .map(|hex| Signature::from_hex(hex).map(|sig| *sig.as_bytes()))
            .collect(),
        tokens: [all("x-imagxp-payment"), all("x-imagxp-credential")].concat(),
        hint: all("x-imagxp-public-key").into_iter().map(decoded).collect(),
        target: resource.as_ref().map(|resource| (resource.path.clone(), resource.query.clone())),
        origin: resource.and_then(|resource| resource.origin).map(|origin| origin.to_string()),
        method: signed.method.clone(),
        body_digest: signed.body_digest.clone(),
    }
}

/// Whether a mutation changed nothing that may decide: the hint may be left out, the payment header counts where there is a price, the
/// body's digest where the claim has one.
fn means_the_same(base: &Signed, mutant: &Signed) -> bool {
    let (one, mut two) = (meaning(base), meaning(mutant));
    if two.hint.is_empty() {
        two.hint.clone_from(&one.hint);
    }
    // Both names for the payment may be used, or either.
    two.tokens.dedup();
    let mut tokens = one.tokens.clone();
    tokens.dedup();
    let paid = tokens.is_empty() || tokens == two.tokens;
    two.tokens.clone_from(&one.tokens);
    if base.body_digest.is_none() {
        two.body_digest = None;
    }
    paid && one == two
}

const OURS: [&str; 4] = ["x-imagxp-payload", "x-imagxp-signature", "x-imagxp-public-key", "x-imagxp-payment"];

/// Changes one thing.
fn mutate(original: &Signed, other: &Signed, random: &mut Random) -> Signed {
    let mut signed = original.clone();
    let name = OURS[random.below(OURS.len())];
    let Some(index) = signed.headers.iter().position(|(candidate, _)| candidate == name) else {
        return signed;
    };
    let value = &mut signed.headers[index].1;
    if value.is_empty() {
        return signed;
    }
    let at = random.below(value.len());
    match random.below(16) {
        0 => value[at] ^= 1 << random.below(8),
        1 => value[at] = u8::try_from(random.below(256)).unwrap(),
        2 => drop(value.remove(at)),
        3 => value.insert(at, value[random.below(value.len())]),
        4 => value.truncate(at),
        5 => {
            let copy = value.clone();
            signed.headers.push((name.to_ascii_uppercase(), copy));
        }
        6 => drop(signed.headers.remove(index)),
        // Another good request's header; not its visa, which the same agent may spend here just as well.
        7 => {
            match other.headers.iter().find(|(candidate, _)| candidate == name && name != "x-imagxp-payment")
            {
                Some((_, theirs)) => value.clone_from(theirs),
                None => drop(signed.headers.remove(index)),
            }
        }
        // Two headers change places.
        8 => {
            let second = random.below(signed.headers.len());
            let first = std::mem::take(&mut signed.headers[index].1);
            signed.headers[index].1 = std::mem::replace(&mut signed.headers[second].1, first);
        }
        // Another encoding of the same bytes.
        9 => *value = base64_encode(value).into_bytes(),
        10 => *value = value.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into_bytes(),
        // A claim member changes, and nothing is signed again.
        11 | 12 => {
            if let Some((_, payload)) =
                signed.headers.iter_mut().find(|(candidate, _)| candidate == "x-imagxp-payload")
            {
                tamper(payload, random);
            }
        }
        13 => {
            let url = &signed.url;
            let (start, end) = url.split_at_checked(random.below(url.len())).unwrap_or(("", url));
            signed.url = format!("{start}{}{end}", ["x", "/", "?", "%41", "../", "//"][random.below(6)]);
        }
        14 => signed.method = ["GET", "HEAD", "POST", "PUT", "get"][random.below(5)].to_owned(),
        _ => signed.body_digest = Some(imagxp::digest::content_digest(b"another body")),
    }
    signed
}

fn tamper(payload: &mut Vec<u8>, random: &mut Random) {
    let Some(bytes) = base64_decode(payload) else { return };
    let Ok(text) = String::from_utf8(bytes) else { return };
    let (from, to) = [
        ("RAG_RETRIEVAL", "SUMMARY"),
        ("agent.example", "ed.example"),
        ("ed.example", "agent.example"),
        ("12:00", "12:01"),
        ("https://pub.example", "https://www.pub.example"),
        ("true", "false"),
        ("\"v\":\"1.1\"", "\"v\":\"1.0\""),
        ("}", ",\"x\":1}"),
        ("{", "{\"aa\":null,"),
        ("-", "_"),
        ("GET", "HEAD"),
        ("sha-256", "sha-512"),
    ][random.below(12)];
    *payload = base64_encode(text.replacen(from, to, 1).as_bytes()).into_bytes();
}

/// The code with which a mutant is refused; a publisher that takes it fails the test.
fn refusal(publisher: &Publisher, mutant: &Signed, base: &Signed) -> &'static str {
    // A wrong visa under a good signature spends the nonce, as it must; the dry run keeps it for the next mutant.
    let verdict = if base.headers.iter().any(|(name, _)| name == "x-imagxp-payment") {
        mutant.act(|request| publisher.explain(request, now())).verdict
    } else {
        mutant.verify(publisher)
    };
    assert_ne!(verdict.outcome, Outcome::Allow, "accepted: {mutant:#?}\noriginal: {base:#?}");
    verdict.code.unwrap().as_str()
}

#[test]
fn mutated_requests_are_never_accepted() {
    let mut random = Random(seed());
    let total = setting("IMAGXP_MUTATIONS", 100_000);
    let publisher = mutation_publisher();
    let (mut done, mut same, mut bases) = (0_u64, 0_u64, 0_u64);
    let mut codes = std::collections::BTreeMap::new();
    while done < total {
        let (base, other) = (valid(&mut random), valid(&mut random));
        for _ in 0..500 {
            let mut mutant = mutate(&base, &other, &mut random);
            if random.below(4) == 0 {
                mutant = mutate(&mutant, &other, &mut random);
            }
            if means_the_same(&base, &mutant) {
                same += 1;
                continue;
            }
            *codes.entry(refusal(&publisher, &mutant, &base)).or_insert(0_u64) += 1;
            done += 1;
        }
        bases += 1;
        // Five hundred bad copies have not spoiled the original.
        let verdict = base.verify(&publisher);
        assert_eq!(verdict.outcome, Outcome::Allow, "{verdict:#?}\n{base:#?}");
    }
    println!("{done} mutants of {bases} requests refused, {same} mutations changed nothing; {codes:?}");
    assert!(codes.len() >= 12, "the mutations reach too few codes");
    assert!(same < done / 2, "too many mutations change nothing");
}

/// The seeded fault: a mutant that means something else, and is as good as the original.
#[test]
#[should_panic(expected = "accepted: ")]
fn a_mutant_that_passes_is_found() {
    let mut random = Random(7);
    let (base, mutant) = (valid(&mut random), valid(&mut random));
    assert!(!means_the_same(&base, &mutant), "two requests have two nonces");
    refusal(&mutation_publisher(), &mutant, &base);
}

#[test]
fn valid_requests_are_never_refused() {
    let mut random = Random(seed());
    let publisher = mutation_publisher();
    let total = setting("IMAGXP_VALID", 20_000);
    for number in 0..total {
        let signed = valid(&mut random);
        let verdict = signed.verify(&publisher);
        assert_eq!(verdict.outcome, Outcome::Allow, "number {number}: {verdict:#?}\n{signed:#?}");
    }
    println!("{total} valid requests passed");
}

/// The signature of a member of another agent's key set never vouches for this one.
#[test]
fn a_manifest_speaks_for_its_own_domain_only() {
    let other = AgentId::parse("other.example", false).unwrap();
    let manifest = Manifest::parse(&manifest(&[1]), &other, 16 * 1024);
    assert_eq!(manifest.unwrap_err().code(), "identity.manifest_invalid");
}
