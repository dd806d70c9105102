//! Many sums at once: additions of affine points, which cost half when all of them share one inversion (Montgomery's trick).

use super::comb::COLUMNS;
use super::point::{Affine, Field, Point, inverse};
use super::table::Table;
use super::verify::{Column, Entries, Equation, WIDTH};
use ::p256::Scalar;
use ::p256::elliptic_curve::ff::BatchInverter;
use std::sync::Arc;

/// The most equations that are summed together: their points, 100 KB, stay in the near caches.
const MOST: usize = 12;
/// For fewer the inversions cost more than they save.
const LEAST: usize = 3;

/// [`Equation::holds`] of each equation with its key's table, in order.
pub(super) fn hold(equations: &[(Equation, Arc<Table>)], generator: &Table) -> Vec<Option<bool>> {
    let mut inverses: Vec<Scalar> = equations.iter().map(|(equation, _)| equation.s()).collect();
    let mut scratch = inverses.clone();
    BatchInverter::invert_with_external_scratch(&mut inverses, &mut scratch);
    let mut answers = Vec::with_capacity(equations.len());
    for (equations, inverses) in equations.chunks(MOST).zip(inverses.chunks(MOST)) {
        let read = |((equation, key), inverse): (&(Equation, Arc<Table>), &Scalar)| {
            equation.entries(inverse, generator, key)
        };
        let entries: Vec<Option<Entries>> = equations.iter().zip(inverses).map(read).collect();
        let sums = if equations.len() < LEAST {
            entries.iter().map(|entries| entries.as_ref()?.sum()).collect()
        } else {
            sums(&entries)
        };
        answers.extend(equations.iter().zip(sums).map(|((equation, _), sum)| equation.holds(&sum?)));
    }
    answers
}

const NOTHING: [Column; COLUMNS] = [[Affine::EMPTY; WIDTH]; COLUMNS];

/// What is left to add of one column of one equation.
struct Group {
    points: Column,
    len: usize,
    equation: usize,
}

/// The sum of each equation's entries; `None` where equal or opposite points met, and the plain path has to say.
fn sums(equations: &[Option<Entries>]) -> Vec<Option<Point>> {
    let mut groups = Vec::with_capacity(equations.len() * COLUMNS);
    let mut lost = vec![false; equations.len()];
    for (equation, (entries, lost)) in equations.iter().zip(&mut lost).enumerate() {
        *lost = entries.is_none();
        let (columns, len) =
            entries.as_ref().map_or((&NOTHING, 0), |entries| (&entries.columns, entries.width));
        groups.extend(columns.iter().map(|points| Group { points: *points, len, equation }));
    }
    while groups.iter().any(|group| group.len > 1) {
        halve(&mut groups, &mut lost);
    }
    let sum = |(columns, lost): (&[Group], bool)| if lost { None } else { add_up(columns) };
    groups.chunks(COLUMNS).zip(lost).map(sum).collect()
}

/// Adds the points of every group in pairs.
fn halve(groups: &mut [Group], lost: &mut [bool]) {
    // From the last pair to the first, so that what follows takes them from the first to the last.
    let mut product = Field::ONE;
    let mut factors = Vec::with_capacity(groups.len() * 2);
    for group in groups.iter().rev() {
        let (pairs, _) = group.live().as_chunks::<2>();
        for [a, b] in pairs.iter().rev() {
            let mut difference = b.x - a.x;
            if difference.iszero() != 0 {
                difference = Field::ONE;
                if let Some(lost) = lost.get_mut(group.equation) {
                    *lost = true;
                }
            }
            factors.push((product, difference));
            product *= difference;
        }
    }
    let mut inverse = inverse(&product);
    for group in groups {
        let mut sums = [Affine::EMPTY; WIDTH];
        let (pairs, rest) = group.live().as_chunks::<2>();
        for (to, [a, b]) in sums.iter_mut().zip(pairs) {
            let Some((before, difference)) = factors.pop() else { return };
            let slope = (b.y - a.y) * (inverse * before);
            inverse *= difference;
            let x = slope.square() - a.x - b.x;
            *to = Affine { x, y: slope * (a.x - x) - a.y };
        }
        if let (Some(to), Some(odd)) = (sums.get_mut(pairs.len()), rest.first()) {
            *to = *odd;
        }
        (group.len, group.points) = (pairs.len() + rest.len(), sums);
    }
}

/// Columns, highest first, to their sum.
fn add_up(columns: &[Group]) -> Option<Point> {
    let mut points = columns.iter().filter_map(|column| column.points.first());
    let first = Point::from(*points.next()?);
    Some(points.fold(first, |sum, point| sum.double().add(point)))
}

impl Group {
    fn live(&self) -> &[Affine] {
        self.points.get(..self.len).unwrap_or_default()
    }
}
