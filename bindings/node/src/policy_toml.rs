//! Policies in TOML, turned into the JSON that the core reads.

use imagxp::json::{Number, Object, Value, object_to_canonical};
use imagxp::{Error, ErrorKind, Result};
use toml::Table;

/// The core's own bound on nesting is 8; deeper TOML need not even be walked.
const MAX_DEPTH: usize = 16;

/// The same structure as JSON. Errors have the code `usage.policy`.
pub(crate) fn to_json(text: &str) -> Result<Vec<u8>> {
    let table: Table = text.parse().map_err(|error: toml::de::Error| {
        refused(format!("not valid TOML: {}", error.message().replace('\n', "; ")))
    })?;
    Ok(object_to_canonical(&object(table, 1)?))
}

fn object(table: Table, depth: usize) -> Result<Object<'static>> {
    let mut object = Object::new();
    for (name, value) in table {
        object.insert(name, value_of(value, depth)?);
    }
    Ok(object)
}

fn value_of(value: toml::Value, depth: usize) -> Result<Value<'static>> {
    if depth > MAX_DEPTH {
        return Err(refused("nested too deeply"));
    }
    Ok(match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Boolean(flag) => flag.into(),
        toml::Value::Integer(number) => {
            Number::from_i64(number).ok_or_else(|| refused("a number is out of range"))?.into()
        }
        toml::Value::Float(number) => {
            Number::from_f64(number).ok_or_else(|| refused("a number is not finite"))?.into()
        }
        toml::Value::Datetime(_) => return Err(refused("a policy has no dates; write a string")),
        toml::Value::Array(list) => {
            let items = list.into_iter().map(|item| value_of(item, depth + 1));
            Value::Array(items.collect::<Result<_>>()?)
        }
        toml::Value::Table(table) => Value::Object(object(table, depth + 1)?),
    })
}

fn refused(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Policy, message.into())
}
