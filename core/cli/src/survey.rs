//! Asking a site what it asks: robots.txt first, because it says whether the page may be asked at all.

use crate::error::CliError;
use imagxp::discovery::{Preferences, PublicPolicy, Sources, cache, link};
use imagxp::resource::Resource;
use imagxp_fetch::{Call, FetchError, Fetcher, Options, Profile};

/// The most redirects of robots.txt that are followed (RFC 9309 §2.3.1.2), within https.
const MAX_REDIRECTS: usize = 5;
/// The most licences that are fetched.
const MAX_LICENSES: usize = 4;

/// The texts of a site.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) robots: Option<Vec<u8>>,
    pub(crate) robots_status: Option<u16>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) rsl: Vec<(String, Vec<u8>)>,
    pub(crate) policy: Option<Vec<u8>>,
    /// What was asked, and how that ended, in words.
    pub(crate) asked: Vec<String>,
}

/// Asks a site for everything that concerns a page.
pub(crate) fn site(url: &str, product_token: &str, allow_loopback: bool) -> Result<Found, CliError> {
    let page = Resource::parse(url).and_then(|page| page.origin.clone().map(|origin| (page, origin)));
    let (page, origin) = page.ok_or_else(|| CliError::usage(format!("`{url}` is not an absolute URL")))?;
    let page = page.to_string();
    let agent = imagxp::headers::user_agent(&format!("{product_token}/{}", imagxp::VERSION));
    let options = Options { allow_loopback, user_agent: Some(agent.clone()), ..Options::default() };
    let fetcher = Fetcher::new(options).map_err(CliError::from)?;
    let mut survey = Survey { fetcher, agent, found: Found::default() };
    survey.robots(&format!("{origin}/robots.txt"));
    let first = survey.read(&page, product_token)?;
    if first.crawl.allowed {
        survey.page(&page);
    } else {
        survey.found.asked.push(format!("{page} is not asked: robots.txt does not allow it"));
    }
    let second = survey.read(&page, product_token)?;
    survey.policy(&page, product_token);
    for license in second.licenses.iter().filter(|license| license.applies).take(MAX_LICENSES) {
        if let Some(document) = survey.document(&license.url) {
            survey.found.rsl.push((license.url.clone(), document));
        }
    }
    Ok(survey.found)
}

struct Survey {
    fetcher: Fetcher,
    agent: String,
    found: Found,
}

impl Survey {
    /// What the texts say so far.
    fn read(&self, page: &str, product_token: &str) -> Result<Preferences, CliError> {
        let headers: Vec<(&str, &str)> =
            self.found.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        Ok(Preferences::read(&Sources {
            robots: self.found.robots.as_deref(),
            robots_status: self.found.robots_status,
            headers: &headers,
            ..Sources::new(page, product_token)
        })?)
    }

    fn robots(&mut self, url: &str) {
        let mut url = url.to_owned();
        for _ in 0..=MAX_REDIRECTS {
            match self.send("GET", &url, Profile::ROBOTS) {
                Ok(answer) => {
                    self.note(&url, &answer.status.to_string());
                    self.found.robots_status = Some(answer.status);
                    let target = answer.header("location").filter(|_| (300..400).contains(&answer.status));
                    match target.and_then(|target| link::absolute_url(&url, target)) {
                        Some(next) => url = next,
                        None => return self.found.robots = Some(answer.body),
                    }
                }
                Err(error) => {
                    self.note(&url, &error.to_string());
                    // No answer: nothing may be fetched.
                    return self.found.robots_status = Some(0);
                }
            }
        }
    }

    fn page(&mut self, url: &str) {
        match self.send("HEAD", url, Profile::DOCUMENT) {
            Ok(answer) => {
                self.note(url, &answer.status.to_string());
                self.found.headers = answer.headers;
            }
            Err(error) => self.note(url, &error.to_string()),
        }
    }

    /// The first policy that is there and speaks for the page: by Link, by robots.txt, at the well-known place (PROTOCOL §9).
    fn policy(&mut self, page: &str, product_token: &str) {
        let values: Vec<&str> = self
            .found
            .headers
            .iter()
            .filter(|(name, _)| name == "link")
            .map(|(_, value)| value.as_str())
            .collect();
        let links = link::parse(&values, page).0;
        let robots = self.found.robots.as_deref().filter(|_| self.found.robots_status == Some(200));
        let robots = robots.map(imagxp::discovery::Robots::parse);
        for (_, url) in cache::candidates(page, &links, robots.as_ref(), product_token) {
            let Some(document) = self.document(&url) else { continue };
            let speaks = PublicPolicy::parse(&document).is_ok_and(|policy| policy.speaks_for(page));
            // A document that is none of ours is kept for the report, unless a better one follows.
            if speaks || self.found.policy.is_none() {
                self.found.policy = Some(document);
            }
            if speaks {
                return;
            }
        }
    }

    fn document(&mut self, url: &str) -> Option<Vec<u8>> {
        match self.fetcher.get(url, Profile::DOCUMENT) {
            Ok(answer) => {
                self.note(url, &answer.status.to_string());
                Some(answer.body)
            }
            Err(error) => {
                self.note(url, &error.to_string());
                None
            }
        }
    }

    fn send(&self, method: &str, url: &str, profile: Profile) -> Result<imagxp_fetch::Answer, FetchError> {
        let headers = vec![("User-Agent".to_owned(), self.agent.clone())];
        let call = Call { method: method.to_owned(), url: url.to_owned(), headers, body: Vec::new() };
        self.fetcher.send(&call, profile)
    }

    fn note(&mut self, url: &str, result: &str) {
        self.found.asked.push(format!("{url}: {result}"));
    }
}
