//! Where a value came from: flags over environment over file over defaults.

use super::{Config, OPTIONS, Opt, OptKind, invalid};
use crate::error::SetupError;
use imagxp_storage::PostgresAddress;
use std::collections::BTreeMap;
use std::path::Path;
use toml::{Table, Value};

/// Who set an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nobody.
    Default,
    /// The file.
    File,
    /// The environment.
    Environment,
    /// The command line.
    Flag,
}

impl Source {
    /// In one word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File => "file",
            Self::Environment => "environment",
            Self::Flag => "flag",
        }
    }
}

/// One option's value and who set it, fit to be shown: a password in a URL is not.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The option's name.
    pub name: &'static str,
    /// Its value as text.
    pub value: String,
    /// Who set it.
    pub source: Source,
}

/// The options with the layer that each came from.
#[derive(Clone, Debug)]
pub struct Layers {
    values: BTreeMap<&'static str, (Value, Source)>,
    unknown_variables: Vec<String>,
}

impl Layers {
    /// Reads all layers. `sets` are `NAME=VALUE`, as `--set` has them; the last one of a name counts.
    ///
    /// Errors: `config.unreadable` (the file), `config.invalid` (TOML that is none, an unknown option, a value of the wrong form).
    pub fn new(file: Option<&Path>, sets: &[String]) -> Result<Self, SetupError> {
        let environment = std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok().filter(|name| name.starts_with("IMAGXP_"))?;
            Some((name, value.into_string().ok()))
        });
        Self::from_parts(file, environment, sets)
    }

    fn from_parts(
        file: Option<&Path>,
        environment: impl Iterator<Item = (String, Option<String>)>,
        sets: &[String],
    ) -> Result<Self, SetupError> {
        let mut layers = Self { values: BTreeMap::new(), unknown_variables: Vec::new() };
        for option in &OPTIONS {
            layers.put(option, option.default, Source::Default)?;
        }
        if let Some(file) = file {
            layers.read_file(file)?;
        }
        for (name, value) in environment {
            match OPTIONS.iter().find(|option| option.variable() == name) {
                Some(option) => {
                    let value =
                        value.ok_or_else(|| invalid(option.name, "is not text in the environment"))?;
                    layers.put(option, &value, Source::Environment)?;
                }
                None => layers.unknown_variables.push(name),
            }
        }
        for set in sets {
            let (name, value) = set
                .split_once('=')
                .ok_or_else(|| SetupError::new("config.invalid", format!("`{set}` is not NAME=VALUE")))?;
            layers.put(find(name)?, value, Source::Flag)?;
        }
        Ok(layers)
    }

    /// Sets one option as a flag does, over everything else.
    ///
    /// Error: `config.invalid`.
    pub fn flag(&mut self, name: &str, value: &str) -> Result<(), SetupError> {
        self.put(find(name)?, value, Source::Flag)
    }

    /// Sets one option unless somebody has set it.
    ///
    /// Error: `config.invalid`.
    pub fn suggest(&mut self, name: &str, value: &str) -> Result<(), SetupError> {
        match self.values.get(name) {
            Some((_, source)) if *source != Source::Default => Ok(()),
            _ => self.put(find(name)?, value, Source::Default),
        }
    }

    /// The configuration, checked. Error: `config.invalid`.
    pub fn config(&self) -> Result<Config, SetupError> {
        let mut root = Table::new();
        for (name, (value, _)) in &self.values {
            match name.split_once('.') {
                None => drop(root.insert((*name).to_owned(), value.clone())),
                Some((table, member)) => {
                    let table = root.entry(table).or_insert_with(|| Value::Table(Table::new()));
                    if let Value::Table(table) = table {
                        table.insert(member.to_owned(), value.clone());
                    }
                }
            }
        }
        let config: Config = Value::Table(root).try_into().map_err(|error: toml::de::Error| {
            SetupError::new("config.invalid", error.message().to_owned())
        })?;
        config.check()?;
        Ok(config)
    }

    /// Every option as it stands, in the order of [`OPTIONS`].
    pub fn settings(&self) -> Vec<Setting> {
        let setting = |option: &Opt| {
            let (value, source) = self.values.get(option.name)?;
            if option.name == "database.sslmode"
                && let Some(setting) = self.implied_sslmode(option.name)
            {
                return Some(setting);
            }
            Some(Setting { name: option.name, value: shown(option.name, value), source: *source })
        };
        OPTIONS.iter().filter_map(setting).collect()
    }

    /// What `sslmode` is in force when only the URL says so, or nobody.
    fn implied_sslmode(&self, name: &'static str) -> Option<Setting> {
        let text = |name: &str| {
            self.values.get(name).and_then(|(value, _)| value.as_str()).filter(|text| !text.is_empty())
        };
        let (None, Some(url)) = (text(name), text("database.url")) else { return None };
        // Authorities that cannot be read are `serve`'s and `check`'s to refuse.
        let mode = PostgresAddress::parse(url, None, None).ok()?.mode();
        let (_, source) = self.values.get("database.url")?;
        let source = if url.contains("sslmode") { *source } else { Source::Default };
        Some(Setting { name, value: mode.as_str().to_owned(), source })
    }

    /// Variables that begin with `IMAGXP_` and are no option of the service: another program's, or a slip.
    pub fn unknown_variables(&self) -> &[String] {
        &self.unknown_variables
    }

    fn read_file(&mut self, file: &Path) -> Result<(), SetupError> {
        let text = std::fs::read_to_string(file).map_err(|error| {
            SetupError::new("config.unreadable", format!("`{}` cannot be read: {error}", file.display()))
        })?;
        let table: Table = text.parse().map_err(|error: toml::de::Error| {
            let line = error
                .span()
                .and_then(|span| text.get(..span.start))
                .map_or(1, |head| head.matches('\n').count() + 1);
            SetupError::new(
                "config.invalid",
                format!("`{}` line {line}: {}", file.display(), error.message()),
            )
        })?;
        for (name, value) in table {
            match value {
                Value::Table(members) => {
                    for (member, value) in members {
                        self.put_value(find(&format!("{name}.{member}"))?, value, Source::File)?;
                    }
                }
                value => self.put_value(find(&name)?, value, Source::File)?,
            }
        }
        Ok(())
    }

    fn put(&mut self, option: &Opt, text: &str, source: Source) -> Result<(), SetupError> {
        let value = match option.kind {
            OptKind::Text => Value::String(text.to_owned()),
            OptKind::Number => {
                Value::Integer(text.parse().map_err(|_| invalid(option.name, "is not a whole number"))?)
            }
            OptKind::Switch => {
                Value::Boolean(text.parse().map_err(|_| invalid(option.name, "is neither true nor false"))?)
            }
            OptKind::List => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
            }
        };
        self.put_value(option, value, source)
    }

    fn put_value(&mut self, option: &Opt, value: Value, source: Source) -> Result<(), SetupError> {
        let fits = match (&value, option.kind) {
            (Value::String(_), OptKind::Text) | (Value::Boolean(_), OptKind::Switch) => true,
            (Value::Integer(number), OptKind::Number) => *number >= 0,
            (Value::Array(items), OptKind::List) => items.iter().all(Value::is_str),
            _ => false,
        };
        if !fits {
            return Err(invalid(option.name, "has a value of the wrong kind"));
        }
        self.values.insert(option.name, (value, source));
        Ok(())
    }
}

