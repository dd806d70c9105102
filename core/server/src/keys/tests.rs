//! Signing keys, wherever they are.

use super::*;
use imagxp_storage::{Address, Options};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(1_800_000_000).saturating_add_secs(seconds)
}

fn names<'a>(keys: impl Iterator<Item = &'a PublicKey>) -> Vec<String> {
    keys.map(|key| key.thumbprint().as_str().to_owned()).collect()
}

/// Keys in a folder and in a database: what must hold of both.
struct Place {
    data: tempfile::TempDir,
    secret: Secret,
    ledger: Option<Ledger>,
}

impl Place {
    fn each(check: impl Fn(&Self)) {
        for in_database in [false, true] {
            let data = tempfile::tempdir().unwrap();
            let secret = Secret::new(data.path(), Path::new(""));
            let ledger = in_database.then(|| Ledger::open(&Address::Memory, Options::default(), 0).unwrap());
            check(&Self { data, secret, ledger });
        }
    }

    fn step(&self, step: Step, now: Timestamp) -> Result<String, SetupError> {
        self.step_with(&self.secret, step, now)
    }

    fn step_with(&self, secret: &Secret, step: Step, now: Timestamp) -> Result<String, SetupError> {
        let turn = match &self.ledger {
            Some(ledger) => step_in_database(ledger, secret, step, now),
            None => step_in_folder(self.data.path(), secret, &step, now),
        };
        turn.map(|(kid, _)| kid.as_str().to_owned())
    }

    /// A passphrase in a file.
    fn secret(&self, name: &str) -> Secret {
        let file = self.data.path().join(name);
        std::fs::write(&file, format!("{name}\n")).unwrap();
        Secret::new(self.data.path(), &file)
    }

    fn ring(&self) -> Result<KeyRing, SetupError> {
        self.ring_with(&self.secret)
    }

    fn ring_with(&self, secret: &Secret) -> Result<KeyRing, SetupError> {
        match &self.ledger {
            Some(ledger) => {
                let rows = ledger.read().unwrap().registry().unwrap().keys().unwrap();
                KeyRing::in_database(&rows, secret, None)
            }
            None => KeyRing::in_folder(self.data.path(), secret),
        }
    }

    fn dropped(&self, kid: &str, now: Timestamp) -> Result<String, SetupError> {
        let kid = Thumbprint::parse(kid).unwrap();
        self.step(Step::Drop { kid, reason: "it has leaked".to_owned() }, now)
    }
}

#[test]
fn a_rotation_from_end_to_end() {
    Place::each(|place| {
        let code = |step, now| place.step(step, now).unwrap_err().code();
        assert_eq!(code(Step::Rotate, at(0)), "keys.missing");
        let old = place.step(Step::Create, at(0)).unwrap();
        assert_eq!(code(Step::Create, at(0)), "keys.exist");
        let new = place.step(Step::Rotate, at(1000)).unwrap();
        assert_eq!(code(Step::Rotate, at(1000)), "rotation.order");
        let ring = place.ring().unwrap();
        let turn = 1000 + NOTICE_S;
        let signer =
            |seconds| ring.signer(at(seconds)).unwrap().public_key().thumbprint().as_str().to_owned();
        let published = |seconds| names(ring.published(at(seconds)));
        assert_eq!((signer(-9), signer(turn - 1), signer(turn)), (old.clone(), old.clone(), new.clone()));
        assert_eq!(published(1000), [old.clone(), new.clone()]);
        assert_eq!(published(turn + KEEP_S), [old.clone(), new.clone()]);
        assert_eq!(published(turn + KEEP_S + 1), std::slice::from_ref(&new));
        assert_eq!(imagxp::jwks::JwkSet::parse(&ring.jwks(at(1000))).unwrap().keys().len(), 2);
        // A later rotation forgets a key that nobody meets any more.
        place.step(Step::Rotate, at(turn + KEEP_S + 1)).unwrap();
        assert_eq!(place.ring().unwrap().keys.len(), 2);
        assert!(!place.data.path().join("keys").join(format!("{old}.pem")).exists());
    });
}

