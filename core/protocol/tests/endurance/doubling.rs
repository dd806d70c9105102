//! An input that is twice as long takes at most 2.3 times the work, in every parser, up to sizes that are far beyond the limits.
//!
//! The work is counted in instructions, by `make soak` (scripts/doubling.py). `cargo test` takes the thread's processor time, the least of many
//! runs, in which caches and fresh pages count too: over eight times the length it tells what is linear (8) from what is quadratic (64).

use crate::parsers::{PARSERS, Parser};
use crate::report::figures;
use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;

/// The most that `STEP` times the length may take: half-way, by factors, from the 8 times of a linear parser to the 64 of a quadratic one.
const STEP: usize = 8;
const MOST: f64 = 23.0;
/// The first length; the last is 256 KiB.
const FIRST: usize = 1024;
const LAST: usize = 256 << 10;
/// Below so many nanoseconds a call is constant, and its time is the clock's.
const FLOOR: f64 = 5_000.0;

fn nanoseconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// The least time of a call, of several rounds of a few each.
fn least(read: fn(&[u8]), input: &[u8], rounds: usize) -> f64 {
    let mut least = f64::MAX;
    for _ in 0..rounds {
        let begin = nanoseconds();
        read(black_box(input));
        least = least.min(nanoseconds() - begin);
    }
    least
}

/// By how much `STEP` times the length multiplies the time, at most, and at which length.
fn worst(parser: &Parser, shape: fn(usize) -> Vec<u8>, last: usize) -> (f64, usize) {
    let (mut found, mut where_, mut size) = (0.0_f64, FIRST, FIRST);
    while size * STEP <= last {
        let (small, large) = (shape(size), shape(size * STEP));
        let mut ratio = f64::MAX;
        // Both of them by turns, until one turn says that it is good: a quadratic parser never has one, and what disturbs one of them,
        // another test's pages or caches, disturbs both.
        for rounds in [3, 5, 5, 9, 9, 15, 15, 25] {
            let base = least(parser.read, &small, rounds).max(FLOOR);
            ratio = ratio.min(least(parser.read, &large, rounds) / base);
            if ratio <= MOST {
                break;
            }
        }
        if ratio > found {
            (found, where_) = (ratio, size * STEP);
        }
        size *= 2;
    }
    (found, where_)
}

#[test]
fn no_parser_is_quadratic() {
    let (mut shapes, mut most, mut wrong) = (0, 0.0_f64, Vec::new());
    for parser in &PARSERS {
        for (name, shape) in parser.shapes {
            shapes += 1;
            let (ratio, size) = worst(parser, *shape, LAST);
            most = most.max(ratio);
            if ratio > MOST {
                wrong.push(format!(
                    "{}/{name}: {ratio:.2} times from {} to {size} bytes",
                    parser.name,
                    size / STEP
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    figures(
        "doubling-time",
        0,
        &[("parsers", PARSERS.len() as u64), ("shapes", shapes), ("most_percent", (most * 100.0) as u64)],
    );
}

/// Compares each with each, as a careless duplicate check would.
fn quadratic(bytes: &[u8]) {
    let pieces: Vec<&[u8]> = bytes.chunks(64).collect();
    let same = pieces.iter().map(|one| pieces.iter().filter(|other| *other == one).count()).sum::<usize>();
    black_box(same);
}

#[test]
fn a_quadratic_parser_is_found_out() {
    let shape: fn(usize) -> Vec<u8> = |size| (0..size).map(|at| (at / 64 * 7919 % 251) as u8).collect();
    let parser = Parser { name: "quadratic", read: quadratic, shapes: &[] };
    let (ratio, _) = worst(&parser, shape, 32 << 10);
    assert!(ratio > MOST, "a quadratic parser takes {ratio} times as long");
}

/// One call between two marks, for callgrind, which writes a profile at each: `IMAGXP_DOUBLING` is the name of the parser or `all`.
#[test]
#[ignore = "scripts/doubling.py runs it under valgrind"]
fn counted() {
    let wanted = std::env::var("IMAGXP_DOUBLING").unwrap();
    let seeded = Parser { name: "seeded", read: quadratic, shapes: &[("pieces", |size| vec![7; size])] };
    let mut number = 0;
    let chosen = PARSERS
        .iter()
        .chain([&seeded])
        .filter(|parser| parser.name == wanted || wanted == "all" && parser.name != "seeded");
    for parser in chosen {
        for (name, shape) in parser.shapes {
            let mut size = FIRST;
            while size <= LAST {
                let input = shape(size);
                // Once, so that what is made at first is made.
                (parser.read)(&input);
                boundary_of_a_count();
                (parser.read)(black_box(&input));
                boundary_of_a_count();
                println!("\ncounted {} {}/{name} {size}", 2 * number + 1, parser.name);
                number += 1;
                size *= 2;
            }
        }
    }
}

/// What callgrind dumps at: nothing happens here.
#[inline(never)]
fn boundary_of_a_count() {
    black_box(());
}
