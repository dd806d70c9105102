//! What every command gets.

use crate::input::Input;
use crate::output::Output;

/// Where a command reads from and prints to.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) input: Input,
    pub(crate) out: Output,
}

impl Context {
    pub(crate) fn new(json: bool) -> Self {
        Self { input: Input::default(), out: Output::new(json) }
    }
}
