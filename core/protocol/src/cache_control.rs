//! What `Cache-Control` says of a fetched document's age (PROTOCOL §§4, 8; RFC 9111 §5.2.2).

/// The seconds of `max-age`, the least of them when there are several; 0 for what must not be stored; `None` when nothing is said.
///
/// Each item is the value of one header line.
pub fn max_age<'a>(lines: impl Iterator<Item = &'a str>) -> Option<u32> {
    lines.flat_map(|line| line.split(',')).filter_map(|part| age(&part.trim().to_ascii_lowercase())).min()
}

fn age(directive: &str) -> Option<u32> {
    if matches!(directive, "no-store" | "no-cache") {
        return Some(0);
    }
    let digits = directive.strip_prefix("max-age=")?;
    let digits = digits.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(digits);
    let valid = (1..=10).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    valid.then(|| digits.parse::<u64>().map_or(u32::MAX, |age| age.try_into().unwrap_or(u32::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_age_counts() {
        for (lines, expected) in [
            (&["max-age=60"][..], Some(60)),
            (&["public, Max-Age=60"], Some(60)),
            (&["max-age=60, max-age=30"], Some(30)),
            (&["max-age=60", "no-store"], Some(0)),
            (&["max-age=9999999999"], Some(u32::MAX)),
            (&["max-age=", "max-age=-1", "max-age=1x", "max-age=12345678901"], None),
            (&[], None),
        ] {
            assert_eq!(max_age(lines.iter().copied()), expected, "{lines:?}");
        }
    }
}
