//! How many requests are at work at one time, and how long one may take (BROKER §3).

use crate::problem::Problem;
use crate::visas::token;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

/// A bounded number of requests at work, and twice as many in the queue.
#[derive(Clone)]
pub(crate) struct Gate(Arc<Inner>);

struct Inner {
    places: Semaphore,
    inside: AtomicUsize,
    most: usize,
    deadline: Duration,
}

impl Gate {
    pub(crate) fn new(requests: usize, deadline: Duration) -> Self {
        let most = requests.saturating_mul(3);
        Self(Arc::new(Inner {
            places: Semaphore::new(requests),
            inside: AtomicUsize::new(0),
            most,
            deadline,
        }))
    }
}

struct Inside<'a>(&'a AtomicUsize);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Lets a request in, or tells it to come later.
pub(crate) async fn layer(State(Gate(gate)): State<Gate>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let before = gate.inside.fetch_add(1, Ordering::Relaxed);
    let _inside = Inside(&gate.inside);
    if before >= gate.most {
        metrics::counter!("imagxp_http_refused_total", "why" => "busy").increment(1);
        return token::refused_at(&path, Problem::busy("server.busy", "too many requests are waiting", 1));
    }
    let changes = !request.method().is_safe();
    let work = async {
        let _place = gate.places.acquire().await;
        next.run(request).await
    };
    match tokio::time::timeout(gate.deadline, work).await {
        Ok(response) => response,
        Err(_) => {
            metrics::counter!("imagxp_http_refused_total", "why" => "timeout").increment(1);
            token::refused_at(&path, Problem::timeout(changes))
        }
    }
}
