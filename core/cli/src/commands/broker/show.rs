//! The API's objects for people: a member to a line, a row of a list to a line.

use crate::context::Context;
use crate::error::{CliError, Exit};
use imagxp::json::{Object, Value, to_canonical};

/// Prints an answer, in whatever form is wanted.
pub(super) fn show(context: &Context, object: &Object<'_>) -> Result<Exit, CliError> {
    if context.out.is_json() {
        context.out.object(object)?;
    } else {
        let mut text = String::new();
        write(object, "", &mut text);
        context.out.text(&text)?;
    }
    Ok(Exit::Ok)
}

fn write(object: &Object<'_>, indent: &str, text: &mut String) {
    for (name, value) in object.iter() {
        match value {
            Value::Null => {}
            Value::Array(rows) if rows.iter().any(|row| row.as_object().is_some()) => {
                text.push_str(&format!("{indent}{name}\n"));
                for row in rows.iter().filter_map(Value::as_object) {
                    let members = row.iter().filter(|(_, value)| !matches!(value, Value::Null));
                    let members: Vec<_> = members.map(|(name, value)| format!("{name}={}", plain(value))).collect();
                    text.push_str(&format!("{indent}  {}\n", members.join(" ")));
                }
            }
            Value::Object(inner) => {
                text.push_str(&format!("{indent}{name}\n"));
                write(inner, &format!("{indent}  "), text);
            }
            value => text.push_str(&format!("{indent}{name:<16} {}\n", plain(value))),
        }
    }
}

fn plain(value: &Value<'_>) -> String {
    match value {
        Value::String(text) => text.to_string(),
        value => String::from_utf8_lossy(&to_canonical(value)).into_owned(),
    }
}
