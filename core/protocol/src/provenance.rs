//! Provenance receipts: what a publisher served, signed by the publisher (PROTOCOL §10).
