//! What a caller holds while its request waits.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use imagxp_broker::{Outcome, Refusal, RefusalCode};
use tokio::sync::oneshot;

/// What will come of a request: await it, or [`Ticket::wait`]. Dropping it changes nothing: the request is done all the same.
#[derive(Debug)]
pub struct Ticket(oneshot::Receiver<Result<Outcome, Refusal>>);

impl Ticket {
    pub(super) fn new() -> (oneshot::Sender<Result<Outcome, Refusal>>, Self) {
        let (sender, receiver) = oneshot::channel();
        (sender, Self(receiver))
    }

    /// Waits for the answer, on a thread that may block: never in an async function.
    pub fn wait(self) -> Result<Outcome, Refusal> {
        self.0.blocking_recv().unwrap_or_else(|_| Err(lost()))
    }
}

impl Future for Ticket {
    type Output = Result<Outcome, Refusal>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|answer| answer.unwrap_or_else(|_| Err(lost())))
    }
}

fn lost() -> Refusal {
    Refusal::new(RefusalCode::StoreUnknown, "the ledger was closed before it answered")
}
