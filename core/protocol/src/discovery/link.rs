//! The `Link` response header (RFC 8288): where a page says its policy and its licence are (PROTOCOL §9).

use super::finding::{Finding, Findings, Level, SourceKind, quoted};
use super::target::resolve;
use crate::resource::Resource;

/// The relation of a policy (PROTOCOL §9).
pub const POLICY: &str = "imagxp-policy";
/// The relation of a licence (RFC 4946, RSL 1.0).
pub const LICENSE: &str = "license";
/// The media type that marks a licence as an RSL document.
pub const RSL_MEDIA_TYPE: &str = "application/rsl+xml";

/// The most links of an answer that are read.
const MAX_LINKS: usize = 64;
/// The most bytes of all `Link` headers of an answer.
const MAX_BYTES: usize = 32 * 1024;

/// One link of ours, resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The absolute https URL.
    pub url: String,
    /// Whether it has the relation [`POLICY`].
    pub policy: bool,
    /// Whether it has the relation [`LICENSE`].
    pub license: bool,
    /// The parameter `type`, lower case.
    pub media_type: Option<String>,
    /// The link as written.
    pub words: String,
}

/// The policy that these `Link` header values announce for a page: the first one with an https URL.
pub fn policy_url(values: &[&str], page: &str) -> Option<String> {
    parse(values, page).0.into_iter().find(|link| link.policy).map(|link| link.url)
}

/// Reads the links that concern us, in order: relations [`POLICY`] and [`LICENSE`], targets resolved against the page.
///
/// Relations are compared without case; only the first `rel` of a link counts, and a link with `anchor` speaks of something else
/// (RFC 8288 §3.2, §3.3). A target that is not https is a finding.
pub fn parse(values: &[&str], page: &str) -> (Vec<Link>, Vec<Finding>) {
    let mut findings = Findings::default();
    let mut add = |level, message: String| findings.add(level, SourceKind::Link, None, message);
    let mut links = Vec::new();
    let Some(page) = Resource::parse(page).filter(|page| page.origin.is_some()) else {
        add(Level::Error, "the page is not an absolute URL; links cannot be resolved".to_owned());
        return (links, findings.into_vec());
    };
    let (mut bytes, mut count) = (0_usize, 0_usize);
    for value in values {
        bytes = bytes.saturating_add(value.len());
        if bytes > MAX_BYTES {
            add(Level::Error, "the Link headers are too long; the rest is ignored".to_owned());
            break;
        }
        let mut rest = *value;
        loop {
            rest = rest.trim_start_matches([' ', '\t', ',']);
            if rest.is_empty() {
                break;
            }
            count += 1;
            if count > MAX_LINKS {
                add(Level::Error, "too many links; the rest is ignored".to_owned());
                return (links, findings.into_vec());
            }
            let whole = rest;
            let Some((raw, after)) = link_value(rest) else {
                add(Level::Error, format!("`{}` is not a link", quoted(rest)));
                break;
            };
            rest = after;
            let relations = raw.rel.to_ascii_lowercase();
            let has = |relation: &str| relations.split_ascii_whitespace().any(|own| own == relation);
            let (policy, license) = (has(POLICY), has(LICENSE));
            if !policy && !license {
                continue;
            }
            let words = quoted(whole.get(..whole.len() - after.len()).unwrap_or(whole));
            if raw.anchored {
                add(Level::Note, format!("`{words}` has an anchor and speaks of something else"));
                continue;
            }
            match resolve(&page, raw.target) {
                Ok(url) => links.push(Link {
                    url: url.to_string(),
                    policy,
                    license,
                    media_type: raw.media_type.map(|text| text.trim().to_ascii_lowercase()),
                    words,
                }),
                Err(refused) => add(Level::Error, format!("the target of `{words}` {}", refused.sentence())),
            }
        }
    }
    (links, findings.into_vec())
}

struct Raw<'a> {
    target: &'a str,
    rel: String,
    media_type: Option<String>,
    anchored: bool,
}

