//! The guarded client.

use crate::blocking::block_on;
use crate::budget::Budget;
use crate::exchange::{self, Outgoing};
use crate::flight::{Board, Boarding, Flight, Key, Outcome};
use crate::process::PerProcess;
use crate::target::Target;
use crate::{Answer, Call, FetchError, Options, Profile, connect};
use core::fmt;
use hyper::Method;
use hyper::header::{ACCEPT, HeaderMap, HeaderValue, USER_AGENT};
use imagxp::publisher::FetchFailure;
use imagxp::{Error, Result};
use rustls::ClientConfig;
use std::sync::Arc;
use std::time::Instant;
use tokio::time::timeout;

/// A client that keeps the fetch rules of PROTOCOL §4. Cheap to clone; the clones share budgets and what is known of failures.
///
/// It keeps no thread, no connection and no cache of names, and may be used on both sides of a fork.
#[derive(Clone)]
pub struct Fetcher(Arc<Inner>);

struct Inner {
    options: Options,
    user_agent: HeaderValue,
    tls: Arc<ClientConfig>,
    state: PerProcess<State>,
}

#[derive(Default)]
struct State {
    budget: Budget,
    board: Board,
}

impl Fetcher {
    /// A fetcher. Errors: an option that cannot be used.
    pub fn new(options: Options) -> Result<Self> {
        if options.dnssec && !cfg!(feature = "dnssec") {
            return Err(Error::argument("this build has no DNSSEC: the feature `dnssec` is off"));
        }
        #[cfg(feature = "dnssec")]
        if let Some(file) = &options.trust_anchor {
            crate::resolve::trust_anchors(file)
                .map_err(|error| Error::argument("trust_anchor cannot be read").with_source(error))?;
        }
        let tls = connect::tls(&options)?;
        let text = options.user_agent.as_deref();
        let text = text.unwrap_or(concat!("imagxp-fetch/", env!("CARGO_PKG_VERSION"), " IMAGXP/1.0"));
        let user_agent =
            HeaderValue::from_str(text).map_err(|_| Error::argument("user_agent cannot be sent"))?;
        Ok(Self(Arc::new(Inner { options, user_agent, tls, state: PerProcess::new() })))
    }

    /// Fetches one document; a status other than 200 is a failure.
    ///
    /// One fetch per URL at a time, failures remembered for 60 s, the profile's bound per host. Blocks at most for the profile's deadline.
    pub fn get(&self, url: &str, profile: Profile) -> Result<Answer, FetchError> {
        block_on(self.shared(url, profile))
    }

    /// Sends one request and returns whatever the answer is; redirects too, which are the caller's to judge.
    ///
    /// Nothing is shared, remembered or repeated. [`FetchError::sent`] tells whether the peer may have seen the request.
    pub fn send(&self, call: &Call, profile: Profile) -> Result<Answer, FetchError> {
        block_on(self.single(call, profile))
    }

    /// [`Fetcher::get`] within a tokio run-time (with time and I/O enabled). May be cancelled at any await.
    #[cfg(feature = "async")]
    pub async fn get_async(&self, url: &str, profile: Profile) -> Result<Answer, FetchError> {
        self.shared(url, profile).await
    }

    /// [`Fetcher::send`] within a tokio run-time (with time and I/O enabled).
    #[cfg(feature = "async")]
    pub async fn send_async(&self, call: &Call, profile: Profile) -> Result<Answer, FetchError> {
        self.single(call, profile).await
    }

    pub(crate) fn options(&self) -> &Options {
        &self.0.options
    }

    pub(crate) async fn shared(&self, url: &str, profile: Profile) -> Result<Answer, FetchError> {
        let target = self.target(url, &profile)?;
        let key = Key { url: url.to_owned(), profile };
        let begin = Instant::now();
        let mut waited = false;
        loop {
            let boarding = self.0.state.lock().board.board(&key, Instant::now());
            let left = profile.deadline.saturating_sub(begin.elapsed());
            let outcome = match boarding {
                Boarding::Failed(error) => Err(error),
                // Its leader has the same deadline, and began earlier; but it may be a future that nobody polls.
                Boarding::Follow(flight) => match timeout(left, flight.wait()).await {
                    Ok(Some(outcome)) => outcome,
                    Ok(None) => {
                        waited = true;
                        continue;
                    }
                    Err(_) => Err(FetchError::new(
                        FetchFailure::Failed,
                        "whoever fetches this for all did not come to an end within the deadline",
                    )),
                },
                Boarding::Lead(flight) => {
                    let leader = Leader { fetcher: self, key: &key, flight, outcome: None };
                    let result = self.get_now(&target, profile.within(left)).await;
                    match result {
                        // That the rest of a deadline is too short says nothing about the URL, and others have more.
                        Err(error) if waited && error.failure == FetchFailure::Failed => Err(error),
                        result => leader.land(result),
                    }
                }
            };
            return outcome.map(Arc::unwrap_or_clone);
        }
    }

    async fn single(&self, call: &Call, profile: Profile) -> Result<Answer, FetchError> {
        let target = self.target(&call.url, &profile)?;
        let headers = exchange::header_lines(&call.headers)?;
        let method = Method::from_bytes(call.method.as_bytes())
            .ok()
            .filter(|method| method != Method::CONNECT)
            .ok_or_else(|| FetchError::new(FetchFailure::Invalid, "the method cannot be sent"))?;
        let outgoing = Outgoing { target, method, headers, body: call.body.clone(), only_ok: false };
        self.exchange(outgoing, Profile { per_host: None, ..profile }).await
    }

    async fn get_now(&self, target: &Target, profile: Profile) -> Result<Answer, FetchError> {
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, self.0.user_agent.clone());
        headers.insert(ACCEPT, HeaderValue::from_static(profile.accept));
        let (target, method) = (target.clone(), Method::GET);
        self.exchange(Outgoing { target, method, headers, body: Vec::new(), only_ok: true }, profile).await
    }

    async fn exchange(&self, outgoing: Outgoing, profile: Profile) -> Result<Answer, FetchError> {
        self.0.state.lock().budget.take(&outgoing.target.authority, profile.per_host, Instant::now())?;
        let _taken = Taken(self);
        exchange::exchange(outgoing, &profile, &self.0.options, &self.0.tls).await
    }

    /// Where a URL leads, or why it is never asked for.
    pub(crate) fn target(&self, url: &str, profile: &Profile) -> Result<Target, FetchError> {
        Target::parse(url, profile, self.0.options.allow_loopback, &self.0.options.ports)
    }
}

/// One exchange of the budget, given back when it ends, however it ends.
struct Taken<'a>(&'a Fetcher);

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.0.0.state.lock().budget.give_back();
    }
}

/// Whoever fetches for the others. When it is cancelled, they are told.
struct Leader<'a> {
    fetcher: &'a Fetcher,
    key: &'a Key,
    flight: Arc<Flight>,
    outcome: Option<Outcome>,
}

impl Leader<'_> {
    fn land(mut self, result: Result<Answer, FetchError>) -> Outcome {
        let outcome = result.map(Arc::new);
        self.outcome = Some(outcome.clone());
        outcome
    }
}

impl Drop for Leader<'_> {
    fn drop(&mut self) {
        let outcome = self.outcome.take();
        self.fetcher.0.state.lock().board.land(self.key, outcome.as_ref(), Instant::now());
        self.flight.land(outcome);
    }
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher")
            .field("allow_loopback", &self.0.options.allow_loopback)
            .finish_non_exhaustive()
    }
}
