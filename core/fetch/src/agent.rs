//! The agent as a client: one call reads a page, politely and within its caps (PROTOCOL §§5, 8–10).
//!
//! The rules are the core's ([`imagxp::agent::visit`]); this module does what they say through the guarded [`Fetcher`], which watches over
//! pages and brokers as it does over manifests.

use crate::patience::send;
#[cfg(feature = "async")]
use crate::patience::{PATIENCE, PAUSE, is_busy};
use crate::{Answer, Call, FetchError, Fetcher, Profile};
use imagxp::agent::Identity;
use imagxp::agent::reader::{Purse, Reader, ReaderOptions};
use imagxp::agent::visit::{Action, Event, Refusal, Report, Visit};
use imagxp::encoding::uuid_v4;
use imagxp::{Error, ErrorKind, Result, Timestamp};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// An agent that reads pages. Cheap to clone; the clones share what they know and what they may spend.
#[derive(Clone, Debug)]
pub struct Agent {
    reader: Arc<Reader>,
    fetcher: Fetcher,
    page: Profile,
}

/// What was read.
#[derive(Debug)]
pub struct Page {
    /// The status.
    pub status: u16,
    /// Header lines in their order, names in lower case; behind them a provenance receipt that came as a trailer.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// What happened: each step, what was paid, what the receipt says.
    pub report: Report,
}

/// The end of a read: a page, or the reason why there is none.
pub type Read = Result<Page, Box<Refusal>>;

impl Agent {
    /// An agent that reads through this fetcher. Errors: as [`Reader::new`].
    ///
    /// For development on loopback hosts both the fetcher's and the reader's `allow_loopback` are needed.
    pub fn new(
        identity: Identity,
        options: ReaderOptions,
        purse: Arc<Purse>,
        fetcher: Fetcher,
    ) -> Result<Self> {
        let reader = Arc::new(Reader::new(identity, options, purse)?);
        Ok(Self { reader, fetcher, page: Profile::PAGE })
    }

    /// Uses other bounds for pages than [`Profile::PAGE`].
    #[must_use]
    pub const fn with_page_profile(mut self, profile: Profile) -> Self {
        self.page = profile;
        self
    }

    /// Who reads, how, and with what money.
    pub fn reader(&self) -> &Arc<Reader> {
        &self.reader
    }

    /// Reads one page with GET; blocks. Pays at most once.
    ///
    /// Each request waits up to ten seconds for its turn while the fetcher has too many; then the read ends with `io.failed`, and nothing is
    /// remembered about the site.
    pub fn read(&self, url: &str) -> Read {
        self.request("GET", url)
    }

    /// [`Agent::read`] with another method: `GET` or `HEAD`.
    pub fn request(&self, method: &str, url: &str) -> Read {
        let mut journey = self.begin(method, url)?;
        let mut action = journey.advance(None)?;
        loop {
            match self.errand(action) {
                Errand::Go(call, profile) => {
                    action = journey.advance(Some(send(&self.fetcher, &call, profile)))?;
                }
                Errand::End(end) => return journey.arrive(end),
            }
        }
    }

    /// [`Agent::read`] within a tokio run-time. Cancelled while a broker is asked, the payment is unknown and counts as spent.
    #[cfg(feature = "async")]
    pub async fn read_async(&self, url: &str) -> Read {
        let mut journey = self.begin("GET", url)?;
        let mut action = journey.advance(None)?;
        loop {
            match self.errand(action) {
                Errand::Go(call, profile) => {
                    let mut result = self.fetcher.send_async(&call, profile).await;
                    for _ in 0..PATIENCE {
                        if !is_busy(&result) {
                            break;
                        }
                        tokio::time::sleep(PAUSE).await;
                        result = self.fetcher.send_async(&call, profile).await;
                    }
                    action = journey.advance(Some(result))?;
                }
                Errand::End(end) => return journey.arrive(end),
            }
        }
    }

    fn begin(&self, method: &str, url: &str) -> Result<Journey, Box<Refusal>> {
        let visit = self.reader.visit(method, url, None).map_err(refusal)?;
        Ok(Journey { visit, last: None })
    }

