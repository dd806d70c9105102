//! TLS to a real PostgreSQL and a real Redis, with certificates made here.

#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../storage/tests/support/mod.rs"]
mod support;

use imagxp_database::{PostgresAddress, RedisAddress, Result};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::path::PathBuf;
use std::time::Duration;
use support::{Postgres, Redis};

const SECRET: &str = "TOPSECRET";

/// Two authorities, and what the first has signed for `localhost`.
struct Papers {
    folder: tempfile::TempDir,
    right: PathBuf,
    wrong: PathBuf,
    certificate: String,
    key: String,
}

impl Papers {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = |name: &str| {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.distinguished_name.push(rcgen::DnType::CommonName, name);
            let key = KeyPair::generate().unwrap();
            let path = folder.path().join(format!("{name}.pem"));
            std::fs::write(&path, params.self_signed(&key).unwrap().pem()).unwrap();
            (path, Issuer::new(params, key))
        };
        let ((right, issuer), (wrong, _)) = (authority("right"), authority("wrong"));
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["localhost".to_owned()])
            .unwrap()
            .signed_by(&key, &issuer)
            .unwrap()
            .pem();
        Self { right, wrong, certificate, key: key.serialize_pem(), folder }
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

/// Whether the session is encrypted, as the server sees it; or the code and the message of the refusal.
fn asked(connected: Result<postgres::Client>) -> Result<bool, (&'static str, String)> {
    match connected {
        Ok(mut client) => {
            let row =
                client.query_one("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", &[]).unwrap();
            Ok(row.get(0))
        }
        Err(error) => {
            let mut told = error.to_string();
            let mut cause = std::error::Error::source(&error);
            while let Some(error) = cause {
                told.push_str(&error.to_string());
                cause = error.source();
            }
            assert!(!told.contains(SECRET), "{told}");
            Err((error.code(), error.message().to_owned()))
        }
    }
}

#[test]
fn postgresql_is_believed_or_refused() {
    let papers = Papers::new();
    let Some(server) = Postgres::with_tls(&papers.certificate, &papers.key) else { return };
    let Some(plain) = Postgres::start() else { return };
    let connect = |host: &str, port: u16, mode: &str, authorities: Option<&PathBuf>| {
        let address = format!("postgres://postgres:{SECRET}@{host}:{port}/postgres?sslmode={mode}");
        let address = PostgresAddress::parse(&address, None, authorities.map(PathBuf::as_path)).unwrap();
        asked(address.connect())
    };
    let (right, wrong, port) = (Some(&papers.right), Some(&papers.wrong), server.port());
    let refused = |why: &str| Err(("storage.tls", why.to_owned()));
    let unknown = || refused("the server's certificate is not one of an authority that is believed here");
    assert_eq!(connect("localhost", port, "verify-full", right), Ok(true));
    assert_eq!(connect("localhost", port, "verify-full", wrong), unknown());
    assert_eq!(connect("localhost", port, "verify-full", None), unknown(), "no browser believes it");
    assert_eq!(
        connect("127.0.0.1", port, "verify-full", right),
        refused("the server's certificate is for another host name")
    );
    assert_eq!(connect("127.0.0.1", port, "verify-ca", right), Ok(true));
    assert_eq!(connect("127.0.0.1", port, "verify-ca", wrong), unknown());
    assert_eq!(connect("127.0.0.1", port, "require", None), Ok(true));
    assert_eq!(connect("127.0.0.1", port, "require", wrong), unknown(), "as in libpq");
    assert_eq!(connect("localhost", port, "disable", None), Ok(false));
    // One that speaks no TLS; the proxy gives its socket a port.
    let port = forward(plain.socket());
    assert_eq!(connect("localhost", port, "disable", None), Ok(false));
    for mode in ["require", "verify-ca", "verify-full"] {
        assert_eq!(connect("localhost", port, mode, right), refused("the server does not speak TLS"));
    }
    // And one that is not there.
    let nobody = connect("localhost", support::free_port(), "verify-full", right);
    assert_eq!(nobody.unwrap_err().0, "storage.unavailable");
}

#[test]
fn redis_is_believed_or_refused() {
    let papers = Papers::new();
    let (certificate, key) =
        (papers.write("redis.crt", &papers.certificate), papers.write("redis.key", &papers.key));
    let (tls, plain) = (support::free_port(), support::free_port());
    let Some(server) = Redis::with(&[
        "--port",
        &plain.to_string(),
        "--tls-port",
        &tls.to_string(),
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-auth-clients",
        "no",
    ]) else {
        return;
    };
    redis::cmd("CONFIG").arg("SET").arg("requirepass").arg(SECRET).exec(&mut server.connection()).unwrap();
    let connect = |scheme: &str, host: &str, port: u16, authorities: Option<&PathBuf>| {
        let address = format!("{scheme}://:{SECRET}@{host}:{port}/0");
        let address = RedisAddress::parse(&address, authorities.map(PathBuf::as_path)).unwrap();
        assert!(!format!("{address:?}").contains(SECRET));
        match address.connect(Duration::from_secs(3)) {
            Ok(mut connection) => {
                redis::Cmd::new().arg("PING").query::<String>(&mut connection).map_err(|_| "dead".to_owned())
            }
            Err(error) => {
                let told = format!("{error} {error:?}");
                assert!(!told.contains(SECRET), "{told}");
                Err(error.to_string())
            }
        }
    };
    let (right, wrong, pong) = (Some(&papers.right), Some(&papers.wrong), || Ok("PONG".to_owned()));
    let refused = |why: &str| Err(format!("storage.tls: {why}"));
    let unknown = || refused("the server's certificate is not one of an authority that is believed here");
    assert_eq!(connect("rediss", "localhost", tls, right), pong());
    assert_eq!(connect("rediss", "localhost", tls, wrong), unknown());
    assert_eq!(connect("rediss", "localhost", tls, None), unknown());
    assert_eq!(
        connect("rediss", "127.0.0.1", tls, right),
        refused("the server's certificate is for another host name")
    );
    assert_eq!(connect("redis", "localhost", plain, None), pong());
    // Redis takes the handshake for a command that has not ended yet, and waits.
    let silent = Err("storage.unavailable: redis cannot be reached, or does not speak TLS there".to_owned());
    assert_eq!(connect("rediss", "localhost", plain, right), silent);
    assert!(connect("redis", "localhost", tls, None).unwrap_err().starts_with("storage.unavailable"));
}

/// A port on 127.0.0.1 that leads to a Unix socket; its threads end with the test.
fn forward(socket: PathBuf) -> u16 {
    use std::net::{Shutdown, TcpListener};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, mut server) =
                (client.unwrap(), std::os::unix::net::UnixStream::connect(&socket).unwrap());
            let (mut back, mut answers) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut client, &mut server);
                let _ = server.shutdown(Shutdown::Both);
            });
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut answers, &mut back);
                let _ = back.shutdown(Shutdown::Both);
            });
        }
    });
    port
}
