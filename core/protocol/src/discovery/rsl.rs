//! RSL 1.0: licences in XML (rslstandard.org).
//!
//! Read: `content` with `url` and `server`, `license` with `permits`, `prohibits`, `payment` (`amount`, `standard`, `custom`).
//! Other elements and other namespaces are extensions and passed over. Tokens are separated by white space; commas, as drafts had
//! them, are understood with a warning.

use super::finding::{Finding, Findings, Level, SourceKind, quoted};
use super::pattern::{Pattern, target};
use super::statement::Wish;
use super::target::absolute;
use super::vocabulary::Vocabulary;
use super::xml;
use crate::error::{Error, ErrorKind, Result};
use crate::purpose::Purpose;
use crate::resource::Resource;
use roxmltree::{Document, Node, ParsingOptions};

/// The namespace of RSL elements.
pub const NAMESPACE: &str = "https://rslstandard.org/rsl";
/// What is read of a document; a longer one is refused.
pub const MAX_BYTES: usize = 512 * 1024;

/// The most elements `content` and, together, `license`.
const MAX_CONTENTS: usize = 1024;
/// The most tokens of one list.
const MAX_TOKENS: usize = 64;

/// An RSL document.
#[derive(Clone, Debug, Default)]
pub struct Rsl {
    /// The works that are licensed, in order.
    pub contents: Vec<Content>,
    /// What is wrong with the document.
    pub findings: Vec<Finding>,
}

/// A work or a part of a site, and its licences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// A path pattern as in robots.txt, an absolute URL, or empty for everything.
    pub url: String,
    /// The licence server that must be asked first.
    pub server: Option<String>,
    /// The licences; a reader may take any one of them.
    pub licenses: Vec<License>,
    /// The line.
    pub line: u32,
}

/// One licence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct License {
    /// Usage tokens of `permits type="usage"`; `None`: every use that is not prohibited.
    pub permits: Option<Vec<String>>,
    /// Usage tokens of `prohibits type="usage"`.
    pub prohibits: Vec<String>,
    /// Lists of type `user` and `geo`, in words.
    pub audience: Vec<String>,
    /// What it costs; `None`: nothing.
    pub payment: Option<Payment>,
    /// The line.
    pub line: u32,
}

/// What a licence costs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payment {
    /// `free`, `attribution`, `purchase`, `subscription`, `training`, `crawl`, `use`, `contribution`.
    pub kind: Option<String>,
    /// The amount as written.
    pub amount: Option<String>,
    /// Its currency.
    pub currency: Option<String>,
    /// URLs of terms (`standard`, `custom`).
    pub terms: Vec<String>,
}

impl Payment {
    /// Whether nothing is asked: `free`, or a payment that says nothing at all.
    pub fn is_free(&self) -> bool {
        match self.kind.as_deref() {
            Some(kind) => kind == "free",
            None => self.amount.is_none() && self.terms.is_empty(),
        }
    }

    /// In words: `payment use: 0.01 USD`.
    fn words(&self) -> String {
        let mut words = format!("payment {}", self.kind.as_deref().unwrap_or("of an unstated kind"));
        if let Some(amount) = &self.amount {
            words.push_str(&format!(": {amount} {}", self.currency.as_deref().unwrap_or_default()));
        }
        for url in &self.terms {
            words.push_str(&format!(", terms at {url}"));
        }
        words
    }
}

/// What a document says about one page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ruling {
    pub(super) wishes: Vec<(Purpose, Wish)>,
    pub(super) conditions: Vec<String>,
}

