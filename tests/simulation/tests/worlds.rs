//! A seed is a world, byte for byte; good worlds hold, and broken products are found.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

use imagxp_simulation::{Fault, live};

fn trace(seed: u64) -> (String, String) {
    let mut text = String::new();
    let story = live(seed, None, &mut |line| text.push_str(line)).unwrap();
    (text, story.hash)
}

#[test]
fn a_seed_replays_byte_for_byte() {
    for seed in [1, 2, 3] {
        let (first, second) = (trace(seed), trace(seed));
        assert_eq!(first.1, second.1, "seed {seed}");
        assert!(first.0 == second.0, "seed {seed}: the traces differ");
        assert!(first.0.lines().count() > 200, "seed {seed}: nothing happens in it");
    }
    assert_ne!(trace(1).1, trace(2).1);
}

/// Whatever a process draws at its start would differ: the order of its maps, where its memory is.
#[test]
fn another_process_lives_the_same_world() {
    // Beside the folder of tests: cargo's variable for it has a hyphen, which the shell of a compiler's wrapper does not hand on.
    let folder = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().to_owned();
    let name = format!("imagxp-simulation{}", std::env::consts::EXE_SUFFIX);
    let run = |home: &std::path::Path, zone: &str| {
        let program = std::process::Command::new(folder.join(&name))
            .args(["--trace", "1"])
            .current_dir(home)
            .env_clear()
            .env("TZ", zone)
            .output()
            .unwrap();
        assert!(program.status.success());
        String::from_utf8(program.stdout).unwrap()
    };
    let (text, hash) = trace(1);
    let first = run(&std::env::temp_dir(), "Asia/Tokyo");
    assert!(first.starts_with(&text));
    assert!(first.contains(&hash), "the hash is another one");
    assert!(first == run(std::path::Path::new("/"), "America/Lima"), "the worlds of two processes differ");
}

/// The time of a line of a trace, in milliseconds.
fn time(line: &str) -> i64 {
    line.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn who_is_stopped_hears_nothing_for_a_while() {
    let mut broker = 0;
    for seed in 1..=10 {
        let (text, _) = trace(seed);
        let lines: Vec<&str> = text.lines().collect();
        let stops = |line: &&str| {
            line.split_once(" Stop { node: ").map(|(_, node)| node.trim_end_matches(" }").to_owned())
        };
        for (at, node) in lines.iter().enumerate().filter_map(|(at, line)| Some((at, stops(line)?))) {
            let start = format!("Start {{ node: {node} }}");
            let length = lines[at..].iter().position(|line| line.ends_with(&start)).unwrap();
            let meanwhile = &lines[at..at + length];
            let heard = meanwhile.iter().find(|line| line.contains(&format!(" to: {node}, ")));
            assert_eq!(heard, None, "seed {seed}: {node}");
            assert!(time(lines[at + length]) >= time(lines[at]) + 200, "seed {seed}: {node}");
            broker += usize::from(node == "Broker");
        }
    }
    assert!(broker > 0, "the broker was never stopped");
}

#[test]
fn good_worlds_hold() {
    for seed in 1..=5 {
        assert_eq!(live(seed, None, &mut |_| ()).unwrap().broken, None, "seed {seed}");
    }
}

#[test]
fn every_seeded_fault_is_found() {
    for fault in Fault::ALL {
        let found = (1..=40).find_map(|seed| live(seed, Some(fault), &mut |_| ()).unwrap().broken);
        assert!(found.is_some(), "{fault:?}");
    }
}
