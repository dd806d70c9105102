//! Values as SQLite takes and gives them.

use crate::value::Value;
use imagxp_database::{Error, ErrorKind, Result};
use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, ValueRef};

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Borrowed(ValueRef::Null),
            Self::Int(value) => ToSqlOutput::Borrowed(ValueRef::Integer(*value)),
            Self::Text(value) => ToSqlOutput::Borrowed(ValueRef::Text(value.as_bytes())),
            Self::Bytes(value) => ToSqlOutput::Borrowed(ValueRef::Blob(value)),
            Self::Units(value) => {
                ToSqlOutput::Owned(rusqlite::types::Value::Blob(value.to_be_bytes().to_vec()))
            }
            Self::Ints(_) | Self::Texts(_) | Self::Blobs(_) | Self::Numbers(_) => {
                return Err(rusqlite::Error::ToSqlConversionFailure("sqlite has no arrays".into()));
            }
        })
    }
}

/// What a column holds. Error: `storage.damaged` for what no column of ours can hold.
pub(super) fn read(value: ValueRef<'_>) -> Result<Value> {
    Ok(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(value) => Value::Int(value),
        ValueRef::Blob(value) => Value::Bytes(value.to_vec()),
        ValueRef::Text(value) => match core::str::from_utf8(value) {
            Ok(text) => Value::Text(text.to_owned()),
            Err(_) => return Err(Error::new(ErrorKind::Damaged, "a text is not UTF-8")),
        },
        ValueRef::Real(_) => return Err(Error::new(ErrorKind::Damaged, "a column holds a fraction")),
    })
}