impl Rsl {
    /// Reads a document. The error says why it is none at all; what is wrong within it is in [`Rsl::findings`].
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let malformed = |message: String| Error::new(ErrorKind::Discovery, message);
        if bytes.len() > MAX_BYTES {
            return Err(malformed("the RSL document is longer than 512 KiB".to_owned()));
        }
        let text = core::str::from_utf8(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes))
            .map_err(|_| malformed("the RSL document is not UTF-8".to_owned()))?;
        xml::check(text)
            .map_err(|sentence| malformed(format!("the RSL document is not accepted: {sentence}")))?;
        let options = ParsingOptions { allow_dtd: false, nodes_limit: 50_000, entity_resolver: None };
        let document = Document::parse_with_options(text, options).map_err(|error| {
            malformed(format!("the RSL document is not well-formed XML, line {}", error.pos().row))
        })?;
        let root = document.root_element();
        if !root.has_tag_name((NAMESPACE, "rsl")) {
            return Err(malformed(format!("the root element is not `rsl` of the namespace {NAMESPACE}")));
        }
        let mut reader = Reader { text, line: 1, offset: 0, findings: Findings::default() };
        let mut contents = Vec::new();
        let mut licenses = 0;
        for node in children(root, "content") {
            if contents.len() == MAX_CONTENTS || licenses >= MAX_CONTENTS {
                reader.error(node, "too many elements `content` and `license`; the rest is ignored");
                break;
            }
            let content = reader.content(node);
            licenses += content.licenses.len();
            contents.push(content);
        }
        if contents.is_empty() {
            reader.findings.add(Level::Error, SourceKind::Rsl, None, "the document has no element `content`");
        }
        Ok(Self { contents, findings: reader.findings.into_vec() })
    }

    /// The works that cover a page: those with the longest matching pattern.
    pub fn covering(&self, page: &str) -> Vec<&Content> {
        let Some(page) = Resource::parse(page) else { return Vec::new() };
        let path = target(&Resource { origin: None, ..page.clone() }.to_string());
        let rank = |content: &Content| match content.url.as_str() {
            "" => Some(0),
            url if url.starts_with(['/', '*']) => {
                Pattern::parse(url).filter(|pattern| pattern.matches(&path)).map(|pattern| pattern.length())
            }
            url => {
                let (origin, pattern) = split_pattern(url)?;
                let same = origin.origin == page.origin;
                Pattern::parse(pattern).filter(|p| same && p.matches(&path)).map(|p| p.length())
            }
        };
        let ranked: Vec<_> =
            self.contents.iter().filter_map(|content| rank(content).map(|rank| (rank, content))).collect();
        let best = ranked.iter().map(|(rank, _)| *rank).max();
        ranked.into_iter().filter(|(rank, _)| Some(*rank) == best).map(|(_, content)| content).collect()
    }
}

impl Content {
    /// Each licence is an offer: a use is allowed when one allows it, and disallowed when there are licences and none does.
    pub(super) fn ruling(&self) -> Ruling {
        let mut wishes: Vec<(Purpose, Wish)> = Vec::new();
        for license in &self.licenses {
            for (purpose, wish) in license.wishes() {
                match wishes.iter_mut().find(|(own, _)| *own == purpose) {
                    Some((_, Wish::Allow)) => {}
                    Some((_, known)) => *known = wish,
                    None => wishes.push((purpose, wish)),
                }
            }
        }
        let mut conditions: Vec<String> = Vec::new();
        let mut add = |condition: String| {
            if !conditions.contains(&condition) && conditions.len() < 16 {
                conditions.push(condition);
            }
        };
        if let Some(server) = &self.server {
            add(format!("a licence from {}", quoted(server)));
        }
        for license in &self.licenses {
            license.conditions().into_iter().for_each(&mut add);
        }
        Ruling { wishes, conditions }
    }

    /// What allowed use for a purpose depends on; empty when one licence allows it without conditions.
    pub(super) fn conditions_for(&self, purpose: Purpose) -> Vec<String> {
        let server = self.server.iter().map(|server| format!("a licence from {}", quoted(server)));
        let mut choices = self
            .licenses
            .iter()
            .filter(|license| license.wishes().contains(&(purpose, Wish::Allow)))
            .map(License::conditions);
        let cheapest = choices.by_ref().min_by_key(Vec::len).unwrap_or_default();
        server.chain(cheapest).collect()
    }
}

