//! The broker against a naive reference, with random commands in random batches.
//!
//! `IMAGXP_MODEL_OPS` sets how many commands there are; 50 000 without it, a million and more in a soak.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests, which fail by panicking"
)]

#[path = "../common/mod.rs"]
mod common;
mod draw;
mod driver;
mod meaning;
mod reference;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use reference::Reference;
use std::cell::RefCell;

const LENGTH: usize = 500;

/// So many commands before the broker and the reference: what came of them, or why the two differ.
fn compared(wanted: usize, keeps_voids: bool) -> Result<driver::Counts, String> {
    let counts = RefCell::new(driver::Counts::new());
    let cases = u32::try_from(wanted.div_ceil(LENGTH)).unwrap();
    let max_shrink_iters = if keeps_voids { 0 } else { 2_000 };
    let mut runner =
        TestRunner::new(Config { cases, max_shrink_iters, failure_persistence: None, ..Config::default() });
    // Half of them in batches that are decided in parts, each ahead of what the one before will have changed.
    let draws = (prop::collection::vec(draw::draw(), LENGTH), prop_oneof![Just(usize::MAX), 1_usize..4]);
    runner
        .run(&draws, |(draws, at_once)| {
            let mut world = common::memory();
            world.at_once = at_once;
            let reference = Reference { keeps_voids, ..Reference::default() };
            driver::run(&mut world, reference, &draws, &mut counts.borrow_mut());
            Ok(())
        })
        .map_err(|failure| failure.to_string())?;
    Ok(counts.into_inner())
}

#[test]
fn a_reference_that_errs_is_contradicted() {
    assert!(compared(20 * LENGTH, true).is_err(), "nobody missed what was voided");
}

#[test]
fn does_what_the_reference_does() {
    let wanted: usize = match std::env::var("IMAGXP_MODEL_OPS") {
        Ok(text) => text.parse().expect("IMAGXP_MODEL_OPS is a number"),
        Err(_) => 50_000,
    };
    let counts = compared(wanted, false).unwrap_or_else(|failure| panic!("{failure}"));
    let total: usize = counts.values().sum();
    for (what, count) in &counts {
        println!("{count:>8} {what}");
    }
    println!("{total:>8} in all");
    assert!(total >= wanted);
    // Draws that nothing came of would prove nothing.
    for what in [
        "DEPOSIT ok",
        "WITHDRAW ok",
        "PAY ok",
        "LOCK ok",
        "UNLOCK ok",
        "SLASH ok",
        "CORRECTION ok",
        "End ok",
        "Standing ok",
        "Issue ok",
        "Redeem ok",
        "Feedback ok",
        "Contest ok",
        "Decide ok",
        "Due ok",
        "PAY account.insufficient",
        "Redeem visa.expired",
        "End transfer.already_resolved",
        "End admin.second_needed",
        "Feedback feedback.closed",
        "Contest contest.closed",
        "PAY idempotency.mismatch",
        "Issue account.frozen",
        "Issue account.closed",
    ] {
        assert!(counts.contains_key(what), "`{what}` never happened");
    }
}
