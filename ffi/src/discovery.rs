//! What a site asks: robots.txt, the policy's place, and the report of every statement.

use crate::boundary::{accessor, boundary};
use crate::bytes::{give_bytes, imagxp_bytes, imagxp_slice};
use crate::error::imagxp_error;
use crate::handle::{give, need};
use crate::status::imagxp_status;
use core::mem::MaybeUninit;
use imagxp::Error;
use imagxp::discovery::{Access, Preferences, Robots, Sources, link};

/// A robots.txt, or what its absence means.
pub struct imagxp_robots {
    access: Access,
}

/// Reads the answer to `GET /robots.txt` (RFC 9309): with status 2xx its rules, of which 500 KiB are read; 4xx but 429 allows
/// everything; anything else, and 0 for "no answer", allows nothing. Any bytes are accepted. Free it with `imagxp_robots_free`.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_robots_parse(
    status: u32,
    body: imagxp_slice<'_>,
    robots: Option<&mut MaybeUninit<*mut imagxp_robots>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        give(robots, || Ok(imagxp_robots { access: Access::from_answer(code(status), body.bytes()?) }))
    })
}

/// Whether a product may fetch a path and query, such as `/news/1?x`. False for NULL and for what cannot be read.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_robots_allows(
    robots: Option<&imagxp_robots>,
    product_token: imagxp_slice<'_>,
    path_and_query: imagxp_slice<'_>,
) -> bool {
    accessor(false, || {
        let (Some(robots), Ok(token), Ok(path)) =
            (robots, product_token.text("product_token"), path_and_query.text("path_and_query"))
        else {
            return false;
        };
        robots.access.allows(token, path)
    })
}

/// Writes the n-th policy URL that `IMAGXP-Policy` lines announce to a product, counted from 0; empty beyond the last.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_robots_policy_url(
    robots: Option<&imagxp_robots>,
    product_token: imagxp_slice<'_>,
    index: usize,
    url: Option<&mut MaybeUninit<imagxp_bytes>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        give_bytes(url, || {
            let robots = need(robots, "robots")?.access.robots();
            let token = product_token.text("product_token")?;
            let urls = robots.map(|robots: &Robots| robots.policy_urls(token)).unwrap_or_default();
            Ok(urls.into_iter().nth(index).unwrap_or_default())
        })
    })
}

/// Frees the robots.txt. NULL is accepted.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_robots_free(robots: Option<Box<imagxp_robots>>) {
    accessor((), || drop(robots));
}

/// Writes the policy URL that a `Link` header announces for a page, absolute; empty when it announces none. Several header lines are
/// passed as one value, joined by commas.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_link_policy_url(
    value: imagxp_slice<'_>,
    page: imagxp_slice<'_>,
    url: Option<&mut MaybeUninit<imagxp_bytes>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        give_bytes(url, || {
            Ok(link::policy_url(&[value.text("value")?], page.text("page")?).unwrap_or_default())
        })
    })
}

/// The texts in which a site states what it asks; `imagxp_preferences_json` reports about them.
pub struct imagxp_preferences {
    url: String,
    product_token: String,
    robots: Option<(u16, Vec<u8>)>,
    headers: Vec<(String, String)>,
    rsl: Vec<(String, Vec<u8>)>,
    policy: Option<Vec<u8>>,
}

/// How many lines of each header and, apart from them, RSL documents are taken.
const MOST: usize = 64;

/// Begins a report about a page (an absolute URL) for a product. Free it with `imagxp_preferences_free`.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_preferences_new(
    url: imagxp_slice<'_>,
    product_token: imagxp_slice<'_>,
    preferences: Option<&mut MaybeUninit<*mut imagxp_preferences>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        give(preferences, || {
            Ok(imagxp_preferences {
                url: url.text("url")?.to_owned(),
                product_token: product_token.text("product_token")?.to_owned(),
                robots: None,
                headers: Vec::new(),
                rsl: Vec::new(),
                policy: None,
            })
        })
    })
}

