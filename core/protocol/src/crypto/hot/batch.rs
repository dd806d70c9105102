//! Many sums at once: affine points, whose additions cost half when all of them share one inversion (Montgomery's trick).

use super::comb::COLUMNS;
use super::inverses::Inverses;
use super::point::{Affine, Field, Order, Point};
use super::table::Table;
use super::verify::{Column, Entries, Equation, WIDTH};
use std::sync::Arc;

/// The most equations that are summed together: their points take 300 KB.
const MOST: usize = 64;
/// For fewer the inversions cost more than they save.
const LEAST: usize = 3;
/// From so many on, the nine inversions pay that put the columns together.
pub(super) const MANY: usize = 24;

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
        let columns = self.groups.chunks(COLUMNS);
        let sums: Vec<Option<Point>> = if lost.len() < MANY {
            columns.map(add_up).collect()
        } else {
            let sums = add_up_together(columns, &mut self.inverses, &mut lost);
            sums.into_iter().map(|sum| Some(sum.into())).collect()
        };
        sums.into_iter().zip(lost).map(|(sum, lost)| sum.filter(|_| !lost)).collect()
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

/// The same for many equations: each step, twice the sum and a point, is one division, and all sums share it.
fn add_up_together<'a>(
    equations: impl Iterator<Item = &'a [Group]>,
    inverses: &mut Inverses,
    lost: &mut [bool],
) -> Vec<Affine> {
    let equations: Vec<&[Group]> = equations.collect();
    let point = |columns: &[Group], at: usize| {
        columns.get(at).and_then(|column| column.points.first()).copied().unwrap_or(Affine::EMPTY)
    };
    let mut sums: Vec<Affine> = equations.iter().map(|columns| point(columns, 0)).collect();
    let mut steps = Vec::with_capacity(sums.len());
    for at in 1..COLUMNS {
        inverses.begin();
        for (number, (sum, columns)) in sums.iter().zip(&equations).enumerate() {
            let step = TwicePlus::new(*sum, point(columns, at));
            if !inverses.push(step.divisor()) {
                lose(lost, number);
            }
            steps.push(step);
        }
        inverses.invert();
        for sum in sums.iter_mut().rev() {
            let (Some(step), Some(inverse)) = (steps.pop(), inverses.pop()) else { break };
            *sum = step.divided(&inverse);
        }
    }
    sums
}

/// 2·P + Q with one division (Ciet, Joye, Lauter, Montgomery 2006, "Trading inversions for multiplications"). The divisor is 0 when P and Q
/// are equal or opposite, or the sum is the identity.
struct TwicePlus {
    p: Affine,
    q: Affine,
    dx: Field,
    dx2: Field,
    d: Field,
}

impl TwicePlus {
    #[inline(always)]
    fn new(p: Affine, q: Affine) -> Self {
        let dx = q.x - p.x;
        let dx2 = dx.square();
        let d = dx2 * (p.x + p.x + q.x) - (q.y - p.y).square();
        Self { p, q, dx, dx2, d }
    }

    #[inline(always)]
    fn divisor(&self) -> Field {
        self.d * self.dx
    }

    #[inline(always)]
    fn divided(&self, inverse: &Field) -> Affine {
        let Self { p, q, dx, dx2, d } = self;
        let slope = *d * *inverse * (q.y - p.y);
        let second = (p.y + p.y) * (*dx2 * *dx) * *inverse - slope;
        let x = (second - slope) * (second + slope) + q.x;
        Affine { x, y: (p.x - x) * second - p.y }
    }
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
