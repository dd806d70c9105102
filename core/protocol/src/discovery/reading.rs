//! From texts to statements, and from statements to what follows for a purpose.

use super::access::Access;
use super::finding::{Findings, Level, SourceKind, quoted};
use super::link::{self, Link};
use super::preferences::{Advice, PurposeReport, Sources, State};
use super::public_policy::PublicPolicy;
use super::robots::{Decision, Directive, DirectiveKind, Robots};
use super::rsl::{Payment, Rsl};
use super::statement::{Place, Pointer, Scope, Statement, Wish};
use super::vocabulary::Vocabulary;
use super::{content_signal, content_usage, pattern, target};
use crate::policy::WELL_KNOWN_PATH;
use crate::purpose::Purpose;
use crate::resource::Resource;

/// The most statements of a report.
const MAX_STATEMENTS: usize = 256;

/// A report in the making.
pub(super) struct Reading {
    page: Resource,
    pub(super) statements: Vec<Statement>,
    pub(super) policies: Vec<Pointer>,
    pub(super) licenses: Vec<Pointer>,
    pub(super) findings: Findings,
    pub(super) policy: Option<PublicPolicy>,
}

impl Reading {
    pub(super) fn new(page: Resource) -> Self {
        Self {
            page,
            statements: Vec::new(),
            policies: Vec::new(),
            licenses: Vec::new(),
            findings: Findings::default(),
            policy: None,
        }
    }

    pub(super) fn links(&mut self, sources: &Sources<'_>) {
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

    pub(super) fn robots(&mut self, sources: &Sources<'_>) -> Decision {
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

    pub(super) fn headers(&mut self, sources: &Sources<'_>) {
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

    pub(super) fn rsl(&mut self, page: &str, url: &str, bytes: &[u8]) {
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
            let settled = |payment: &Payment| self.is_told_by_policy(payment);
            let by_purpose = Purpose::ALL.map(|purpose| content.conditions_for(purpose, &settled)).to_vec();
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
                by_purpose,
            });
        }
    }

    pub(super) fn policy(&mut self, page: &str, bytes: &[u8]) {
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

    /// Whether a licence's only terms are the policy, which has been read: it says more exactly what is to be paid.
    fn is_told_by_policy(&self, payment: &Payment) -> bool {
        let known = |url: &String| {
            let well_known = self.page.origin.as_ref().map(|origin| format!("{origin}{WELL_KNOWN_PATH}"));
            Some(url) == well_known.as_ref() || self.policies.iter().any(|policy| policy.url == *url)
        };
        self.policy.is_some()
            && payment.amount.is_none()
            && !payment.terms.is_empty()
            && payment.terms.iter().all(known)
    }

    pub(super) fn conclude(&self, purpose: Purpose, crawl: bool) -> PurposeReport {
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
