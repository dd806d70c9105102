//! Values of columns, the same for both databases, and rows that are read column by column.

use imagxp_broker::{AccountId, Amount, Id};
use imagxp_database::{Error, ErrorKind, Result};

/// What a column holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
    /// 16 bytes in SQLite, a `numeric` in PostgreSQL.
    Units(u128),
    /// Arrays, in PostgreSQL only.
    Ints(Vec<Option<i64>>),
    Texts(Vec<Option<String>>),
    Blobs(Vec<Option<Vec<u8>>>),
    Numbers(Vec<u128>),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Int(value.into())
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Self::Bytes(value.to_vec())
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(value)
    }
}

impl From<Id> for Value {
    fn from(value: Id) -> Self {
        Self::Bytes(value.to_be_bytes().to_vec())
    }
}

impl From<AccountId> for Value {
    fn from(value: AccountId) -> Self {
        Self::Bytes(value.to_bytes().to_vec())
    }
}

impl From<Amount> for Value {
    fn from(value: Amount) -> Self {
        Self::Units(value.units())
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A number of the log, a size, a limit: databases count in signed numbers.
pub(crate) fn number(value: u64) -> Value {
    Value::Int(i64::try_from(value).unwrap_or(i64::MAX))
}

/// How many rows at most.
pub(crate) fn limit(value: usize) -> Value {
    Value::Int(i64::try_from(value).unwrap_or(i64::MAX))
}

/// A row, read from the first column to the last.
#[derive(Debug)]
pub(crate) struct Row {
    values: std::vec::IntoIter<Value>,
}

impl Row {
    pub(crate) fn new(values: Vec<Value>) -> Self {
        Self { values: values.into_iter() }
    }

    pub(crate) fn next(&mut self) -> Result<Value> {
        self.values.next().ok_or_else(|| damaged("a column is missing"))
    }

    pub(crate) fn int(&mut self) -> Result<i64> {
        self.optional_int()?.ok_or_else(|| damaged("a number is missing"))
    }

    pub(crate) fn optional_int(&mut self) -> Result<Option<i64>> {
        match self.next()? {
            Value::Null => Ok(None),
            Value::Int(value) => Ok(Some(value)),
            _ => Err(damaged("a column is no number")),
        }
    }

    /// A number that is never negative.
    pub(crate) fn count(&mut self) -> Result<u64> {
        u64::try_from(self.int()?).map_err(|_| damaged("a number is negative"))
    }

    pub(crate) fn flag(&mut self) -> Result<bool> {
        Ok(self.int()? != 0)
    }

    pub(crate) fn text(&mut self) -> Result<String> {
        self.optional_text()?.ok_or_else(|| damaged("a text is missing"))
    }

    pub(crate) fn optional_text(&mut self) -> Result<Option<String>> {
        match self.next()? {
            Value::Null => Ok(None),
            Value::Text(value) => Ok(Some(value)),
            _ => Err(damaged("a column is no text")),
        }
    }

    pub(crate) fn bytes(&mut self) -> Result<Vec<u8>> {
        self.optional_bytes()?.ok_or_else(|| damaged("bytes are missing"))
    }

    pub(crate) fn optional_bytes(&mut self) -> Result<Option<Vec<u8>>> {
        match self.next()? {
            Value::Null => Ok(None),
            Value::Bytes(value) => Ok(Some(value)),
            _ => Err(damaged("a column is not of bytes")),
        }
    }

    pub(crate) fn hash(&mut self) -> Result<[u8; 32]> {
        self.bytes()?.try_into().map_err(|_| damaged("a hash has another length"))
    }

    /// Hashes in one column.
    pub(crate) fn hashes(&mut self) -> Result<Vec<[u8; 32]>> {
        match self.bytes()?.as_chunks::<32>() {
            (hashes, []) => Ok(hashes.to_vec()),
            _ => Err(damaged("hashes have another length")),
        }
    }

    pub(crate) fn amount(&mut self) -> Result<Amount> {
        match self.next()? {
            Value::Units(value) => Ok(Amount::from_units(value)),
            Value::Bytes(value) => value
                .try_into()
                .map(Amount::from_be_bytes)
                .map_err(|_| damaged("an amount has another length")),
            _ => Err(damaged("a column is no amount")),
        }
    }

    pub(crate) fn id(&mut self) -> Result<Id> {
        self.optional_id()?.ok_or_else(|| damaged("an id is missing"))
    }

    pub(crate) fn optional_id(&mut self) -> Result<Option<Id>> {
        self.optional_bytes()?
            .map(|bytes| {
                let bytes = bytes.try_into().map_err(|_| damaged("an id has another length"))?;
                Id::from_be_bytes(bytes).map_err(|_| damaged("an id is zero"))
            })
            .transpose()
    }

    pub(crate) fn account(&mut self) -> Result<AccountId> {
        self.optional_account()?.ok_or_else(|| damaged("an account's id is missing"))
    }

    pub(crate) fn optional_account(&mut self) -> Result<Option<AccountId>> {
        self.optional_bytes()?
            .map(|bytes| {
                bytes
                    .try_into()
                    .map(AccountId::from_bytes)
                    .map_err(|_| damaged("an account's id has another length"))
            })
            .transpose()
    }

    /// A text that is of some form: what does not read is damage, since nobody could have written it.
    pub(crate) fn parsed<T>(
        &mut self,
        what: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T> {
        read(&self.text()?).ok_or_else(|| damaged(what))
    }

    pub(crate) fn optional_parsed<T>(
        &mut self,
        what: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>> {
        self.optional_text()?.map(|text| read(&text).ok_or_else(|| damaged(what))).transpose()
    }
}

pub(crate) fn damaged(message: &'static str) -> Error {
    Error::new(ErrorKind::Damaged, message)
}
