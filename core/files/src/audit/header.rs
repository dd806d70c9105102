//! The first line of each file: where the log stands when the file begins.

use imagxp::audit::Log;
use imagxp::audit::tree::Tree;
use imagxp::encoding::{base64_decode, base64_encode};
use imagxp::json::{self, Number, Object, Value};
use imagxp::{Error, ErrorKind, Result};

/// The header of a file: the log's name and its state before the file's first entry.
#[derive(Clone, Debug)]
pub(super) struct Header {
    pub(super) origin: String,
    pub(super) log: Log,
}

const LIMITS: json::Limits = json::Limits { max_bytes: 16 * 1024, ..json::Limits::CLAIM };
const FORM: &str = "imagxp_log";

impl Header {
    /// The line, with its line feed.
    pub(super) fn line(origin: &str, log: &Log) -> Vec<u8> {
        let mut object = Object::new();
        let number = i64::try_from(log.size()).ok().and_then(Number::from_i64);
        object.insert("first", number.map_or(Value::Null, Value::Number));
        object.insert(FORM, 1);
        object.insert("origin", origin);
        object.insert("prev", base64_encode(log.last()));
        let nodes = log.tree().nodes().iter().map(|node| Value::from(base64_encode(node)));
        object.insert("range", nodes.collect::<Vec<_>>());
        let mut line = json::object_to_canonical(&object);
        line.push(b'\n');
        line
    }

    /// Reads the line without its line feed. Error: `audit.malformed`.
    pub(super) fn parse(line: &[u8]) -> Result<Self> {
        let bad =
            || Error::new(ErrorKind::AuditMalformed, "the file does not begin with the header of a log");
        let object = json::parse_object(line, &LIMITS).map_err(|_| bad())?;
        let read = || {
            let hash = |value: &Value<'_>| -> Option<[u8; 32]> {
                base64_decode(value.as_str()?.as_bytes())?.try_into().ok()
            };
            let first = object.get("first")?.as_number()?.as_i64()?;
            let nodes = object.get("range")?.as_array()?.iter().map(hash).collect::<Option<Vec<_>>>()?;
            let tree = Tree::from_nodes(u64::try_from(first).ok()?, nodes)?;
            let log = Log::resume(tree, hash(object.get("prev")?)?);
            Some(Self { origin: object.get("origin")?.as_str()?.to_owned(), log })
        };
        let header = read().ok_or_else(bad)?;
        // The form number and everything else: the line must be the one that we would write.
        let same = Self::line(&header.origin, &header.log).strip_suffix(b"\n") == Some(line);
        if same { Ok(header) } else { Err(bad()) }
    }
}
