//! Heads of HTTP/1.x requests in bytes, made of a good request's lines and of anything: what is read from them is what stands in them, whole,
//! and no head passes the publisher that a reader of another school reads otherwise.
//!
//! The reader is that of the command line and of its servers (core/cli/src/head.rs), as it stands.
#![no_main]

#[path = "../../core/cli/src/head.rs"]
mod head;

use arbitrary::Arbitrary;
use head::Unread;
use imagxp::Request;
use imagxp::headers::{self, HeaderLine};
use imagxp::publisher::Outcome;
use imagxp::resource::Resource;
use imagxp_fuzz::NOW;
use imagxp_fuzz::world::{self, Lines, TARGET};
use libfuzzer_sys::fuzz_target;

/// The most lines that are read here.
const MOST: usize = 128;
/// What decides, each of which may come once.
const DECISIVE: [&str; 3] = [headers::PAYLOAD, headers::SIGNATURE, headers::PUBLIC_KEY];

#[derive(Arbitrary, Debug, Clone, Copy)]
enum End {
    CrLf,
    Lf,
    Cr,
    Nothing,
    LfCr,
    NulCrLf,
}

#[derive(Arbitrary, Debug)]
enum Line<'a> {
    /// A line of the good request.
    Good(u8),
    /// The same with white space, a fold, another case or another sign in it.
    Odd {
        line: u8,
        before_colon: &'a [u8],
        colon: u8,
        after_colon: &'a [u8],
        fold: Option<u8>,
        upper: bool,
    },
    /// A decisive name with any value.
    Known {
        name: u8,
        value: &'a [u8],
    },
    Any(&'a [u8]),
    /// A line as often as it says.
    Many {
        name: &'a str,
        times: u8,
    },
}

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    /// Lines in place of the good ones; these when there are none.
    lines: Vec<(Line<'a>, End)>,
    /// Whether the good lines come first.
    good_first: bool,
    start: Option<(&'a str, &'a str, &'a str)>,
    start_end: Option<End>,
    last: Option<End>,
    body: &'a [u8],
}

fn end(bytes: &mut Vec<u8>, end: End) {
    bytes.extend_from_slice(match end {
        End::CrLf => b"\r\n",
        End::Lf => b"\n",
        End::Cr => b"\r",
        End::Nothing => b"",
        End::LfCr => b"\n\r",
        End::NulCrLf => b"\0\r\n",
    });
}

fn line(bytes: &mut Vec<u8>, good: &Lines, line: &Line<'_>) {
    let at = |number: u8| &good[usize::from(number) % good.len()];
    match line {
        Line::Good(number) => {
            let (name, value) = at(*number);
            bytes.extend_from_slice(&[name.as_bytes(), b": ", value].concat());
        }
        Line::Odd { line, before_colon, colon, after_colon, fold, upper } => {
            let (name, value) = at(*line);
            let name = if *upper { name.to_ascii_uppercase() } else { name.clone() };
            let (one, two) = value.split_at(fold.map_or(0, usize::from).min(value.len()));
            let fold: &[u8] = if fold.is_some() { b"\r\n " } else { b"" };
            let colon = if colon.is_multiple_of(8) { *colon } else { b':' };
            bytes.extend_from_slice(
                &[name.as_bytes(), *before_colon, &[colon], *after_colon, one, fold, two].concat(),
            );
        }
        Line::Known { name, value } => {
            let name = DECISIVE[usize::from(*name) % DECISIVE.len()];
            bytes.extend_from_slice(&[name.as_bytes(), b":", *value].concat());
        }
        Line::Any(any) => bytes.extend_from_slice(any),
        Line::Many { name, times } => {
            for _ in 0..*times {
                bytes.extend_from_slice(&[name.as_bytes(), b": x\r\n"].concat());
            }
        }
    }
}

/// The bytes, and whether nothing but the good request is in them.
fn written(good: &Lines, input: &Input<'_>) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    let (method, target, version) = input.start.unwrap_or(("GET", TARGET, "HTTP/1.1"));
    bytes.extend_from_slice(format!("{method} {target} {version}").as_bytes());
    end(&mut bytes, input.start_end.unwrap_or(End::CrLf));
    if input.good_first || input.lines.is_empty() {
        for number in 0..good.len() {
            line(&mut bytes, good, &Line::Good(number as u8));
            end(&mut bytes, End::CrLf);
        }
    }
    for (one, ending) in &input.lines {
        line(&mut bytes, good, one);
        end(&mut bytes, *ending);
    }
    end(&mut bytes, input.last.unwrap_or(End::CrLf));
    bytes.extend_from_slice(input.body);
    let untouched =
        input.lines.is_empty() && input.start.is_none() && input.start_end.is_none() && input.last.is_none();
    (bytes, untouched)
}

/// The values of a header as somebody reads them who forgives everything: any sign ends a line, white space is anywhere.
fn lenient<'b>(head: &'b [u8], name: &str) -> Vec<&'b [u8]> {
    head.split(|byte| matches!(byte, b'\r' | b'\n' | b'\0'))
        .filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let found = line[..colon].trim_ascii();
            found.eq_ignore_ascii_case(name.as_bytes()).then(|| line[colon + 1..].trim_ascii())
        })
        .collect()
}

fuzz_target!(|input: Input<'_>| {
    world::with(|world| {
        let good = world.sign();
        let (bytes, untouched) = written(&good, &input);
        let head = match head::read(&bytes, MOST) {
            Ok(head) => head,
            Err(unread) => {
                assert!(!untouched, "the good head was not read: {unread:?}");
                return;
            }
        };
        // All of it is needed, and nothing behind it counts.
        assert!(head.end <= bytes.len() && head.lines.len() <= MOST);
        let whole = &bytes[..head.end];
        assert_eq!(head::read(whole, MOST).as_ref(), Ok(&head));
        assert_eq!(head::read(&whole[..head.end - 1], MOST), Err(Unread::Partial));
        if let Some(fewer) = head.lines.len().checked_sub(1) {
            assert_eq!(head::read(whole, fewer), Err(Unread::TooManyLines));
        }
        for (name, value) in &head.lines {
            assert!(!name.is_empty() && name.iter().all(u8::is_ascii_graphic) && !name.contains(&b':'));
            assert!(!value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | b'\0')), "a line in a line");
        }
        assert!(head.method.bytes().chain(head.target.bytes()).all(|byte| byte > b' ' && byte != 0x7f));

        let lines: Vec<HeaderLine<'_>> =
            head.lines.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect();
        let request = Request { method: &head.method, url: &head.target, headers: &lines, body_digest: None };
        let verdict = world.publisher.verify(&request, NOW).verdict;
        let passes = verdict.outcome == Outcome::Allow;
        assert!(passes || !untouched, "the good request was refused: {verdict:?}");
        if passes {
            for name in DECISIVE {
                let values = lenient(whole, name);
                assert!(values.len() <= 1, "another reader reads two lines `{name}`");
                let signed = good.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_slice());
                let is_same = values.first().copied() == signed || name != headers::PAYLOAD;
                assert!(is_same, "another reader reads another claim");
            }
            let asked = Resource::parse(&head.target).expect("what passed is a URL");
            assert!(asked.same_target(&Resource::parse(TARGET).expect("a path")), "another resource passed");
            assert_eq!(head.method, "GET");
        }
    });
});
