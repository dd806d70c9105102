//! What is being requested: origins and URLs, compared after RFC 3986 §6.2.2 normalisation (PROTOCOL §5 step 6).

mod plain;
mod readings;

pub(crate) use readings::few_path_readings;
pub use readings::path_readings;

use plain::OriginRef;
pub(crate) use plain::{ReadResource, ResourceRef};

use crate::encoding::hex_value;
use crate::held::Held;
use core::fmt;
use std::borrow::Cow;

/// A longer text is no URL, for us: as much as all headers of a request may be. Servers that are set up as usual refuse far shorter ones.
pub const MAX_URL_BYTES: usize = 64 * 1024;

/// A web origin: scheme, host and port (RFC 6454), normalised.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    secure: bool,
    host: String,
    port: u16,
}

impl Origin {
    /// Reads `https://host[:port]`, optionally with the path `/`; http only for a loopback host, and only when allowed.
    ///
    /// Returns one sentence that says what is wrong.
    pub fn parse(text: &str, allow_loopback: bool) -> Result<Self, &'static str> {
        let (origin, rest) = split(text).ok_or("not an absolute http or https URL")?;
        if !matches!(rest, "" | "/") {
            return Err("an origin has no path, query or fragment");
        }
        if origin.is_loopback() && !allow_loopback {
            return Err("loopback hosts need allow_loopback");
        }
        if !origin.secure && !origin.is_loopback() {
            return Err("only https is accepted");
        }
        Ok(origin)
    }

    /// Whether it is reached by https.
    pub const fn is_secure(&self) -> bool {
        self.secure
    }

    /// Whether the host is this machine: `localhost`, `127.0.0.1` or `[::1]`.
    pub fn is_loopback(&self) -> bool {
        matches!(self.host.as_str(), "localhost" | "127.0.0.1" | "[::1]")
    }

    /// The host: a name in lower case, or an address.
    pub fn host(&self) -> &str {
        &self.host
    }

    const fn default_port(&self) -> u16 {
        if self.secure { 443 } else { 80 }
    }

    /// The host and, when it is not the scheme's own, the port: `pub.example` or `pub.example:8443`.
    pub fn authority(&self) -> String {
        if self.port == self.default_port() {
            self.host.clone()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl Held for Origin {
    fn held(&self) -> usize {
        self.host.held()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.secure { "https://" } else { "http://" })?;
        f.write_str(&self.host)?;
        if self.port == self.default_port() { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin({self})")
    }
}

/// A requested resource: an absolute URL, or a path with an optional query (a request target in origin form).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// The origin; `None` for a bare path.
    pub origin: Option<Origin>,
    /// The normalised path, which starts with `/`.
    pub path: String,
    /// The normalised query without its `?`; `None` when there is no `?`.
    pub query: Option<String>,
}

impl Resource {
    /// Reads an absolute http(s) URL or a path that starts with exactly one `/`.
    ///
    /// `None` for anything else: user information, a fragment, white space, control characters, a back slash, a malformed
    /// percent-encoding, more than [`MAX_URL_BYTES`]. Characters outside ASCII are read as UTF-8 and compared percent-encoded (RFC 3987 §3.1).
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_URL_BYTES || text.bytes().any(|b| is(b, FORBIDDEN)) {
            return None;
        }
        let (origin, target) = if text.starts_with('/') {
            if text.starts_with("//") {
                return None;
            }
            (None, text)
        } else {
            let (origin, rest) = split(text)?;
            (Some(origin), rest)
        };
        let (path, query) =
            target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let path = if path.is_empty() { "/".to_owned() } else { without_dot_segments(normalise(path)?) };
        let query = match query {
            Some(query) => Some(normalise(query)?),
            None => None,
        };
        Some(Self { origin, path, query })
    }

    /// Whether path and query are the same after normalisation; an apostrophe in a query is the same as `%27`.
    pub fn same_target(&self, other: &Self) -> bool {
        self.path == other.path && same_query(self.query.as_deref(), other.query.as_deref())
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(origin) = &self.origin {
            origin.fmt(f)?;
        }
        f.write_str(&self.path)?;
        match &self.query {
            Some(query) => {
                f.write_str("?")?;
                f.write_str(query)
            }
            None => Ok(()),
        }
    }
}

/// Whether two normalised queries are the same.
///
/// In the query of an http URL the URL Standard writes an apostrophe as `%27`, and RFC 3986 leaves it as it is. What a client of the one kind has
/// sent and signed, a server of the other kind reads in the other spelling.
fn same_query(one: Option<&str>, other: Option<&str>) -> bool {
    let (Some(one), Some(other)) = (one, other) else { return one == other };
    let (mut one, mut other) = (one.as_bytes(), other.as_bytes());
    loop {
        match (next(&mut one), next(&mut other)) {
            (None, None) => return true,
            (byte, same) if byte == same => {}
            _ => return false,
        }
    }
}

/// The next byte of a normalised query, an apostrophe in either spelling.
fn next(rest: &mut &[u8]) -> Option<u8> {
    let (byte, after) = match rest.strip_prefix(b"%27") {
        Some(after) => (b'\'', after),
        None => rest.split_first().map(|(byte, after)| (*byte, after))?,
    };
    *rest = after;
    Some(byte)
}

/// The URL as it is sent: what may not stand in a URI is percent-encoded (RFC 3987 §3.1), as clients do it.
///
/// Escapes, dot segments and square brackets stay as they are written, and so does whatever makes the text no URL.
pub fn to_uri(url: &str) -> Cow<'_, str> {
    let stays = |byte| is(byte, NORMAL | FORBIDDEN) || matches!(byte, b'%' | b'[' | b']');
    if url.bytes().all(stays) {
        return Cow::Borrowed(url);
    }
    let mut out = String::with_capacity(url.len());
    for byte in url.bytes() {
        if stays(byte) { out.push(char::from(byte)) } else { push_encoded(&mut out, byte) }
    }
    Cow::Owned(out)
}

