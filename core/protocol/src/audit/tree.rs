//! The Merkle tree of RFC 6962 §2.1: leaf and node hashes, and a tree that grows without keeping its leaves.

use sha2::{Digest, Sha256};

/// The hash of a leaf: SHA-256 of a zero byte and the entry.
pub fn leaf_hash(entry: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update([0]).chain_update(entry).finalize().into()
}

/// The hash of an inner node: SHA-256 of a one byte and both children.
pub fn node_hash(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// A tree as its compact range: the roots of the perfect subtrees, largest first. Memory is O(log n).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    size: u64,
    nodes: Vec<[u8; 32]>,
}

impl Tree {
    /// The empty tree.
    pub const fn new() -> Self {
        Self { size: 0, nodes: Vec::new() }
    }

    /// The tree with so many leaves and these subtree roots, as [`Tree::nodes`] gave them. `None` when their number is not that of the one
    /// bits of `size`.
    pub fn from_nodes(size: u64, nodes: Vec<[u8; 32]>) -> Option<Self> {
        (usize::try_from(size.count_ones()) == Ok(nodes.len())).then_some(Self { size, nodes })
    }

    /// Adds a leaf by its hash. Returns the roots of the perfect subtrees of two leaves and more that end with it, smallest first: whoever
    /// keeps them with the leaf makes proofs of a few of them ([`super::proof::Plan::prove`]).
    pub fn push(&mut self, leaf: [u8; 32]) -> Vec<[u8; 32]> {
        self.size += 1;
        let mut hash = leaf;
        let mut completed = Vec::new();
        for _ in 0..self.size.trailing_zeros() {
            if let Some(left) = self.nodes.pop() {
                hash = node_hash(&left, &hash);
                completed.push(hash);
            }
        }
        self.nodes.push(hash);
        completed
    }

    /// The number of leaves.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the perfect subtrees, largest first.
    pub fn nodes(&self) -> &[[u8; 32]] {
        &self.nodes
    }

    /// The Merkle tree hash; of an empty tree the SHA-256 of nothing.
    pub fn root(&self) -> [u8; 32] {
        let mut nodes = self.nodes.iter().rev();
        match nodes.next() {
            None => Sha256::digest([]).into(),
            Some(last) => nodes.fold(*last, |right, left| node_hash(left, &right)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6962 §2.1, word for word.
    fn reference(leaves: &[[u8; 32]]) -> [u8; 32] {
        match leaves {
            [] => Sha256::digest([]).into(),
            [leaf] => *leaf,
            _ => {
                let k = leaves.len().next_power_of_two() / 2;
                node_hash(&reference(&leaves[..k]), &reference(&leaves[k..]))
            }
        }
    }

    #[test]
    fn grows_as_the_rfc_says() {
        let leaves: Vec<[u8; 32]> = (0..130_u8).map(|number| leaf_hash(&[number])).collect();
        let mut tree = Tree::new();
        for (size, leaf) in leaves.iter().enumerate() {
            assert_eq!(tree.root(), reference(&leaves[..size]));
            assert_eq!(Tree::from_nodes(tree.size(), tree.nodes().to_vec()), Some(tree.clone()));
            assert_eq!(Tree::from_nodes(tree.size() ^ 1, tree.nodes().to_vec()), None);
            tree.push(*leaf);
        }
    }
}
