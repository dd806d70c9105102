use super::*;
use crate::fault;
use imagxp::agent::rotation::Stage;
use std::fs;

const WAIT: i64 = 3660;

fn agent() -> AgentId {
    AgentId::parse("agent.example", false).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(1_800_000_000 + seconds)
}

fn keyring(path: &Path) -> Keyring {
    let key = generate(Algorithm::EdDsa).unwrap();
    Keyring::create(path, agent(), Some("ops@agent.example".into()), &key, None).unwrap()
}

/// Everything that must hold in a folder at any time, also after a crash.
fn check(path: &Path) -> Keyring {
    let keyring = Keyring::open(path).unwrap();
    let key = keyring.signing_key(None).unwrap();
    assert_eq!(key.public_key(), keyring.rotation().signing_key());
    if let Some(other) = keyring.rotation().other_key() {
        assert!(keyring.key_path(other.thumbprint()).exists(), "the other key's file is there");
    }
    // What is served lists every key that somebody may have to find: at least those of the state.
    let served = Manifest::parse(&fs::read(path.join(MANIFEST)).unwrap(), &agent(), 16_384).unwrap();
    let listed: Vec<_> = served.keys().iter().map(|entry| &entry.key).collect();
    assert!(keyring.rotation().published_keys().all(|key| listed.contains(&key)), "{:?}", keyring.rotation());
    keyring
}

fn files(path: &Path) -> usize {
    fs::read_dir(path)
        .unwrap()
        .filter(|entry| !entry.as_ref().unwrap().file_name().to_string_lossy().starts_with('.'))
        .count()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

type Act = fn(&mut Keyring) -> Result<()>;

/// A whole life, each step from the state before it: going on, going back, and the emergency.
fn life() -> Vec<(&'static str, Vec<Act>, Act)> {
    let prepare: Act = |keyring| keyring.prepare(Algorithm::EdDsa, None);
    let publish: Act = |keyring| keyring.publish(at(0), None);
    let switch: Act = |keyring| keyring.switch(at(WAIT));
    let retire: Act = |keyring| keyring.retire(at(WAIT + 3600));
    let abort: Act = |keyring| keyring.abort(at(WAIT + 10));
    let revoke: Act = |keyring| {
        let gone = *keyring.rotation().signing_key().thumbprint();
        keyring.revoke(&gone, None)
    };
    vec![
        ("prepare", vec![], prepare),
        ("publish", vec![prepare], publish),
        ("publish again", vec![prepare, publish], publish),
        ("switch", vec![prepare, publish], switch),
        ("retire", vec![prepare, publish, switch], retire),
        ("abort prepared", vec![prepare], abort),
        ("abort published", vec![prepare, publish], abort),
        ("abort switched", vec![prepare, publish, switch], abort),
        ("revoke the only key", vec![], revoke),
        ("revoke prepared", vec![prepare], revoke),
        ("revoke published", vec![prepare, publish], revoke),
        ("revoke switched", vec![prepare, publish, switch], revoke),
    ]
}

#[test]
fn a_whole_rotation() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("keys");
    let mut keyring = keyring(&path);
    let old = *keyring.rotation().signing_key().thumbprint();
    keyring.prepare(Algorithm::Es256, None).unwrap();
    keyring.publish(at(0), Some(300)).unwrap();
    assert_eq!(keyring.switch(at(359)).unwrap_err().code(), "rotation.order");
    keyring.switch(at(360)).unwrap();
    assert_eq!(check(&path).rotation().stage(), Stage::Switched);
    assert_eq!(keyring.identity(None).unwrap().public_key().algorithm(), Algorithm::Es256);
    assert!(keyring.key_path(&old).exists());
    keyring.retire(at(360 + 3600)).unwrap();
    assert!(!keyring.key_path(&old).exists(), "a retired key is removed");
    assert_eq!(check(&path).rotation().stage(), Stage::Settled);
    assert_eq!(files(&path), 4);
    assert_eq!(keyring.manifest().unwrap().contact(), Some("ops@agent.example"));
    let again = Keyring::create(&path, agent(), None, &generate(Algorithm::EdDsa).unwrap(), None);
    assert_eq!(again.unwrap_err().code(), "io.failed");
}

/// The disk fails, or the machine goes down, before any single step of any operation. What is left is whole, the operation can be
/// repeated (or has happened), and after the next success nothing superfluous lies about.
#[test]
fn a_crash_anywhere_is_survived() {
    let root = tempfile::tempdir().unwrap();
    let mut places = 0;
    for (number, (name, before, act)) in life().into_iter().enumerate() {
        let start = root.path().join(format!("{number}"));
        let mut keyring = keyring(&start);
        before.iter().for_each(|act| act(&mut keyring).unwrap());
        let (stage, signer) = (keyring.rotation().stage(), keyring.rotation().signing_key().clone());
        let mut done = keyring;
        for crash in [false, true] {
            for step in 0.. {
                let path = root.path().join(format!("{number}-{crash}-{step}"));
                copy(&start, &path);
                let mut keyring = Keyring::open(&path).unwrap();
                let run = || act(&mut keyring);
                let result = if crash { fault::crashing_at(step, run) } else { fault::failing_at(step, run) };
                if result.is_ok() {
                    done = keyring;
                    break;
                }
                places += 1;
                let context = format!("{name}, step {step}, crash {crash}");
                let mut found = check(&path);
                let happened = found.rotation().stage() != stage || *found.rotation().signing_key() != signer;
                // Repeated, it happens, or says that it has happened; either way the folder is put right.
                match act(&mut found) {
                    Err(error) if !happened => panic!("{context}: {error}"),
                    _ => {}
                }
                let after = check(&path);
                let named = 1 + usize::from(after.rotation().other_key().is_some());
                assert_eq!(files(&path), 3 + named, "{context}");
                assert_eq!(
                    fs::read(path.join(MANIFEST)).unwrap(),
                    after.manifest().unwrap().to_json(),
                    "{context}"
                );
            }
        }
        check(done.folder.path());
    }
    assert!(places > 150, "{places}");
}