#[test]
fn a_key_that_is_dropped_is_gone_at_once() {
    Place::each(|place| {
        let first = place.step(Step::Create, at(0)).unwrap();
        // Nothing waits: a new key signs.
        let second = place.dropped(&first, at(10)).unwrap();
        let ring = place.ring().unwrap();
        assert_ne!(first, second);
        assert_eq!(names(ring.published(at(10))), std::slice::from_ref(&second));
        assert!(
            ring.has_dropped(&first) && !ring.has_dropped(&second) && ring.find(&first, at(10)).is_none()
        );
        assert_eq!(*ring.signer(at(9)).unwrap().public_key().thumbprint().as_str(), second, "a clock behind");
        assert_eq!(place.dropped(&first, at(11)).unwrap_err().code(), "usage.argument", "once");
        // One that waits takes over.
        let third = place.step(Step::Rotate, at(20)).unwrap();
        assert_eq!(place.dropped(&second, at(30)).unwrap(), third);
        let ring = place.ring().unwrap();
        assert_eq!(names(ring.published(at(30))), std::slice::from_ref(&third));
        assert_eq!(*ring.signer(at(30)).unwrap().public_key().thumbprint().as_str(), third);
        // One that waits is dropped itself: who signs stays, and another may be made.
        let fourth = place.step(Step::Rotate, at(40)).unwrap();
        assert_eq!(place.dropped(&fourth, at(50)).unwrap(), third);
        let fifth = place.step(Step::Rotate, at(60)).unwrap();
        assert_eq!(names(place.ring().unwrap().published(at(60 + NOTICE_S))), [third, fifth]);
        // No private half is left of what was dropped.
        for kid in [first, second, fourth] {
            assert!(!place.data.path().join("keys").join(format!("{kid}.pem")).exists());
        }
        if let Some(ledger) = &place.ledger {
            let rows = ledger.read().unwrap().registry().unwrap().keys().unwrap();
            assert!(rows.iter().all(|row| row.sealed.is_none() == row.dropped_at.is_some()));
            assert!(
                rows.iter().filter_map(|row| row.sealed.as_deref()).all(|text| text.contains("ENCRYPTED"))
            );
        }
    });
}

#[test]
fn sealed_keys_need_their_passphrase() {
    Place::each(|place| {
        let write = |name: &str, text: &str| {
            let file = place.data.path().join(name);
            std::fs::write(&file, text).unwrap();
            Secret::new(place.data.path(), &file)
        };
        let (right, wrong) = (write("right", "correct horse\n"), write("wrong", "battery\n"));
        let none = Secret::new(&place.data.path().join("elsewhere"), Path::new(""));
        let place = Place { data: tempfile::tempdir().unwrap(), secret: right, ledger: place.ledger.clone() };
        place.step(Step::Create, at(0)).unwrap();
        assert!(place.ring().is_ok());
        for secret in [wrong, none] {
            let other = Place { data: tempfile::tempdir().unwrap(), secret, ledger: place.ledger.clone() };
            let opened = match place.ledger {
                Some(_) => other.ring(),
                None => KeyRing::in_folder(place.data.path(), &other.secret),
            };
            assert_eq!(opened.unwrap_err().code(), "key_file.locked");
        }
    });
}

#[test]
fn a_new_key_is_sealed_as_those_that_stay() {
    Place::each(|place| {
        let (right, wrong) = (place.secret("right"), place.secret("wrong"));
        let old = place.step_with(&right, Step::Create, at(0)).unwrap();
        let refused = place.step_with(&wrong, Step::Rotate, at(1)).unwrap_err();
        assert_eq!(refused.code(), "key_file.locked", "{refused}");
        assert_eq!(place.ring_with(&right).unwrap().keys.len(), 1);
        let new = place.step_with(&right, Step::Rotate, at(1)).unwrap();
        assert_eq!(place.ring_with(&right).unwrap().keys.len(), 2);
        // After a passphrase has leaked: all go that it opens, the last one makes room for a new one.
        let dropped = |kid: &str, now| {
            let kid = Thumbprint::parse(kid).unwrap();
            place.step_with(&wrong, Step::Drop { kid, reason: "the passphrase has leaked".to_owned() }, now)
        };
        assert_eq!(dropped(&new, at(2)).unwrap(), old);
        let fresh = dropped(&old, at(3)).unwrap();
        assert_eq!(names(place.ring_with(&wrong).unwrap().published(at(3))), [fresh]);
    });
}

#[test]
fn two_that_rotate_at_once_make_one_key() {
    let data = tempfile::tempdir().unwrap();
    let secret = Secret::new(data.path(), Path::new(""));
    let ledger = Ledger::open(&Address::Memory, Options::default(), 0).unwrap();
    step_in_database(&ledger, &secret, Step::Create, at(0)).unwrap();
    let rotated = std::thread::scope(|scope| {
        let threads =
            [(); 4].map(|()| scope.spawn(|| step_in_database(&ledger, &secret, Step::Rotate, at(1)).is_ok()));
        threads.map(|thread| thread.join().unwrap())
    });
    assert_eq!(rotated.iter().filter(|done| **done).count(), 1);
}
