//! One report of everything a site says about what may be done with a page.

use super::finding::{Finding, Findings, Level, SourceKind, quoted};
use super::link::{self, Link};
use super::public_policy::PublicPolicy;
use super::robots::{Access, Decision, Directive, DirectiveKind, Robots};
use super::rsl::Rsl;
use super::statement::{Place, Pointer, Scope, Statement, Wish};
use super::vocabulary::Vocabulary;
use super::{content_signal, content_usage, pattern, target};
use crate::error::{Error, Result};
use crate::purpose::Purpose;
use crate::resource::Resource;

/// The most statements of a report.
const MAX_STATEMENTS: usize = 256;

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
        let mut reading = Reading {
            page,
            statements: Vec::new(),
            policies: Vec::new(),
            licenses: Vec::new(),
            findings: Findings::default(),
            policy: None,
        };
        reading.links(sources);
        let crawl = reading.robots(sources);
        reading.headers(sources);
        for (url, bytes) in sources.rsl {
            reading.rsl(sources.url, url, bytes);
        }
        if let Some(bytes) = sources.policy {
            reading.policy(sources.url, bytes);
        }
        reading.policies.sort_by_key(|pointer| pointer.place.source != SourceKind::Link);
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
            policies: reading.policies,
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

/// A report in the making.
struct Reading {
    page: Resource,
    statements: Vec<Statement>,
    policies: Vec<Pointer>,
    licenses: Vec<Pointer>,
    findings: Findings,
    policy: Option<PublicPolicy>,
}

impl Reading {
    fn links(&mut self, sources: &Sources<'_>) {
        let values: Vec<&str> = values(sources, "link").collect();
        let (links, findings) = link::parse(&values, sources.url);
        self.findings.append(&findings);
        for found in links {
            let place = |name| Place { source: SourceKind::Link, name, url: None, line: None };
            if found.policy {
                let pointer = self.pointer(&found.url, place("imagxp-policy"), Vec::new(), true);
                self.policies.push(pointer);
            }
            if found.license && names_rsl(&found) {
                let pointer = self.pointer(&found.url, place("license"), Vec::new(), true);
                self.licenses.push(pointer);
            }
        }
    }

    fn pointer(&self, url: &str, place: Place, agents: Vec<String>, applies: bool) -> Pointer {
        let same_origin = Resource::parse(url).is_some_and(|target| target.origin == self.page.origin);
        Pointer { url: url.to_owned(), place, agents, applies, same_origin }
    }

    fn robots(&mut self, sources: &Sources<'_>) -> Decision {
        let access = match (sources.robots_status, sources.robots) {
            (Some(status), body) => Access::from_answer(status, body.unwrap_or_default()),
            (None, Some(body)) => Access::Rules(Robots::parse(body)),
            (None, None) => Access::AllowAll,
        };
        let robots = match access {
            Access::Rules(robots) => robots,
            Access::AllowAll => return Decision { allowed: true, line: None, words: String::new() },
            Access::DisallowAll => {
                let message = "robots.txt cannot be had now; nothing may be fetched (RFC 9309 §2.3.1.4)";
                self.findings.add(Level::Warning, SourceKind::Robots, None, message);
                return Decision { allowed: false, line: None, words: String::new() };
            }
        };
        self.findings.append(robots.findings());
        let path = Resource { origin: None, ..self.page.clone() }.to_string();
        let crawl = robots.decide(sources.product_token, &path);
        let directives = robots.directives(sources.product_token);
        self.pointers(&directives);
        let path = pattern::target(&path);
        for kind in [DirectiveKind::ContentUsage, DirectiveKind::ContentSignal] {
            self.rules(&directives, kind, &path, crawl.allowed);
        }
        crawl
    }

