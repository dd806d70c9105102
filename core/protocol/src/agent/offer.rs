//! The offer of a 402 answer (PROTOCOL §8).
