//! What an agent may spend, and has spent (PROTOCOL §8).
