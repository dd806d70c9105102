//! How far the seeds come: a fuzzer that starts at the first refusal stays there.

use super::batch::Batch;
use super::call::{Call, run};
use super::caller::Caller;
use super::content::Content;
use super::tables::Kind;
use crate::c::imagxp_verdict_is_allowed;
use arbitrary::{Arbitrary, Unstructured};
use std::collections::BTreeSet;
use std::fs::{read, read_dir};
use std::path::PathBuf;

/// What one seed or another must come to.
const AIMS: [&str; 11] = [
    "a verdict",
    "a verdict that allows",
    "a verdict that was resumed",
    "a resumed verdict that allows",
    "an explanation",
    "what a broker is asked",
    "a visa that a broker has redeemed",
    "a batch of signatures",
    "a batch of verdicts",
    "a batch of verdicts of which one allows",
    "a receipt",
];

/// Replays the seeds that this run was given by their folder (scripts/fuzz.sh). Panics when together they do not come as far as they should.
pub fn seeds() {
    let folders: Vec<PathBuf> = std::env::args_os()
        .skip(1)
        .map(PathBuf::from)
        .filter(|path| path.ends_with("fuzz/seeds/c_calls"))
        .collect();
    if folders.is_empty() {
        return;
    }
    let files = folders.iter().flat_map(|folder| read_dir(folder).expect("a folder of seeds"));
    let reached: BTreeSet<&str> =
        files.flat_map(|file| of(&read(file.expect("a seed").path()).expect("a seed"))).collect();
    let missed: Vec<_> = AIMS.iter().filter(|aim| !reached.contains(**aim)).collect();
    assert!(missed.is_empty(), "the seeds do not come to {missed:?}; scripts/fuzz_seeds.py writes them");
}

/// What one input comes to.
fn of(data: &[u8]) -> BTreeSet<&'static str> {
    let calls = Vec::<Call<'_>>::arbitrary_take_rest(Unstructured::new(data)).unwrap_or_default();
    let (mut caller, mut reached, mut redeemed) = (Caller::new(), BTreeSet::new(), false);
    for call in &calls {
        let count = |caller: &Caller, kind| caller.handles.get(&kind).map_or(0, Vec::len);
        let before = [Kind::Verdict, Kind::Headers, Kind::Receipt].map(|kind| count(&caller, kind));
        let last = caller.last.clone();
        run(&mut caller, call);
        let [verdicts, headers, receipts] =
            [Kind::Verdict, Kind::Headers, Kind::Receipt].map(|kind| count(&caller, kind));
        let new = caller.handles.get(&Kind::Verdict).and_then(|all| all.get(before[0]..)).unwrap_or_default();
        // SAFETY: verdicts that were just made.
        let allows = new.iter().any(|verdict| unsafe { imagxp_verdict_is_allowed(*verdict) });
        let aims = match call {
            Call::Verify { .. } => vec![(verdicts > before[0], AIMS[0]), (allows, AIMS[1])],
            Call::Resume { .. } => {
                vec![(verdicts > before[0], AIMS[2]), (allows, AIMS[3]), (allows && redeemed, AIMS[6])]
            }
            Call::Explain { .. } => vec![(caller.last != last, AIMS[4])],
            Call::Redeemed { .. } => {
                redeemed = caller.last != last;
                vec![(redeemed, AIMS[5])]
            }
            Call::Batch(Batch::Sign { .. }) => vec![(headers > before[1] + 1, AIMS[7])],
            Call::Batch(Batch::Verify { .. }) => vec![(verdicts > before[0] + 1, AIMS[8]), (allows, AIMS[9])],
            Call::Content(Content::SignedReceipt { .. }) => vec![(receipts > before[2], AIMS[10])],
            _ => Vec::new(),
        };
        reached.extend(aims.into_iter().filter_map(|(reached, aim)| reached.then_some(aim)));
    }
    caller.end();
    reached
}
