//! What money is counted in: `USD` with six digits by default (BROKER §1).

use crate::amount::{Amount, MAX_SCALE};
use crate::refusal::{Refusal, RefusalCode};
use core::fmt;

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

/// The assets that a broker is configured for, with the digits after the point of each. In the order in which they are configured: a booking
/// that names none means the first, and must mean the same when one is added behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assets(Vec<(Asset, u8)>);

impl Default for Assets {
    /// `USD` with six digits.
    fn default() -> Self {
        Self(vec![(Asset::USD, 6)])
    }
}

impl Assets {
    /// These assets in their order, each with its digits after the point, 18 at most. Refusals: `amount.range` for more, `asset.unknown` for one
    /// that is listed twice, of which nobody knows what is meant.
    pub fn new(assets: impl IntoIterator<Item = (Asset, u8)>) -> Result<Self, Refusal> {
        let mut listed: Vec<(Asset, u8)> = Vec::new();
        for (asset, scale) in assets {
            if scale > MAX_SCALE {
                let message = format!("`{asset}` has more than {MAX_SCALE} digits after the point");
                return Err(Refusal::new(RefusalCode::AmountRange, message));
            }
            if listed.iter().any(|(other, _)| *other == asset) {
                return Err(Refusal::new(RefusalCode::AssetUnknown, format!("`{asset}` is listed twice")));
            }
            listed.push((asset, scale));
        }
        Ok(Self(listed))
    }

    /// The asset that is meant when none is named: the first. Refusal: `asset.unknown` when there is none.
    pub fn first(&self) -> Result<Asset, Refusal> {
        self.0.first().map(|(asset, _)| *asset).ok_or_else(|| RefusalCode::AssetUnknown.into())
    }

    /// The digits after the point. Refusal: `asset.unknown`.
    pub fn scale(&self, asset: Asset) -> Result<u8, Refusal> {
        self.0
            .iter()
            .find_map(|(other, scale)| (*other == asset).then_some(*scale))
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

    /// Each asset with its digits after the point, in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (Asset, u8)> {
        self.0.iter().copied()
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

    #[test]
    fn the_first_that_is_configured_is_the_first() {
        let euro = Asset::parse("EUR").unwrap();
        let assets = Assets::new([(Asset::USD, 6), (euro, 2)]).unwrap();
        assert_eq!(assets.first(), Ok(Asset::USD));
        assert_eq!(assets.iter().collect::<Vec<_>>(), [(Asset::USD, 6), (euro, 2)]);
        assert_eq!(Assets::new([]).unwrap().first().unwrap_err().code(), RefusalCode::AssetUnknown);
        let twice = Assets::new([(Asset::USD, 6), (euro, 2), (Asset::USD, 2)]).unwrap_err();
        assert_eq!((twice.code(), twice.message()), (RefusalCode::AssetUnknown, "`USD` is listed twice"));
    }
}