/// A manifest that lost the next key, by a crash or by hand, must not pass for one that was served all the time.
#[test]
fn switching_looks_at_the_manifest() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("keys");
    let mut keyring = keyring(&path);
    let before = fs::read(path.join(MANIFEST)).unwrap();
    keyring.prepare(Algorithm::EdDsa, None).unwrap();
    keyring.publish(at(0), None).unwrap();
    fs::write(path.join(MANIFEST), before).unwrap();
    assert!(keyring.switch(at(WAIT)).unwrap_err().message().contains("publish again"));
    keyring.publish(at(WAIT), None).unwrap();
    assert_eq!(keyring.switch(at(WAIT + 10)).unwrap_err().code(), "rotation.order");
    fs::remove_file(keyring.key_path(keyring.rotation().other_key().unwrap().thumbprint())).unwrap();
    assert!(keyring.switch(at(2 * WAIT)).unwrap_err().message().contains("is not there"));
}

#[test]
fn sealed_keys_have_one_passphrase() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("keys");
    let (right, wrong) = (Passphrase::new("right").unwrap(), Passphrase::new("wrong").unwrap());
    let key = generate(Algorithm::EdDsa).unwrap();
    let mut keyring = Keyring::create(&path, agent(), None, &key, Some(&right)).unwrap();
    assert!(keyring.is_sealed().unwrap());
    for passphrase in [None, Some(&wrong)] {
        assert_eq!(keyring.prepare(Algorithm::EdDsa, passphrase).unwrap_err().code(), "key_file.locked");
        assert_eq!(keyring.identity(passphrase).unwrap_err().code(), "key_file.locked");
    }
    assert_eq!(files(&path), 4, "a refused step leaves no key behind");
    keyring.prepare(Algorithm::EdDsa, Some(&right)).unwrap();
    keyring.publish(at(0), None).unwrap();
    keyring.switch(at(WAIT)).unwrap();
    assert!(keyring.identity(Some(&right)).is_ok());
    for name in keyring.folder.names().unwrap().iter().filter(|name| name.ends_with(".key")) {
        assert!(key_file::is_sealed(&fs::read(path.join(name)).unwrap()));
    }
}

#[test]
fn one_step_at_a_time() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("keys");
    let mut keyring = keyring(&path);
    let lock = keyring.folder.lock().unwrap();
    let error = keyring.prepare(Algorithm::EdDsa, None).unwrap_err();
    assert!(error.message().contains("another process takes a step now"), "{error}");
    assert!(Keyring::open(&path).unwrap().signing_key(None).is_ok(), "reading waits for nobody");
    drop(lock);
    let mut other = Keyring::open(&path).unwrap();
    keyring.prepare(Algorithm::EdDsa, None).unwrap();
    assert_eq!(
        other.prepare(Algorithm::EdDsa, None).unwrap_err().code(),
        "rotation.order",
        "the state on the disk counts"
    );
}

#[cfg(unix)]
#[test]
fn modes() {
    use std::os::unix::fs::PermissionsExt as _;
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("keys");
    let keyring = keyring(&path);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let key = keyring.key_path(keyring.rotation().signing_key().thumbprint());
    assert_eq!((mode(&path), mode(&key), mode(&path.join(STATE))), (0o700, 0o600, 0o600));
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(keyring.signing_key(None).unwrap_err().message().contains("open to others"));
}

#[test]
fn broken_states_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("keys");
    let mut keyring = keyring(&path);
    let good = fs::read_to_string(path.join(STATE)).unwrap();
    for bad in [
        String::new(),
        "{}".into(),
        good.replace("\"version\":1}", "\"version\":2}"),
        good.replace("agent.example\",\"contact", "agent\",\"contact"),
        good.replace("\"contact\":\"ops@agent.example\"", "\"contact\":1"),
        good.replace("\"contact\"", "\"contakt\""),
        good.replace("\"rotation\"", "\"rotatian\""),
        good.replace("settled", "published"),
        " ".repeat(40_000),
    ] {
        assert_ne!(bad, good);
        fs::write(path.join(STATE), &bad).unwrap();
        let error = Keyring::open(&path).unwrap_err();
        assert!(["usage.argument", "io.failed"].contains(&error.code()), "{error}");
        assert!(error.message().contains(STATE), "{error}");
        assert!(keyring.prepare(Algorithm::EdDsa, None).is_err());
    }
    assert_eq!(Keyring::open(root.path()).unwrap_err().code(), "io.failed");
    assert!(Keyring::is_in(&path) && !Keyring::is_in(root.path()));
}
