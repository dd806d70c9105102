//! Names of transfers and visas: UUIDs whose order is that of their making (RFC 9562 §5.7).

use crate::refusal::{Refusal, RefusalCode};
use core::fmt;
use imagxp::encoding::{hex_decode, hex_encode};

/// The name of a transfer, and of the visa that a transfer stands for (`jti`): 128 bits, not zero.
///
/// As text a lower-case UUID. Ids from [`TimeOrdered`] sort by age, which keeps a store's index small and quick.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(u128);

impl Id {
    /// The id of this number. Refusal: `id.malformed` for zero.
    pub fn from_u128(number: u128) -> Result<Self, Refusal> {
        if number == 0 { Err(RefusalCode::IdMalformed.into()) } else { Ok(Self(number)) }
    }

    /// The number.
    pub const fn as_u128(self) -> u128 {
        self.0
    }

    /// The 16 bytes, most significant first.
    pub const fn to_be_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The id of these bytes. Refusal: `id.malformed` for zeros.
    pub fn from_be_bytes(bytes: [u8; 16]) -> Result<Self, Refusal> {
        Self::from_u128(u128::from_be_bytes(bytes))
    }

    /// Reads a lower-case UUID with its four hyphens. Refusal: `id.malformed`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let id = hex_decode::<16>(text.replace('-', "").as_bytes()).map(u128::from_be_bytes).map(Self);
        id.filter(|id| id.0 != 0 && id.to_string() == text).ok_or_else(|| RefusalCode::IdMalformed.into())
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = hex_encode(&self.to_be_bytes());
        for (at, part) in [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)].into_iter().enumerate() {
            if at > 0 {
                f.write_str("-")?;
            }
            f.write_str(hex.get(part.0..part.1).unwrap_or_default())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

crate::text::by_text!(Id);

/// Where new ids come from.
pub trait Ids {
    /// An id that was never given before, at this time in milliseconds since 1970.
    fn next(&mut self, now_ms: i64) -> Id;
}

/// Version 7 UUIDs from the caller's time and random bytes; within one generator each is greater than the one before.
#[derive(Debug)]
pub struct TimeOrdered<F> {
    random: F,
    last: u128,
}

impl<F: FnMut() -> u128> TimeOrdered<F> {
    /// A generator over a source of uniform random numbers.
    pub const fn new(random: F) -> Self {
        Self { random, last: 0 }
    }
}

impl<F: FnMut() -> u128> Ids for TimeOrdered<F> {
    fn next(&mut self, now_ms: i64) -> Id {
        const RANDOM: u128 = 0x0fff_3fff_ffff_ffff_ffff;
        const MARKS: u128 = 0x7000_8000_0000_0000_0000;
        let time = u128::from(now_ms.clamp(0, (1 << 48) - 1).unsigned_abs()) << 80;
        let id = time | MARKS | ((self.random)() & RANDOM);
        if id > self.last {
            self.last = id;
        } else {
            // The clock stands still or went back: count on from the last id, within its 62 random bits and then in the time.
            let low = self.last & ((1 << 62) - 1);
            let step = ((self.random)() & 0xffff_ffff) | 1;
            let counted = low.saturating_add(step);
            self.last = if counted < 1 << 62 {
                (self.last & !((1 << 62) - 1)) | counted
            } else {
                ((self.last >> 80).saturating_add(1) << 80) | MARKS | ((self.random)() & RANDOM)
            };
        }
        Id(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips() {
        let id = Id::parse("0190f3a0-0000-7000-8000-0123456789ab").unwrap();
        assert_eq!(id.to_string(), "0190f3a0-0000-7000-8000-0123456789ab");
        assert_eq!(Id::from_be_bytes(id.to_be_bytes()), Ok(id));
        for bad in [
            "",
            "0190F3A0-0000-7000-8000-0123456789ab",
            "0190f3a000007000800001234567890ab",
            "0190f3a0-0000-7000-8000-0123456789a",
            "00000000-0000-0000-0000-000000000000",
            "0190f3a00-000-7000-8000-0123456789ab",
        ] {
            assert_eq!(Id::parse(bad).unwrap_err().code(), RefusalCode::IdMalformed, "{bad}");
        }
        assert!(Id::from_u128(0).is_err());
    }

    #[test]
    fn ids_grow_whatever_clock_and_chance_do() {
        let mut seed = 1_u128;
        let sources: [Box<dyn FnMut() -> u128>; 3] = [
            Box::new(|| 0),
            Box::new(|| u128::MAX),
            Box::new(move || {
                seed = seed.wrapping_mul(0x2360_ED05_1FC6_5DA4_4385_DF64_9FCC_F645).wrapping_add(1);
                seed
            }),
        ];
        for source in sources {
            let mut ids = TimeOrdered::new(source);
            let mut last = Id(1);
            for now in (0..2_000_i64).map(|at| if at % 7 == 0 { -5 } else { 1_700_000_000_000 - (at % 3) }) {
                let id = ids.next(now);
                assert!(id > last);
                let text = id.to_string();
                assert_eq!(text.as_bytes()[14], b'7', "{text}");
                assert!(b"89ab".contains(&text.as_bytes()[19]), "{text}");
                last = id;
            }
        }
        let id = TimeOrdered::new(|| 0).next(0x0190_f3a0_1234);
        assert_eq!(id.to_string(), "0190f3a0-1234-7000-8000-000000000000");
    }
}
