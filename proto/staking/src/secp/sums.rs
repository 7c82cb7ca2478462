//! Sums of many points at once, for public data only.
//!
//! Adding two points of known coordinates takes a division. Of many additions at once all divisions
//! together take one and three products each, which makes this the fastest way to add: half of what
//! it takes without division.

use super::field::Field;

/// A point that is not the one at infinity.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    pub(super) x: Field,
    pub(super) y: Field,
}

/// The x coordinate of each sum. `None` where two points on the way were equal or opposite, which no
/// chance brings about: another way has to be taken.
pub(super) fn sums(of: &[&[Point]]) -> Vec<Option<Field>> {
    let mut open: Vec<Open> = Vec::with_capacity(of.len());
    let mut points: Vec<Point> = Vec::with_capacity(of.iter().map(|points| points.len()).sum());
    for sum in of {
        open.push(Open { points: sum.len(), lost: sum.is_empty() });
        points.extend_from_slice(sum);
    }
    while open.iter().any(|sum| sum.points > 1) {
        points = halve(&points, &mut open);
    }
    let mut points = points.into_iter();
    let mut x = |sum: &Open| points.next().filter(|_| !sum.lost).map(|point| point.x);
    open.iter().map(|sum| if sum.points == 0 { None } else { x(sum) }).collect()
}

/// A sum under way: how many points are left of it.
#[derive(Debug)]
struct Open {
    points: usize,
    lost: bool,
}

/// Adds each point of a sum to its neighbour.
fn halve(points: &[Point], sums: &mut [Open]) -> Vec<Point> {
    // For each pair the product of all differences behind it.
    let mut behind = Vec::with_capacity(points.len() / 2);
    let mut product = Field::ONE;
    let mut rest = points;
    for sum in sums.iter_mut().rev() {
        let (before, own) = rest.split_at(rest.len() - sum.points);
        rest = before;
        for pair in own.as_chunks::<2>().0.iter().rev() {
            behind.push(product);
            let difference = difference(pair);
            sum.lost |= difference.is_zero();
            product = product.times(&nonzero(difference));
        }
    }
    let mut inverse = product.inverse();
    let mut halved = Vec::with_capacity(points.len() / 2 + sums.len());
    let mut rest = points;
    for sum in sums {
        let (own, after) = rest.split_at(sum.points);
        rest = after;
        let (pairs, odd) = own.as_chunks::<2>();
        for pair in pairs {
            let behind = behind.pop().unwrap_or(Field::ONE);
            halved.push(added(pair, &inverse.times(&behind)));
            inverse = inverse.times(&nonzero(difference(pair)));
        }
        halved.extend_from_slice(odd);
        sum.points = pairs.len() + odd.len();
    }
    halved
}

fn difference([one, other]: &[Point; 2]) -> Field {
    other.x.minus(&one.x)
}

/// One in place of zero, so that the other sums are not lost too.
fn nonzero(difference: Field) -> Field {
    if difference.is_zero() { Field::ONE } else { difference }
}

/// `inverse` is that of the difference.
fn added([one, other]: &[Point; 2], inverse: &Field) -> Point {
    let slope = other.y.minus(&one.y).times(inverse);
    let x = slope.times(&slope).minus(&one.x).minus(&other.x);
    let y = slope.times(&one.x.minus(&x)).minus(&one.y);
    Point { x, y }
}