impl License {
    fn wishes(&self) -> Vec<(Purpose, Wish)> {
        let mut said: Vec<(&str, Wish)> = Vec::new();
        match &self.permits {
            // Where a list of permitted uses stands, only those are permitted (RSL 1.0 §3.5).
            Some(permits) => {
                let listed = permits.iter().map(|token| (token.as_str(), Wish::Allow));
                said.extend(listed);
                let allowed = Vocabulary::Rsl.wishes(&said);
                let rest =
                    Purpose::ALL.into_iter().filter(|purpose| allowed.iter().all(|(own, _)| own != purpose));
                let denied = self.denied();
                let allowed = allowed.iter().map(|(purpose, wish)| {
                    (*purpose, if denied.contains(purpose) { Wish::Disallow } else { *wish })
                });
                return allowed.chain(rest.map(|purpose| (purpose, Wish::Disallow))).collect();
            }
            None => {
                let denied = self.denied();
                let wish = |purpose: Purpose| {
                    (purpose, if denied.contains(&purpose) { Wish::Disallow } else { Wish::Allow })
                };
                Purpose::ALL.into_iter().map(wish).collect()
            }
        }
    }

    /// A prohibition overrides a permission, however narrow either is.
    fn denied(&self) -> Vec<Purpose> {
        let said: Vec<_> = self.prohibits.iter().map(|token| (token.as_str(), Wish::Disallow)).collect();
        Vocabulary::Rsl.wishes(&said).into_iter().map(|(purpose, _)| purpose).collect()
    }

    fn conditions(&self) -> Vec<String> {
        let payment = self.payment.as_ref().filter(|payment| !payment.is_free()).map(Payment::words);
        self.audience.iter().cloned().chain(payment).collect()
    }

    /// The licence's usage terms, for reports: token and element.
    pub(super) fn terms(&self) -> impl Iterator<Item = (String, String)> {
        let permits = self.permits.iter().flatten().map(|token| (quoted(token), "permits".to_owned()));
        permits.chain(self.prohibits.iter().map(|token| (quoted(token), "prohibits".to_owned())))
    }
}

/// Splits an absolute URL that may have `*` and `$` in its path.
fn split_pattern(url: &str) -> Option<(Resource, &str)> {
    let host = url.find("://").map(|at| at + 3)?;
    let path = url.get(host..)?.find('/').map_or(url.len(), |at| at + host);
    let origin = Resource::parse(url.get(..path)?)?;
    Some((origin, url.get(path..).filter(|path| !path.is_empty()).unwrap_or("/")))
}

fn children<'a, 'i: 'a>(node: Node<'a, 'i>, name: &'static str) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children().filter(move |child| child.has_tag_name((NAMESPACE, name)))
}

fn words(node: Node<'_, '_>) -> String {
    node.children()
        .filter(Node::is_text)
        .filter_map(|child| child.text())
        .collect::<String>()
        .trim()
        .to_owned()
}

struct Reader<'a> {
    text: &'a str,
    /// The line of `offset`: nodes come in order, so the text is counted through once.
    line: u32,
    offset: usize,
    findings: Findings,
}

