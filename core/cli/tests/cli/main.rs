//! The real binary, as a shell would run it: every command, every exit code, good and bad input.

mod canonicalize;
mod codes;
mod explain;
mod help;
mod key;
mod keygen;
mod manifest;
mod policy;
mod sandbox;
mod sign;
mod streams;
mod verify;
mod visa;
