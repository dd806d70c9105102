//! Many sums at once: affine points, whose additions cost half when all of them share one inversion (Montgomery's trick).

use super::comb::COLUMNS;
use super::inverses::Inverses;
use super::point::{Affine, Order, Point};
use super::table::Table;
use super::verify::{Column, Entries, Equation, WIDTH};
use std::sync::Arc;

/// The most equations that are summed together: their points, 70 KB, stay in the near caches. With 64 a batch of 64 took no less time, and no less
/// when the columns, too, were put together by shared inversions.
pub(super) const MOST: usize = 16;
/// For fewer the inversions cost more than they save.
const LEAST: usize = 3;

/// [`Equation::holds`] of each equation with its key's table, in order.
pub(super) fn hold(equations: &[(Equation, Arc<Table>)], generator: &Table) -> Vec<Option<bool>> {
    let mut inverses: Vec<Order> = equations.iter().map(|(equation, _)| equation.s()).collect();
    Order::batch_invert(&mut inverses);
    let mut answers = Vec::with_capacity(equations.len());
    let mut room = Room::new(equations.len().min(MOST));
    for (equations, inverses) in equations.chunks(MOST).zip(inverses.chunks(MOST)) {
        let entries = |((equation, key), inverse): (&(Equation, Arc<Table>), &Order)| {
            equation.entries(*inverse, generator, key)
        };
        let entries = equations.iter().zip(inverses).map(entries);
        let sums = if equations.len() < LEAST {
            entries.map(|entries| entries?.sum()).collect()
        } else {
            room.sums(entries)
        };
        answers.extend(equations.iter().zip(sums).map(|((equation, _), sum)| equation.holds(&sum?)));
    }
    answers
}

/// What is left to add of one column of one equation.
struct Group {
    points: Column,
    len: usize,
    equation: usize,
}

/// The memory that [`MOST`] equations need: allocated once, since allocating so much takes microseconds.
struct Room {
    groups: Vec<Group>,
    inverses: Inverses,
}

impl Room {
    fn new(equations: usize) -> Self {
        let groups = equations * COLUMNS;
        Self { groups: Vec::with_capacity(groups), inverses: Inverses::new(groups * (WIDTH / 2)) }
    }

    /// The sum of each equation's entries; `None` where equal or opposite points met, and the plain path has to say.
    fn sums(&mut self, equations: impl Iterator<Item = Option<Entries>>) -> Vec<Option<Point>> {
        self.groups.clear();
        let mut lost = Vec::with_capacity(MOST);
        for (equation, entries) in equations.enumerate() {
            lost.push(entries.is_none());
            let Entries { columns, width: len } = entries.unwrap_or(Entries::NONE);
            self.groups.extend(columns.iter().map(|points| Group { points: *points, len, equation }));
        }
        while self.groups.iter().any(|group| group.len > 1) {
            halve(&mut self.groups, &mut self.inverses, &mut lost);
        }
        let sum = |(columns, lost): (&[Group], bool)| if lost { None } else { add_up(columns) };
        self.groups.chunks(COLUMNS).zip(lost).map(sum).collect()
    }
}

/// Adds the points of every group in pairs.
fn halve(groups: &mut [Group], inverses: &mut Inverses, lost: &mut [bool]) {
    inverses.begin();
    // From the last pair to the first, so that what follows takes them from the first to the last.
    for group in groups.iter().rev() {
        let (pairs, _) = group.live().as_chunks::<2>();
        for [a, b] in pairs.iter().rev() {
            if !inverses.push(b.x - a.x) {
                lose(lost, group.equation);
            }
        }
    }
    inverses.invert();
    for group in groups {
        // In place: a sum goes where a point was that has been added already.
        let (mut from, mut to) = (0, 0);
        while let Some([a, b]) = group.live().get(from..).and_then(<[Affine]>::first_chunk::<2>) {
            let Some(inverse) = inverses.pop() else { return };
            // Multiplied in place, not by calls: this is where a batch spends its time.
            let sum = a.add_by(b, &inverse, |a, b| *a * *b);
            group.put(to, sum);
            (from, to) = (from + 2, to + 1);
        }
        if let Some(odd) = group.live().get(from) {
            group.put(to, *odd);
            to += 1;
        }
        group.len = to;
    }
}

/// Columns, highest first, to their sum.
fn add_up(columns: &[Group]) -> Option<Point> {
    let mut points = columns.iter().filter_map(|column| column.points.first());
    let first = Point::from(*points.next()?);
    Some(points.fold(first, |sum, point| sum.double().add(point)))
}

fn lose(lost: &mut [bool], equation: usize) {
    if let Some(lost) = lost.get_mut(equation) {
        *lost = true;
    }
}

impl Group {
    fn put(&mut self, at: usize, point: Affine) {
        if let Some(place) = self.points.get_mut(at) {
            *place = point;
        }
    }

    fn live(&self) -> &[Affine] {
        self.points.get(..self.len).unwrap_or_default()
    }
}
