//! The audit log: records, their hash chain and Merkle tree, checkpoints and proofs (PROTOCOL §12). Files are kept by `imagxp-files`.
