//! What every command gets.

use crate::input::Input;
use crate::output::Output;
use crate::passphrase;

/// Where a command reads from and prints to.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) input: Input,
    pub(crate) out: Output,
    pub(crate) passphrase: passphrase::Options,
}

impl Context {
    pub(crate) fn new(json: bool, passphrase: passphrase::Options) -> Self {
        Self { input: Input::default(), out: Output::new(json), passphrase }
    }
}
