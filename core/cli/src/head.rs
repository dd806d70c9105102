//! Heads of HTTP/1.x requests: every line as it came, duplicates included. The target is the request line's: never built from `Host`, which
//! is the client's word. Fuzzed as it stands (fuzz/targets/request_head.rs).

/// Room for as many lines is made at first.
const ROOM: usize = 64;

/// A request up to its empty line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// As it was sent: methods know upper and lower case.
    pub(crate) method: String,
    /// A path with its query, or a URL.
    pub(crate) target: String,
    /// Names and values, without the white space around these.
    pub(crate) lines: Vec<(Vec<u8>, Vec<u8>)>,
    /// Where the body begins.
    pub(crate) end: usize,
}

/// Why there is no head.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// The empty line has not come yet.
    Partial,
    /// It has more lines than are read.
    TooManyLines,
    /// It is no HTTP/1.x; what is wrong.
    Malformed(String),
}

/// Reads a head of `most` lines at most.
pub(crate) fn read(bytes: &[u8], most: usize) -> Result<Head, Unread> {
    let mut room = ROOM.min(most);
    loop {
        let mut space = vec![httparse::EMPTY_HEADER; room];
        let mut head = httparse::Request::new(&mut space);
        let end = match head.parse(bytes) {
            Ok(httparse::Status::Complete(end)) => end,
            Ok(httparse::Status::Partial) => return Err(Unread::Partial),
            Err(httparse::Error::TooManyHeaders) if room < most => {
                room = room.saturating_mul(4).min(most);
                continue;
            }
            Err(httparse::Error::TooManyHeaders) => return Err(Unread::TooManyLines),
            Err(error) => return Err(Unread::Malformed(error.to_string())),
        };
        let (Some(method), Some(target)) = (head.method, head.path) else {
            return Err(Unread::Malformed("it has no request line".to_owned()));
        };
        let lines = head.headers.iter().map(|line| (line.name.as_bytes().to_vec(), line.value.to_vec()));
        return Ok(Head {
            method: method.to_owned(),
            target: target.to_owned(),
            lines: lines.collect(),
            end,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_as_it_came() {
        let bytes = b"GET /a?b HTTP/1.1\r\nHost: evil.example\r\nX-A: 1\r\nx-a:  2 \r\n\r\nbody";
        let head = read(bytes, 3).unwrap();
        assert_eq!((head.method.as_str(), head.target.as_str()), ("GET", "/a?b"));
        assert_eq!(head.lines.len(), 3);
        assert_eq!(head.lines[2], (b"x-a".to_vec(), b"2".to_vec()));
        assert_eq!(&bytes[head.end..], b"body");
        assert_eq!(
            read(b"GET https://pub.example/a HTTP/1.0\n\n", 1).unwrap().target,
            "https://pub.example/a"
        );
        assert_eq!(read(bytes, 2), Err(Unread::TooManyLines));
    }

    #[test]
    fn room_is_made_for_many_lines() {
        let head = |lines: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(lines));
        for lines in [0, 63, 64, 65, 5000] {
            assert_eq!(read(head(lines).as_bytes(), lines).unwrap().lines.len(), lines);
            assert_eq!(read(head(lines + 1).as_bytes(), lines), Err(Unread::TooManyLines));
        }
    }

    #[test]
    fn what_is_no_head_is_refused_and_what_is_not_whole_is_waited_for() {
        for part in ["", "GET", "GET / HTTP/1.1\r\na: b\r\n", "GET / HTTP/1.1\r\na: b\r\n\r"] {
            assert_eq!(read(part.as_bytes(), 9), Err(Unread::Partial), "{part:?}");
        }
        for bad in [
            "GET / HTTP/2\r\n\r\n",
            "GET / HTTP/1.1\r\na : b\r\n\r\n",
            "GET / HTTP/1.1\r\na: b\r\n c\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            "GET / HTTP/1.1\r\na: b\0\r\n\r\n",
        ] {
            assert!(matches!(read(bad.as_bytes(), 9), Err(Unread::Malformed(_))), "{bad:?}");
        }
    }
}
