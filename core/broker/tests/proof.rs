//! Proofs of a long log are made of a few rows.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which fail by panicking")]

mod rows;

use imagxp::audit::proof::{Plan, verify_consistency, verify_inclusion};
use imagxp::audit::tree::{Tree, leaf_hash};
use imagxp_broker::Leaf;
use imagxp_broker::proof::prove;
use rows::Rows;

const SIZE: u64 = 200_001;
/// A tree of that many leaves is so high.
const HEIGHT: usize = 18;

#[test]
fn a_proof_reads_a_few_rows_of_a_long_log() {
    let (mut tree, mut old) = (Tree::new(), Vec::new());
    let mut log = Rows::default();
    for seq in 0..SIZE {
        let hash = leaf_hash(&seq.to_be_bytes());
        log.leaves.push(Leaf { seq, hash, subtrees: tree.push(hash) });
        if seq % 9_973 == 0 {
            old.push((tree.size(), tree.root()));
        }
    }
    let root = tree.root();
    for index in (0..SIZE).step_by(7_919).chain([SIZE - 2, SIZE - 1]) {
        log.read = 0;
        let proof = prove(&mut log, &Plan::inclusion(index, SIZE).unwrap(), SIZE).unwrap().unwrap();
        assert_eq!((proof.size, proof.root), (SIZE, root));
        verify_inclusion(index, SIZE, &leaf_hash(&index.to_be_bytes()), &proof.hashes, &root).unwrap();
        assert!((1..=3 * HEIGHT).contains(&log.read), "{} rows for {index}", log.read);
    }
    for (size, old_root) in old {
        log.read = 0;
        let proof = prove(&mut log, &Plan::consistency(size, SIZE).unwrap(), SIZE).unwrap().unwrap();
        verify_consistency(size, SIZE, &proof.hashes, &old_root, &root).unwrap();
        assert!((1..=3 * HEIGHT).contains(&log.read), "{} rows for {size}", log.read);
    }
    // What a leaf has forgotten cannot be proven.
    log.leaves.iter_mut().for_each(|leaf| leaf.subtrees.clear());
    assert_eq!(prove(&mut log, &Plan::inclusion(0, SIZE).unwrap(), SIZE), Ok(None));
}