/// Whether a path with these [`classes`] is made of nothing that servers read in different ways.
fn has_one_reading(classes: u8, pairs: u8) -> bool {
    classes & ONE_READING != 0 && pairs & (AFTER_SLASH | SLASH_AFTER_SLASH) == 0
}

/// Splits an absolute URL into its origin and the rest, which is empty or starts with `/` or `?`.
fn split(text: &str) -> Option<(Origin, &str)> {
    let (OriginRef { secure, host, port }, rest) = split_ref(text)?;
    Some((Origin { secure, host: host.to_ascii_lowercase(), port }, rest))
}

/// The same without a copy; the host is as it is written.
fn split_ref(text: &str) -> Option<(OriginRef<'_>, &str)> {
    let after = |start: &str| {
        let (scheme, rest) = text.split_at_checked(start.len())?;
        scheme.eq_ignore_ascii_case(start).then_some(rest)
    };
    let (secure, rest) = match after("https://") {
        Some(rest) => (true, rest),
        None => (false, after("http://")?),
    };
    let end = rest.bytes().position(|b| matches!(b, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at_checked(end)?;
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let host_ok = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<core::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host.len() <= 253
                && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
        }
    };
    let port = match port {
        None | Some("") => Some(if secure { 443 } else { 80 }),
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
            digits.parse().ok().filter(|&port| port != 0)
        }
        Some(_) => None,
    }?;
    host_ok.then_some((OriginRef { secure, host, port }, rest))
}

/// RFC 3986 §6.2.2: percent-encodings of unreserved characters are decoded, the others written in upper case, and
/// whatever may not stand in a path or query is percent-encoded. `None` for a malformed percent-encoding.
fn normalise(text: &str) -> Option<String> {
    if text.bytes().all(|byte| is(byte, NORMAL)) {
        return Some(text.to_owned());
    }
    let mut out = String::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let value = hex_value(bytes.next()?)? << 4 | hex_value(bytes.next()?)?;
            if is_unreserved(value) { out.push(char::from(value)) } else { push_encoded(&mut out, value) }
        } else if is(byte, NORMAL) {
            out.push(char::from(byte));
        } else {
            push_encoded(&mut out, byte);
        }
    }
    Some(out)
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// What stands for itself in a path or query.
const NORMAL: u8 = 1;
/// What all servers read alike in a path.
const ONE_READING: u8 = 2;
/// What no URL contains.
const FORBIDDEN: u8 = 4;
/// A slash.
const SLASH: u8 = 8;
/// A dot, which after a slash begins a segment that may be a dot segment. Twice [`SLASH`].
const AFTER_SLASH: u8 = 16;
/// A slash that follows one; no byte is of this class by itself.
const SLASH_AFTER_SLASH: u8 = 32;

/// Whether a byte is of this class.
#[inline(always)]
const fn is(byte: u8, class: u8) -> bool {
    class_of(byte) & class != 0
}

/// The classes that all bytes are of, and [`AFTER_SLASH`] and [`SLASH_AFTER_SLASH`] where a dot or a slash follows a slash.
fn classes(text: &str) -> (u8, u8) {
    let mut before = 0;
    text.bytes().fold((u8::MAX, 0), |(all, pairs), byte| {
        let class = class_of(byte);
        let pair = (before << 1) & class | (before & class) << 2;
        before = class & SLASH;
        (all & class, pairs | pair)
    })
}

#[inline(always)]
#[expect(clippy::indexing_slicing, reason = "there is an entry for each byte")]
const fn class_of(byte: u8) -> u8 {
    const CLASSES: [u8; 256] = {
        let mut classes = [0; 256];
        let mut byte = 0;
        while byte < 128 {
            classes[byte as usize] = match byte {
                b'.' => NORMAL | ONE_READING | AFTER_SLASH,
                b'/' => NORMAL | ONE_READING | SLASH,
                _ if is_unreserved(byte) => NORMAL | ONE_READING,
                b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b':' | b'@' => {
                    NORMAL | ONE_READING
                }
                b';' | b'?' => NORMAL,
                ..=b' ' | 0x7f | b'\\' | b'#' => FORBIDDEN,
                _ => 0,
            };
            byte += 1;
        }
        classes
    };
    CLASSES[byte as usize]
}

fn push_encoded(out: &mut String, byte: u8) {
    let digit = |nibble: u8| char::from(if nibble < 10 { b'0' + nibble } else { b'A' + nibble - 10 });
    out.push('%');
    out.push(digit(byte >> 4));
    out.push(digit(byte & 15));
}

/// RFC 3986 §5.2.4 for an absolute path.
fn without_dot_segments(path: String) -> String {
    if path.as_bytes().windows(2).any(|pair| pair == b"/.") { remove_dot_segments(&path) } else { path }
}

/// Once in the library, whose size has a bar: it is called from four places.
#[inline(never)]
fn remove_dot_segments(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut open = false;
    let mut rest = path.get(1..);
    while let Some(text) = rest {
        // Segments are short: byte by byte is quicker than what searches by words.
        let end = text.bytes().position(|byte| byte == b'/');
        let segment = end.and_then(|end| text.get(..end)).unwrap_or(text);
        rest = end.and_then(|end| text.get(end + 1..));
        open = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => out.truncate(out.bytes().rposition(|byte| byte == b'/').unwrap_or_default()),
            _ => {
                out.push('/');
                out.push_str(segment);
            }
        }
    }
    if open || out.is_empty() {
        out.push('/');
    }
    out
}

#[cfg(test)]
mod tests;