impl Reader<'_> {
    fn line(&mut self, node: Node<'_, '_>) -> u32 {
        let start = node.range().start;
        if let Some(between) = self.text.get(self.offset..start) {
            let lines = between.bytes().filter(|b| *b == b'\n').count();
            self.line = self.line.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
            self.offset = start;
        }
        self.line
    }

    fn add(&mut self, level: Level, node: Node<'_, '_>, message: impl Into<std::borrow::Cow<'static, str>>) {
        let line = self.line(node);
        self.findings.add(level, SourceKind::Rsl, Some(line), message);
    }

    fn error(&mut self, node: Node<'_, '_>, message: impl Into<std::borrow::Cow<'static, str>>) {
        self.add(Level::Error, node, message);
    }

    fn content(&mut self, node: Node<'_, '_>) -> Content {
        let line = self.line(node);
        let url = node.attribute("url").unwrap_or_default().trim().to_owned();
        if node.attribute("url").is_none() {
            self.error(node, "`content` has no `url`; it is read as everything");
        }
        let readable = url.is_empty() || Pattern::parse(&url).is_some() || split_pattern(&url).is_some();
        if !readable {
            self.error(
                node,
                "the `url` of `content` is neither a path nor an absolute URL; it covers nothing",
            );
        }
        let server = node.attribute("server").map(|server| server.trim().to_owned());
        if server.as_deref().is_some_and(|server| absolute(server).is_err()) {
            self.error(node, "the `server` of `content` is not an https URL");
        }
        let mut licenses = Vec::new();
        for child in children(node, "license").take(MAX_CONTENTS) {
            let license = self.license(child);
            licenses.push(license);
        }
        if licenses.is_empty() {
            self.error(node, "`content` has no `license`, and says nothing");
        }
        Content { url, server, licenses, line }
    }

    fn license(&mut self, node: Node<'_, '_>) -> License {
        let mut license = License { line: self.line(node), ..License::default() };
        let mut seen: Vec<(&str, &str)> = Vec::new();
        for child in node.children().filter(|child| child.tag_name().namespace() == Some(NAMESPACE)) {
            let name = child.tag_name().name();
            match name {
                "permits" | "prohibits" => {
                    let kind = child.attribute("type").unwrap_or("usage");
                    if child.attribute("type").is_none() {
                        let message = format!("`{name}` has no `type`; it is read as `usage`");
                        self.add(Level::Warning, child, message);
                    }
                    if seen.contains(&(name, kind)) {
                        self.add(
                            Level::Warning,
                            child,
                            format!("`{name}` of this type occurs twice; all of it counts"),
                        );
                    } else if seen.len() < 16 {
                        seen.push((name, kind));
                    }
                    let tokens = self.tokens(child, kind);
                    match (name, kind) {
                        ("permits", "usage") => license.permits.get_or_insert_default().extend(tokens),
                        (_, "usage") => license.prohibits.extend(tokens),
                        (_, "user" | "geo") => {
                            let verb = if name == "permits" { "only for" } else { "not for" };
                            license.audience.push(format!("{verb} {kind} {}", tokens.join(" ")));
                        }
                        _ => {
                            let message = format!(
                                "`{}` is not a known type; the licence is not understood",
                                quoted(kind)
                            );
                            self.error(child, message);
                            license.audience.push(format!("{name} of an unknown type"));
                        }
                    }
                }
                "payment" => {
                    let payment = self.payment(child);
                    // Several are a mistake; the one that asks for something counts.
                    match &license.payment {
                        Some(known) if !known.is_free() || payment.is_free() => {
                            self.error(child, "`license` has several elements `payment`");
                        }
                        _ => license.payment = Some(payment),
                    }
                }
                _ => {}
            }
        }
        license
    }

    fn tokens(&mut self, node: Node<'_, '_>, kind: &str) -> Vec<String> {
        let text = words(node);
        if text.contains(',') {
            self.add(
                Level::Warning,
                node,
                "tokens are separated by white space, not by commas (RSL 1.0 §3.5)",
            );
        }
        let mut tokens = Vec::new();
        for token in text.split([' ', '\t', '\r', '\n', ',']).filter(|token| !token.is_empty()) {
            if tokens.len() == MAX_TOKENS {
                self.error(node, "too many tokens; the rest is ignored");
                break;
            }
            if kind == "usage" && Vocabulary::Rsl.term(token).is_none() {
                self.add(
                    Level::Warning,
                    node,
                    format!("`{}` is not a usage token of RSL 1.0", quoted(token)),
                );
            }
            tokens.push(quoted(token));
        }
        if tokens.is_empty() {
            self.add(Level::Warning, node, "the list is empty");
        }
        tokens
    }

    fn payment(&mut self, node: Node<'_, '_>) -> Payment {
        const KINDS: [&str; 8] =
            ["free", "attribution", "purchase", "subscription", "training", "crawl", "use", "contribution"];
        let kind = node.attribute("type").map(quoted);
        if kind.as_deref().is_some_and(|kind| !KINDS.contains(&kind)) {
            self.error(node, "the `type` of `payment` is not one of RSL 1.0 §3.7; something is to be paid");
        }
        let mut payment = Payment { kind, ..Payment::default() };
        for child in node.children().filter(|child| child.tag_name().namespace() == Some(NAMESPACE)) {
            match child.tag_name().name() {
                "amount" => {
                    let amount = words(child);
                    if crate::amount::Amount::parse(&amount).is_none() {
                        self.error(child, "`amount` is not a decimal number");
                    }
                    payment.currency = child.attribute("currency").map(quoted);
                    if payment.currency.is_none() {
                        self.error(child, "`amount` has no `currency`");
                    }
                    payment.amount = Some(quoted(&amount));
                }
                "standard" | "custom" if payment.terms.len() < 8 => payment.terms.push(quoted(&words(child))),
                _ => {}
            }
        }
        payment
    }
}
