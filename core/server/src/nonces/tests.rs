//! Nonces over the end of the process, of the machine's run, and of a disk's space.

use super::*;
use std::io::Write as _;

fn entry(number: u8, expires_at: Timestamp) -> ReplayEntry {
    ReplayEntry { key: [number; 16], agent: [1; 16], expires_at }
}

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

/// When the nonces of requests that come now may be forgotten.
const LATER: Timestamp = NOW.saturating_add_secs(365);

/// The journal of a process that has kept this one, and has ended.
fn left_by_another(data: &Path, number: u8) -> PathBuf {
    let store = KeptNonces::open(data, NOW).unwrap();
    assert_eq!(store.insert_if_absent(&entry(number, LATER), NOW), Insert::Fresh);
    journal(data)
}

#[test]
fn what_a_power_cut_may_have_taken_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let open = |boot| KeptNonces::open_in(data.path(), NOW, boot).unwrap();
    let doubts = |store: KeptNonces| store.forgotten(NOW.saturating_add_secs(WINDOW_S - 1));
    assert!(!doubts(open(Some(b"first"))), "there was nothing before");
    std::fs::write(data.path().join("ledger.db"), "").unwrap();
    assert!(!doubts(open(Some(b"first"))), "the process ended, the machine did not");
    assert!(doubts(open(Some(b"second"))));
    assert!(!doubts(open(Some(b"second"))));
    assert!(doubts(open(None)), "nobody knows");
    assert!(doubts(open(None)));
    assert!(doubts(open(Some(b"third"))));
}

#[test]
fn what_would_be_taken_for_new_after_a_power_cut_waits_for_the_disk() {
    let data = tempfile::tempdir().unwrap();
    let store = KeptNonces::open_in(data.path(), NOW, Some(b"first")).unwrap();
    let dated = |ahead_ms: i64| NOW.saturating_add_millis(ahead_ms + (WINDOW_S + KEEP_S) * 1000);
    let synced = |store: &KeptNonces| store.journal.lock().unwrap().named;
    assert_eq!(store.insert_if_absent(&entry(1, dated(0)), NOW), Insert::Fresh);
    assert_eq!(store.insert_if_absent(&entry(2, dated(AHEAD_MS - 1)), NOW), Insert::Fresh);
    assert!(!synced(&store));
    assert_eq!(store.insert_if_absent(&entry(3, dated(AHEAD_MS)), NOW), Insert::Fresh);
    assert!(synced(&store));
    // What waits for no disk is refused by the next run of the machine.
    drop(store);
    std::fs::write(data.path().join("ledger.db"), "").unwrap();
    let started = NOW.saturating_add_millis(AHEAD_MS);
    let next = KeptNonces::open_in(data.path(), started, Some(b"second")).unwrap();
    let ends = |ahead_ms: i64| NOW.saturating_add_millis(ahead_ms + WINDOW_S * 1000);
    assert!(next.forgotten(ends(AHEAD_MS - 1)) && !next.forgotten(ends(AHEAD_MS)));
}

/// The only journal of a data folder.
fn journal(data: &Path) -> PathBuf {
    let files = std::fs::read_dir(data.join("nonces")).unwrap();
    files.map(|item| item.unwrap().path()).find(|path| path.extension().is_some()).unwrap()
}

/// What a disk took of a record until it was full.
fn half_written(path: &Path) {
    OpenOptions::new().append(true).open(path).unwrap().write_all(&[7; 16]).unwrap();
}

#[test]
fn what_follows_a_full_disk_is_seen_after_the_end() {
    let data = tempfile::tempdir().unwrap();
    let store = KeptNonces::open(data.path(), NOW).unwrap();
    for number in 1..4 {
        assert_eq!(store.insert_if_absent(&entry(number, LATER), NOW), Insert::Fresh);
        half_written(&journal(data.path()));
    }
    // A process that ends then, and one that begins in the same millisecond.
    drop(store);
    let store = KeptNonces::open(data.path(), NOW).unwrap();
    assert_eq!(store.insert_if_absent(&entry(4, LATER), NOW), Insert::Fresh);
    drop(store);
    let again = KeptNonces::open(data.path(), NOW.saturating_add_secs(1)).unwrap();
    for number in 1..5 {
        assert_eq!(again.seen(&[number; 16], NOW), Seen::Yes, "{number}");
    }
    assert!(!again.forgotten(NOW), "nothing is missing");
}

/// As processes wrote until now: behind the half of a record.
fn moved(path: &Path, numbers: core::ops::Range<u8>, expires_at: Timestamp) {
    half_written(path);
    let mut file = OpenOptions::new().append(true).open(path).unwrap();
    for number in numbers {
        file.write_all(&[number; 16]).unwrap();
        file.write_all(&[1; 16]).unwrap();
        file.write_all(&expires_at.as_millis().to_be_bytes()).unwrap();
    }
}

