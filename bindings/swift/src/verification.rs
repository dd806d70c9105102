//! A verification, and one that waits for something.

use crate::error::ImagxpError;
use crate::replay::{ReplayAnswer, ReplayInsertion};
use crate::verdict::Verdict;
use imagxp::publisher;
use imagxp::replay::Insert;
use std::sync::{Arc, Mutex, PoisonError};

pub(crate) use imagxp::publisher::Redemption;

/// A broker's answer about a visa that must be redeemed before the content is served.
#[uniffi::remote(Enum)]
pub(crate) enum Redemption {
    /// The money stands behind the visa.
    Accepted,
    /// The broker refuses the visa.
    Refused,
    /// The broker cannot be asked.
    Unavailable,
}

/// A verification that waits for what its verdict's `needs` name. It can be resumed once.
#[derive(uniffi::Object)]
pub(crate) struct Pending(Mutex<Option<publisher::Pending>>);

#[uniffi::export]
impl Pending {
    /// Records the broker's answer to a `redeem` need. Throws `usage.argument` after the verification was resumed.
    pub(crate) fn redeemed(&self, answer: Redemption) -> Result<(), ImagxpError> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.as_mut().ok_or_else(resumed)?.redeemed(answer);
        Ok(())
    }

    /// What a replay store that answered `.later` has to insert; nil when the verification does not wait for that.
    pub(crate) fn insertion(&self) -> Option<ReplayInsertion> {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.as_ref().and_then(publisher::Pending::insertion).map(ReplayInsertion::of)
    }

    /// Records what the store answered to `insertion()`; nil when it failed, and `.later` is no answer. Throws `usage.argument` after the
    /// verification was resumed.
    pub(crate) fn inserted(&self, answer: Option<ReplayAnswer>) -> Result<(), ImagxpError> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.as_mut().ok_or_else(resumed)?.inserted(answer.map_or(Insert::Error, ReplayAnswer::core));
        Ok(())
    }
}

impl Pending {
    /// Takes what is to be resumed. Resuming twice would let one spent nonce pass two requests.
    pub(crate) fn take(&self) -> Result<publisher::Pending, ImagxpError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take().ok_or_else(resumed)
    }
}

/// The result of `Publisher.verify`: a verdict, and what to resume when it has needs.
#[derive(uniffi::Record)]
pub(crate) struct Verification {
    /// The verdict so far.
    pub(crate) verdict: Verdict,
    /// Present when the verdict has `needs`.
    pub(crate) pending: Option<Arc<Pending>>,
}

impl Verification {
    pub(crate) fn of(verification: publisher::Verification) -> Self {
        let pending = verification.pending.map(|pending| Arc::new(Pending(Mutex::new(Some(pending)))));
        Self { verdict: Verdict::of(verification.verdict), pending }
    }
}

fn resumed() -> ImagxpError {
    ImagxpError::argument("this verification has been resumed already")
}
