//! Lives many worlds: `imagxp-simulation [--seeds N] [--from SEED] [--figures FILE] [--trace SEED] [--seed-faults]`.
//!
//! `--trace` tells one world step by step. `--seed-faults` breaks the product in each of the ways it knows, and fails unless every one is
//! found within the seeds. Exit code 1: an invariant broke, or a seeded fault was not found.

#![forbid(unsafe_code)]

use imagxp::json::{Object, Value, object_to_canonical};
use imagxp_simulation::{Fault, Story, live};
use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// What has to come about in many worlds: what passes and is paid, what thieves, bad networks and visas that end are answered with, and every end of
/// a visa but a dispute's.
const MUST_HAPPEN: [&str; 16] = [
    "ok",
    "replay.nonce_seen",
    "claim.resource_mismatch",
    "identity.key_mismatch",
    "identity.fetch_failed",
    "payment.required",
    "payment.wrong_holder",
    "payment.already_used",
    "payment.expired",
    "redeemed",
    "paid",
    "visa.not_yours",
    "sig.invalid",
    "time.expired",
    "RELEASED",
    "REFUNDED",
];

struct Options {
    seeds: u64,
    from: u64,
    figures: Option<String>,
    trace: Option<u64>,
    faults: bool,
}

fn main() -> ExitCode {
    let told = options().and_then(|options| run(&options));
    match told {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(reason) => {
            let _ = writeln!(std::io::stderr(), "error: {reason}");
            ExitCode::from(2)
        }
    }
}

fn options() -> Result<Options, String> {
    let mut options = Options { seeds: 200, from: 1, figures: None, trace: None, faults: false };
    let mut args = std::env::args().skip(1);
    while let Some(name) = args.next() {
        if name == "--seed-faults" {
            options.faults = true;
            continue;
        }
        let value = args.next().ok_or_else(|| format!("`{name}` needs a value"))?;
        let number = || value.parse().map_err(|_| format!("`{value}` is not a number"));
        match name.as_str() {
            "--seeds" => options.seeds = number()?,
            "--from" => options.from = number()?,
            "--trace" => options.trace = Some(number()?),
            "--figures" => options.figures = Some(value),
            _ => return Err(format!("there is no option `{name}`")),
        }
    }
    Ok(options)
}

fn run(options: &Options) -> Result<bool, String> {
    if let Some(seed) = options.trace {
        let mut out = std::io::stdout().lock();
        let story = live(seed, None, &mut |line| drop(out.write_all(line.as_bytes())))?;
        say(&format!("{story:?}"));
        return Ok(story.broken.is_none());
    }
    if options.faults {
        return Fault::ALL.into_iter().try_fold(true, |all, fault| Ok(find(options, fault)? && all));
    }
    let begin = Instant::now();
    let stories = worlds(options)?;
    let broken: Vec<_> =
        stories.iter().filter_map(|(seed, story)| Some((seed, story.broken.as_ref()?))).collect();
    for (seed, reason) in broken.iter().take(10) {
        say(&format!("seed {seed}: {reason}"));
    }
    let mut codes: BTreeMap<&str, u64> = BTreeMap::new();
    for (code, count) in stories.iter().flat_map(|(_, story)| &story.codes) {
        *codes.entry(code).or_default() += count;
    }
    let steps: u64 = stories.iter().map(|(_, story)| story.steps).sum();
    let entries: u64 = stories.iter().map(|(_, story)| story.entries).sum();
    let (seeds, failed, seconds) = (stories.len(), broken.len(), begin.elapsed().as_secs());
    say(&format!("{seeds} worlds, {steps} steps, {entries} rows in the books, {failed} broken, {seconds} s"));
    let list: Vec<String> = codes.iter().map(|(code, count)| format!("{code} {count}")).collect();
    say(&list.join(", "));
    // Worlds in which nothing is tried would break nothing.
    let untried: Vec<&str> = MUST_HAPPEN.into_iter().filter(|code| !codes.contains_key(code)).collect();
    if !untried.is_empty() {
        say(&format!("in none of these worlds: {}", untried.join(" ")));
    }
    // Nor would those in which hardly anything is paid in time.
    let of = |code: &str| codes.get(code).copied().unwrap_or(0);
    let are_late = of("late").saturating_mul(20) > of("paid");
    if are_late {
        say("more than one in twenty visas that publishers took came too late for the broker");
    }
    let pass = failed == 0 && untried.is_empty() && !are_late;
    if let Some(file) = &options.figures {
        let number = |count: u64| Value::from(u32::try_from(count).unwrap_or(u32::MAX));
        let mut told = Object::new();
        for (code, count) in &codes {
            told.insert(*code, number(*count));
        }
        let mut figures = Object::new();
        for (name, count) in
            [("worlds", options.seeds), ("steps", steps), ("entries", entries), ("seconds", seconds)]
        {
            figures.insert(name, number(count));
        }
        figures.insert("codes", told);
        let wrong =
            broken.iter().take(20).map(|(seed, reason)| Value::from(format!("seed {seed}: {reason}")));
        let late = are_late.then(|| Value::from("too many visas came too late"));
        let untried = untried.iter().map(|code| Value::from(format!("in no world: {code}"))).chain(late);
        let mut row = Object::new();
        row.insert("pass", pass);
        row.insert("seed_fault", false);
        row.insert("seed", number(options.from));
        row.insert("figures", figures);
        row.insert("wrong", wrong.chain(untried).collect::<Vec<_>>());
        std::fs::write(file, object_to_canonical(&row)).map_err(|error| format!("`{file}`: {error}"))?;
    }
    Ok(pass)
}

/// Lives them all, on every core.
fn worlds(options: &Options) -> Result<Vec<(u64, Story)>, String> {
    let (next, stories) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        if index >= options.seeds {
                            return Ok::<(), String>(());
                        }
                        let seed = options.from.wrapping_add(index);
                        let story = live(seed, None, &mut |_| ())?;
                        stories.lock().unwrap_or_else(PoisonError::into_inner).push((seed, story));
                    }
                })
            })
            .collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().unwrap_or_else(|_| Err("a world has panicked".to_owned())))
    })?;
    let mut stories = stories.into_inner().unwrap_or_else(PoisonError::into_inner);
    stories.sort_by_key(|(seed, _)| *seed);
    Ok(stories)
}

/// Whether a seeded fault is found.
fn find(options: &Options, fault: Fault) -> Result<bool, String> {
    for index in 0..options.seeds {
        let seed = options.from.wrapping_add(index);
        if let Some(reason) = live(seed, Some(fault), &mut |_| ())?.broken {
            say(&format!("{fault:?}: found with seed {seed}: {reason}"));
            return Ok(true);
        }
    }
    say(&format!("{fault:?}: NOT found in {} worlds", options.seeds));
    Ok(false)
}

fn say(text: &str) {
    // Whoever closed the pipe has read enough.
    let _ = writeln!(std::io::stdout(), "{text}");
}