    /// What an action means for the fetcher.
    fn errand(&self, action: Action) -> Errand {
        let get = |url: String, profile: Profile| {
            let mut call = Call::get(url);
            call.headers.push(("user-agent".into(), self.reader.user_agent().into()));
            call.headers.push(("accept".into(), profile.accept.into()));
            Errand::Go(call, profile)
        };
        match action {
            Action::FetchRobots { url } => get(url, Profile::ROBOTS),
            Action::FetchPolicy { url } => get(url, Profile::DOCUMENT),
            Action::FetchManifest { url } => get(url, Profile::MANIFEST),
            Action::Send(send) => {
                let lines = send.headers.into_iter().map(|(name, value)| (name.to_owned(), value));
                let headers = lines.chain([("accept".to_owned(), "*/*".to_owned())]).collect();
                let call = Call { method: send.method, url: send.url, headers, body: Vec::new() };
                Errand::Go(call, self.page)
            }
            Action::RequestToken(request) => {
                let lines = request.headers.into_iter().map(|(name, value)| (name.to_owned(), value));
                let user_agent = ("user-agent".to_owned(), self.reader.user_agent().to_owned());
                let headers = lines.chain([user_agent]).collect();
                let body = request.body.into_bytes();
                let call = Call { method: "POST".to_owned(), url: request.url, headers, body };
                Errand::Go(call, Profile::TOKEN)
            }
            Action::Done(report) => Errand::End(Ok(report)),
            Action::Refused(refusal) => Errand::End(Err(refusal)),
        }
    }
}

enum Errand {
    Go(Call, Profile),
    End(Result<Box<Report>, Box<Refusal>>),
}

/// A visit with the last answer that was content.
struct Journey {
    visit: Visit,
    last: Option<(bool, Answer)>,
}

impl Journey {
    fn advance(&mut self, result: Option<Result<Answer, FetchError>>) -> Result<Action, Box<Refusal>> {
        let nonce = nonce().map_err(refusal)?;
        let now = now();
        let action = match result {
            None => self.visit.step(&Event::Start, now, &nonce),
            Some(Err(error)) => {
                let detail = &error.to_string();
                let event = if error.is_busy() {
                    Event::Busy { detail }
                } else {
                    Event::Failed { sent: error.sent, detail }
                };
                self.visit.step(&event, now, &nonce)
            }
            Some(Ok(answer)) => {
                let event =
                    Event::Answered { status: answer.status, headers: &answer.headers, body: &answer.body };
                let action = self.visit.step(&event, now, &nonce);
                // The manifest of a receipt comes after the page, and must not take its place.
                if !matches!(self.last, Some((true, _))) {
                    let waits = matches!(action, Action::FetchManifest { .. });
                    self.last = Some((waits, answer));
                }
                action
            }
        };
        Ok(action)
    }

    fn arrive(self, end: Result<Box<Report>, Box<Refusal>>) -> Read {
        let report = *end?;
        match self.last {
            Some((_, Answer { status, headers, body, .. })) => Ok(Page { status, headers, body, report }),
            None => Err(refusal(Error::new(ErrorKind::Io, "the visit ended before it began"))),
        }
    }
}

fn refusal(error: Error) -> Box<Refusal> {
    Box::new(Refusal { error, report: Report::default() })
}

/// A random UUID.
pub(crate) fn nonce() -> Result<String> {
    let mut random = [0; 16];
    getrandom::fill(&mut random)
        .map_err(|error| Error::new(ErrorKind::Io, format!("the system gives no randomness: {error}")))?;
    Ok(uuid_v4(random))
}

/// The clock.
pub(crate) fn now() -> Timestamp {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Options;
    use imagxp::Purpose;
    use imagxp::crypto::{Algorithm, PrivateKey};
    use imagxp::publisher::FetchFailure;

    fn agent() -> Agent {
        let fill = &mut |bytes: &mut [u8]| {
            bytes.fill(1);
            Ok(())
        };
        let key = PrivateKey::generate(Algorithm::Es256, fill).unwrap();
        let identity = Identity::parse("agent.example", key, false).unwrap();
        let options = ReaderOptions::new(Purpose::Summary, "TestBot");
        let fetcher = Fetcher::new(Options::default()).unwrap();
        Agent::new(identity, options, Arc::new(Purse::in_memory([])), fetcher).unwrap()
    }

    /// How the fetch of robots.txt ended, and what the next read of the site does then.
    fn after(failure: FetchFailure) -> (&'static str, bool) {
        let agent = agent();
        let begin = || {
            let mut journey = agent.begin("GET", "https://pub.example/").unwrap();
            let action = journey.advance(None).unwrap();
            (journey, matches!(action, Action::FetchRobots { .. }))
        };
        let (mut journey, asks) = begin();
        assert!(asks);
        let Ok(Action::Refused(refusal)) = journey.advance(Some(Err(FetchError::new(failure, "full"))))
        else {
            panic!("it goes on")
        };
        assert!(refusal.report.steps[0].note.contains("full"), "{:?}", refusal.report);
        (refusal.error.code(), begin().1)
    }

    #[test]
    fn that_we_were_busy_says_nothing_about_the_site() {
        assert_eq!(after(FetchFailure::Busy), ("io.failed", true));
        assert_eq!(after(FetchFailure::Failed), ("robots.denied", false));
    }
}
