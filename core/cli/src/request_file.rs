//! Requests from files: JSON `{method, url, headers, body_digest?}`, or the head of an HTTP/1.x request as it was received.

use crate::context::Context;
use crate::error::CliError;
use crate::head::{self, Unread};
use crate::input::name;
use clap::ValueEnum;
use imagxp::Request;
use imagxp::digest::content_digest;
use imagxp::headers::HeaderLine;
use imagxp::json::{Limits, Object, Value, parse_object};
use imagxp_policy_file::locate;
use std::path::Path;

/// Bounds on the JSON form. Wider than the protocol's: a request that breaks those is for the core to refuse.
const LIMITS: Limits = Limits {
    max_bytes: 1 << 20,
    max_depth: 4,
    max_members: 16,
    max_values: 1 << 16,
    max_string: 1 << 20,
    max_number: 32,
};
/// Most header lines of a raw request; the core admits 100.
const MAX_LINES: usize = 1 << 14;

/// The form of a request file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// JSON when it begins with a brace, else HTTP
    #[default]
    Auto,
    /// {"method", "url", "headers": [[name, value], …], "body_digest"?}
    Json,
    /// The head of an HTTP/1.x request, with or without its body
    Http,
}

/// A request that owns its parts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RequestFile {
    method: String,
    url: String,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    body_digest: Option<String>,
}

impl RequestFile {
    /// Reads a request; `body` is the file with its body, when that is not part of the request file.
    pub(crate) fn read(
        context: &Context,
        path: &Path,
        form: Form,
        body: Option<&Path>,
    ) -> Result<Self, CliError> {
        let bytes = context.input.bytes(path)?;
        let is_json = match form {
            Form::Json => true,
            Form::Http => false,
            Form::Auto => bytes.trim_ascii_start().first() == Some(&b'{'),
        };
        let mut request = if is_json { from_json(&bytes) } else { from_http(&bytes) }
            .map_err(|error| error.in_file(name(path)))?;
        if let Some(body) = body {
            if request.body_digest.is_some() {
                return Err(CliError::usage("the request file has a body of its own; leave --body out"));
            }
            request.body_digest = Some(content_digest(&context.input.bytes(body)?));
        }
        Ok(request)
    }

    /// Lends the request to the core.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&Request<'_>) -> T) -> T {
        let headers: Vec<HeaderLine<'_>> =
            self.headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect();
        act(&Request {
            method: &self.method,
            url: &self.url,
            headers: &headers,
            body_digest: self.body_digest.as_deref(),
        })
    }
}

fn from_json(bytes: &[u8]) -> Result<RequestFile, CliError> {
    let object = parse_object(bytes, &LIMITS).map_err(|error| {
        let line = locate::of_refusal(bytes, &error);
        CliError::malformed(format!("not a request in JSON: {}", error.reason())).at_line(Some(line))
    })?;
    if let Some((unknown, _)) =
        object.iter().find(|(name, _)| !matches!(*name, "method" | "url" | "headers" | "body_digest"))
    {
        return Err(CliError::malformed(format!("the request has an unknown member `{unknown}`")));
    }
    let headers = object.get("headers").and_then(Value::as_array);
    let headers = headers.ok_or_else(|| CliError::malformed("`headers` is not an array of [name, value]"))?;
    Ok(RequestFile {
        method: text(&object, "method")?,
        url: text(&object, "url")?,
        headers: headers.iter().map(header).collect::<Result<_, _>>()?,
        body_digest: object.contains("body_digest").then(|| text(&object, "body_digest")).transpose()?,
    })
}

fn text(object: &Object<'_>, name: &str) -> Result<String, CliError> {
    let value = object.get(name).and_then(Value::as_str);
    value.map(str::to_owned).ok_or_else(|| CliError::malformed(format!("`{name}` is not a string")))
}

fn header(line: &Value<'_>) -> Result<(Vec<u8>, Vec<u8>), CliError> {
    let bytes = |value: &Value<'_>| value.as_str().map(|text| text.as_bytes().to_vec());
    match line.as_array() {
        Some([name, value]) => bytes(name).zip(bytes(value)),
        _ => None,
    }
    .ok_or_else(|| CliError::malformed("an element of `headers` is not a pair of strings"))
}

fn from_http(bytes: &[u8]) -> Result<RequestFile, CliError> {
    let head = head::read(bytes, MAX_LINES).map_err(|unread| {
        let reason = match unread {
            Unread::Partial => "it does not end with an empty line".to_owned(),
            Unread::TooManyLines => format!("it has more than {MAX_LINES} lines"),
            Unread::Malformed(reason) => reason,
        };
        CliError::malformed(format!("not the head of an HTTP/1.x request: {reason}"))
    })?;
    let body = bytes.get(head.end..).filter(|body| !body.is_empty());
    Ok(RequestFile {
        body_digest: body.map(|body| digest(body, &head.lines)).transpose()?,
        method: head.method,
        url: head.target,
        headers: head.lines,
    })
}

/// The digest of a body that follows its head in the file.
fn digest(body: &[u8], headers: &[(Vec<u8>, Vec<u8>)]) -> Result<String, CliError> {
    let values = |name: &'static str| {
        headers
            .iter()
            .filter(move |(own, _)| own.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value.trim_ascii())
    };
    if values("transfer-encoding").next().is_some() {
        return Err(CliError::malformed("the body is transfer-encoded; decode it, and give it with --body"));
    }
    let length = body.len().to_string();
    let mut lengths = values("content-length").peekable();
    if lengths.peek().is_none() || lengths.any(|value| value != length.as_bytes()) {
        let message = format!("{length} bytes follow the head, which is not what Content-Length says");
        return Err(CliError::malformed(message));
    }
    Ok(content_digest(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_digested_when_its_length_is_sure() {
        let file = |more: &str| format!("POST / HTTP/1.1\r\n{more}\r\nhello");
        let good = from_http(file("Content-Length: 5\r\n").as_bytes()).unwrap();
        assert_eq!(good.body_digest, Some(content_digest(b"hello")));
        for bad in [
            "",
            "Content-Length: 4\r\n",
            "Content-Length: 5\r\nContent-Length: 4\r\n",
            "Transfer-Encoding: chunked\r\n",
        ] {
            assert!(from_http(file(bad).as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn json_is_exact() {
        assert!(from_json(br#"{"method":"GET","url":"/","headers":[["a","b"]],"body_digest":"x"}"#).is_ok());
        for bad in [
            r#"{"method":"GET","url":"/"}"#,
            r#"{"method":"GET","url":"/","headers":{"a":"b"}}"#,
            r#"{"method":"GET","url":"/","headers":[["a"]]}"#,
            r#"{"method":"GET","url":"/","headers":[["a",1]]}"#,
            r#"{"method":"GET","url":"/","headers":[],"now":1}"#,
            r#"{"method":"GET","url":"/","headers":[],"body_digest":null}"#,
            r#"{"method":"GET","method":"PUT","url":"/","headers":[]}"#,
            "[]",
        ] {
            assert!(from_json(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
