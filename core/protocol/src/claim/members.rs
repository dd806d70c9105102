//! Step 2 of PROTOCOL §5: which members a claim has. Their values are judged in step 3.

use crate::code::Code;
use crate::json::{self, Object, Shallow, Value};
use crate::limits::Limits;

/// A part of a text: claims have 8 KiB at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    start: u16,
    len: u16,
}

impl Span {
    fn new(start: usize, len: usize) -> Option<Self> {
        Some(Self { start: start.try_into().ok()?, len: len.try_into().ok()? })
    }

    /// What stands there.
    pub(super) fn of(self, text: &str) -> &str {
        let start = usize::from(self.start);
        text.get(start..start + usize::from(self.len)).unwrap_or_default()
    }
}

/// A member, as far as its type goes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Member {
    #[default]
    Absent,
    Text(Span),
    /// An object; of `context`, what `ads_displayed` is in it.
    Object(Option<bool>),
    /// A value of a type that no member of this name has.
    Other,
}

/// The members that PROTOCOL §2 names.
#[derive(Debug)]
pub(crate) struct Members<'p> {
    /// The text that the spans are of, when it is not the payload.
    pub(super) texts: Option<String>,
    /// What is to be written in canonical form; `None`: the payload is that form.
    pub(super) object: Option<Object<'p>>,
    pub(super) v: Member,
    pub(super) agent_id: Member,
    pub(super) purpose: Member,
    pub(super) ts: Member,
    /// `timestamp` in seconds, and its text; the inner `None` is a value that is no such number.
    pub(super) timestamp: Option<Option<(i64, Span)>>,
    pub(super) nonce: Member,
    pub(super) resource: Member,
    pub(super) method: Member,
    pub(super) content_digest: Member,
    pub(super) context: Member,
}

impl<'p> Members<'p> {
    /// Reads strict JSON whose top level is an object.
    pub(crate) fn read(payload: &'p str, limits: &Limits) -> Result<Self, Code> {
        let limits = json::Limits { max_string: limits.string(), ..json::Limits::CLAIM };
        match Self::canonical(payload, &limits) {
            Some(members) => Ok(members),
            None => {
                json::parse_object(payload.as_bytes(), &limits).map(Self::of).map_err(|error| error.code())
            }
        }
    }

    const fn new(texts: Option<String>, object: Option<Object<'p>>) -> Self {
        Self {
            texts,
            object,
            v: Member::Absent,
            agent_id: Member::Absent,
            purpose: Member::Absent,
            ts: Member::Absent,
            timestamp: None,
            nonce: Member::Absent,
            resource: Member::Absent,
            method: Member::Absent,
            content_digest: Member::Absent,
            context: Member::Absent,
        }
    }

    /// The usual claim: canonical, and every member of the type that it should have. `None`: look closer.
    fn canonical(payload: &'p str, limits: &json::Limits) -> Option<Self> {
        let mut members = Self::new(None, None);
        let mut usual = true;
        json::canonical_members(payload, limits, |name, start, value| {
            let Some(member) = members.named(name) else {
                usual &= name != "timestamp";
                return;
            };
            *member = match value {
                // Behind the quotation mark.
                Shallow::Text(text) => Span::new(start + 1, text.len()).map_or(Member::Other, Member::Text),
                Shallow::Object(text) => context(text, limits),
                Shallow::Bool(_) | Shallow::Other => Member::Other,
            };
        })?;
        usual.then_some(members)
    }

    /// The same of any object.
    fn of(object: Object<'p>) -> Self {
        let mut texts = String::new();
        let mut members = Self::new(None, None);
        for (name, value) in object.iter() {
            if name == "timestamp" {
                let seconds = value.as_number().and_then(json::Number::as_i64);
                let text = seconds.and_then(|seconds| push(&mut texts, &seconds.to_string()));
                members.timestamp = Some(seconds.zip(text));
                continue;
            }
            let Some(member) = members.named(name) else { continue };
            *member = match value {
                Value::String(text) => push(&mut texts, text).map_or(Member::Other, Member::Text),
                Value::Object(object) => ads_displayed(object.get("ads_displayed").map(Value::as_bool)),
                _ => Member::Other,
            };
        }
        Self { texts: Some(texts), object: Some(object), ..members }
    }

    fn named(&mut self, name: &str) -> Option<&mut Member> {
        Some(match name {
            "v" => &mut self.v,
            "agent_id" => &mut self.agent_id,
            "purpose" => &mut self.purpose,
            "ts" => &mut self.ts,
            "nonce" => &mut self.nonce,
            "resource" => &mut self.resource,
            "method" => &mut self.method,
            "content_digest" => &mut self.content_digest,
            "context" => &mut self.context,
            _ => return None,
        })
    }
}

fn push(texts: &mut String, text: &str) -> Option<Span> {
    let start = texts.len();
    texts.push_str(text);
    Span::new(start, text.len())
}

fn context(text: &str, limits: &json::Limits) -> Member {
    let mut displayed = None;
    // Part of a text that is canonical, so that this is sure, too.
    let _ = json::canonical_members(text, limits, |name, _, value| {
        if name == "ads_displayed" {
            displayed = Some(if let Shallow::Bool(displayed) = value { Some(displayed) } else { None });
        }
    });
    ads_displayed(displayed)
}

/// A `context` with this `ads_displayed`; the inner `None` is a value of another type.
const fn ads_displayed(displayed: Option<Option<bool>>) -> Member {
    match displayed {
        None => Member::Object(None),
        Some(Some(displayed)) => Member::Object(Some(displayed)),
        Some(None) => Member::Other,
    }
}
