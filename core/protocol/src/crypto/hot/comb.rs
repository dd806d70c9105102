//! Scalars as digits of a signed comb (Hedabou, Pinel, Bénéteau 2005).
//!
//! An odd k is Σ ±2ⁱ over 260 bits, with no zero among the signs. The signs are read in [`COLUMNS`] columns of [`TEETH`] bits that
//! are 13 apart: k·P is the sum over the columns i of 2ⁱ times one entry of each table, so twelve doublings serve every table at once,
//! the generator's and the key's.

use ::p256::Scalar;
use ::p256::elliptic_curve::ff::Field as _;

/// Columns: the doublings of a multiplication, and one.
pub(super) const COLUMNS: usize = 10;
/// Bits in a column. 10 · 26 ≥ 256.
pub(super) const TEETH: usize = 26;

/// The signs of a scalar, column by column; bit j of column i stands for ±2^(10j + i).
pub(super) struct Digits {
    columns: [u32; COLUMNS],
    negative: bool,
}

impl Digits {
    /// `None` for 0, which has no such form.
    pub(super) fn of(scalar: &Scalar) -> Option<Self> {
        if bool::from(scalar.is_zero()) {
            return None;
        }
        // n is odd: of k and n - k one is odd, and k = -(n - k).
        let negative = bool::from(scalar.is_even());
        let odd = if negative { -*scalar } else { *scalar };
        let bytes: [u8; 32] = odd.to_bytes().into();
        let (high, low) = bytes.split_at(16);
        let (high, low) = (word(high), word(low));
        // Signs +1 and -1 for bits 1 and 0: Σ (2c - 1)·2ⁱ = k makes c = (k - 1)/2 + 2^259.
        let mut bits = ((low >> 1) | (high << 127), high >> 1);
        let mut columns = [0u32; COLUMNS];
        for tooth in 0..TEETH {
            let chunk = (bits.0 & ((1 << COLUMNS) - 1)) as u32;
            bits = ((bits.0 >> COLUMNS) | (bits.1 << (128 - COLUMNS)), bits.1 >> COLUMNS);
            for (at, column) in columns.iter_mut().enumerate() {
                *column |= ((chunk >> at) & 1) << tooth;
            }
        }
        if let Some(last) = columns.last_mut() {
            *last |= 1 << (TEETH - 1);
        }
        Some(Self { columns, negative })
    }

    /// The columns, the one with the highest powers first.
    pub(super) fn columns(&self) -> impl Iterator<Item = u32> + '_ {
        self.columns.iter().rev().copied()
    }

    /// Whether these are the digits of the scalar's negative.
    pub(super) fn is_negative(&self) -> bool {
        self.negative
    }
}

fn word(bytes: &[u8]) -> u128 {
    bytes.iter().fold(0, |word, byte| (word << 8) | u128::from(*byte))
}
