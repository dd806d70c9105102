//! `imagxp discover`: what a site asks, in whichever words, and what that advises. A strict linter of all of them.

use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::survey;
use imagxp::Purpose;
use imagxp::discovery::{Advice, Level, Preferences, PurposeReport, Sources};
use std::fmt::Write as _;
use std::path::PathBuf;

/// Report what a site asks of machine readers, and what is wrong with how it says so
///
/// With only a URL the site is asked: robots.txt, the headers of the page, licences and policy. With files nothing is fetched.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The page
    url: Option<String>,
    /// The page, when files are given
    #[arg(long = "url", value_name = "URL", conflicts_with = "url")]
    page: Option<String>,
    /// The site's robots.txt; `-` is standard input
    #[arg(long, value_name = "FILE")]
    robots: Option<PathBuf>,
    /// The status that robots.txt was answered with
    #[arg(long, value_name = "STATUS", value_parser = clap::value_parser!(u16).range(100..=599))]
    robots_status: Option<u16>,
    /// A response header of the page, `Name: value`; may be repeated
    #[arg(long = "header", value_name = "LINE")]
    headers: Vec<String>,
    /// An RSL document; may be repeated
    #[arg(long, value_name = "FILE")]
    rsl: Vec<PathBuf>,
    /// The site's public policy
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Report about this purpose only
    #[arg(long, value_name = "PURPOSE", value_parser = super::purpose())]
    purpose: Option<Purpose>,
    /// The product token that robots.txt knows the agent by
    #[arg(long, value_name = "TOKEN", default_value = "IMAGXP")]
    product_token: String,
    /// Development: also ask this machine, and over http
    #[arg(long)]
    allow_loopback: bool,
}

impl Args {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, CliError> {
        let url = self.url.as_ref().or(self.page.as_ref());
        let url = url.ok_or_else(|| CliError::usage("the URL of a page is needed"))?;
        let offline = self.page.is_some()
            || self.robots.is_some()
            || self.robots_status.is_some()
            || self.policy.is_some()
            || !self.headers.is_empty()
            || !self.rsl.is_empty();
        let found = if offline {
            self.read_files(context)?
        } else {
            survey::site(url, &self.product_token, self.allow_loopback)?
        };
        let headers: Vec<(&str, &str)> =
            found.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let rsl: Vec<(&str, &[u8])> =
            found.rsl.iter().map(|(url, document)| (url.as_str(), document.as_slice())).collect();
        let preferences = Preferences::read(&Sources {
            robots: found.robots.as_deref(),
            robots_status: found.robots_status,
            headers: &headers,
            rsl: &rsl,
            policy: found.policy.as_deref(),
            ..Sources::new(url, &self.product_token)
        })?;
        if context.out.is_json() {
            context.out.document(&preferences.to_json())?;
        } else {
            context.out.text(&shown(&preferences, &found.asked, self.purpose))?;
        }
        Ok(if preferences.has_errors() { Exit::Deny } else { Exit::Ok })
    }

    fn read_files(&self, context: &Context) -> Result<survey::Found, CliError> {
        let read = |path: &PathBuf| context.input.bytes(path);
        let mut found = survey::Found {
            robots: self.robots.as_ref().map(read).transpose()?,
            robots_status: self.robots_status,
            policy: self.policy.as_ref().map(read).transpose()?,
            ..survey::Found::default()
        };
        for line in &self.headers {
            let (name, value) = line
                .split_once(':')
                .ok_or_else(|| CliError::usage(format!("`{line}` is not a header line, `Name: value`")))?;
            found.headers.push((name.trim().to_owned(), value.trim().to_owned()));
        }
        for path in &self.rsl {
            found.rsl.push((crate::input::name(path), read(path)?));
        }
        Ok(found)
    }
}

fn shown(preferences: &Preferences, asked: &[String], purpose: Option<Purpose>) -> String {
    let mut text = String::new();
    for line in asked {
        let _ = writeln!(text, "asked: {line}");
    }
    let crawl = &preferences.crawl;
    let _ = write!(text, "fetch: {}", if crawl.allowed { "allowed" } else { "disallowed" });
    let _ = match crawl.line {
        Some(line) => writeln!(text, " (robots:{line}: {})", crawl.words),
        None => writeln!(text, " (no rule of robots.txt matches, or it cannot be had)"),
    };
    for report in &preferences.purposes {
        if purpose.is_none_or(|purpose| purpose == report.purpose) {
            one(&mut text, preferences, report);
        }
    }
    for (name, pointers) in [("policy", &preferences.policies), ("licence", &preferences.licenses)] {
        for pointer in pointers.iter().filter(|pointer| pointer.applies) {
            let place = pointer.place.line.map_or(String::new(), |line| format!(":{line}"));
            let _ = writeln!(text, "{name}: {} ({}{place})", pointer.url, pointer.place.source.as_str());
        }
    }
    for finding in &preferences.findings {
        let _ = writeln!(text, "{finding}");
    }
    let errors = preferences.findings.iter().filter(|finding| finding.level == Level::Error).count();
    let _ = writeln!(text, "{errors} errors, {} remarks", preferences.findings.len() - errors);
    text
}

fn one(text: &mut String, preferences: &Preferences, report: &PurposeReport) {
    // What an agent itself keeps is less (docs/discovery.md), so this is no word about what it does.
    let advice = match report.advice {
        Advice::GoAhead => "read",
        Advice::MeetConditions => "read when the conditions are met",
        Advice::NoPreference => "read: nothing is said about it",
        Advice::Refrain => "do not read",
    };
    let _ = writeln!(text, "{}: {}; advice: {advice}", report.purpose, report.state.as_str());
    for condition in &report.conditions {
        let _ = writeln!(text, "  condition: {condition}");
    }
    for statement in report.statements.iter().filter_map(|place| preferences.statements.get(*place)) {
        let line = statement.place.line.map_or(String::new(), |line| format!(":{line}"));
        let wish = statement.wish(report.purpose).map_or("", |wish| wish.as_str());
        let _ = writeln!(
            text,
            "  {wish}: {}{line}: {}: {}",
            statement.place.source.as_str(),
            statement.place.name,
            statement.words
        );
    }
}
