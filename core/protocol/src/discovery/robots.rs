//! `robots.txt`: what may be crawled, and what else the file says (RFC 9309, PROTOCOL §9).
//!
//! Lines are split by the crate `robotstxt`, a port of the parser that the widest-read crawler uses, so that misspelt and
//! colon-less lines mean here what site owners see there. What is wrapped around it, and why: it slices texts that are not ASCII at
//! places that need not be character boundaries (a panic), so it is given percent-encoded ASCII with lines of bounded length; it
//! takes any key that *begins* with `allow` for one, so near misses are withheld from it; its matcher takes cubic time and is wrong
//! where a character recurs (`/*/?` against `///?`), and it ends groups at `Sitemap`, so groups and patterns are our own. The tests
//! compare both on what both can do. (`robotxt` needs a newer compiler, `url` and its tables,
//! and tells neither lines nor unknown directives; `texting_robots` needs `regex`.)

use super::finding::{Finding, Findings, Level, SourceKind};
use super::pattern::{MAX_TARGET, Pattern, target};
use super::robots_text::Prepared;
use crate::held::Held;
use crate::resource::Resource;
use robotstxt::RobotsParseHandler;

/// What is read of a file; the rest is ignored (RFC 9309 §2.5 asks for at least this).
pub const MAX_BYTES: usize = 500 * 1024;

/// The answer of a file, with the line that decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether the path may be fetched.
    pub allowed: bool,
    /// The rule's line; `None` when no rule matches.
    pub line: Option<u32>,
    /// The rule as written.
    pub words: String,
}

/// A line of a robots.txt that is none of RFC 9309's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DirectiveKind {
    /// `IMAGXP-Policy: <absolute URL>`
    Policy,
    /// `License: <absolute URL>` (RSL 1.0)
    License,
    /// `Content-Usage: /path label=y` (AIPREF)
    ContentUsage,
    /// `Content-Signal: [/path] label=yes`
    ContentSignal,
}

impl DirectiveKind {
    /// The name as written in files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Policy => "IMAGXP-Policy",
            Self::License => "License",
            Self::ContentUsage => "Content-Usage",
            Self::ContentSignal => "Content-Signal",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Policy, Self::License, Self::ContentUsage, Self::ContentSignal]
            .into_iter()
            .find(|kind| name.eq_ignore_ascii_case(kind.as_str()))
    }
}

/// One such line, with the group it stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive<'a> {
    /// Which.
    pub kind: DirectiveKind,
    /// The value, with everything outside ASCII percent-encoded.
    pub value: &'a str,
    /// The line, from 1.
    pub line: u32,
    /// The line as written.
    pub words: &'a str,
    /// The product tokens of its group; empty before the first group: everyone.
    pub agents: &'a [String],
    /// Whether its group is the one for the product asked about.
    pub applies: bool,
}

/// A parsed `robots.txt`.
#[derive(Clone, Debug, Default)]
pub struct Robots {
    /// The first has no agents: what stands before every group.
    groups: Vec<Group>,
    findings: Vec<Finding>,
}

#[derive(Clone, Debug, Default)]
struct Group {
    agents: Vec<String>,
    rules: Vec<Rule>,
    directives: Vec<Line>,
}

#[derive(Clone, Debug)]
struct Rule {
    pattern: Pattern,
    allow: bool,
    line: u32,
    words: String,
}

#[derive(Clone, Debug)]
struct Line {
    kind: DirectiveKind,
    value: String,
    line: u32,
    words: String,
}

impl Robots {
    /// Reads a file. Never fails: what is not understood is a finding. UTF-8, other bytes, a BOM and any line ends are taken.
    pub fn parse(bytes: &[u8]) -> Self {
        let prepared = Prepared::new(bytes);
        let mut builder = Builder {
            lines: &prepared.lines,
            groups: vec![Group::default()],
            findings: prepared.findings,
            rules_begun: true,
        };
        robotstxt::parse_robotstxt(&prepared.text, &mut builder);
        Self { groups: builder.groups, findings: builder.findings.into_vec() }
    }

    /// Whether this product may fetch this path and query (an absolute URL is taken for its path and query).
    ///
    /// The longest matching rule of the groups for the product decides, `allow` among equals; of several groups for one product
    /// all rules count; without a group of its own the product falls under `*` (RFC 9309 §2.2).
    pub fn allows(&self, product_token: &str, path_and_query: &str) -> bool {
        self.decide(product_token, path_and_query).allowed
    }

