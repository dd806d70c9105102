//! The elements of an RSL document, with what is wrong with them.

use super::finding::{Findings, Level, SourceKind, quoted};
use super::pattern::Pattern;
use super::rsl::{Content, License, MAX_CONTENTS, NAMESPACE, Payment, split_pattern};
use super::target::absolute;
use super::vocabulary::Vocabulary;
use roxmltree::Node;

/// The most tokens of one list.
const MAX_TOKENS: usize = 64;

pub(super) fn children<'a, 'i: 'a>(
    node: Node<'a, 'i>,
    name: &'static str,
) -> impl Iterator<Item = Node<'a, 'i>> {
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

/// Reads elements in the order of the document.
pub(super) struct Reader<'a> {
    text: &'a str,
    /// The line of `offset`: nodes come in order, so the text is counted through once.
    line: u32,
    offset: usize,
    pub(super) findings: Findings,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, line: 1, offset: 0, findings: Findings::default() }
    }

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

    pub(super) fn error(&mut self, node: Node<'_, '_>, message: impl Into<std::borrow::Cow<'static, str>>) {
        self.add(Level::Error, node, message);
    }

    pub(super) fn content(&mut self, node: Node<'_, '_>) -> Content {
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
