//! A key's multiples.

use super::comb::{COLUMNS, TEETH};
use super::point::{Affine, Point};

/// How a table divides the bits of a column: some teeth for each of its combs, [`TEETH`] in all.
///
/// A comb of w teeth has 2^(w - 1) entries of 64 bytes, and costs one addition for each column.
pub(super) type Shape = &'static [usize];

/// 10 KiB and 39 additions: an agent's.
pub(super) const NARROW: Shape = &[7, 7, 6];
/// 64 KiB and 26 additions: the generator's, and those of the keys that are seen most.
pub(super) const WIDE: Shape = &[10, 10];
/// The most combs that a shape has.
pub(super) const MOST_COMBS: usize = 3;

/// Multiples of a point.
pub(super) struct Table {
    shape: Shape,
    entries: Box<[Affine]>,
}

impl Table {
    /// Computes the table; 0.1 ms for [`NARROW`]. `None` would mean a point that is not of the curve's order.
    pub(super) fn new(point: Affine, shape: Shape) -> Option<Self> {
        let powers = Powers::new(point)?;
        let mut points = Vec::with_capacity(entries(shape));
        let mut first = 0;
        for teeth in shape {
            powers.comb(first, *teeth, &mut points)?;
            first += teeth;
        }
        Some(Self { shape, entries: Point::normalize(&points)?.into_boxed_slice() })
    }

    /// The memory of a table of this shape, in bytes, with the structure itself.
    pub(super) const fn bytes(shape: Shape) -> usize {
        entries(shape) * size_of::<Affine>() + size_of::<Self>()
    }

    pub(super) fn shape(&self) -> Shape {
        self.shape
    }

    /// The entries that a column names, one of each comb, in order.
    #[inline(always)]
    pub(super) fn select(&self, column: u32, negative: bool) -> impl Iterator<Item = Affine> + '_ {
        let mut start = 0;
        let mut column = column;
        self.shape.iter().map_while(move |teeth| {
            let size = 1usize << (teeth - 1);
            let top = (column >> (teeth - 1)) & 1;
            // Entries hold the sums whose highest sign is +1; the others are their negatives.
            let index = (column ^ (top ^ 1).wrapping_neg()) as usize & (size - 1);
            let entry = self.entries.get(start + index)?;
            start += size;
            column >>= teeth;
            Some(entry.negated_if((top == 0) != negative))
        })
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

/// 2^(13j)·P for each tooth j, and twice that.
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

    /// Appends the entries of the comb that begins at the tooth `first`: Σ ±2^(13j)·P with the highest sign +1.
    ///
    /// No addition is exceptional: the factors are whole numbers below 2^248 < n, and no two that are added are equal or opposite.
    fn comb(&self, first: usize, teeth: usize, points: &mut Vec<Point>) -> Option<()> {
        let start = points.len();
        let top = first + teeth - 1;
        let mut lowest = Point::from(*self.once.get(top)?);
        for power in self.once.get(first..top)? {
            lowest = lowest.add(&power.negated_if(true));
        }
        points.push(lowest);
        for twice in self.twice.get(first..top)? {
            for at in start..points.len() {
                let entry = points.get(at)?.add(twice);
                points.push(entry);
            }
        }
        Some(())
    }
}
