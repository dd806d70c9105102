//! At the door of a site: robots.txt and the policy, in the order of PROTOCOL §9: `Link`, robots.txt, the well-known place.

use super::machine::{Action, Event, Next, State, Visit};
use super::redirect::{self, MAX_HOPS, is_redirect};
use crate::agent::offer::web_url;
use crate::discovery::cache::{self, Announced};
use crate::discovery::link::{self, Link};
use crate::discovery::{Access, PublicPath, PublicPolicy, PublicRule};
use crate::error::{Error, ErrorKind};
use crate::purpose::Purpose;
use crate::resource::{Resource, path_readings};
use crate::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;

impl Visit {
    /// At the door of a hop: robots.txt first, then the policy, then the request.
    pub(super) fn arrive(&mut self, now: Timestamp, nonce: &str) -> Next {
        if !self.reader.options().discover {
            return self.send(now, nonce);
        }
        let origin = self.origin();
        let known = self.reader.sites().access(&origin, now);
        match known {
            Some(access) => self.admitted(&access, "known", now, nonce),
            None => {
                let url = format!("{origin}/robots.txt");
                self.wait(State::Robots { url: url.clone() }, Action::FetchRobots { url })
            }
        }
    }

    pub(super) fn robots(&mut self, url: &str, event: &Event<'_>, now: Timestamp, nonce: &str) -> Next {
        let (access, note) = match event {
            Event::Answered { status, headers, .. }
                if is_redirect(*status) && self.robots_hops < MAX_HOPS =>
            {
                // RFC 9309 §2.3.1.2: at least five, also across authorities. Nothing of ours is in these requests.
                let base = Resource::parse(url);
                let target = base.as_ref().zip(redirect::location(headers)?).map(|(base, location)| {
                    redirect::resolve(base, location, self.reader.options().allow_loopback)
                });
                if let Some(Ok(target)) = target {
                    self.robots_hops += 1;
                    let url = target.to_string();
                    return self.wait(State::Robots { url: url.clone() }, Action::FetchRobots { url });
                }
                (Access::DisallowAll, format!("status {status}, which leads nowhere"))
            }
            // What cannot be read must not be taken for a file without rules.
            Event::Answered { status: status @ 200..=299, headers, .. } if is_coded(headers) => {
                (Access::DisallowAll, format!("status {status}, in a content coding"))
            }
            Event::Answered { status, body, .. } => {
                (Access::from_answer(*status, body), format!("status {status}"))
            }
            Event::Failed { detail, .. } => (Access::DisallowAll, format!("no answer: {detail}")),
            Event::Busy { detail } => return Err(self.too_busy("robots", url, detail)),
            Event::Start => return Err(Error::argument("this is not what the visit waits for")),
        };
        let access = Arc::new(access);
        self.reader.sites().learn_access(&self.origin(), Arc::clone(&access), now);
        self.admitted(&access, &note, now, nonce)
    }

    fn admitted(&mut self, access: &Access, note: &str, now: Timestamp, nonce: &str) -> Next {
        let target = self.target();
        let product = &self.reader.options().product;
        let robots_url = format!("{}/robots.txt", self.origin());
        if !access.allows(product, &target) {
            let why = match access {
                Access::DisallowAll => "robots.txt cannot be had now, so nothing may be read",
                _ => "robots.txt disallows this path",
            };
            self.report.note("robots", &robots_url, format!("{note}; {why}"));
            return Err(Error::new(ErrorKind::Robots, why));
        }
        self.report.note("robots", &robots_url, format!("{note}; allowed"));
        let origin = self.origin();
        let known = self.reader.sites().policy(&origin, now);
        match known {
            Some(policy) => self.informed(policy.as_deref(), "known", now, nonce),
            None => {
                let linked = self.reader.sites().linked(&origin, now);
                let linked: Vec<Link> = linked.into_iter().map(announced).collect();
                let allow_loopback = self.reader.options().allow_loopback;
                let mut places = cache::candidates(&self.url, &linked, access.robots(), product);
                places.retain(|(_, url)| web_url(url, allow_loopback).is_some());
                self.look("not looked for", places.into_iter(), now, nonce)
            }
        }
    }

    /// Asks for the policy at the next place; after the last one there is none. `note`: what the last place said.
    fn look(&mut self, note: &str, mut places: Places, now: Timestamp, nonce: &str) -> Next {
        match places.next() {
            Some((_, url)) => {
                self.wait(State::Policy { url: url.clone(), places }, Action::FetchPolicy { url })
            }
            None => {
                self.reader.sites().learn_policy(&self.origin(), None, now);
                self.informed(None, note, now, nonce)
            }
        }
    }

