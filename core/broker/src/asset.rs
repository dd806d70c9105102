//! What money is counted in: `USD` with six digits by default (BROKER §1).

use crate::amount::{Amount, MAX_SCALE};
use crate::refusal::{Refusal, RefusalCode};
use core::fmt;
use std::collections::BTreeMap;

const MAX_BYTES: usize = 12;

/// The name of an asset: 2 to 12 characters of `A-Z 0-9`, as the `currency` of a visa (PROTOCOL §8).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Asset([u8; MAX_BYTES]);

impl Asset {
    /// US dollars.
    pub const USD: Self = Self(*b"USD\0\0\0\0\0\0\0\0\0");

    /// Reads a name. Refusal: `asset.unknown`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let allowed = text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        let mut name = [0; MAX_BYTES];
        match name.get_mut(..text.len()) {
            Some(start) if text.len() >= 2 && allowed => start.copy_from_slice(text.as_bytes()),
            _ => {
                return Err(Refusal::new(
                    RefusalCode::AssetUnknown,
                    "an asset has 2 to 12 characters of A-Z 0-9",
                ));
            }
        }
        Ok(Self(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(MAX_BYTES);
        self.0.get(..end).and_then(|name| core::str::from_utf8(name).ok()).unwrap_or_default()
    }
}

impl fmt::Display for Asset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Asset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

crate::text::by_text!(Asset);

/// The assets that a broker is configured for, with the digits after the point of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assets(BTreeMap<Asset, u8>);

impl Default for Assets {
    /// `USD` with six digits.
    fn default() -> Self {
        Self(BTreeMap::from([(Asset::USD, 6)]))
    }
}

impl Assets {
    /// These assets, each with its digits after the point, 18 at most. Refusal: `amount.range` for more.
    pub fn new(assets: impl IntoIterator<Item = (Asset, u8)>) -> Result<Self, Refusal> {
        let assets: BTreeMap<_, _> = assets.into_iter().collect();
        if assets.values().any(|scale| *scale > MAX_SCALE) {
            return Err(Refusal::new(
                RefusalCode::AmountRange,
                "an asset has at most 18 digits after the point",
            ));
        }
        Ok(Self(assets))
    }

    /// The digits after the point. Refusal: `asset.unknown`.
    pub fn scale(&self, asset: Asset) -> Result<u8, Refusal> {
        self.0
            .get(&asset)
            .copied()
            .ok_or_else(|| Refusal::new(RefusalCode::AssetUnknown, format!("`{asset}` is not an asset here")))
    }

    /// Reads an amount of an asset. Refusals: `asset.unknown`, `amount.malformed`, `amount.range`.
    pub fn amount(&self, asset: Asset, text: &str) -> Result<Amount, Refusal> {
        Amount::from_decimal(text, self.scale(asset)?)
    }

    /// Writes an amount of an asset. Refusal: `asset.unknown`.
    pub fn decimal(&self, asset: Asset, amount: Amount) -> Result<String, Refusal> {
        Ok(amount.to_decimal(self.scale(asset)?))
    }

    /// Each asset with its digits after the point.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (Asset, u8)> {
        self.0.iter().map(|(asset, scale)| (*asset, *scale))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_scales() {
        assert_eq!(Asset::parse("USD"), Ok(Asset::USD));
        assert_eq!(Asset::parse("ABCDEFGHIJKL").unwrap().as_str(), "ABCDEFGHIJKL");
        for bad in ["", "U", "usd", "ABCDEFGHIJKLM", "U D", "U\0D"] {
            assert_eq!(Asset::parse(bad).unwrap_err().code(), RefusalCode::AssetUnknown, "{bad:?}");
        }
        let assets = Assets::default();
        assert_eq!(assets.amount(Asset::USD, "0.05").unwrap().units(), 50_000);
        assert_eq!(assets.decimal(Asset::USD, Amount::from_units(50_000)).unwrap(), "0.05");
        assert_eq!(
            assets.scale(Asset::parse("EUR").unwrap()).unwrap_err().message(),
            "`EUR` is not an asset here"
        );
        assert!(Assets::new([(Asset::USD, 19)]).is_err());
    }
}