    /// Like [`Robots::allows`], with the line that decided.
    pub fn decide(&self, product_token: &str, path_and_query: &str) -> Decision {
        let nothing = |allowed| Decision { allowed, line: None, words: String::new() };
        let Some(readings) = readings(path_and_query) else { return nothing(false) };
        let mut decision = nothing(true);
        for reading in &readings {
            if reading == "/robots.txt" {
                continue;
            }
            let mut best: Option<(&Rule, (usize, bool))> = None;
            for rule in self.matching(product_token).flat_map(|group| &group.rules) {
                let rank = (rule.pattern.length(), rule.allow);
                if best.is_none_or(|(_, known)| rank > known) && rule.pattern.matches(reading) {
                    best = Some((rule, rank));
                }
            }
            if let Some((rule, _)) = best
                && decision.allowed
            {
                decision = Decision { allowed: rule.allow, line: Some(rule.line), words: rule.words.clone() };
            }
        }
        decision
    }

    /// The policies that `IMAGXP-Policy` lines announce to this product: those of its group first, then the global ones. Only
    /// absolute https URLs; others are findings.
    pub fn policy_urls(&self, product_token: &str) -> Vec<String> {
        let lines = self.directives(product_token);
        let of = |global: bool| {
            lines.iter().filter(move |line| {
                line.kind == DirectiveKind::Policy && line.applies && line.agents.is_empty() == global
            })
        };
        let mut urls: Vec<String> = Vec::new();
        for line in of(false).chain(of(true)) {
            if let Ok(url) = super::target::absolute(line.value)
                && !urls.contains(&url.to_string())
                && urls.len() < MAX_URLS
            {
                urls.push(url.to_string());
            }
        }
        urls
    }

    /// Every line that is none of RFC 9309's own, in order, and whether it concerns this product.
    pub fn directives(&self, product_token: &str) -> Vec<Directive<'_>> {
        let own = self.own_group(product_token);
        let lines = self.groups.iter().flat_map(|group| {
            let applies = group.agents.is_empty() || group.concerns(&own);
            group.directives.iter().map(move |line| Directive {
                kind: line.kind,
                value: &line.value,
                line: line.line,
                words: &line.words,
                agents: &group.agents,
                applies,
            })
        });
        lines.collect()
    }

    /// What is wrong with the file.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The name of the groups that concern a product: its own token, or `*`.
    fn own_group(&self, product_token: &str) -> String {
        let own = token(product_token).to_ascii_lowercase();
        let named = !own.is_empty() && self.groups.iter().any(|group| group.concerns(&own));
        if named { own } else { "*".to_owned() }
    }

    fn matching(&self, product_token: &str) -> impl Iterator<Item = &Group> {
        let own = self.own_group(product_token);
        self.groups.iter().filter(move |group| group.concerns(&own))
    }
}

/// The most URLs that [`Robots::policy_urls`] gives: an agent asks one after the other.
const MAX_URLS: usize = 8;

impl Group {
    fn concerns(&self, own: &str) -> bool {
        self.agents.iter().any(|agent| agent == own)
    }
}

#[expect(clippy::ptr_arg, reason = "for Option::filter")]
fn bounded(readings: &Vec<String>) -> bool {
    readings.iter().all(|reading| reading.len() <= MAX_TARGET)
}

/// The texts that a target may be compared as: as given, and with dot segments removed. Both must be allowed.
fn readings(path_and_query: &str) -> Option<Vec<String>> {
    let text = path_and_query.split_once('#').map_or(path_and_query, |(before, _)| before);
    if text.len() > MAX_TARGET {
        return None;
    }
    if !text.starts_with('/') && !text.is_empty() {
        let mut resource = Resource::parse(text)?;
        resource.origin = None;
        return Some(vec![target(&resource.to_string())]).filter(bounded);
    }
    let given = target(if text.is_empty() { "/" } else { text });
    let mut all = vec![given];
    if text.contains('.') || text.contains('%') {
        let cleaned = Resource::parse(text).map(|resource| target(&resource.to_string()));
        all.extend(cleaned.filter(|cleaned| !all.contains(cleaned)));
    }
    Some(all).filter(bounded)
}

/// The product token at the start of a `User-agent` value: letters, `_` and `-` (RFC 9309 §2.2.1), and digits, which real tokens
/// have. The version and everything after it is cut.
fn token(value: &str) -> &str {
    let end = value.find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_');
    end.and_then(|end| value.get(..end)).unwrap_or(value)
}