    pub(super) fn policy(
        &mut self,
        url: &str,
        places: Places,
        event: &Event<'_>,
        now: Timestamp,
        nonce: &str,
    ) -> Next {
        let note = match event {
            Event::Answered { status: 200, headers, .. } if is_coded(headers) => {
                "status 200, in a content coding".to_owned()
            }
            Event::Answered { status: 200, body, .. } => match PublicPolicy::parse(body) {
                Ok(policy) if policy.speaks_for(&self.url) => {
                    let policy = Arc::new(policy);
                    self.reader.sites().learn_policy(&self.origin(), Some(Arc::clone(&policy)), now);
                    return self.informed(Some(&policy), "status 200", now, nonce);
                }
                Ok(_) => "status 200, and it speaks for other sites".to_owned(),
                Err(error) => format!("status 200, and {error}"),
            },
            Event::Answered { status, .. } => format!("status {status}"),
            Event::Failed { detail, .. } => format!("no answer: {detail}"),
            Event::Busy { detail } => return Err(self.too_busy("policy", url, detail)),
            Event::Start => return Err(Error::argument("this is not what the visit waits for")),
        };
        if !places.as_slice().is_empty() {
            self.report.note("policy", url, format!("{note}; another place is asked"));
        }
        self.look(&note, places, now, nonce)
    }

    /// The policy is advice: what it certainly refuses is not asked for; what it does not say, the publisher will.
    fn informed(&mut self, policy: Option<&PublicPolicy>, note: &str, now: Timestamp, nonce: &str) -> Next {
        let purpose = self.reader.options().purpose;
        let note = if policy.is_some() { note.to_owned() } else { format!("{note}; no policy") };
        if policy.is_some_and(|policy| refuses(policy, purpose, &self.url)) {
            self.note("policy", format!("{note}; refuses {purpose} here"));
            return Err(Error::protocol(
                crate::Code::PolicyPurposeDenied,
                format!("the site's policy does not allow {purpose} here"),
            ));
        }
        self.note("policy", note);
        self.send(now, nonce)
    }

    /// Any answer may name the policy in a `Link` header; the next visit asks there first.
    pub(super) fn learn_link(&mut self, headers: &[(String, String)], now: Timestamp) {
        let lines = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("link"));
        let values: Vec<&str> = lines.map(|(_, value)| value.as_str()).collect();
        if self.reader.options().discover
            && let Some(url) = link::policy_url(&values, &self.url)
        {
            self.note("policy", format!("named by the answer: {url}"));
            self.reader.sites().learn_link(&self.origin(), url, now);
        }
    }

    /// Path and query as they are sent; robots.txt is asked about their normal form besides.
    fn target(&self) -> String {
        let (_, after) = self.url.split_once("://").unwrap_or_default();
        let target = after.find(['/', '?']).and_then(|start| after.get(start..)).unwrap_or_default();
        if target.starts_with('/') { target.to_owned() } else { format!("/{target}") }
    }
}

/// Where the policy may still be found, in the order to ask.
pub(super) type Places = std::vec::IntoIter<(Announced, String)>;

/// The link of an earlier answer.
fn announced(url: String) -> Link {
    Link { url, policy: true, license: false, media_type: None, words: String::new() }
}

/// Whether the body is in a content coding (RFC 9110 §8.4), which PROTOCOL §4 forbids. `imagxp-fetch` hands none in; others may.
fn is_coded(headers: &[(String, String)]) -> bool {
    let is_plain = |value: &str| value.trim_ascii().eq_ignore_ascii_case("identity");
    headers.iter().any(|(name, value)| name.eq_ignore_ascii_case("content-encoding") && !is_plain(value))
}

/// Whether a policy says no in so many words. Its silence is no answer: a rule for single agents, which is not public, may allow.
fn refuses(policy: &PublicPolicy, purpose: Purpose, url: &str) -> bool {
    let denies = |rules: &BTreeMap<Purpose, PublicRule>| {
        let inherited =
            || (purpose == Purpose::Embedding).then(|| rules.get(&Purpose::CrawlTraining)).flatten();
        rules.get(&purpose).or_else(inherited).is_some_and(|rule| !rule.allow)
    };
    let readings = path_readings(url).unwrap_or_default();
    let here = |place: &&PublicPath| readings.iter().any(|path| place.pattern.matches_loosely(path));
    denies(&policy.purposes) || policy.paths.iter().filter(here).any(|place| denies(&place.purposes))
}
