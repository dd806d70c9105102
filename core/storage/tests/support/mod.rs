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

pub use postgres::Postgres;
pub use redis::Redis;

/// What a missing program means: on CI a failure, elsewhere a test that is skipped aloud.
pub fn missing(what: &str) {
    assert!(std::env::var_os("CI").is_none(), "{what} is not installed: run scripts/services.sh setup");
    println!("SKIPPED: {what} is not installed (scripts/services.sh setup)");
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
