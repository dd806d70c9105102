//! The library as it ships: its symbols, its SONAME, its size and what it links.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The most that the stripped shared library should weigh: 1 MB. It was met before discovery, evidence, provenance and feedback came
/// in with issue 3; the test says whether it is.
const BAR_BYTES: u64 = 1 << 20;
/// Where it stands: a ratchet, lowered with each saving and raised for new functions only. Above the bar because the core is compiled for
/// speed: at "s" it is 90 KB less, but a verdict without ECDSA takes 6.4 µs and more (bar 6) and an ES256 signature 40 % longer.
/// Policies in TOML, with lines, are 100 KB of it: what nginx reads at `nginx -t`. `--icf=all` would save 9 KB, where the linker is LLD.
const RATCHET_BYTES: u64 = 1_563_000;

/// Builds the release as a user would, once.
fn library() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built = Command::new(cargo)
            .args(["build", "--release", "--package", "imagxp-ffi", "--message-format", "json"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .expect("cargo");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let messages = String::from_utf8_lossy(&built.stdout).into_owned();
        let name = if cfg!(target_os = "macos") { "libimagxp.dylib" } else { "libimagxp.so" };
        let path =
            messages.split('"').rfind(|part| part.ends_with(&format!("/{name}"))).expect("a shared library");
        PathBuf::from(path)
    })
}

fn output(program: &str, arguments: &[&str]) -> String {
    let done = Command::new(program)
        .args(arguments)
        .arg(library())
        .output()
        .unwrap_or_else(|e| panic!("{program}: {e}"));
    assert!(done.status.success(), "{program}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).expect("text")
}

/// The last column of `nm -D`, without versions.
fn dynamic_symbols(which: &str) -> BTreeSet<String> {
    let text = output("nm", &["-D", which]);
    let last = text.lines().filter_map(|line| line.split_whitespace().last());
    last.map(|name| name.split('@').next().unwrap_or_default().to_owned()).collect()
}

#[test]
#[cfg(target_os = "linux")]
fn exports_exactly_the_listed_symbols() {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("symbols.txt");
    let text = fs::read_to_string(&list).unwrap_or_default();
    let listed: BTreeSet<String> = text.lines().map(str::to_owned).collect();
    let exported = dynamic_symbols("--defined-only");
    let new: Vec<&String> = exported.difference(&listed).collect();
    let gone: Vec<&String> = listed.difference(&exported).collect();
    assert!(gone.is_empty(), "{gone:?} disappeared: that breaks the ABI");
    if std::env::var_os("UPDATE").is_some() {
        let added: String = new.iter().map(|name| format!("{name}\n")).collect();
        fs::write(&list, text + &added).expect("write");
    } else {
        assert!(
            new.is_empty(),
            "{new:?} are not in symbols.txt: run UPDATE=1 cargo test -p imagxp-ffi --test library"
        );
    }
    assert!(exported.iter().all(|name| name.starts_with("imagxp_")), "every symbol has the prefix");
}

#[test]
#[cfg(target_os = "linux")]
fn declares_what_it_exports() {
    let header = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../include/imagxp.h"))
        .expect("imagxp.h");
    let words: BTreeSet<&str> = header.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    let undeclared: Vec<String> =
        dynamic_symbols("--defined-only").into_iter().filter(|name| !words.contains(name.as_str())).collect();
    assert!(undeclared.is_empty(), "{undeclared:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn carries_the_abi_number() {
    let text = output("readelf", &["-d"]);
    let soname = format!("[libimagxp.so.{}]", env!("IMAGXP_ABI"));
    assert!(text.contains(&soname), "no SONAME {soname}");
    let header = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../include/imagxp.h"))
        .expect("imagxp.h");
    assert!(header.contains(&format!("#define IMAGXP_ABI_VERSION {}\n", env!("IMAGXP_ABI"))));
}

/// Nothing that a library without I/O needs: no threads, no sockets, no TLS, no database, no async runtime.
#[test]
#[cfg(target_os = "linux")]
fn links_the_c_library_only() {
    for line in output("ldd", &[]).lines() {
        let name = line.split_whitespace().next().unwrap_or_default();
        let allowed = ["linux-vdso", "libc.so", "libgcc_s.so", "libm.so", "ld-linux"];
        assert!(allowed.iter().any(|allowed| name.contains(allowed)), "it links {name}");
    }
    let forbidden = [
        "pthread_create",
        "clone",
        "fork",
        "socket",
        "connect",
        "bind",
        "listen",
        "getaddrinfo",
        "sqlite3",
        "SSL_",
        "dlopen",
    ];
    for name in dynamic_symbols("--undefined-only") {
        assert!(!forbidden.iter().any(|prefix| name.starts_with(prefix)), "it calls {name}");
    }
    let bytes = fs::read(library()).expect("the library");
    for name in ["sqlite", "rustls", "openssl", "tokio"] {
        assert!(!bytes.windows(name.len()).any(|window| window == name.as_bytes()), "it contains {name}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn weighs_no_more_than_it_did() {
    let copy = std::env::temp_dir().join(format!("libimagxp-{}.so", std::process::id()));
    let done = Command::new("strip").arg("-o").arg(&copy).arg(library()).status().expect("strip");
    let size = fs::metadata(&copy).map(|meta| meta.len());
    let _ = fs::remove_file(&copy);
    assert!(done.success());
    let size = size.expect("a size");
    let met = if size <= BAR_BYTES { "met" } else { "NOT MET" };
    // Past the capture of the test runner: a bar that is not met is said, also when the ratchet holds.
    let _ = writeln!(std::io::stderr(), "libimagxp.so: {size} bytes stripped; bar {BAR_BYTES}: {met}");
    assert!(size <= RATCHET_BYTES, "{size} bytes; at most {RATCHET_BYTES}");
}