    fn pointers(&mut self, directives: &[Directive<'_>]) {
        // Lines of the agent's own group come before the global ones.
        for own in [true, false] {
            for line in directives.iter().filter(|line| (line.applies && !line.agents.is_empty()) == own) {
                let (name, policy) = match line.kind {
                    DirectiveKind::Policy => ("IMAGXP-Policy", true),
                    DirectiveKind::License => ("License", false),
                    _ => continue,
                };
                let Ok(url) = target::absolute(line.value) else { continue };
                let place = Place { source: SourceKind::Robots, name, url: None, line: Some(line.line) };
                let pointer = self.pointer(&url.to_string(), place, line.agents.to_vec(), line.applies);
                let list = if policy { &mut self.policies } else { &mut self.licenses };
                if list.len() < MAX_STATEMENTS {
                    list.push(pointer);
                }
            }
        }
    }

    /// The usage rules of robots.txt: those with the longest matching path apply, all of them when paths are equal.
    fn rules(&mut self, directives: &[Directive<'_>], kind: DirectiveKind, path: &str, crawl: bool) {
        let mut found: Vec<(Statement, Option<usize>)> = Vec::new();
        for line in directives.iter().filter(|line| line.kind == kind) {
            if self.statements.len() + found.len() >= MAX_STATEMENTS {
                let message = "too many statements; the rest is ignored";
                self.findings.add(Level::Error, SourceKind::Robots, Some(line.line), message);
                break;
            }
            let (name, vocabulary, scope_path, said) = match kind {
                DirectiveKind::ContentUsage => {
                    let (path, text) = content_usage::rule(line.value, line.line, &mut self.findings);
                    let said =
                        content_usage::parse(text, SourceKind::Robots, Some(line.line), &mut self.findings);
                    ("Content-Usage", Vocabulary::Aipref, Some(path), said)
                }
                _ => {
                    let (path, text) = content_usage::split_path(line.value);
                    let said =
                        content_signal::parse(text, SourceKind::Robots, Some(line.line), &mut self.findings);
                    ("Content-Signal", Vocabulary::ContentSignal, path, said)
                }
            };
            let matched = match scope_path {
                Some(scope) => pattern::Pattern::parse(scope).filter(|p| p.matches(path)).map(|p| p.length()),
                None => Some(0),
            };
            let statement = Statement {
                place: Place { source: SourceKind::Robots, name, url: None, line: Some(line.line) },
                scope: Scope { agents: line.agents.to_vec(), path: scope_path.map(quoted) },
                words: line.words.to_owned(),
                applies: false,
                terms: said.terms,
                wishes: vocabulary.wishes(&said.wishes),
                conditions: Vec::new(),
                by_purpose: Vec::new(),
            };
            // No preferences are implied for what may not be crawled (draft-ietf-aipref-attach).
            found.push((statement, matched.filter(|_| line.applies && crawl)));
        }
        let best = found.iter().filter_map(|(_, length)| *length).max();
        self.statements.extend(found.into_iter().map(|(statement, length)| Statement {
            applies: length.is_some() && length == best,
            ..statement
        }));
    }

    fn headers(&mut self, sources: &Sources<'_>) {
        for (name, source, shown) in [
            ("content-usage", SourceKind::ContentUsage, "Content-Usage"),
            ("content-signal", SourceKind::ContentSignal, "Content-Signal"),
        ] {
            // Lines of one field are one value (RFC 9110 §5.3).
            let all: Vec<&str> = values(sources, name).collect();
            if all.is_empty() {
                continue;
            }
            let value = all.join(", ");
            let (vocabulary, said) = if source == SourceKind::ContentUsage {
                (Vocabulary::Aipref, content_usage::parse(&value, source, None, &mut self.findings))
            } else {
                (Vocabulary::ContentSignal, content_signal::parse(&value, source, None, &mut self.findings))
            };
            self.statements.push(Statement {
                place: Place { source, name: shown, url: None, line: None },
                scope: Scope::default(),
                words: quoted(&value),
                applies: true,
                terms: said.terms,
                wishes: vocabulary.wishes(&said.wishes),
                conditions: Vec::new(),
                by_purpose: Vec::new(),
            });
        }
    }

    fn rsl(&mut self, page: &str, url: &str, bytes: &[u8]) {
        let rsl = match Rsl::parse(bytes) {
            Ok(rsl) => rsl,
            Err(error) => {
                let message = error.message().to_owned();
                return self.findings.add(Level::Error, SourceKind::Rsl, None, message);
            }
        };
        self.findings.append(&rsl.findings);
        let covering = rsl.covering(page);
        for content in &rsl.contents {
            if self.statements.len() >= MAX_STATEMENTS {
                let message = "too many statements; the rest is ignored";
                return self.findings.add(Level::Error, SourceKind::Rsl, Some(content.line), message);
            }
            let ruling = content.ruling();
            let terms = content.licenses.iter().flat_map(|license| license.terms());
            self.statements.push(Statement {
                place: Place {
                    source: SourceKind::Rsl,
                    name: "content",
                    url: Some(quoted(url)),
                    line: Some(content.line),
                },
                scope: Scope { agents: Vec::new(), path: Some(quoted(&content.url)) },
                words: quoted(&describe(content)),
                applies: !content.licenses.is_empty()
                    && covering.iter().any(|own| core::ptr::eq(*own, content)),
                terms: terms.take(content_usage::MAX_TERMS).collect(),
                wishes: ruling.wishes,
                conditions: ruling.conditions,
                by_purpose: Purpose::ALL.map(|purpose| content.conditions_for(purpose)).to_vec(),
            });
        }
    }

    fn policy(&mut self, page: &str, bytes: &[u8]) {
        let policy = match PublicPolicy::parse(bytes) {
            Ok(policy) => policy,
            Err(error) => {
                let message = error.message().to_owned();
                return self.findings.add(Level::Error, SourceKind::Policy, None, message);
            }
        };
        if !policy.speaks_for(page) {
            let message = "the policy does not name the page's origin, and says nothing about it";
            return self.findings.add(Level::Error, SourceKind::Policy, None, message);
        }
        let terms = Purpose::ALL.map(|purpose| (purpose, policy.terms(purpose, page)));
        let wish = |allow| if allow { Wish::Allow } else { Wish::Disallow };
        let by_purpose = terms.iter().map(|(_, terms)| match &terms.price {
            _ if !terms.allow => Vec::new(),
            Some(price) => vec![format!("a visa: {} {}", price.amount, price.currency)],
            None if terms.payment_needed => vec!["a visa".to_owned()],
            None => Vec::new(),
        });
        let by_purpose: Vec<Vec<String>> = by_purpose.collect();
        let mut conditions: Vec<String> = by_purpose.iter().flatten().cloned().collect();
        conditions.dedup();
        self.statements.push(Statement {
            place: Place { source: SourceKind::Policy, name: "purposes", url: None, line: None },
            scope: Scope::default(),
            words: terms
                .iter()
                .map(|(purpose, t)| format!("{purpose}: {}", wish(t.allow).as_str()))
                .collect::<Vec<_>>()
                .join(", "),
            applies: true,
            terms: terms.iter().map(|(p, t)| (p.to_string(), wish(t.allow).as_str().to_owned())).collect(),
            wishes: terms.iter().map(|(purpose, terms)| (*purpose, wish(terms.allow))).collect(),
            conditions,
            by_purpose,
        });
        self.policy = Some(policy);
    }

    fn conclude(&self, purpose: Purpose, crawl: bool) -> PurposeReport {
        let mut report = PurposeReport {
            purpose,
            state: State::Unstated,
            advice: Advice::NoPreference,
            conditions: Vec::new(),
            statements: Vec::new(),
        };
        for (index, statement) in
            self.statements.iter().enumerate().filter(|(_, statement)| statement.applies)
        {
            let Some(wish) = statement.wish(purpose) else { continue };
            report.statements.push(index);
            report.state = match (report.state, wish) {
                (State::Unstated | State::Allowed, Wish::Allow) => State::Allowed,
                (State::Unstated | State::Disallowed, Wish::Disallow) => State::Disallowed,
                _ => State::Conflicting,
            };
            for condition in statement.conditions_for(purpose).iter().filter(|_| wish == Wish::Allow) {
                if !report.conditions.contains(condition) {
                    report.conditions.push(condition.clone());
                }
            }
        }
        report.advice = match report.state {
            _ if !crawl => Advice::Refrain,
            State::Disallowed | State::Conflicting => Advice::Refrain,
            State::Unstated => Advice::NoPreference,
            State::Allowed if report.conditions.is_empty() => Advice::GoAhead,
            State::Allowed => Advice::MeetConditions,
        };
        report
    }
}

fn names_rsl(link: &Link) -> bool {
    link.media_type.as_deref() == Some(link::RSL_MEDIA_TYPE)
}

fn values<'a>(sources: &Sources<'a>, name: &'static str) -> impl Iterator<Item = &'a str> {
    sources.headers.iter().filter(move |(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
}

fn describe(content: &super::rsl::Content) -> String {
    let license = |license: &super::rsl::License| {
        let permits = license.permits.as_ref().map(|tokens| format!("permits {}", tokens.join(" ")));
        let prohibits =
            (!license.prohibits.is_empty()).then(|| format!("prohibits {}", license.prohibits.join(" ")));
        permits.into_iter().chain(prohibits).collect::<Vec<_>>().join(", ")
    };
    content.licenses.iter().map(license).collect::<Vec<_>>().join("; ")
}
