//! The library as it ships: its symbols, its SONAME, its size and what it links.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The most that the stripped library weighs when it only verifies (`verifier/`): 1 MB. Tables for keys that are seen often are 45 KB of it, 8 KB of
/// them the one addition that is compiled for speed: what they bring is in docs/performance.md.
const VERIFIER_BYTES: u64 = 1_000_000;
/// The most that the whole one weighs: a ratchet, lowered with each saving and raised for new functions only. The core is compiled for speed: at
/// "s" it is 90 KB less, but a verdict without ECDSA takes a third longer and an ES256 signature 40 %. Policies in TOML, with lines, are
/// 100 KB of it; what makes a verdict without ECDSA a quarter cheaper (claims read where they lie, resources compared without a copy, inverses
/// modulo n), 32 KB; what a broker is asked about a visa, 9 KB; verifying many requests at once 33 KB, signing many 25 KB: their arithmetic is
/// inlined, which is what makes it cheap. The verifier has neither.
/// Claims read in fewer passes and tables read by multiplication, 9 KB. Agents that ask for a policy in each place, prices in several currencies
/// and what is undecided while a refresh fails, 4 KB. Evidence that tells what of it was signed and by whose key, and what is asked before a visa is
/// spent, 6 KB.
const WHOLE_BYTES: u64 = 1_731_600;

/// Builds the release as a user would.
fn build(package: &str, name: &str) -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--release", "--package", package, "--message-format", "json"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let messages = String::from_utf8_lossy(&built.stdout).into_owned();
    let ending = if cfg!(target_os = "macos") { "dylib" } else { "so" };
    let file = format!("/{name}.{ending}");
    PathBuf::from(messages.split('"').rfind(|part| part.ends_with(&file)).expect("a shared library"))
}

/// The whole library.
fn library() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| build("imagxp-ffi", "libimagxp"))
}

/// The verifier alone.
fn verifier() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| build("imagxp-verifier", "libimagxp_verifier"))
}

fn output(program: &str, arguments: &[&str], library: &Path) -> String {
    let done = Command::new(program)
        .args(arguments)
        .arg(library)
        .output()
        .unwrap_or_else(|e| panic!("{program}: {e}"));
    assert!(done.status.success(), "{program}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).expect("text")
}

/// The last column of `nm -D`, without versions.
fn dynamic_symbols(which: &str, library: &Path) -> BTreeSet<String> {
    let text = output("nm", &["-D", which], library);
    let last = text.lines().filter_map(|line| line.split_whitespace().last());
    last.map(|name| name.split('@').next().unwrap_or_default().to_owned()).collect()
}

/// Compares what a library exports with a list; `UPDATE=1` appends what is new. What disappears breaks the ABI.
fn exports_exactly(list: &str, library: &Path) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(list);
    let text = fs::read_to_string(&path).unwrap_or_default();
    let listed: BTreeSet<String> = text.lines().map(str::to_owned).collect();
    let exported = dynamic_symbols("--defined-only", library);
    let new: Vec<&String> = exported.difference(&listed).collect();
    let gone: Vec<&String> = listed.difference(&exported).collect();
    assert!(gone.is_empty(), "{gone:?} disappeared: that breaks the ABI");
    if std::env::var_os("UPDATE").is_some() {
        let added: String = new.iter().map(|name| format!("{name}\n")).collect();
        fs::write(&path, text + &added).expect("write");
    } else {
        let update = "run UPDATE=1 cargo test -p imagxp-ffi --test library";
        assert!(new.is_empty(), "{new:?} are not in {list}: {update}");
    }
    assert!(exported.iter().all(|name| name.starts_with("imagxp_")), "every symbol has the prefix");
}

#[test]
#[cfg(target_os = "linux")]
fn exports_exactly_the_listed_symbols() {
    exports_exactly("symbols.txt", library());
}

