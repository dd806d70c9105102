//! A publisher's policy in the words of the other vocabularies: robots.txt lines, response headers, an RSL document.
//!
//! A word is written only when it means what the policy means: `y`, `yes` and a free licence where everything it stands for is
//! allowed and free, `n`, `no` and a prohibition where all of it is denied. Where the policy asks a price, AIPREF and Content Signals
//! say nothing and RSL names the price; where one word stands for purposes that the policy treats differently, RSL points to the
//! policy. Where path rules overlap without one containing the other, the policy itself decides, as always.

use super::link::RSL_MEDIA_TYPE;
use super::pattern::from_policy;
use super::public_policy::{PublicPolicy, PublicTerms};
use super::rsl::NAMESPACE;
use super::vocabulary::Vocabulary;
use crate::error::{Error, Result};
use crate::policy::{Money, Policy, WELL_KNOWN_PATH};
use crate::purpose::Purpose;
use core::fmt::Write as _;

/// Where the RSL document of [`rsl`] is served unless [`Site::rsl_url`] says otherwise.
pub const RSL_PATH: &str = "/license.xml";

/// The labels that policies can speak about: AIPREF's, Content Signals' and RSL's word for the same purposes.
const LABELS: [(&str, &str); 2] = [("train-ai", "ai-train"), ("ai-use", "ai-input")];

/// Stands for whatever a star stands for, when a policy's rules are asked about a whole pattern.
const ANYTHING: &str = "\u{10fffd}";

/// What can be emitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Lines for robots.txt.
    Robots,
    /// Response headers.
    Headers,
    /// An RSL document.
    Rsl,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Robots, Self::Headers, Self::Rsl];

    /// The name: `robots`, `headers` or `rsl`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Robots => "robots",
            Self::Headers => "headers",
            Self::Rsl => "rsl",
        }
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// One origin of a policy, and where its documents are.
#[derive(Clone, Debug)]
pub struct Site {
    policy: PublicPolicy,
    patterns: Vec<String>,
    origin: String,
    /// Where the public policy is served: the well-known place of the origin.
    pub policy_url: String,
    /// Where the RSL document is served.
    pub rsl_url: String,
}

impl Site {
    /// The site at an origin of the policy; its first one when none is named. Only https origins are announced.
    pub fn new(policy: &Policy, origin: Option<&str>) -> Result<Self> {
        let named = |text: &str| {
            let wanted = crate::resource::Origin::parse(text, true).ok();
            policy.origins().iter().find(|own| Some(*own) == wanted.as_ref())
        };
        let origin = match origin {
            Some(text) => named(text)
                .ok_or_else(|| Error::argument(format!("`{text}` is not one of the policy's origins")))?,
            None => policy.origins().first().ok_or_else(|| Error::argument("the policy has no origin"))?,
        };
        let origin = origin.to_string();
        if !origin.starts_with("https://") {
            return Err(Error::argument(format!(
                "`{origin}` is not an https origin; only those are announced"
            )));
        }
        Ok(Self {
            policy: PublicPolicy::parse(&policy.public_json())?,
            patterns: policy.document().paths.iter().map(|path| path.matches.clone()).collect(),
            policy_url: format!("{origin}{WELL_KNOWN_PATH}"),
            rsl_url: format!("{origin}{RSL_PATH}"),
            origin,
        })
    }

    /// What the policy says about a label's purposes at one reading of a path.
    fn mind(&self, rsl_label: &str, path: &str) -> Mind {
        let purposes = Vocabulary::Rsl.term(rsl_label).map_or(&[][..], |term| term.allows);
        Mind::of(purposes.iter().map(|purpose| self.policy.terms_at(*purpose, path)))
    }

    /// The parts of the site: everything, then each path rule with its robots.txt patterns and a path that stands for it.
    fn parts(&self) -> Vec<(Vec<String>, String)> {
        let everything = (vec!["/".to_owned()], format!("/{ANYTHING}"));
        let mut parts = vec![everything];
        for pattern in &self.patterns {
            let Some(patterns) = from_policy(pattern) else { continue };
            if parts.iter().all(|(known, _)| *known != patterns) {
                parts.push((patterns, pattern.replace('*', ANYTHING)));
            }
        }
        // A pattern for everything is the whole site's rule.
        if let Some(place) = parts.iter().skip(1).position(|(patterns, _)| patterns == &["/"]) {
            parts.remove(place + 1);
        }
        parts
    }
}

/// What a policy says about several purposes together.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Mind {
    Free,
    Denied,
    /// Allowed for a visa, of this price if one is named.
    Priced(Option<Money>),
    Mixed,
}

impl Mind {
    fn of(terms: impl Iterator<Item = PublicTerms>) -> Self {
        let one = |terms: PublicTerms| match terms {
            PublicTerms { allow: false, .. } => Self::Denied,
            PublicTerms { payment_needed: false, .. } => Self::Free,
            PublicTerms { price, .. } => Self::Priced(price),
        };
        terms.map(one).reduce(|a, b| if a == b { a } else { Self::Mixed }).unwrap_or(Self::Mixed)
    }

    const fn word(&self, yes: &'static str, no: &'static str) -> Option<&'static str> {
        match self {
            Self::Free => Some(yes),
            Self::Denied => Some(no),
            _ => None,
        }
    }
}

