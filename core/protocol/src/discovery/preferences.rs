//! One report of everything a site says about what may be done with a page.

use super::finding::{Finding, Level, SourceKind};
use super::public_policy::PublicPolicy;
use super::reading::Reading;
use super::robots::Decision;
use super::statement::{Pointer, Statement};
use crate::error::{Error, Result};
use crate::purpose::Purpose;
use crate::resource::Resource;

/// The texts that a report is made from. What is missing is not there.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// The page, an absolute URL.
    pub url: &'a str,
    /// The agent's product token in robots.txt.
    pub product_token: &'a str,
    /// The body of the site's robots.txt.
    pub robots: Option<&'a [u8]>,
    /// The status of the answer to `GET /robots.txt`; `None` with a body means 200.
    pub robots_status: Option<u16>,
    /// The response headers of the page; only `Link`, `Content-Usage` and `Content-Signal` are read.
    pub headers: &'a [(&'a str, &'a str)],
    /// RSL documents, each with the URL it came from.
    pub rsl: &'a [(&'a str, &'a [u8])],
    /// The public policy.
    pub policy: Option<&'a [u8]>,
}

impl<'a> Sources<'a> {
    /// No text yet.
    pub const fn new(url: &'a str, product_token: &'a str) -> Self {
        Self { url, product_token, robots: None, robots_status: None, headers: &[], rsl: &[], policy: None }
    }
}

/// What all applicable statements together say about a purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Every statement that speaks of it allows it.
    Allowed,
    /// Every statement that speaks of it disallows it.
    Disallowed,
    /// No statement speaks of it.
    Unstated,
    /// Some allow it, some do not.
    Conflicting,
}

impl State {
    /// The name in reports: `allowed`, `disallowed`, `unstated` or `conflicting`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Disallowed => "disallowed",
            Self::Unstated => "unstated",
            Self::Conflicting => "conflicting",
        }
    }
}

/// What the site asks of an agent; the agent decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Advice {
    /// Allowed, and nothing is asked in return.
    GoAhead,
    /// Allowed on conditions: a payment, a licence, an audience.
    MeetConditions,
    /// Nothing is said about this purpose.
    NoPreference,
    /// Not wanted: disallowed, conflicting (the stricter counts), or not to be fetched at all.
    Refrain,
}

impl Advice {
    /// The name in reports: `go_ahead`, `meet_conditions`, `no_preference` or `refrain`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GoAhead => "go_ahead",
            Self::MeetConditions => "meet_conditions",
            Self::NoPreference => "no_preference",
            Self::Refrain => "refrain",
        }
    }
}

/// The report about one purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurposeReport {
    /// The purpose.
    pub purpose: Purpose,
    /// What is stated.
    pub state: State,
    /// What the site asks.
    pub advice: Advice,
    /// What an allowed use depends on.
    pub conditions: Vec<String>,
    /// The statements that speak of it and apply: places in [`Preferences::statements`].
    pub statements: Vec<usize>,
}

/// Everything a site says about what may be done with a page, and who said what.
#[derive(Clone, Debug)]
pub struct Preferences {
    /// The page.
    pub url: String,
    /// The agent's product token.
    pub product_token: String,
    /// Whether robots.txt lets this agent fetch the page, and the line that decided. This rule our agents always keep.
    pub crawl: Decision,
    /// One report per purpose, in the order of [`Purpose::ALL`].
    pub purposes: Vec<PurposeReport>,
    /// Every statement, also those that do not apply.
    pub statements: Vec<Statement>,
    /// Where policies are, in the order to ask.
    pub policies: Vec<Pointer>,
    /// Where licences are.
    pub licenses: Vec<Pointer>,
    /// What is wrong with the texts.
    pub findings: Vec<Finding>,
    /// The public policy, when it was given, could be read and speaks for the page.
    pub policy: Option<PublicPolicy>,
}

impl Preferences {
    /// Reads every text and reports. The only error is a page that is no absolute URL: texts that cannot be read are findings.
    pub fn read(sources: &Sources<'_>) -> Result<Self> {
        let page = Resource::parse(sources.url)
            .filter(|page| page.origin.is_some())
            .ok_or_else(|| Error::argument("the page is not an absolute http or https URL"))?;
        let mut reading = Reading::new(page);
        reading.links(sources);
        let crawl = reading.robots(sources);
        reading.headers(sources);
        if let Some(bytes) = sources.policy {
            reading.policy(sources.url, bytes);
        }
        for (url, bytes) in sources.rsl {
            reading.rsl(sources.url, url, bytes);
        }
        let is_link = |pointer: &Pointer| pointer.place.source == SourceKind::Link;
        let (mut policies, others): (Vec<_>, Vec<_>) =
            core::mem::take(&mut reading.policies).into_iter().partition(is_link);
        policies.extend(others);
        let purposes = Purpose::ALL.map(|purpose| reading.conclude(purpose, crawl.allowed)).to_vec();
        for report in purposes.iter().filter(|report| report.state == State::Conflicting) {
            let message =
                format!("statements about {} contradict each other; the stricter counts", report.purpose);
            let source = report.statements.first().and_then(|at| reading.statements.get(*at));
            let source = source.map_or(SourceKind::Robots, |statement| statement.place.source);
            reading.findings.add(Level::Warning, source, None, message);
        }
        Ok(Self {
            url: sources.url.to_owned(),
            product_token: sources.product_token.to_owned(),
            crawl,
            purposes,
            statements: reading.statements,
            policies,
            licenses: reading.licenses,
            findings: reading.findings.into_vec(),
            policy: reading.policy,
        })
    }

    /// The report about a purpose.
    pub fn purpose(&self, purpose: Purpose) -> &PurposeReport {
        const NOTHING: &PurposeReport = &PurposeReport {
            purpose: Purpose::CrawlTraining,
            state: State::Unstated,
            advice: Advice::Refrain,
            conditions: Vec::new(),
            statements: Vec::new(),
        };
        self.purposes.iter().find(|report| report.purpose == purpose).unwrap_or(NOTHING)
    }

    /// Whether a text is wrong: the exit status of a linter.
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(|finding| finding.level == Level::Error)
    }
}
