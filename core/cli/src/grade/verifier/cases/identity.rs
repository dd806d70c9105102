//! Step 7: only what an agent's domain publishes is its key.

use super::Case;
use crate::grade::verifier::World;
use crate::grade::verifier::cast::Role;
use imagxp::Code;
use imagxp::headers::PUBLIC_KEY;

pub(super) const CASES: &[Case] = &[
    Case::new("identity.stranger", "§4", "a good signature by a key that is not published", |world| {
        let claim = world.read()?.key(&world.cast.keys(Role::Reader).other);
        world.refuse(&claim.sign(), Code::IdentityKeyMismatch)
    }),
    Case::new("identity.ended_key", "§4", "outside its dates a key does not exist", |world| {
        let claim = world.claim(Role::Rotating, "page")?.key(&world.cast.keys(Role::Rotating).other);
        world.refuse(&claim.sign(), Code::IdentityKeyMismatch)
    }),
    Case::new("identity.other_agents_key", "§4", "a key that another agent publishes", |world| {
        let claim = world.read()?.key(&world.cast.keys(Role::Seed).own);
        world.refuse(&claim.sign(), Code::IdentityKeyMismatch)
    }),
    Case::new("identity.not_found", "§4", "the domain has no manifest", |world| {
        unknown(world, Role::Nobody, Code::IdentityNotFound)
    }),
    Case::new("identity.broken", "§4", "the manifest is no JSON", |world| {
        unknown(world, Role::Broken, Code::IdentityManifestInvalid)
    }),
    Case::new("identity.impostor", "§4", "the manifest is another agent's", |world| {
        unknown(world, Role::Impostor, Code::IdentityManifestInvalid)
    }),
    Case::new("identity.wrong_kid", "§4", "a kid that is not the thumbprint", |world| {
        unknown(world, Role::WrongKid, Code::IdentityManifestInvalid)
    }),
    Case::new("identity.large", "§4", "a manifest of more than 16 KiB", |world| {
        unknown(world, Role::Large, Code::IdentityManifestInvalid)
    }),
    Case::new("identity.redirect", "§4", "redirects are not followed", |world| {
        unknown(world, Role::Redirecting, Code::IdentityRedirect)
    }),
    Case::new("identity.out_of_order", "§4", "a domain that answers 500 is undecided, not denied", |world| {
        unknown(world, Role::Failing, Code::IdentityFetchFailed)
    }),
    Case::new("identity.failure_is_remembered", "§4", "a failure is remembered for a while", |world| {
        let before = world.cast.fetched(Role::Nobody);
        unknown(world, Role::Nobody, Code::IdentityNotFound)?;
        fetches(world, Role::Nobody, before, 0)
    }),
    Case::new("identity.hint_malformed", "§1", "a key header that holds no key", |world| {
        let request = world.read()?.sign().map(PUBLIC_KEY, |_| "AAAA".to_owned());
        world.refuse(&request, Code::KeyMalformed)
    }),
    Case::new(
        "identity.garbage_fetches_nothing",
        "§5",
        "a forgery by an unknown agent causes no fetch",
        |world| {
            let forged = world.claim(Role::Fresh, "page")?.sign().resigned(|bytes| bytes.rotate_left(1));
            world.refuse(&forged, Code::SigInvalid)?;
            fetches(world, Role::Fresh, 0, 0)
        },
    ),
    Case::new("identity.one_fetch", "§4", "a manifest is fetched once and kept", |world| {
        let before = world.cast.fetched(Role::Fresh);
        for _ in 0..5 {
            world.allow(&world.claim(Role::Fresh, "page")?.sign())?;
        }
        fetches(world, Role::Fresh, before, 1)
    }),
];

fn unknown(world: &World, role: Role, code: Code) -> Result<(), String> {
    world.refuse(&world.claim(role, "page")?.sign(), code)
}

/// How often the manifest was asked for since.
fn fetches(world: &World, role: Role, before: usize, expected: usize) -> Result<(), String> {
    let found = world.cast.fetched(role).saturating_sub(before);
    if found == expected {
        return Ok(());
    }
    Err(format!("expected {expected} fetches of the manifest, saw {found}"))
}