/// What is emitted of a kind, as text; headers as `Name: value` lines, for the page with this path.
pub fn emit(site: &Site, kind: Kind, path: &str) -> Result<String> {
    Ok(match kind {
        Kind::Robots => robots(site),
        Kind::Rsl => rsl(site),
        Kind::Headers => headers(site, path)?
            .iter()
            .fold(String::new(), |text, (name, value)| format!("{text}{name}: {value}\n")),
    })
}

/// Lines for robots.txt: where policy and licence are, and a group for everyone with the usage rules. They allow everything: what may
/// not be crawled is the site owner's to add.
pub fn robots(site: &Site) -> String {
    let mut text =
        format!("IMAGXP-Policy: {}\nLicense: {}\n\nUser-agent: *\n", site.policy_url, site.rsl_url);
    let parts = site.parts();
    for (index, (patterns, path)) in parts.iter().enumerate() {
        let said: Vec<String> = LABELS
            .iter()
            .filter_map(|(label, rsl)| {
                site.mind(rsl, path).word("y", "n").map(|word| format!("{label}={word}"))
            })
            .collect();
        let said = match said.join(", ") {
            // A narrower rule that says nothing must still be there: it takes the wider one back.
            nothing if nothing.is_empty() && index > 0 => "train-ai=unknown".to_owned(),
            nothing if nothing.is_empty() => continue,
            said => said,
        };
        for pattern in patterns {
            let _ = writeln!(text, "Content-Usage: {pattern} {said}");
        }
    }
    let signal = |(_, label): &(&str, &'static str)| {
        let minds: Vec<Mind> = parts.iter().map(|(_, path)| site.mind(label, path)).collect();
        let first = minds.first()?;
        let word = first.word("yes", "no").filter(|_| minds.iter().all(|mind| mind == first))?;
        Some(format!("{label}={word}"))
    };
    let signals: Vec<String> = LABELS.iter().filter_map(signal).collect();
    if !signals.is_empty() {
        let _ = writeln!(text, "Content-Signal: {}", signals.join(", "));
    }
    text.push_str("Allow: /\n");
    text
}

/// The response headers of the page with this path: `Link`, `Content-Usage`, `Content-Signal`.
pub fn headers(site: &Site, path: &str) -> Result<Vec<(&'static str, String)>> {
    if !path.starts_with('/') || crate::resource::path_readings(path).is_none() {
        return Err(Error::argument("the path does not start with `/` or cannot be read"));
    }
    let page = format!("{}{path}", site.origin);
    let mut headers = vec![
        ("Link", format!("<{}>; rel=\"imagxp-policy\"", site.policy_url)),
        ("Link", format!("<{}>; rel=\"license\"; type=\"{RSL_MEDIA_TYPE}\"", site.rsl_url)),
    ];
    let (mut usage, mut signal) = (Vec::new(), Vec::new());
    for (aipref, label) in LABELS {
        let purposes: &[Purpose] = Vocabulary::Rsl.term(label).map_or(&[], |term| term.allows);
        let mind = Mind::of(purposes.iter().map(|purpose| site.policy.terms(*purpose, &page)));
        usage.extend(mind.word("y", "n").map(|word| format!("{aipref}={word}")));
        signal.extend(mind.word("yes", "no").map(|word| format!("{label}={word}")));
    }
    if !usage.is_empty() {
        headers.push(("Content-Usage", usage.join(", ")));
        headers.push(("Content-Signal", signal.join(", ")));
    }
    Ok(headers)
}

/// The RSL document: one `content` for the site and one for each path rule.
pub fn rsl(site: &Site) -> String {
    let mut text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<rsl xmlns=\"{NAMESPACE}\">\n");
    for (patterns, path) in site.parts() {
        let minds: Vec<(&str, Mind)> =
            LABELS.iter().map(|(_, label)| (*label, site.mind(label, &path))).collect();
        let denied: Vec<&str> =
            minds.iter().filter(|(_, mind)| *mind == Mind::Denied).map(|(label, _)| *label).collect();
        let prohibits = match denied.as_slice() {
            [] => String::new(),
            denied => format!("      <prohibits type=\"usage\">{}</prohibits>\n", denied.join(" ")),
        };
        for pattern in patterns {
            let _ = writeln!(text, "  <content url=\"{}\">", escaped(&pattern));
            for (label, mind) in minds.iter().filter(|(_, mind)| *mind != Mind::Denied) {
                let payment = match mind {
                    Mind::Free => "<payment type=\"free\"/>".to_owned(),
                    // The price of a policy is for one request.
                    Mind::Priced(Some(price)) => format!(
                        "<payment type=\"crawl\"><amount currency=\"{}\">{}</amount></payment>",
                        price.currency, price.amount
                    ),
                    _ => format!(
                        "<payment type=\"crawl\"><custom>{}</custom></payment>",
                        escaped(&site.policy_url)
                    ),
                };
                let _ = write!(
                    text,
                    "    <license>\n      <permits type=\"usage\">{label}</permits>\n{prohibits}      {payment}\n    </license>\n"
                );
            }
            if denied.len() == minds.len() {
                let _ = write!(text, "    <license>\n{prohibits}    </license>\n");
            }
            text.push_str("  </content>\n");
        }
    }
    text.push_str("</rsl>\n");
    text
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
