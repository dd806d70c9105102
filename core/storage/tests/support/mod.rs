//! Private instances of Redis and PostgreSQL for tests: in temporary folders, on Unix sockets, ended with the test.
//!
//! Also for the tests inside the crate (src/lib.rs), and for other crates: `#[path = "../../storage/tests/support/mod.rs"] mod support;`.

#![allow(dead_code, reason = "each test binary uses a part")]
#![allow(clippy::unwrap_used, reason = "test support")]
#![allow(unused_imports, reason = "each test binary uses a part")]
#![allow(unreachable_pub, reason = "included as a module")]

mod postgres;
mod redis;
mod server;
#[path = "../../../protocol/tests/common/skip.rs"]
mod skip;

pub use postgres::Postgres;
pub use redis::Redis;

/// What a missing program means: on CI a failure, elsewhere a test that is skipped aloud.
pub fn missing(what: &str) {
    skip::missing(&format!("{what} is not installed (scripts/services.sh setup)"));
}

/// A port that was free a moment ago, below those that systems hand out by themselves: no other test's connection comes to have it.
pub fn free_port() -> u16 {
    use std::hash::{BuildHasher as _, RandomState};
    let random = |number: u16| RandomState::new().hash_one(number) % 12_000;
    (0..1000)
        .map(|number| 20_000 + u16::try_from(random(number)).unwrap())
        .find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .unwrap()
}
