//! The equation of ECDSA with tables: x(u1·G + u2·Q) ≡ r (mod n), u1 = e/s, u2 = r/s (FIPS 186-5 §6.4.2).

use super::comb::{COLUMNS, Digits};
use super::point::{Affine, Field, Point, field};
use super::table::{MOST_COMBS, Table};
use ::p256::ecdsa::Signature;
use ::p256::elliptic_curve::ops::Reduce as _;
use ::p256::{FieldBytes, Scalar};

/// p - n, big-endian: an r below it stands for two values of x.
const P_MINUS_N: [u8; 32] = [
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x43, 0x19, 0x05, 0x53, 0x58, 0xe8, 0x61, 0x7b, 0x0c,
    0x46, 0x35, 0x3d, 0x03, 0x9c, 0xda, 0xae,
];
/// n, as a number modulo p.
const N: Field =
    Field::w64le(0xf3b9_cac2_fc63_2551, 0xbce6_faad_a717_9e84, 0xffff_ffff_ffff_ffff, 0xffff_ffff_0000_0000);

/// A signature whose equation is still to be checked.
pub(super) struct Equation {
    hash: Scalar,
    r: Scalar,
    s: Scalar,
    x: [u8; 32],
}

impl Equation {
    /// `None` when r or s is 0 or ≥ n: no signature of anything.
    pub(super) fn new(hash: [u8; 32], signature: &[u8; 64]) -> Option<Self> {
        let (r, s) = Signature::from_slice(signature).ok()?.split_scalars();
        let hash = Scalar::reduce(&FieldBytes::from(hash));
        Some(Self { hash, r: *r, s: *s, x: *signature.first_chunk()? })
    }

    /// What has to be inverted; not 0.
    pub(super) fn s(&self) -> Scalar {
        self.s
    }

    /// The table entries whose sum is u1·G + u2·Q; `None` when the tables have no such sum.
    #[inline(never)]
    pub(super) fn entries(&self, inverse: &Scalar, generator: &Table, key: &Table) -> Option<Entries> {
        let u1 = Digits::of(&(self.hash * inverse))?;
        let u2 = Digits::of(&(self.r * inverse))?;
        let width = generator.shape().len() + key.shape().len();
        let mut columns = [[Affine::EMPTY; WIDTH]; COLUMNS];
        for ((column, d1), d2) in columns.iter_mut().zip(u1.columns()).zip(u2.columns()) {
            let entries = generator.select(d1, u1.is_negative()).chain(key.select(d2, u2.is_negative()));
            for (to, entry) in column.iter_mut().zip(entries) {
                *to = entry;
            }
        }
        Some(Entries { columns, width })
    }

    /// Whether the equation holds for this sum; `None` when the sum is lost.
    #[inline(never)]
    pub(super) fn holds(&self, sum: &Point) -> Option<bool> {
        if sum.is_lost() {
            return None;
        }
        // x is a number below p; r is compared with it modulo n.
        let r = field(self.x)?;
        Some(sum.has_x(r) || (self.x < P_MINUS_N && sum.has_x(r + N)))
    }
}

/// The most entries in a column: those of two tables.
pub(super) const WIDTH: usize = 2 * MOST_COMBS - 1;
pub(super) type Column = [Affine; WIDTH];

/// Everything that will be added, the columns of the highest powers first.
///
/// It is read before the first addition: reads that do not wait for each other are quick even when a table has left the cache.
pub(super) struct Entries {
    pub(super) columns: [Column; COLUMNS],
    /// How many points of each column count.
    pub(super) width: usize,
}

impl Entries {
    /// The sum, by additions that need no inversion.
    pub(super) fn sum(&self) -> Option<Point> {
        let mut columns = self.columns.iter().map(|column| column.iter().take(self.width));
        let mut first = columns.next()?;
        let start = Point::from(*first.next()?);
        let sum = first.fold(start, |sum, point| sum.add(point));
        Some(columns.fold(sum, |sum, column| column.fold(sum.double(), |sum, point| sum.add(point))))
    }
}
