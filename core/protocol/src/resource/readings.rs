//! The paths that servers read in one request target.

use super::{MAX_URL_BYTES, Resource, classes, has_one_reading, normalise, remove_dot_segments, split_ref};
use crate::encoding::hex_value;

/// The paths that servers may take a request target for: with reserved characters (RFC 3986 §2.2) decoded or not, repeated slashes
/// folded before, after or never, dot segments removed or not, path parameters (`;…`) dropped or not.
///
/// Other characters are always decoded, as patterns are written: `%C3%A9` and `%20` are the only way in which a URL can hold them, so
/// that whoever matches before decoding means the same by them.
///
/// Nearly every target has one reading. One that has several, such as `/public//../premium/x`, must satisfy a policy in all of them:
/// which one the server behind us chooses is not ours to guess. `None` for a path that cannot be read, or for more than [`MAX_URL_BYTES`].
pub fn path_readings(target: &str) -> Option<Vec<String>> {
    few_path_readings(target, MAX_URL_BYTES)
}

/// [`path_readings`] for a target that nobody vouches for: a score of readings, each a copy, are made of no path longer than `most` bytes.
/// `None` also for such a path, unless all servers read it alike as it is written.
pub(crate) fn few_path_readings(target: &str, most: usize) -> Option<Vec<String>> {
    if target.len() > MAX_URL_BYTES {
        return None;
    }
    let rest = if target.starts_with('/') { target } else { split_ref(target)?.1 };
    let path = rest.split_once('?').map_or(rest, |(path, _)| path);
    let has_one_reading = |path: &str| {
        let (classes, pairs) = classes(path);
        has_one_reading(classes, pairs)
    };
    if has_one_reading(path) {
        return Some(vec![if path.is_empty() { "/".to_owned() } else { path.to_owned() }]);
    }
    if path.len() > most {
        return None;
    }
    Resource::parse(target)?;
    let path = normalise(path)?;
    if has_one_reading(&path) { Some(vec![path]) } else { Some(several(path)) }
}

/// The readings of a normalised path that has several, as few have.
#[cold]
fn several(path: String) -> Vec<String> {
    let decoded = String::from_utf8_lossy(&percent_decoded(&path, |_| true)).into_owned();
    // What is no UTF-8 is nothing that a pattern could say.
    let undecoded = String::from_utf8(percent_decoded(&path, |byte| !is_reserved(byte))).unwrap_or(path);
    let mut readings: Vec<String> = Vec::new();
    for base in [&decoded, &undecoded] {
        add(&mut readings, base);
        add(&mut readings, &reduced(base, false, true));
    }
    readings
}

/// Adds a path with its slashes folded before, after or never, and its dot segments removed or not. Once in the library, whose size has a bar.
#[inline(never)]
fn add(readings: &mut Vec<String>, path: &str) {
    let fold = |path| reduced(path, true, false);
    let (folded, removed) = (fold(path), remove_dot_segments(path));
    for reading in [&remove_dot_segments(&folded), &fold(&removed), &removed, &folded, path] {
        if !readings.iter().any(|known| known == reading) {
            readings.push(reading.to_owned());
        }
    }
}

/// A normalised path with the escapes of these bytes decoded.
#[cold]
fn percent_decoded(path: &str, of: fn(u8) -> bool) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        let escaped = match after {
            [high, low, after @ ..] if *byte == b'%' => hex_value(*high)
                .zip(hex_value(*low))
                .map(|(high, low)| (high << 4 | low, after))
                .filter(|(value, _)| of(*value)),
            _ => None,
        };
        match escaped {
            Some((value, after)) => {
                decoded.push(value);
                rest = after;
            }
            None => decoded.push(*byte),
        }
    }
    decoded
}

/// RFC 3986 §2.2: what means one thing as it is and may mean another when it is escaped.
fn is_reserved(byte: u8) -> bool {
    b":/?#[]@!$&'()*+,;=".contains(&byte)
}

/// A path with its slashes folded, its parameters (`;…`) dropped, or both.
#[cold]
fn reduced(path: &str, folds: bool, drops: bool) -> String {
    let mut kept = String::with_capacity(path.len());
    let mut is_parameter = false;
    for character in path.chars() {
        // Some servers take a back slash for a slash.
        let character = if folds && character == '\\' { '/' } else { character };
        is_parameter = drops && (character == ';' || is_parameter && character != '/');
        let is_folded = folds && character == '/' && kept.ends_with('/');
        if !is_parameter && !is_folded {
            kept.push(character);
        }
    }
    kept
}