/// The verifier is the same library with fewer functions.
#[test]
#[cfg(target_os = "linux")]
fn the_verifier_exports_exactly_its_symbols() {
    exports_exactly("symbols-verifier.txt", verifier());
    let whole = dynamic_symbols("--defined-only", library());
    let verifier = dynamic_symbols("--defined-only", verifier());
    assert!(verifier.is_subset(&whole), "{:?}", verifier.difference(&whole));
    assert!(!verifier.iter().any(|name| name.starts_with("imagxp_key_") || name.contains("_sign")));
}

/// What C programs need to verify is all there: the example and its verdicts.
#[test]
#[cfg(target_os = "linux")]
fn the_verifier_verifies() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let data = root.join("tests/c/data");
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("verify");
    let built = Command::new("cc")
        .args(["-std=c11", "-Wall", "-Werror", "-I"])
        .arg(root.join("include"))
        .arg(root.join("examples/c/verify.c"))
        .arg(verifier())
        .arg("-o")
        .arg(&program)
        .status()
        .expect("cc");
    assert!(built.success());
    // The name that the program asks for at its start is the SONAME.
    let soname = folder.path().join(format!("libimagxp_verifier.so.{}", env!("IMAGXP_ABI")));
    fs::copy(verifier(), soname).expect("copy");
    let now = fs::read_to_string(data.join("now")).expect("now");
    let said = |now: &str| {
        let done = Command::new(&program)
            .env("LD_LIBRARY_PATH", folder.path())
            .args(["policy.json", "manifest.json", "request.http"].map(|name| data.join(name)))
            .arg(now)
            .output()
            .expect("the program");
        String::from_utf8(done.stdout).expect("text")
    };
    assert_eq!(said(now.trim()), "200 agent.example\n");
    assert!(said("1").starts_with("401 time.future"));
}

#[test]
#[cfg(target_os = "linux")]
fn declares_what_it_exports() {
    let header = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../include/imagxp.h"))
        .expect("imagxp.h");
    let words: BTreeSet<&str> = header.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    let undeclared: Vec<String> = dynamic_symbols("--defined-only", library())
        .into_iter()
        .filter(|name| !words.contains(name.as_str()))
        .collect();
    assert!(undeclared.is_empty(), "{undeclared:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn carries_the_abi_number() {
    let text = output("readelf", &["-d"], library());
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
    for line in output("ldd", &[], library()).lines() {
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
    for name in dynamic_symbols("--undefined-only", library()) {
        assert!(!forbidden.iter().any(|prefix| name.starts_with(prefix)), "it calls {name}");
    }
    let bytes = fs::read(library()).expect("the library");
    for name in ["sqlite", "rustls", "openssl", "tokio"] {
        assert!(!bytes.windows(name.len()).any(|window| window == name.as_bytes()), "it contains {name}");
    }
}

/// What a library weighs without its symbols, and without the name of cargo's home: that stands before each path of a dependency, where a panic
/// would say where it was, and is as long as whoever builds has made it.
fn stripped_bytes(library: &Path) -> u64 {
    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("stripped");
    let done = Command::new("strip").arg("-o").arg(&copy).arg(library).status().expect("strip");
    assert!(done.success());
    let bytes = fs::read(&copy).expect("a library");
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(std::env::home_dir()?.join(".cargo"))).expect("cargo's home");
    let path = home.join("registry/src/").into_os_string().into_encoded_bytes();
    let times = bytes.windows(path.len()).filter(|window| *window == path).count();
    (bytes.len() - times * home.as_os_str().len()) as u64
}

#[test]
#[cfg(target_os = "linux")]
fn weighs_no_more_than_it_did() {
    for (library, most, what) in
        [(verifier(), VERIFIER_BYTES, "libimagxp_verifier.so"), (library(), WHOLE_BYTES, "libimagxp.so")]
    {
        let bytes = stripped_bytes(library);
        // Past the capture of the test runner: sizes are figures that somebody reads.
        let _ = writeln!(
            std::io::stderr(),
            "{what}: {bytes} bytes stripped, without the name of cargo's home, at most {most}"
        );
        assert!(bytes <= most, "{what}: {bytes} bytes; at most {most}");
    }
}
