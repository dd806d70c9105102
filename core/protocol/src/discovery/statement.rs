//! One statement of a site about what may be done with its content.

use super::finding::SourceKind;
use crate::json::{Object, Value};
use crate::purpose::Purpose;

/// What a statement says about one purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wish {
    /// The site allows it.
    Allow,
    /// The site does not want it.
    Disallow,
}

impl Wish {
    /// The name in reports: `allow` or `disallow`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Disallow => "disallow",
        }
    }

    /// The stricter of two: one `disallow` is enough.
    pub(super) fn stricter(self, other: Self) -> Self {
        if self == Self::Disallow { self } else { other }
    }
}

/// Where something stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// In which kind of text.
    pub source: SourceKind,
    /// The member, directive or header: `Content-Usage`, `License`, `license`, …
    pub name: &'static str,
    /// The URL of the text, where it is known and not the page itself.
    pub url: Option<String>,
    /// The line, from 1, where the text has lines.
    pub line: Option<u32>,
}

/// For whom and for what a statement holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// The product tokens of the robots.txt group, as written; empty: everyone.
    pub agents: Vec<String>,
    /// The path pattern, as written; `None`: everything, or the one answer that carried the header.
    pub path: Option<String>,
}

/// One statement, in the site's own words and in ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Where it stands.
    pub place: Place,
    /// For whom and for what it holds.
    pub scope: Scope,
    /// The site's own words.
    pub words: String,
    /// Whether it holds for this agent and this page. A statement that does not is reported all the same.
    pub applies: bool,
    /// The terms of its own vocabulary: label and value.
    pub terms: Vec<(String, String)>,
    /// What it says about our purposes, by the table of [`super::vocabulary`]; purposes it says nothing about are missing.
    pub wishes: Vec<(Purpose, Wish)>,
    /// What an allowed use depends on, in words: a payment, a licence server, an audience.
    pub conditions: Vec<String>,
    /// The same by purpose, in the order of [`Purpose::ALL`]; empty when they hold for all.
    pub(super) by_purpose: Vec<Vec<String>>,
}

impl Statement {
    /// What it says about a purpose.
    pub fn wish(&self, purpose: Purpose) -> Option<Wish> {
        self.wishes.iter().find(|(own, _)| *own == purpose).map(|(_, wish)| *wish)
    }

    /// What an allowed use for a purpose depends on.
    pub fn conditions_for(&self, purpose: Purpose) -> &[String] {
        let place = Purpose::ALL.iter().position(|own| *own == purpose);
        place.and_then(|place| self.by_purpose.get(place)).unwrap_or(&self.conditions)
    }

    pub(super) fn to_object(&self) -> Object<'static> {
        let mut object = Object::new();
        place_members(&mut object, &self.place);
        let mut scope = Object::new();
        scope.insert("agents", strings(&self.scope.agents));
        if let Some(path) = &self.scope.path {
            scope.insert("path", path.clone());
        }
        object.insert("scope", scope);
        object.insert("words", self.words.clone());
        object.insert("applies", self.applies);
        let term = |(label, value): &(String, String)| {
            Value::from(vec![Value::from(label.clone()), Value::from(value.clone())])
        };
        object.insert("terms", self.terms.iter().map(term).collect::<Vec<_>>());
        let mut says = Object::new();
        for (purpose, wish) in &self.wishes {
            says.insert(purpose.as_str(), wish.as_str());
        }
        object.insert("says", says);
        object.insert("conditions", strings(&self.conditions));
        object
    }
}

/// A URL that a text points to: a policy or a licence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer {
    /// The absolute https URL.
    pub url: String,
    /// Where it stands.
    pub place: Place,
    /// The product tokens of the robots.txt group; empty: everyone.
    pub agents: Vec<String>,
    /// Whether it holds for this agent.
    pub applies: bool,
    /// Whether it leads to the page's own origin.
    pub same_origin: bool,
}

impl Pointer {
    pub(super) fn to_object(&self) -> Object<'static> {
        let mut object = Object::new();
        object.insert("url", self.url.clone());
        place_members(&mut object, &self.place);
        object.insert("agents", strings(&self.agents));
        object.insert("applies", self.applies);
        object.insert("same_origin", self.same_origin);
        object
    }
}

#[inline(never)]
fn place_members(object: &mut Object<'static>, place: &Place) {
    object.insert("source", place.source.as_str());
    object.insert("name", place.name);
    if let Some(url) = &place.url {
        object.insert("at", url.clone());
    }
    if let Some(line) = place.line {
        object.insert("line", line);
    }
}

#[inline(never)]
fn strings(all: &[String]) -> Vec<Value<'static>> {
    all.iter().cloned().map(Value::from).collect()
}
