//! Words for a POSIX shell.

/// Quotes one word, so that the shell passes on exactly this text.
pub(crate) fn quote(word: &str) -> String {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:@%+,=".contains(&b);
    if !word.is_empty() && word.bytes().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_what_a_shell_would_read() {
        for (word, quoted) in [
            ("", "''"),
            ("https://pub.example/a", "https://pub.example/a"),
            ("a b", "'a b'"),
            ("$(id)`id`;&|<>\"\\", "'$(id)`id`;&|<>\"\\'"),
            ("it's", r"'it'\''s'"),
            ("~root", "'~root'"),
            ("a?b*", "'a?b*'"),
        ] {
            assert_eq!(quote(word), quoted);
        }
    }
}
