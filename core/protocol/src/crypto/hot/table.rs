//! A key's multiples.

use super::comb::{COLUMNS, TEETH};
use super::point::{Affine, Field, Point, invert_all};
use core::ops::Range;

/// How a table divides the bits of a column: some teeth for each of its combs, [`TEETH`] in all.
///
/// A comb of w teeth has 2^(w - 1) entries of 64 bytes, and costs one addition for each column.
pub(super) type Shape = &'static [usize];

/// 12 KiB and 40 additions: an agent's.
pub(super) const NARROW: Shape = &[7, 7, 6, 6];
/// 40 KiB and 30 additions: those of the keys that are seen most.
pub(super) const WIDE: Shape = &[9, 9, 8];
/// 512 KiB and 20 additions: the generator's. In WebAssembly, where arithmetic is slow, it would take too long to make.
pub(super) const GENERATOR: Shape = if cfg!(target_family = "wasm") { WIDE } else { &[13, 13] };

/// Multiples of a point.
pub(super) struct Table {
    shape: Shape,
    entries: Box<[Affine]>,
}

impl Table {
    /// Computes the table; 0.1 ms for [`NARROW`]. `None` would mean a point that is not of the curve's order.
    pub(super) fn new(point: Affine, shape: Shape) -> Option<Self> {
        let powers = Powers::new(point)?;
        let mut end = 0;
        let comb = |teeth: &usize| {
            end += teeth;
            end - teeth..end
        };
        let combs: Vec<Range<usize>> = shape.iter().map(comb).collect();
        let lowest: Option<Vec<Point>> = combs.iter().map(|comb| powers.lowest(comb.clone())).collect();
        let mut points = Vec::with_capacity(entries(shape));
        for (comb, lowest) in combs.iter().zip(Point::normalize(&lowest?)?) {
            powers.comb(comb.clone(), lowest, &mut points)?;
        }
        Some(Self { shape, entries: points.into_boxed_slice() })
    }

    /// The memory of a table of this shape, in bytes, with the structure itself.
    pub(super) const fn bytes(shape: Shape) -> usize {
        entries(shape) * size_of::<Affine>() + size_of::<Self>()
    }

    pub(super) fn shape(&self) -> Shape {
        self.shape
    }

    /// Puts the entries that a column names, one of each comb, or their negatives, into these places, in order.
    #[inline(always)]
    pub(super) fn select(&self, column: u32, negative: bool, places: &mut [Affine]) {
        let mut rest = &*self.entries;
        let mut column = column;
        for (teeth, place) in self.shape.iter().zip(places) {
            let size = 1usize << (teeth - 1);
            let top = (column >> (teeth - 1)) & 1;
            // Entries hold the sums whose highest sign is +1; the others are their negatives.
            let index = (column ^ (top ^ 1).wrapping_neg()) as usize & (size - 1);
            let Some((comb, combs)) = rest.split_at_checked(size) else { return };
            if let Some(entry) = comb.get(index) {
                *place = entry.negated_if((top == 0) != negative);
            }
            rest = combs;
            column >>= teeth;
        }
    }
}

/// Entries of a table of this shape.
const fn entries(shape: Shape) -> usize {
    let (mut at, mut sum) = (0, 0);
    while at < shape.len() {
        #[expect(clippy::indexing_slicing, reason = "evaluated when compiling, or below the length")]
        let teeth = shape[at];
        sum += 1 << (teeth - 1);
        at += 1;
    }
    sum
}

/// 2^(10j)·P for each tooth j, and twice that.
struct Powers {
    once: Vec<Affine>,
    twice: Vec<Affine>,
}

impl Powers {
    fn new(point: Affine) -> Option<Self> {
        let (mut once, mut twice) = (Vec::with_capacity(TEETH), Vec::with_capacity(TEETH));
        let mut power = Point::from(point);
        for _ in 0..TEETH {
            once.push(power);
            power = power.double();
            twice.push(power);
            for _ in 1..COLUMNS {
                power = power.double();
            }
        }
        Some(Self { once: Point::normalize(&once)?, twice: Point::normalize(&twice)? })
    }

    /// The first entry of a comb: its highest tooth, less all others.
    fn lowest(&self, comb: Range<usize>) -> Option<Point> {
        let (highest, others) = self.once.get(comb)?.split_last()?;
        Some(others.iter().fold(Point::from(*highest), |lowest, power| lowest.add(&power.negated_if(true))))
    }

    /// Appends the entries of a comb: Σ ±2^(10j)·P with the highest sign +1.
    ///
    /// No addition is exceptional: the factors are whole numbers below 2^251 < n, and no two that are added are equal or opposite.
    fn comb(&self, comb: Range<usize>, lowest: Affine, points: &mut Vec<Affine>) -> Option<()> {
        let start = points.len();
        points.push(lowest);
        let (_, others) = self.twice.get(comb)?.split_last()?;
        for twice in others {
            let mut inverses: Vec<Field> =
                points.get(start..)?.iter().map(|point| twice.x - point.x).collect();
            invert_all(&mut inverses);
            for (at, inverse) in (start..).zip(&inverses) {
                let entry = points.get(at)?.add(twice, inverse);
                points.push(entry);
            }
        }
        Some(())
    }
}
