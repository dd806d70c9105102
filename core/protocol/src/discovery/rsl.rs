//! RSL 1.0: licences in XML (rslstandard.org).
//!
//! Read: `content` with `url` and `server`, `license` with `permits`, `prohibits`, `payment` (`amount`, `standard`, `custom`).
//! Other elements and other namespaces are extensions and passed over. Tokens are separated by white space; commas, as drafts had
//! them, are understood with a warning.

use super::finding::{Finding, Level, SourceKind, quoted};
use super::pattern::{Pattern, target};
use super::rsl_read::{Reader, children};
use super::statement::Wish;
use super::vocabulary::Vocabulary;
use super::xml;
use crate::error::{Error, ErrorKind, Result};
use crate::purpose::Purpose;
use crate::resource::Resource;
use roxmltree::{Document, ParsingOptions};

/// The namespace of RSL elements.
pub const NAMESPACE: &str = "https://rslstandard.org/rsl";
/// What is read of a document; a longer one is refused.
pub const MAX_BYTES: usize = 512 * 1024;

/// The most elements `content` and, together, `license`.
pub(super) const MAX_CONTENTS: usize = 1024;

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
        let mut reader = Reader::new(text);
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
            license.conditions(&Payment::is_free).into_iter().for_each(&mut add);
        }
        Ruling { wishes, conditions }
    }

    /// What allowed use for a purpose depends on; empty when one licence allows it without conditions.
    ///
    /// `settled` tells which payments are met already.
    pub(super) fn conditions_for(&self, purpose: Purpose, settled: &dyn Fn(&Payment) -> bool) -> Vec<String> {
        let server = self.server.iter().map(|server| format!("a licence from {}", quoted(server)));
        let mut choices = self
            .licenses
            .iter()
            .filter(|license| license.wishes().contains(&(purpose, Wish::Allow)))
            .map(|license| license.conditions(settled));
        let cheapest = choices.by_ref().min_by_key(Vec::len).unwrap_or_default();
        server.chain(cheapest).collect()
    }
}

impl License {
    fn wishes(&self) -> Vec<(Purpose, Wish)> {
        // Where a list of permitted uses stands, only those are permitted (RSL 1.0 §3.5).
        let permitted = self.permits.as_ref().map(|permits| {
            let said: Vec<_> = permits.iter().map(|token| (token.as_str(), Wish::Allow)).collect();
            Vocabulary::Rsl.wishes(&said)
        });
        let denied = self.denied();
        let wish = |purpose: Purpose| {
            let listed = permitted.as_ref().is_none_or(|all| all.iter().any(|(own, _)| *own == purpose));
            (purpose, if listed && !denied.contains(&purpose) { Wish::Allow } else { Wish::Disallow })
        };
        Purpose::ALL.into_iter().map(wish).collect()
    }

    /// A prohibition overrides a permission, however narrow either is.
    fn denied(&self) -> Vec<Purpose> {
        let said: Vec<_> = self.prohibits.iter().map(|token| (token.as_str(), Wish::Disallow)).collect();
        Vocabulary::Rsl.wishes(&said).into_iter().map(|(purpose, _)| purpose).collect()
    }

    fn conditions(&self, settled: &dyn Fn(&Payment) -> bool) -> Vec<String> {
        let payment = self.payment.as_ref().filter(|payment| !payment.is_free() && !settled(payment));
        let payment = payment.map(Payment::words);
        self.audience.iter().cloned().chain(payment).collect()
    }

    /// The licence's usage terms, for reports: token and element.
    pub(super) fn terms(&self) -> impl Iterator<Item = (String, String)> {
        let permits = self.permits.iter().flatten().map(|token| (quoted(token), "permits".to_owned()));
        permits.chain(self.prohibits.iter().map(|token| (quoted(token), "prohibits".to_owned())))
    }
}

/// Splits an absolute URL that may have `*` and `$` in its path.
pub(super) fn split_pattern(url: &str) -> Option<(Resource, &str)> {
    let host = url.find("://").map(|at| at + 3)?;
    let path = url.get(host..)?.find('/').map_or(url.len(), |at| at + host);
    let origin = Resource::parse(url.get(..path)?)?;
    Some((origin, url.get(path..).filter(|path| !path.is_empty()).unwrap_or("/")))
}
