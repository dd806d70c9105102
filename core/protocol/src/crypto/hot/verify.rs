//! The equation of ECDSA with tables: x(u1·G + u2·Q) ≡ r (mod n), u1 = e/s, u2 = r/s (FIPS 186-5 §6.4.2).

use super::comb::{COLUMNS, Digits};
use super::point::{Affine, Field, Order, Point, field};
use super::table::{GENERATOR, NARROW, Table};

/// p - n, big-endian: an r below it stands for two values of x.
const P_MINUS_N: [u8; 32] = [
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x43, 0x19, 0x05, 0x53, 0x58, 0xe8, 0x61, 0x7b, 0x0c,
    0x46, 0x35, 0x3d, 0x03, 0x9c, 0xda, 0xae,
];
/// n, as a number modulo p.
const N: Field =
    Field::w64le(0xf3b9_cac2_fc63_2551, 0xbce6_faad_a717_9e84, 0xffff_ffff_ffff_ffff, 0xffff_ffff_0000_0000);

/// n, big-endian.
const N_BYTES: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
    0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// 32 big-endian bytes modulo n.
#[inline(never)]
fn order(mut bytes: [u8; 32]) -> Order {
    bytes.reverse();
    Order::decode_reduce(&bytes)
}

/// The product: one copy of a kilobyte of code.
#[inline(never)]
fn mul(a: &Order, b: &Order) -> Order {
    *a * *b
}

/// A signature whose equation is still to be checked.
pub(super) struct Equation {
    hash: Order,
    r: Order,
    s: Order,
    x: [u8; 32],
}

impl Equation {
    /// `None` when r or s is 0 or ≥ n: no signature of anything.
    pub(super) fn new(hash: [u8; 32], signature: &[u8; 64]) -> Option<Self> {
        let (x, s) = (*signature.first_chunk::<32>()?, *signature.last_chunk::<32>()?);
        let in_range = |part: &[u8; 32]| *part < N_BYTES && *part != [0; 32];
        (in_range(&x) && in_range(&s)).then(|| Self { hash: order(hash), r: order(x), s: order(s), x })
    }

    /// What has to be inverted; not 0.
    pub(super) fn s(&self) -> Order {
        self.s
    }

    /// The table entries whose sum is u1·G + u2·Q, by the inverse of s; `None` when the tables have no such sum.
    #[inline(never)]
    pub(super) fn entries(&self, inverse: Order, generator: &Table, key: &Table) -> Option<Entries> {
        let u1 = Digits::of(mul(&self.hash, &inverse))?;
        let u2 = Digits::of(mul(&self.r, &inverse))?;
        let mut columns = [[Affine::EMPTY; WIDTH]; COLUMNS];
        for ((column, d1), d2) in columns.iter_mut().zip(u1.columns()).zip(u2.columns()) {
            let (first, second) = column.split_at_mut_checked(generator.shape().len())?;
            generator.select(d1, u1.is_negative(), first);
            key.select(d2, u2.is_negative(), second);
        }
        Some(Entries { columns, width: generator.shape().len() + key.shape().len() })
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

/// The most entries in a column: those of the generator's table and of a narrow one.
pub(super) const WIDTH: usize = GENERATOR.len() + NARROW.len();
pub(super) type Column = [Affine; WIDTH];

/// Everything that will be added, the columns of the highest powers first.
pub(super) struct Entries {
    pub(super) columns: [Column; COLUMNS],
    /// How many points of each column count.
    pub(super) width: usize,
}

impl Entries {
    /// No equation's.
    pub(super) const NONE: Self = Self { columns: [[Affine::EMPTY; WIDTH]; COLUMNS], width: 0 };

    /// The sum, by additions that need no inversion.
    pub(super) fn sum(&self) -> Option<Point> {
        let mut columns = self.columns.iter().map(|column| column.iter().take(self.width));
        let mut first = columns.next()?;
        let start = Point::from(*first.next()?);
        let sum = first.fold(start, |sum, point| sum.add(point));
        Some(columns.fold(sum, |sum, column| column.fold(sum.double(), |sum, point| sum.add(point))))
    }
}
