//! Scalars as digits of a signed comb (Hedabou, Pinel, Bénéteau 2005).
//!
//! An odd k is Σ ±2ⁱ over 260 bits, with no zero among the signs. The signs are read in [`COLUMNS`] columns of [`TEETH`] bits that
//! are 10 apart: k·P is the sum over the columns i of 2ⁱ times one entry of each table, so nine doublings serve every table at once,
//! the generator's and the key's.

use super::point::Order;

/// Columns: the doublings of a multiplication, and one.
pub(super) const COLUMNS: usize = 10;
/// Bits in a column. 10 · 26 ≥ 256.
pub(super) const TEETH: usize = 26;

/// n = N_HIGH · 2^128 + N_LOW
const N_HIGH: u128 = 0xffff_ffff_0000_0000_ffff_ffff_ffff_ffff;
const N_LOW: u128 = 0xbce6_faad_a717_9e84_f3b9_cac2_fc63_2551;

/// So many teeth of a column are read at once.
const RUN: usize = 6;
/// The bits of column 0 in a run: every tenth.
const SPREAD: u64 = sum_of_powers(0, COLUMNS);
/// The product with this moves them together, from [`PACKED`] on: bit 10j meets 2^(50 - 9j), and no two products meet each other.
const PACK: u64 = sum_of_powers(RUN - 1, COLUMNS - 1);
const PACKED: usize = COLUMNS * (RUN - 1);

/// 2^first + 2^(first + step) + …, one for each tooth of a run.
const fn sum_of_powers(first: usize, step: usize) -> u64 {
    let (mut sum, mut tooth) = (0, 0);
    while tooth < RUN {
        sum |= 1 << (first + step * tooth);
        tooth += 1;
    }
    sum
}

/// The signs of a scalar, column by column; bit j of column i stands for ±2^(10j + i).
pub(super) struct Digits {
    columns: [u32; COLUMNS],
    negative: bool,
}

impl Digits {
    /// `None` for 0, which has no such form.
    pub(super) fn of(scalar: Order) -> Option<Self> {
        if scalar.iszero() != 0 {
            return None;
        }
        let bytes = scalar.encode32();
        let mut low = u128::from_le_bytes(*bytes.first_chunk()?);
        let mut high = u128::from_le_bytes(*bytes.last_chunk()?);
        // n is odd: of k and n - k one is odd, and k = -(n - k).
        let negative = low & 1 == 0;
        if negative {
            let borrow = u128::from(low > N_LOW);
            (low, high) = (N_LOW.wrapping_sub(low), N_HIGH.wrapping_sub(high).wrapping_sub(borrow));
        }
        // Signs +1 and -1 for bits 1 and 0: Σ (2c - 1)·2ⁱ = k makes c = (k - 1)/2 + 2^259.
        let mut bits = ((low >> 1) | (high << 127), high >> 1);
        let mut columns = [0u32; COLUMNS];
        for first in (0..TEETH).step_by(RUN) {
            let run = bits.0 as u64;
            bits =
                ((bits.0 >> (COLUMNS * RUN)) | (bits.1 << (128 - COLUMNS * RUN)), bits.1 >> (COLUMNS * RUN));
            for (at, column) in columns.iter_mut().enumerate() {
                let teeth = ((run >> at) & SPREAD).wrapping_mul(PACK) >> PACKED;
                *column |= (teeth as u32 & ((1 << RUN) - 1)) << first;
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
