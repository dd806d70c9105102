//! Values to and from PostgreSQL's types.

use super::numeric;
use crate::value::{Row, Value};
use imagxp_database::{Error, ErrorKind, Result};
use postgres::types::private::BytesMut;
use postgres::types::{FromSql, IsNull, Kind, ToSql, Type, to_sql_checked};

type Failure = Box<dyn std::error::Error + Sync + Send>;

impl ToSql for Value {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Failure> {
        let ty = base(ty);
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(value) => match *ty {
                Type::INT4 => i32::try_from(*value)?.to_sql(ty, out),
                Type::INT2 => i16::try_from(*value)?.to_sql(ty, out),
                _ => value.to_sql(ty, out),
            },
            Self::Text(value) => value.to_sql(ty, out),
            Self::Bytes(value) => value.to_sql(ty, out),
            Self::Units(value) => Units(*value).to_sql(ty, out),
            Self::Ints(values) => values.to_sql(ty, out),
            Self::Texts(values) => values.to_sql(ty, out),
            Self::Blobs(values) => values.to_sql(ty, out),
            Self::Numbers(values) => {
                values.iter().map(|value| Units(*value)).collect::<Vec<_>>().to_sql(ty, out)
            }
        }
    }

    fn accepts(_: &Type) -> bool {
        // What does not fit, the server refuses.
        true
    }

    to_sql_checked!();
}

/// A `numeric` that is a `u128`.
#[derive(Debug)]
struct Units(u128);

impl ToSql for Units {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Failure> {
        let mut bytes = Vec::new();
        numeric::write(self.0, &mut bytes);
        out.extend_from_slice(&bytes);
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        *base(ty) == Type::NUMERIC
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Value {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Failure> {
        let ty = base(ty);
        Ok(match *ty {
            Type::INT8 => Self::Int(i64::from_sql(ty, raw)?),
            Type::INT4 => Self::Int(i32::from_sql(ty, raw)?.into()),
            Type::INT2 => Self::Int(i16::from_sql(ty, raw)?.into()),
            Type::BOOL => Self::Int(bool::from_sql(ty, raw)?.into()),
            Type::BYTEA => Self::Bytes(raw.to_vec()),
            Type::NUMERIC => {
                Self::Units(numeric::read(raw).ok_or("the number is negative or has a fraction")?)
            }
            _ => Self::Text(String::from_sql(ty, raw)?),
        })
    }

    fn from_sql_null(_: &Type) -> Result<Self, Failure> {
        Ok(Self::Null)
    }

    fn accepts(ty: &Type) -> bool {
        let ty = base(ty);
        [Type::INT8, Type::INT4, Type::INT2, Type::BOOL, Type::BYTEA, Type::NUMERIC].contains(ty)
            || <String as FromSql<'_>>::accepts(ty)
    }
}

/// The type under a domain.
fn base(ty: &Type) -> &Type {
    match ty.kind() {
        Kind::Domain(ty) => base(ty),
        _ => ty,
    }
}

pub(super) fn row(row: &postgres::Row) -> Result<Row> {
    let mut values = Vec::with_capacity(row.len());
    for column in 0..row.len() {
        let value = row.try_get::<_, Value>(column).map_err(|error| {
            Error::new(ErrorKind::Damaged, "a column of the database cannot be read").with_source(error)
        })?;
        values.push(value);
    }
    Ok(Row::new(values))
}