impl Held for Robots {
    fn held(&self) -> usize {
        self.groups.held() + self.findings.held()
    }
}

impl Held for Group {
    fn held(&self) -> usize {
        self.agents.held() + self.rules.held() + self.directives.held()
    }
}

impl Held for Rule {
    fn held(&self) -> usize {
        self.pattern.held() + self.words.held()
    }
}

impl Held for Line {
    fn held(&self) -> usize {
        self.value.held() + self.words.held()
    }
}

/// Collects what the crate reads into groups.
struct Builder<'a> {
    lines: &'a [String],
    groups: Vec<Group>,
    findings: Findings,
    /// Whether the current group has a rule, so that the next `User-agent` begins another.
    rules_begun: bool,
}

impl Builder<'_> {
    fn words(&self, line: u32) -> String {
        let index = usize::try_from(line).unwrap_or_default().saturating_sub(1);
        self.lines.get(index).cloned().unwrap_or_default()
    }

    fn add(&mut self, level: Level, line: u32, message: impl Into<std::borrow::Cow<'static, str>>) {
        self.findings.add(level, SourceKind::Robots, Some(line), message);
    }

    fn rule(&mut self, line: u32, value: &str, allow: bool) {
        self.rules_begun = true;
        let words = self.words(line);
        if !words.to_ascii_lowercase().starts_with(if allow { "allow" } else { "disallow" }) {
            self.add(Level::Warning, line, "the key is misspelt; not every crawler will understand it");
        } else if !words.contains(':') {
            self.add(
                Level::Warning,
                line,
                "the colon is missing; not every crawler will understand the line",
            );
        }
        if self.groups.len() < 2 {
            return self.add(Level::Error, line, "a rule before the first user-agent line has no effect");
        }
        if value.is_empty() {
            return;
        }
        match Pattern::parse(value) {
            Some(pattern) => {
                if let Some(group) = self.groups.last_mut() {
                    group.rules.push(Rule { pattern, allow, line, words });
                }
            }
            None => self.add(
                Level::Error,
                line,
                "a path that begins neither with `/` nor with `*` matches nothing",
            ),
        }
    }
}

impl RobotsParseHandler for Builder<'_> {
    fn handle_robots_start(&mut self) {}

    fn handle_robots_end(&mut self) {}

    fn handle_user_agent(&mut self, line: u32, value: &str) {
        // `*` followed by white space and more is still everyone.
        let everyone =
            value.strip_prefix('*').is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']));
        let agent = if everyone { "*".to_owned() } else { token(value).to_ascii_lowercase() };
        if agent.is_empty() {
            self.add(Level::Error, line, "the user-agent line names no product token");
        } else if !everyone && agent.len() != value.len() {
            self.add(Level::Note, line, format!("only `{agent}` of the product token is compared"));
        }
        if self.rules_begun {
            self.groups.push(Group::default());
            self.rules_begun = false;
        }
        // A group for nobody must not become one for everyone.
        let agent = if agent.is_empty() { "-".to_owned() } else { agent };
        if let Some(group) = self.groups.last_mut()
            && group.agents.last().is_none_or(|last| *last != agent)
        {
            group.agents.push(agent);
        }
    }

    fn handle_allow(&mut self, line: u32, value: &str) {
        self.rule(line, value, true);
    }

    fn handle_disallow(&mut self, line: u32, value: &str) {
        self.rule(line, value, false);
    }

    fn handle_sitemap(&mut self, _: u32, _: &str) {}

    fn handle_unknown_action(&mut self, line: u32, key: &str, value: &str) {
        let Some(kind) = DirectiveKind::from_name(key) else { return };
        let words = self.words(line);
        // AIPREF makes it a rule; other records must not end the list of user agents (RFC 9309 §2.2.4).
        if kind == DirectiveKind::ContentUsage && self.groups.len() > 1 {
            self.rules_begun = true;
        }
        if matches!(kind, DirectiveKind::Policy | DirectiveKind::License)
            && let Err(refused) = super::target::absolute(value)
        {
            self.add(Level::Error, line, format!("the URL of `{}` {}", kind.as_str(), refused.sentence()));
        }
        if matches!(kind, DirectiveKind::ContentUsage | DirectiveKind::ContentSignal) && self.groups.len() < 2
        {
            self.add(
                Level::Warning,
                line,
                format!("`{}` belongs into a group; it is read for everyone", kind.as_str()),
            );
        }
        if let Some(group) = self.groups.last_mut() {
            group.directives.push(Line { kind, value: value.to_owned(), line, words });
        }
    }
}
