//! Caps on what an agent pays.

use crate::amount::{Amount, is_currency};
use crate::error::{Error, Result};

/// The caps in one currency. What has no caps in its currency cannot be bought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caps {
    /// The currency or asset.
    pub currency: String,
    /// The most for one read.
    pub per_request: Amount,
    /// The most for one publisher's host in one UTC day.
    pub per_host: Option<Amount>,
    /// The most in one UTC day.
    pub per_day: Option<Amount>,
    /// The most ever.
    pub total: Option<Amount>,
}

impl Caps {
    /// Caps of one read alone: `amount` as a decimal string, for example `0.01`.
    ///
    /// Error: `usage.argument` for what is not a decimal amount or a currency.
    pub fn new(currency: &str, per_request: &str) -> Result<Self> {
        if !is_currency(currency) {
            return Err(Error::argument(format!("`{currency}` is not 2 to 12 characters of A-Z 0-9")));
        }
        let per_request = read(per_request)?;
        Ok(Self { currency: currency.to_owned(), per_request, per_host: None, per_day: None, total: None })
    }

    /// Caps one publisher's host, for each UTC day. Error: `usage.argument`.
    pub fn with_per_host(mut self, amount: &str) -> Result<Self> {
        self.per_host = Some(read(amount)?);
        Ok(self)
    }

    /// Caps each UTC day. Error: `usage.argument`.
    pub fn with_per_day(mut self, amount: &str) -> Result<Self> {
        self.per_day = Some(read(amount)?);
        Ok(self)
    }

    /// Caps everything. Error: `usage.argument`.
    pub fn with_total(mut self, amount: &str) -> Result<Self> {
        self.total = Some(read(amount)?);
        Ok(self)
    }
}

fn read(amount: &str) -> Result<Amount> {
    Amount::parse(amount).ok_or_else(|| Error::argument(format!("`{amount}` is not a decimal amount")))
}
