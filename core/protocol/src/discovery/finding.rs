//! What is wrong with, or worth knowing about, a text in which a site states its wishes.

use crate::held::{self, Held};
use crate::json::Object;
use core::fmt;
use std::borrow::Cow;

/// The most findings of one report: a text of nothing but mistakes is not repeated back whole.
const MAX: usize = 100;

/// Where a statement or a finding comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SourceKind {
    /// `robots.txt` (RFC 9309).
    Robots,
    /// A `Link` response header (RFC 8288).
    Link,
    /// A `Content-Usage` response header (AIPREF).
    ContentUsage,
    /// A `Content-Signal` response header.
    ContentSignal,
    /// An RSL document.
    Rsl,
    /// The public policy.
    Policy,
}

impl SourceKind {
    /// The name in reports: `robots`, `link`, `content_usage`, `content_signal`, `rsl` or `policy`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Robots => "robots",
            Self::Link => "link",
            Self::ContentUsage => "content_usage",
            Self::ContentSignal => "content_signal",
            Self::Rsl => "rsl",
            Self::Policy => "policy",
        }
    }
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Worth knowing.
    Note,
    /// Understood, but others may understand something else.
    Warning,
    /// Not understood, and therefore without effect.
    Error,
}

impl Level {
    /// The name in reports: `note`, `warning` or `error`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One remark about a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// In which text.
    pub source: SourceKind,
    /// The line of the text, from 1, where it has lines.
    pub line: Option<u32>,
    /// One sentence.
    pub message: Cow<'static, str>,
}

impl Finding {
    pub(super) fn to_object(&self) -> Object<'static> {
        let mut object = Object::new();
        object.insert("level", self.level.as_str());
        object.insert("source", self.source.as_str());
        if let Some(line) = self.line {
            object.insert("line", line);
        }
        object.insert("message", self.message.clone());
        object
    }
}

impl Held for Finding {
    fn held(&self) -> usize {
        held::piece(self.message.len())
    }
}

impl fmt::Display for Finding {
    /// `robots:3: error: ...`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.source.as_str())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}: {}", self.level.as_str(), self.message)
    }
}

/// The findings of a text that is being read; further ones are dropped when there are many.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    pub(super) fn add(
        &mut self,
        level: Level,
        source: SourceKind,
        line: Option<u32>,
        message: impl Into<Cow<'static, str>>,
    ) {
        self.push(Finding { level, source, line, message: message.into() });
    }

    #[inline(never)]
    fn push(&mut self, finding: Finding) {
        // The last place is kept for the worst.
        if self.0.len() < MAX - 1 || (self.0.len() < MAX && finding.level == Level::Error) {
            self.0.push(finding);
        }
    }

    pub(super) fn append(&mut self, other: &[Finding]) {
        let room = MAX.saturating_sub(self.0.len());
        self.0.extend(other.iter().take(room).cloned());
    }

    pub(super) fn into_vec(self) -> Vec<Finding> {
        self.0
    }
}

/// Text of a stranger for a message or a report: no control characters, at most 200 characters.
pub(super) fn quoted(text: &str) -> String {
    const LENGTH: usize = 200;
    let mut shown: String =
        text.trim().chars().take(LENGTH).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.trim().chars().nth(LENGTH).is_some() {
        shown.push('…');
    }
    shown
}