#[test]
fn what_an_earlier_version_wrote_behind_a_full_disk_is_found() {
    let data = tempfile::tempdir().unwrap();
    let path = left_by_another(data.path(), 1);
    // Nonces, and uses of visas, which are kept for longer; keys of zeros look like the beginning of a time.
    moved(&path, 2..9, LATER);
    moved(&path, 0..1, NOW.saturating_add_secs(3600));
    moved(&path, 9..12, NOW.saturating_add_secs(3600));
    let store = KeptNonces::open(data.path(), NOW.saturating_add_secs(1)).unwrap();
    for number in 0..12 {
        assert_eq!(store.seen(&[number; 16], NOW), Seen::Yes, "{number}");
    }
    assert!(!store.forgotten(NOW), "nothing is missing");
}

#[test]
fn pages_that_a_power_cut_has_taken_are_doubted_once() {
    let data = tempfile::tempdir().unwrap();
    std::fs::write(data.path().join("ledger.db"), "").unwrap();
    let store = KeptNonces::open_in(data.path(), NOW, Some(b"first")).unwrap();
    for number in 1..12 {
        assert_eq!(store.insert_if_absent(&entry(number, LATER), NOW), Insert::Fresh);
    }
    drop(store);
    let path = journal(data.path());
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.get_mut(100..300).unwrap().fill(0);
    bytes.extend([0; 4096]);
    std::fs::write(&path, bytes).unwrap();
    let second = || KeptNonces::open_in(data.path(), NOW.saturating_add_secs(1), Some(b"second")).unwrap();
    assert!(second().forgotten(NOW.saturating_add_secs(WINDOW_S)));
    let store = second();
    assert!(!store.forgotten(NOW), "the machine has not ended since");
    let lost: Vec<u8> = (1..12).filter(|number| store.seen(&[*number; 16], NOW) != Seen::Yes).collect();
    assert_eq!(lost, [3, 4, 5, 6, 7, 8]);
}

#[test]
fn what_cannot_be_read_is_refused_and_not_kept_for_ever() {
    let data = tempfile::tempdir().unwrap();
    let path = left_by_another(data.path(), 1);
    // More than the half of a record, in which there is no time.
    OpenOptions::new().append(true).open(&path).unwrap().write_all(&[7; 3 * RECORD]).unwrap();
    let opened = NOW.saturating_add_secs(1);
    let store = KeptNonces::open(data.path(), opened).unwrap();
    assert_eq!(store.seen(&[1; 16], NOW), Seen::Yes);
    // Whatever it may have been, dated ahead by a window: a claim's time of forgetting is a window later.
    assert!(store.forgotten(opened.saturating_add_secs(2 * WINDOW_S - 1)));
    assert!(!store.forgotten(opened.saturating_add_secs(2 * WINDOW_S)));
    drop(store);
    // An hour later nobody is refused for it; after days it is gone.
    let hour = NOW.saturating_add_secs(3600);
    let store = KeptNonces::open(data.path(), hour).unwrap();
    assert!(!store.forgotten(hour));
    let days = NOW.saturating_add_secs(4 * 86_400);
    assert_eq!(store.insert_if_absent(&entry(9, days), days), Insert::Fresh);
    assert!(!path.exists());
}

#[test]
fn what_was_seen_is_seen_after_the_end_too() {
    let data = tempfile::tempdir().unwrap();
    std::fs::write(data.path().join("ledger.db"), "").unwrap();
    let store = KeptNonces::open(data.path(), NOW).unwrap();
    assert_eq!(KeptNonces::open(data.path(), NOW).unwrap_err().code(), "replay.shared");
    assert_eq!(store.insert_if_absent(&entry(1, LATER), NOW), Insert::Fresh);
    assert_eq!(store.insert_if_absent(&entry(1, LATER), NOW), Insert::Seen);
    // Nobody knows what came before the first process.
    assert!(store.forgotten(NOW.saturating_add_secs(WINDOW_S - 1)));
    assert!(!store.forgotten(NOW.saturating_add_secs(WINDOW_S)));
    drop(store);
    // A record that a power cut has cut off.
    OpenOptions::new().append(true).open(journal(data.path())).unwrap().write_all(&[7; 11]).unwrap();
    let again = KeptNonces::open(data.path(), NOW.saturating_add_secs(60)).unwrap();
    assert!(!again.forgotten(NOW.saturating_add_secs(WINDOW_S - 1)), "it is known what came before");
    assert_eq!(again.insert_if_absent(&entry(1, LATER), NOW), Insert::Seen);
    assert_eq!(again.insert_if_absent(&entry(2, LATER), NOW), Insert::Fresh);
    // Files are changed and, when all of them has expired, deleted.
    for day in 1..4_u8 {
        let then = NOW.saturating_add_secs(i64::from(day) * 86_400 + 3600);
        let made = again.insert_if_absent(&entry(day + 10, then.saturating_add_secs(365)), then);
        assert_eq!(made, Insert::Fresh);
    }
    let files = std::fs::read_dir(data.path().join("nonces")).unwrap().count();
    assert!(files <= 4, "{files}");
}