/// Gives the answer to `GET /robots.txt`, as to `imagxp_robots_parse`. The bytes are copied.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_preferences_robots(
    preferences: Option<&mut imagxp_preferences>,
    status: u32,
    body: imagxp_slice<'_>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        need(preferences, "preferences")?.robots = Some((code(status), body.bytes()?.to_vec()));
        Ok(())
    })
}

/// Gives a response header of the page; all but `Link`, `Content-Usage` and `Content-Signal` are passed over. The bytes are copied.
///
/// Error: `usage.argument` for the 65th line of `Content-Usage`, or of `Content-Signal`. Of `Link` the report reads 64 links, and has an error
/// among its findings where a page has more; lines beyond them are passed over.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_preferences_header(
    preferences: Option<&mut imagxp_preferences>,
    name: imagxp_slice<'_>,
    value: imagxp_slice<'_>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        let headers = &mut need(preferences, "preferences")?.headers;
        let name = name.text("name")?;
        if ["link", "content-usage", "content-signal"].iter().any(|known| name.eq_ignore_ascii_case(known)) {
            let count = headers.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name)).count();
            if !name.eq_ignore_ascii_case("link") {
                room(count)?;
            } else if count > MOST || value.bytes()?.iter().all(|byte| b" \t,".contains(byte)) {
                // Each line that is kept has a link: by the last of them the report finds that there are too many.
                return Ok(());
            }
            // What is not UTF-8 is for the report to find wrong.
            headers.push((name.to_owned(), String::from_utf8_lossy(value.bytes()?).into_owned()));
        }
        Ok(())
    })
}

/// Gives an RSL document and the URL it came from. The bytes are copied.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_preferences_rsl(
    preferences: Option<&mut imagxp_preferences>,
    url: imagxp_slice<'_>,
    document: imagxp_slice<'_>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        let rsl = &mut need(preferences, "preferences")?.rsl;
        room(rsl.len())?;
        rsl.push((url.text("url")?.to_owned(), document.bytes()?.to_vec()));
        Ok(())
    })
}

/// Gives the public policy. The bytes are copied.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_preferences_policy(
    preferences: Option<&mut imagxp_preferences>,
    document: imagxp_slice<'_>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        need(preferences, "preferences")?.policy = Some(document.bytes()?.to_vec());
        Ok(())
    })
}

/// Writes the report as JSON: what is stated for each purpose, who said what in which words, and what is wrong with the texts.
///
/// Error: `usage.argument` when the page is no absolute URL. Texts that cannot be read are findings of the report.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_preferences_json(
    preferences: Option<&imagxp_preferences>,
    json: Option<&mut MaybeUninit<imagxp_bytes>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        give_bytes(json, || {
            let given = need(preferences, "preferences")?;
            let headers: Vec<(&str, &str)> =
                given.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let rsl: Vec<(&str, &[u8])> =
                given.rsl.iter().map(|(url, document)| (url.as_str(), document.as_slice())).collect();
            let sources = Sources {
                robots: given.robots.as_ref().map(|(_, body)| body.as_slice()),
                robots_status: given.robots.as_ref().map(|(status, _)| *status),
                headers: &headers,
                rsl: &rsl,
                policy: given.policy.as_deref(),
                ..Sources::new(&given.url, &given.product_token)
            };
            Ok(Preferences::read(&sources)?.to_json())
        })
    })
}

/// Frees the texts. NULL is accepted.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_preferences_free(preferences: Option<Box<imagxp_preferences>>) {
    accessor((), || drop(preferences));
}

/// A status that is none is one of no answer.
fn code(status: u32) -> u16 {
    u16::try_from(status).unwrap_or(0)
}

fn room(count: usize) -> imagxp::Result<()> {
    if count < MOST { Ok(()) } else { Err(Error::argument(format!("more than {MOST} were given"))) }
}