/// One link-value and what follows it (RFC 8288 §3, appendix B.3).
fn link_value(text: &str) -> Option<(Raw<'_>, &str)> {
    let (target, mut rest) = text.strip_prefix('<')?.split_once('>')?;
    let mut raw = Raw { target, rel: String::new(), media_type: None, anchored: false };
    let mut rel_seen = false;
    loop {
        rest = rest.trim_start_matches([' ', '\t']);
        if rest.is_empty() || rest.starts_with(',') {
            return Some((raw, rest));
        }
        rest = rest.strip_prefix(';')?.trim_start_matches([' ', '\t']);
        let end = rest.find(['=', ';', ',', ' ', '\t']).unwrap_or(rest.len());
        let (name, after) = rest.split_at_checked(end)?;
        rest = after.trim_start_matches([' ', '\t']);
        let mut value = String::new();
        if let Some(after) = rest.strip_prefix('=') {
            rest = after.trim_start_matches([' ', '\t']);
            if let Some(after) = rest.strip_prefix('"') {
                let (read, after) = quoted_string(after)?;
                value = read;
                rest = after;
            } else {
                let end = rest.find([';', ',', ' ', '\t']).unwrap_or(rest.len());
                let (read, after) = rest.split_at_checked(end)?;
                value = read.to_owned();
                rest = after;
            }
        }
        match () {
            () if name.eq_ignore_ascii_case("rel") && !rel_seen => {
                rel_seen = true;
                raw.rel = value;
            }
            () if name.eq_ignore_ascii_case("type") && raw.media_type.is_none() => {
                raw.media_type = Some(value)
            }
            () if name.eq_ignore_ascii_case("anchor") => raw.anchored = true,
            () => {}
        }
    }
}

/// The rest of a quoted string, unescaped, and what follows it.
fn quoted_string(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return text.get(at + 1..).map(|rest| (value, rest)),
            '\\' => value.push(characters.next()?.1),
            _ => value.push(character),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "https://pub.example/a/b?q";

    #[test]
    fn finds_the_policy_however_it_is_written() {
        for value in [
            r#"</p.json>; rel="imagxp-policy""#,
            "</p.json>;rel=imagxp-policy",
            r#"</p.json> ; REL = "alternate IMAGXP-Policy""#,
            r#"</x>; rel="next"; title="a, b; c \" <z>", </p.json>; rel="imagxp-policy""#,
            r#",, <https://pub.example/p.json#top>; type="application/json"; rel="imagxp-policy","#,
            r#"<//pub.example/p.json>; rel="imagxp-policy"; rel="next""#,
            r#"<http://pub.example/x>; rel="imagxp-policy", <../p.json>; rel="imagxp-policy""#,
            r#"</x>; nothing, </p.json>; flag; rel="imagxp-policy""#,
        ] {
            assert_eq!(policy_url(&[value], PAGE).as_deref(), Some("https://pub.example/p.json"), "{value}");
        }
    }

    #[test]
    fn takes_nothing_else() {
        for value in [
            "",
            "/p.json; rel=imagxp-policy",
            r#"</p.json>; rel="next"; rel="imagxp-policy""#,
            r#"</p.json>; rel="imagxp-policy"; anchor="/other""#,
            r#"<http://pub.example/p.json>; rel="imagxp-policy""#,
            r#"</p.json>; rel="not-imagxp-policy""#,
            r#"</p.json>; title="; rel=imagxp-policy"#,
            r#"</p.json; rel="imagxp-policy""#,
            r#"<https://u@pub.example/p>; rel="imagxp-policy""#,
        ] {
            assert_eq!(policy_url(&[value], PAGE), None, "{value}");
        }
        assert_eq!(policy_url(&["</p>; rel=imagxp-policy"], "/relative"), None);
    }

    #[test]
    fn several_lines_and_licences() {
        let (links, findings) = parse(
            &[
                r#"</l.xml>; rel="license"; type="application/rsl+xml""#,
                "</p>; rel=\"license imagxp-policy\"",
            ],
            PAGE,
        );
        assert!(findings.is_empty(), "{findings:?}");
        let found: Vec<_> = links.iter().map(|link| (link.policy, link.license)).collect();
        assert_eq!(found, [(false, true), (true, true)]);
        assert_eq!(links[0].media_type.as_deref(), Some(RSL_MEDIA_TYPE));
    }
}
