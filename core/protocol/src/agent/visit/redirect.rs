//! Where a redirect leads (RFC 9110 §10.2.2, RFC 3986 §5), and whether an agent goes there.

use crate::agent::offer::web_url;
use crate::error::{Error, ErrorKind, Result};
use crate::resource::Resource;

/// The most redirects that one visit follows.
pub const MAX_HOPS: usize = 5;

/// Whether a status asks to go elsewhere.
pub(super) const fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// The only `Location` of an answer. Two of them are a site at odds with itself: nobody should choose between them.
pub(super) fn location(headers: &[(String, String)]) -> Result<Option<&str>> {
    let mut values = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("location"));
    let first = values.next().map(|(_, value)| value.trim());
    if values.any(|(_, value)| Some(value.trim()) != first) {
        return Err(denied("the redirect names two places"));
    }
    Ok(first)
}

/// The absolute URL that `location` means on the page `base`; never from https to http.
pub(super) fn resolve(base: &Resource, location: &str, allow_loopback: bool) -> Result<Resource> {
    let unreadable = || denied("the redirect leads to what is not a web address");
    let origin = base.origin.as_ref().ok_or_else(unreadable)?;
    let location = location.split_once('#').map_or(location, |(before, _)| before);
    let scheme = if origin.is_secure() { "https" } else { "http" };
    let url = if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        format!("{origin}{location}")
    } else if location.starts_with('?') {
        format!("{origin}{}{location}", base.path)
    } else if location.is_empty() {
        base.to_string()
    } else if has_scheme(location) {
        location.to_owned()
    } else {
        let folder = base.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{origin}{folder}/{location}")
    };
    let target = Resource::parse(&url).ok_or_else(unreadable)?;
    let to = target.origin.as_ref().ok_or_else(unreadable)?;
    if origin.is_secure() && !to.is_secure() {
        return Err(denied("the redirect leads from https to http"));
    }
    if web_url(&url, allow_loopback).is_none() {
        return Err(denied("the redirect leads to what is not an https address"));
    }
    Ok(target)
}

fn has_scheme(text: &str) -> bool {
    let end = text.find([':', '/', '?']).unwrap_or(text.len());
    text.as_bytes().get(end) == Some(&b':')
}

pub(super) fn denied(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Redirect, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let base = Resource::parse("https://pub.example/a/b?q").unwrap();
        for (location, target) in [
            ("/x", "https://pub.example/x"),
            ("x", "https://pub.example/a/x"),
            ("../x#y", "https://pub.example/x"),
            ("?z", "https://pub.example/a/b?z"),
            ("", "https://pub.example/a/b?q"),
            ("//other.example/x", "https://other.example/x"),
            ("https://other.example", "https://other.example/"),
            ("x:y/z", ""),
            ("http://pub.example/", ""),
            ("http://127.0.0.1/", ""),
            ("javascript:alert(1)", ""),
            ("https://user@pub.example/", ""),
            ("/a b", ""),
            ("/%zz", ""),
            ("\\\\evil.example", ""),
        ] {
            match resolve(&base, location, true) {
                Ok(found) => assert_eq!(found.to_string(), target, "{location}"),
                Err(error) => assert_eq!((error.code(), target), ("redirect.denied", ""), "{location}"),
            }
        }
        let loopback = Resource::parse("http://127.0.0.1:8/").unwrap();
        assert!(resolve(&loopback, "/x", true).is_ok() && resolve(&loopback, "/x", false).is_err());
    }

    #[test]
    fn one_place() {
        let of = |values: &[&str]| {
            let lines: Vec<_> =
                values.iter().map(|value| ("Location".to_owned(), (*value).to_owned())).collect();
            location(&lines).map(|found| found.map(str::to_owned)).map_err(|error| error.code())
        };
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(of(&["/a", " /a"]), Ok(Some("/a".into())));
        assert_eq!(of(&["/a", "/b"]), Err("redirect.denied"));
    }
}
