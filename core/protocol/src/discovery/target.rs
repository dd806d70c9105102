//! URLs as other texts give them: absolute or relative to a page, https only (RFC 3986 §5, RFC 8288 §3.1).

use crate::resource::Resource;

/// Why a URL is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It cannot be read, or is relative where an absolute one is needed.
    Malformed,
    /// It is not https.
    Insecure,
}

impl Refused {
    pub(super) const fn sentence(self) -> &'static str {
        match self {
            Self::Malformed => "is not an absolute URL",
            Self::Insecure => "is not an https URL",
        }
    }
}

const MAX: usize = 4096;

/// Reads an absolute https URL, without user information; a fragment is dropped.
pub(super) fn absolute(text: &str) -> Result<Resource, Refused> {
    let text = without_fragment(text.trim());
    if text.len() > MAX || text.starts_with('/') {
        return Err(Refused::Malformed);
    }
    let resource = Resource::parse(text).ok_or_else(|| match text.split_once(':') {
        Some((scheme, _)) if is_scheme(scheme) && !scheme.eq_ignore_ascii_case("https") => Refused::Insecure,
        _ => Refused::Malformed,
    })?;
    match &resource.origin {
        Some(origin) if origin.to_string().starts_with("https://") => Ok(resource),
        _ => Err(Refused::Insecure),
    }
}

/// Resolves a reference against the page that carried it.
pub(super) fn resolve(page: &Resource, reference: &str) -> Result<Resource, Refused> {
    let reference = without_fragment(reference.trim());
    let origin = page.origin.as_ref().ok_or(Refused::Malformed)?;
    if reference.len() > MAX {
        return Err(Refused::Malformed);
    }
    let text = if reference.split_once(':').is_some_and(|(scheme, _)| is_scheme(scheme)) {
        reference.to_owned()
    } else if reference.starts_with("//") {
        let scheme = if origin.to_string().starts_with("https://") { "https" } else { "http" };
        format!("{scheme}:{reference}")
    } else if reference.starts_with('/') {
        format!("{origin}{reference}")
    } else if reference.is_empty() {
        page.to_string()
    } else if reference.starts_with('?') {
        format!("{origin}{}{reference}", page.path)
    } else {
        let folder = page.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{origin}{folder}/{reference}")
    };
    absolute(&text)
}

fn without_fragment(text: &str) -> &str {
    text.split_once('#').map_or(text, |(before, _)| before)
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_resolved_against_the_page() {
        let page = Resource::parse("https://pub.example/a/b?q=1").unwrap();
        for (reference, expected) in [
            ("/p.json", "https://pub.example/p.json"),
            ("p.json", "https://pub.example/a/p.json"),
            ("../p.json", "https://pub.example/p.json"),
            ("?x", "https://pub.example/a/b?x"),
            ("", "https://pub.example/a/b?q=1"),
            ("#part", "https://pub.example/a/b?q=1"),
            ("//other.example/p", "https://other.example/p"),
            ("https://other.example/p#x", "https://other.example/p"),
            ("a:b", ""),
            ("http://pub.example/p", ""),
            ("https://u:p@pub.example/p", ""),
            ("javascript:alert(1)", ""),
            ("//", ""),
        ] {
            let resolved = resolve(&page, reference).map(|url| url.to_string()).unwrap_or_default();
            assert_eq!(resolved, expected, "{reference}");
        }
        assert_eq!(absolute("/p.json"), Err(Refused::Malformed));
        assert_eq!(absolute("http://pub.example/"), Err(Refused::Insecure));
        assert_eq!(absolute("ftp://pub.example/"), Err(Refused::Insecure));
    }
}