fn find(name: &str) -> Result<&'static Opt, SetupError> {
    OPTIONS
        .iter()
        .find(|option| option.name == name)
        .ok_or_else(|| SetupError::new("config.invalid", format!("there is no option `{name}`")))
}

fn shown(name: &str, value: &Value) -> String {
    match value {
        Value::String(text) if name.ends_with(".url") => without_password(text),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","),
        Value::Integer(number) => number.to_string(),
        Value::Boolean(yes) => yes.to_string(),
        _ => String::new(),
    }
}

/// A URL without password and query, in which some drivers take one too. Of what has another form only that it is set.
fn without_password(text: &str) -> String {
    const SET: &str = "(set)";
    if text.is_empty() {
        return String::new();
    }
    let Some((scheme, rest)) = text.split_once("://") else { return SET.to_owned() };
    let (user, place) = rest.rsplit_once('@').map_or((None, rest), |(user, place)| (Some(user), place));
    let place = place.split_once('?').map_or(place, |(place, _)| place);
    match user {
        // A sign that ends the host stands before the last `@`: what is the password cannot be told.
        Some(user) if user.contains(['?', '/', '#']) => SET.to_owned(),
        Some(user) => {
            let user = user.split_once(':').map_or(user, |(user, _)| user);
            format!("{scheme}://{user}:***@{place}")
        }
        None => format!("{scheme}://{place}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn source(layers: &Layers, name: &str) -> (String, Source) {
        let setting = layers.settings().into_iter().find(|setting| setting.name == name).unwrap();
        (setting.value, setting.source)
    }

    #[test]
    fn flags_over_environment_over_file_over_defaults() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        write!(
            file,
            "issuer = 'https://file.example'\nlisten = '127.0.0.1:1'\n[limits]\nrequests = 7\nstreams = 8\n"
        )
        .unwrap();
        let environment =
            [("IMAGXP_LISTEN", "127.0.0.1:2"), ("IMAGXP_LIMITS_STREAMS", "9"), ("IMAGXP_LISTN", "x")]
                .map(|(name, value)| (name.to_owned(), Some(value.to_owned())));
        let sets = ["limits.streams=10".to_owned()];
        let layers = Layers::from_parts(Some(file.path()), environment.into_iter(), &sets).unwrap();
        assert_eq!(source(&layers, "issuer"), ("https://file.example".into(), Source::File));
        assert_eq!(source(&layers, "listen"), ("127.0.0.1:2".into(), Source::Environment));
        assert_eq!(source(&layers, "limits.requests"), ("7".into(), Source::File));
        assert_eq!(source(&layers, "limits.streams"), ("10".into(), Source::Flag));
        assert_eq!(source(&layers, "limits.drain_s"), ("15".into(), Source::Default));
        assert_eq!(layers.unknown_variables(), ["IMAGXP_LISTN"]);
        assert_eq!(layers.config().unwrap().limits.streams, 10);
    }

    #[test]
    fn files_that_are_refused() {
        for text in [
            "issuer = 1",
            "nonsense = 'x'",
            "[limits]\nno = 1",
            "limits = 'x'",
            "issuer = 'a'\nissuer = 'b'",
            "[verify]\ntrusted = [1]",
            "=",
        ] {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(text.as_bytes()).unwrap();
            let refused = Layers::from_parts(Some(file.path()), std::iter::empty(), &[]);
            assert_eq!(refused.unwrap_err().code(), "config.invalid", "{text}");
        }
    }

    #[test]
    fn the_mode_in_force_is_shown() {
        for (sets, expected) in [
            (["database.url=", "log.level=info"], ("", Source::Default)),
            (["database.url=postgres://u:p@db/x", "log.level=info"], ("verify-full", Source::Default)),
            (["database.url=postgres://u:p@localhost/x", "log.level=info"], ("disable", Source::Default)),
            (
                ["database.url=postgres://u:p@db/x?sslmode=require", "log.level=info"],
                ("require", Source::Flag),
            ),
            (["database.url=postgres://u:p@db/x", "database.sslmode=verify-ca"], ("verify-ca", Source::Flag)),
        ] {
            let layers = Layers::from_parts(None, std::iter::empty(), &sets.map(str::to_owned)).unwrap();
            assert_eq!(source(&layers, "database.sslmode"), (expected.0.to_owned(), expected.1), "{sets:?}");
        }
    }

    #[test]
    fn passwords_are_not_shown() {
        for url in ["postgres://me:TOPSECRET@db:5432/x?password=TOPSECRET", "postgres://me:a@TOPSECRET@db/x"]
        {
            let shown = without_password(url);
            assert!(!shown.contains("TOPSECRET") && shown.contains("@db"), "{shown}");
        }
    }
}
