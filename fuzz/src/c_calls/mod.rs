//! What the fuzz target c_calls is made of.

pub mod batch;
pub mod call;
pub mod callbacks;
pub mod caller;
pub mod content;
pub mod documents;
pub mod reach;
pub mod tables;
