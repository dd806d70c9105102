//! Takes out of an address what the driver does not know: it has neither `verify-full` nor `sslrootcert`, and refuses what it has not.

/// What an address says of TLS, and the rest of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Parameters {
    pub(crate) rest: String,
    pub(crate) sslmode: Option<String>,
    pub(crate) sslrootcert: Option<String>,
}

impl Parameters {
    /// Reads either form that the driver knows. `None` for what is neither; what is wrong in the rest is for the driver to say.
    pub(crate) fn split(address: &str) -> Option<Self> {
        let mut found = Self::default();
        match ["postgres://", "postgresql://"].iter().find_map(|scheme| address.strip_prefix(scheme)) {
            Some(rest) => found.url(address, rest)?,
            None => found.words(address)?,
        }
        Some(found)
    }

    /// Where the parameters begin is where the driver finds it: a password may have a `?`.
    fn url(&mut self, address: &str, rest: &str) -> Option<()> {
        let place = rest.split_once('@').map_or(rest, |(_, place)| place);
        let Some((_, query)) = place.split_once('?') else {
            self.rest = address.to_owned();
            return Some(());
        };
        self.rest = address.strip_suffix(query)?.to_owned();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match self.place(&decoded(name)?) {
                Some(place) => *place = Some(decoded(value)?),
                None => {
                    if !self.rest.ends_with('?') {
                        self.rest.push('&');
                    }
                    self.rest.push_str(pair);
                }
            }
        }
        Some(())
    }

    /// `name = value` with blanks between; a value may stand in single quotes, and a backslash takes the next sign as it is.
    fn words(&mut self, address: &str) -> Option<()> {
        let mut left = address.trim_start();
        while !left.is_empty() {
            let (name, after) = left.split_once('=')?;
            let value = after.trim_start();
            let mut signs = value.char_indices();
            let quoted = value.starts_with('\'');
            if quoted {
                signs.next();
            }
            let (mut text, mut end) = (String::new(), if quoted { None } else { Some(value.len()) });
            while let Some((at, sign)) = signs.next() {
                match sign {
                    '\\' => text.push(signs.next()?.1),
                    '\'' if quoted => {
                        end = Some(at + 1);
                        break;
                    }
                    sign if !quoted && sign.is_whitespace() => {
                        end = Some(at);
                        break;
                    }
                    sign => text.push(sign),
                }
            }
            let (value, rest) = value.split_at_checked(end?)?;
            match self.place(name.trim()) {
                Some(place) => *place = Some(text),
                None => self.rest.push_str(&format!("{}={value} ", name.trim())),
            }
            left = rest.trim_start();
        }
        Some(())
    }

    fn place(&mut self, name: &str) -> Option<&mut Option<String>> {
        match name {
            "sslmode" => Some(&mut self.sslmode),
            "sslrootcert" => Some(&mut self.sslrootcert),
            _ => None,
        }
    }
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut left = text.bytes();
    while let Some(byte) = left.next() {
        let byte = match byte {
            b'%' => {
                let (high, low) =
                    (char::from(left.next()?).to_digit(16)?, char::from(left.next()?).to_digit(16)?);
                u8::try_from(high * 16 + low).ok()?
            }
            byte => byte,
        };
        bytes.push(byte);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(address: &str) -> (String, Option<String>, Option<String>) {
        let found = Parameters::split(address).unwrap();
        (found.rest, found.sslmode, found.sslrootcert)
    }

    #[test]
    fn both_forms() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            split("postgres://a:?@h/d?sslmode=verify-full&connect_timeout=3&sslrootcert=%2Fa%20b"),
            ("postgres://a:?@h/d?connect_timeout=3".into(), some("verify-full"), some("/a b"))
        );
        assert_eq!(split("postgresql://h/d"), ("postgresql://h/d".into(), None, None));
        assert_eq!(split("postgres://h?sslmode=x"), ("postgres://h?".into(), some("x"), None));
        assert_eq!(
            split(
                r"host=h password='a \' sslmode=disable' sslmode = verify-ca  sslrootcert='/a b' user=a\ b"
            ),
            (r"host=h password='a \' sslmode=disable' user=a\ b ".into(), some("verify-ca"), some("/a b"))
        );
        for wrong in ["host", "host='x", "postgres://h?sslmode=%zz", r"host=x\"] {
            assert!(Parameters::split(wrong).is_none(), "{wrong}");
        }
    }
}
