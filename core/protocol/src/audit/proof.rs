//! Inclusion and consistency proofs (RFC 6962 §§2.1.1, 2.1.2; verified as RFC 9162 §2.1.3.2 and §2.1.4.2 say).
//!
//! A proof is made in one pass over the leaf hashes, or of the roots of perfect subtrees where they are kept: [`Plan`] knows which subtrees
//! it needs.

use super::tree::{Tree, node_hash};
use super::unproven;
use crate::error::{Error, Result};

/// Verifies that the leaf with this hash is number `index` of the tree with `size` leaves and this root.
///
/// Error: `audit.proof_invalid`.
pub fn verify_inclusion(
    index: u64,
    size: u64,
    leaf: &[u8; 32],
    proof: &[[u8; 32]],
    root: &[u8; 32],
) -> Result<()> {
    if index >= size {
        return Err(unproven("the leaf lies beyond the tree"));
    }
    let (mut node, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in proof {
        if last == 0 {
            return Err(wrong_length());
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    match last {
        0 if hash == *root => Ok(()),
        0 => Err(unproven("the inclusion proof leads to another root")),
        _ => Err(wrong_length()),
    }
}

/// Verifies that the tree with `new_size` leaves continues the one with `old_size`.
///
/// Every tree continues itself; the proof is then empty. Error: `audit.proof_invalid`, also for an `old_size` of 0, which says nothing.
pub fn verify_consistency(
    old_size: u64,
    new_size: u64,
    proof: &[[u8; 32]],
    old_root: &[u8; 32],
    new_root: &[u8; 32],
) -> Result<()> {
    if old_size > new_size {
        return Err(unproven("the older tree is the larger one"));
    }
    if old_size == 0 {
        return Err(unproven("every tree continues the empty one, which proves nothing"));
    }
    if old_size == new_size {
        return match (proof.is_empty(), old_root == new_root) {
            (true, true) => Ok(()),
            (false, _) => Err(wrong_length()),
            (true, false) => Err(unproven("the two roots differ")),
        };
    }
    let mut rest = proof.iter();
    // A perfect old tree is a node of the new one; the proof then leaves it out.
    let first = if old_size.is_power_of_two() { Some(old_root) } else { rest.next() };
    let first = first.ok_or_else(wrong_length)?;
    let (mut old, mut new) = (*first, *first);
    let (mut node, mut last) = (old_size - 1, new_size - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    for sibling in rest {
        if last == 0 {
            return Err(wrong_length());
        }
        if node & 1 == 1 || node == last {
            old = node_hash(sibling, &old);
            new = node_hash(sibling, &new);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            new = node_hash(&new, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(wrong_length());
    }
    if old != *old_root {
        return Err(unproven("the consistency proof leads to another old root"));
    }
    if new != *new_root {
        return Err(unproven("the consistency proof leads to another new root"));
    }
    Ok(())
}

fn wrong_length() -> Error {
    unproven("the proof has the wrong length")
}

/// A perfect subtree: two to the power of its height leaves, the first of which has a number that is a multiple of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subtree {
    /// The number of its last leaf.
    pub last: u64,
    /// Its height; 0 for a leaf.
    pub height: u32,
}

impl Subtree {
    /// The perfect subtrees that a tree of so many leaves consists of, largest first: their roots are [`Tree::nodes`].
    pub fn of_tree(size: u64) -> Vec<Self> {
        Self::between(0, size)
    }

    /// Those of the leaves from `start` to before `end`; `start` is a multiple of a power of two that is not below their number.
    fn between(start: u64, end: u64) -> Vec<Self> {
        let mut found = Vec::new();
        let mut at = start;
        while at < end {
            let height = 63 - (end - at).leading_zeros();
            at += 1 << height;
            found.push(Self { last: at - 1, height });
        }
        found
    }
}

/// The subtrees of a proof that is to be made: feed it the leaf hashes from the first on, then take the proof; or give it the roots.
#[derive(Clone, Debug)]
pub struct Plan {
    /// In the order of the proof: first leaf, end, and what has been added up so far.
    subtrees: Vec<(u64, u64, Tree)>,
    next: u64,
}

impl Plan {
    /// The proof that leaf `index` is in the tree with `size` leaves. `None` when it is not.
    pub fn inclusion(index: u64, size: u64) -> Option<Self> {
        if index >= size {
            return None;
        }
        let mut ranges = Vec::new();
        let (mut start, mut end) = (0, size);
        while end - start > 1 {
            let middle = start + split(end - start);
            if index < middle {
                ranges.push((middle, end));
                end = middle;
            } else {
                ranges.push((start, middle));
                start = middle;
            }
        }
        Some(Self::of(ranges))
    }

    /// The proof that the tree with `new_size` leaves continues the one with `old_size`. `None` when it is smaller, or
    /// when the old tree is empty.
    pub fn consistency(old_size: u64, new_size: u64) -> Option<Self> {
        if old_size == 0 || old_size > new_size {
            return None;
        }
        let mut ranges = Vec::new();
        let (mut start, mut end) = (0, new_size);
        while old_size < end {
            let middle = start + split(end - start);
            if old_size <= middle {
                ranges.push((middle, end));
                end = middle;
            } else {
                ranges.push((start, middle));
                start = middle;
            }
        }
        if start > 0 {
            ranges.push((start, end));
        }
        Some(Self::of(ranges))
    }

    /// `ranges` from the root down.
    fn of(ranges: Vec<(u64, u64)>) -> Self {
        let subtrees = ranges.into_iter().rev().map(|(start, end)| (start, end, Tree::new())).collect();
        Self { subtrees, next: 0 }
    }

    /// Takes the next leaf's hash.
    pub fn feed(&mut self, leaf: [u8; 32]) {
        let index = self.next;
        self.next += 1;
        for (start, end, tree) in &mut self.subtrees {
            if (*start..*end).contains(&index) {
                tree.push(leaf);
                return;
            }
        }
    }

    /// The perfect subtrees whose roots [`Plan::prove`] asks for: at most twice as many as the tree is high.
    pub fn subtrees(&self) -> Vec<Subtree> {
        self.subtrees.iter().flat_map(|(start, end, _)| Subtree::between(*start, *end)).collect()
    }

    /// The proof from the roots of [`Plan::subtrees`], in any order and with any others among them. `None` when one is not known.
    pub fn prove(&self, root: impl Fn(Subtree) -> Option<[u8; 32]>) -> Option<Vec<[u8; 32]>> {
        let whole = |(start, end, _): &(u64, u64, Tree)| {
            let roots = Subtree::between(*start, *end).into_iter().map(&root).collect::<Option<_>>()?;
            Tree::from_nodes(end - start, roots).map(|tree| tree.root())
        };
        self.subtrees.iter().map(whole).collect()
    }

    /// The proof, once every leaf of its tree has been fed; `None` before.
    pub fn finish(&self) -> Option<Vec<[u8; 32]>> {
        let whole = |(start, end, tree): &(u64, u64, Tree)| (tree.size() == end - start).then(|| tree.root());
        self.subtrees.iter().map(whole).collect()
    }
}

/// The largest power of two below `size`, which is at least 2.
const fn split(size: u64) -> u64 {
    1 << (63 - (size - 1).leading_zeros())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::tree::leaf_hash;

    #[test]
    fn what_is_made_is_accepted_and_nothing_else() {
        let leaves: Vec<[u8; 32]> = (0..70_u8).map(|number| leaf_hash(&[number])).collect();
        let root = |size: u64| {
            let mut tree = Tree::new();
            leaves.iter().take(size as usize).for_each(|leaf| drop(tree.push(*leaf)));
            tree.root()
        };
        // Of each leaf, as a store keeps them: its hash and those of the subtrees that end with it.
        let mut tree = Tree::new();
        let kept: Vec<Vec<[u8; 32]>> =
            leaves.iter().map(|leaf| core::iter::once(*leaf).chain(tree.push(*leaf)).collect()).collect();
        let root_of =
            |subtree: Subtree| kept.get(subtree.last as usize)?.get(subtree.height as usize).copied();
        let proof = |plan: Option<Plan>| {
            let mut plan = plan.unwrap();
            leaves.iter().for_each(|leaf| plan.feed(*leaf));
            let proof = plan.finish().unwrap();
            assert_eq!(plan.prove(root_of), Some(proof.clone()));
            // Seven levels hold the seventy leaves.
            assert!(plan.subtrees().len() <= 14);
            let missing = plan.subtrees().pop();
            assert_eq!(
                plan.prove(|subtree| root_of(subtree).filter(|_| Some(subtree) != missing)).is_none(),
                missing.is_some()
            );
            proof
        };
        for size in 0..=40_u64 {
            let roots: Option<Vec<_>> = Subtree::of_tree(size).into_iter().map(root_of).collect();
            assert_eq!(Tree::from_nodes(size, roots.unwrap()).unwrap().root(), root(size));
            for index in 0..size {
                let leaf = leaves[index as usize];
                let made = proof(Plan::inclusion(index, size));
                verify_inclusion(index, size, &leaf, &made, &root(size)).unwrap();
                for (wrong_index, wrong_size) in [(index + 1, size), (index, size + 1)] {
                    // A lone last leaf may keep its path while the tree's other numbers change; its root does not.
                    let same = verify_inclusion(wrong_index, wrong_size, &leaf, &made, &root(wrong_size));
                    assert!(same.is_err(), "{index}/{size} as {wrong_index}/{wrong_size}");
                }
                for at in 0..made.len() {
                    let mut bent = made.clone();
                    bent[at][7] ^= 1;
                    assert!(verify_inclusion(index, size, &leaf, &bent, &root(size)).is_err());
                    bent.remove(at);
                    assert!(verify_inclusion(index, size, &leaf, &bent, &root(size)).is_err());
                }
            }
            assert!(Plan::inclusion(size, size).is_none());
            for old in 1..=size {
                let made = proof(Plan::consistency(old, size));
                verify_consistency(old, size, &made, &root(old), &root(size)).unwrap();
                for at in 0..made.len() {
                    let mut bent = made.clone();
                    bent[at][7] ^= 1;
                    assert!(verify_consistency(old, size, &bent, &root(old), &root(size)).is_err());
                    bent.remove(at);
                    assert!(verify_consistency(old, size, &bent, &root(old), &root(size)).is_err());
                }
            }
            assert!(Plan::consistency(size + 1, size).is_none());
        }
        let mut early = Plan::inclusion(0, 4).unwrap();
        early.feed(leaves[0]);
        assert_eq!(early.finish(), None);
    }
}
