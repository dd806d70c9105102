//! A refusal: what ends the pipeline early.

use super::verdict::Need;
use crate::code::{Code, Retry};
use crate::error::Error;
use std::borrow::Cow;

/// Why the pipeline stopped.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) code: Code,
    pub(super) hint: Option<Cow<'static, str>>,
    pub(super) detail: Option<Cow<'static, str>>,
    pub(super) retry: Option<Retry>,
    pub(super) needs: Vec<Need>,
}

impl Refusal {
    pub(super) const fn new(code: Code) -> Self {
        Self { code, hint: None, detail: None, retry: None, needs: Vec::new() }
    }

    /// Something of the publisher's own has failed.
    #[cold]
    #[inline(never)]
    pub(super) fn failed(code: Code, error: &Error) -> Self {
        Self::new(code).detail(error.to_string())
    }

    pub(super) fn hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    pub(super) fn needing(mut self, need: Need) -> Self {
        self.needs.push(need);
        self
    }
}
