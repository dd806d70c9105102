//! Resources that are written in their normal form, compared where they lie.

use super::{AFTER_SLASH, NORMAL, Origin, Resource, classes, has_one_reading, same_query};

/// A resource without a copy of its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ResourceRef<'a> {
    /// `None` for a bare path.
    pub(crate) origin: Option<OriginRef<'a>>,
    pub(crate) path: &'a str,
    query: Option<&'a str>,
    /// Whether it is known that all servers read the path alike.
    pub(crate) one_reading: bool,
}

/// The same of an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OriginRef<'a> {
    pub(super) secure: bool,
    pub(super) host: &'a str,
    pub(super) port: u16,
}

impl<'a> ResourceRef<'a> {
    /// Reads a text that [`Resource::parse`] would accept and write in just the same way, as nearly all are. `None`: it has to say.
    pub(crate) fn plain(text: &'a str) -> Option<Self> {
        let this = Self::split(text)?;
        // No dot segments, and nothing that is encoded or would have to be.
        let (path, pairs) = classes(this.path);
        let one_reading = has_one_reading(path, pairs);
        let path_ok = path & NORMAL != 0 && pairs & AFTER_SLASH == 0;
        let query_ok = |query| classes(query).0 & NORMAL != 0;
        let of_name = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
        let host_ok = |host: &str| !host.is_empty() && host.len() <= 253 && host.bytes().all(of_name);
        let plain = this.origin.is_none_or(|origin| host_ok(origin.host))
            && path_ok
            && this.query.is_none_or(query_ok);
        plain.then_some(Self { one_reading, ..this })
    }

    /// The parts of such a text.
    pub(crate) fn split(text: &'a str) -> Option<Self> {
        let (origin, target) = match text.strip_prefix("https://") {
            Some(rest) => {
                let (host, _) = rest.split_once('/')?;
                (Some(OriginRef { secure: true, host, port: 443 }), rest.get(host.len()..)?)
            }
            None if text.starts_with('/') && !text.starts_with("//") => (None, text),
            None => return None,
        };
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        Some(Self { origin, path, query, one_reading: false })
    }

    /// Whether this is how a request names it: path and query.
    pub(crate) fn is_target(&self, target: &str) -> bool {
        match (target.strip_prefix(self.path), self.query) {
            (Some(rest), Some(query)) => rest.strip_prefix('?') == Some(query),
            (Some(rest), None) => rest.is_empty(),
            (None, _) => false,
        }
    }

    /// Whether path and query are the same.
    pub(crate) fn same_target(&self, other: &Self) -> bool {
        self.path == other.path && same_query(self.query, other.query)
    }
}

impl OriginRef<'_> {
    /// Whether it is this one.
    pub(crate) fn is(&self, origin: &Origin) -> bool {
        *self == origin.view()
    }
}

/// A resource, borrowed where it can be.
#[derive(Clone, Debug)]
pub(crate) enum ReadResource<'a> {
    Plain(ResourceRef<'a>),
    Parsed(Resource),
}

impl<'a> ReadResource<'a> {
    /// As [`Resource::parse`].
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        ResourceRef::plain(text).map(Self::Plain).or_else(|| Resource::parse(text).map(Self::Parsed))
    }

    pub(crate) fn view(&self) -> ResourceRef<'_> {
        match self {
            Self::Plain(plain) => *plain,
            Self::Parsed(resource) => resource.view(),
        }
    }
}

impl Origin {
    fn view(&self) -> OriginRef<'_> {
        OriginRef { secure: self.secure, host: &self.host, port: self.port }
    }
}

impl Resource {
    /// The parts, borrowed.
    pub(crate) fn view(&self) -> ResourceRef<'_> {
        ResourceRef {
            origin: self.origin.as_ref().map(Origin::view),
            path: &self.path,
            query: self.query.as_deref(),
            one_reading: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::path_readings;
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str) -> bool {
        let plain = ResourceRef::plain(text);
        if let Some(plain) = plain {
            let parsed = Resource::parse(text).unwrap_or_else(|| panic!("{text} cannot be read"));
            assert_eq!(ResourceRef { one_reading: plain.one_reading, ..parsed.view() }, plain, "{text}");
            assert_eq!(parsed.to_string(), text);
            // What the claim says of the path, the request's own URL would have said.
            let readings = path_readings(text).unwrap();
            assert_eq!(plain.one_reading, readings == [plain.path], "{text}");
            let origin = plain.origin.map_or(0, |origin| "https://".len() + origin.host.len());
            let target = text.split_at(origin).1;
            assert!(plain.is_target(target) && path_readings(target) == Some(readings), "{text}");
            assert!(!plain.is_target(&format!("{target}x")) && !plain.is_target("") && !plain.is_target("?"));
        }
        plain.is_some()
    }

    #[test]
    fn the_usual_is_plain() {
        for text in [
            "/",
            "/a/b.c?d=e&f=/./?",
            "https://pub.example/",
            "https://1-2.pub.example/a;b?",
            "/a..b/c.",
            "/?",
        ] {
            assert!(check(text), "{text}");
        }
        for text in [
            "",
            "//",
            "//a/b",
            "/.",
            "/a/./b",
            "/a/../b",
            "/.a",
            "/%41",
            "/a b",
            "/\u{e9}",
            "/a#b",
            "/a\\b",
            "https://pub.example",
            "https://pub.example?a",
            "https://Pub.example/",
            "https://pub.example:443/",
            "https://pub.example:8443/",
            "https:///",
            "https://[::1]/",
            "http://pub.example/",
            "https://u@pub.example/",
            "pub.example/",
            "/a|b",
            "/?%41",
            "/?a b",
            "HTTPS://pub.example/",
        ] {
            assert!(!check(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_more_than_the_parser(text in "(https://|http://|HTTPS://|/|)[a-z.%:/?#;@A-Z0-9 |\\[\\]\\\\_~!-]{0,24}") {
            check(&text);
        }
    }
}
