//! Proofs of the log (RFC 6962 §2.1), from the roots of subtrees that are kept with its leaves: a proof reads a few rows, however long the
//! log is.

use crate::log::Leaf;
use crate::store::Reader;
use imagxp::audit::proof::{Plan, Subtree};
use imagxp::audit::tree::Tree;
use std::collections::{BTreeMap, BTreeSet};

/// A proof, and the tree that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// How many entries the tree has.
    pub size: u64,
    /// Its root.
    pub root: [u8; 32],
    /// The hashes, in the order of the RFC.
    pub hashes: Vec<[u8; 32]>,
}

/// Makes the proof that was planned for the tree of the first `size` entries. Reads no more rows than three times the tree's height.
///
/// `None` when a row that it needs is missing: the log is shorter, or damaged. Error: the store's.
pub fn prove<R: Reader>(reader: &mut R, plan: &Plan, size: u64) -> Result<Option<Proof>, R::Error> {
    let peaks = Subtree::of_tree(size);
    let numbers: BTreeSet<u64> =
        plan.subtrees().iter().chain(&peaks).map(|subtree: &Subtree| subtree.last).collect();
    let leaves: BTreeMap<u64, Leaf> =
        reader.leaves_named(&numbers)?.into_iter().map(|leaf| (leaf.seq, leaf)).collect();
    let root = |subtree: Subtree| leaves.get(&subtree.last)?.root(subtree.height);
    let made = || {
        let tree = Tree::from_nodes(size, peaks.iter().copied().map(root).collect::<Option<_>>()?)?;
        Some(Proof { size, root: tree.root(), hashes: plan.prove(root)? })
    };
    Ok(made())
}
