//! Points of P-256 in the two forms that a verification needs. Variable time; every value here is public.

use ::p256::NistP256;
use ::p256::ecdsa::VerifyingKey;
use ::p256::elliptic_curve::hazmat::FieldArithmetic;

/// Integers modulo p. crrl keeps them lazily reduced: compare with [`Field::equals`], never by their limbs.
pub(super) type Field = crrl::field::GFp256;

/// Integers modulo n. crrl's inversion takes half the time of p256's.
pub(super) type Order = crrl::field::ModInt256<
    0xf3b9_cac2_fc63_2551,
    0xbce6_faad_a717_9e84,
    0xffff_ffff_ffff_ffff,
    0xffff_ffff_0000_0000,
>;

/// An element of a table, in one line of the cache.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Affine {
    pub(super) x: Field,
    pub(super) y: Field,
}

impl Affine {
    /// No point of the curve: fills arrays before they are written.
    pub(super) const EMPTY: Self = Self { x: Field::ZERO, y: Field::ZERO };

    /// The point of a key, which is on the curve and not the identity.
    pub(super) fn of(key: &VerifyingKey) -> Option<Self> {
        let (x, y) = super::super::p256::coordinates(key);
        Some(Self { x: field(x)?, y: field(y)? })
    }

    /// The sum with another point, by the inverse of the difference of their x.
    #[inline(never)]
    pub(super) fn add(&self, other: &Self, inverse: &Field) -> Self {
        self.add_by(other, inverse, mul)
    }

    /// The same with this multiplication.
    #[inline(always)]
    pub(super) fn add_by(
        &self,
        other: &Self,
        inverse: &Field,
        mul: impl Fn(&Field, &Field) -> Field,
    ) -> Self {
        let slope = mul(&(other.y - self.y), inverse);
        let x = slope.square() - self.x - other.x;
        Self { x, y: mul(&slope, &(self.x - x)) - self.y }
    }

    /// The point, or its negative.
    pub(super) fn negated_if(&self, negative: bool) -> Self {
        // Without a branch: the signs are random, and nothing predicts them.
        let mut point = *self;
        point.y.set_cond(&-self.y, u32::from(negative).wrapping_neg());
        point
    }
}

/// The product. crrl's operators are compiled anew wherever they stand, a kilobyte each: only what is
/// called most, and batches, which few programs have, pay that.
#[inline(never)]
fn mul(a: &Field, b: &Field) -> Field {
    *a * *b
}

/// By p256, whose inversion is part of every library anyway; 0 stays 0.
fn inverse(number: &Field) -> Field {
    let mut bytes = number.encode();
    bytes.reverse();
    type Theirs = <NistP256 as FieldArithmetic>::FieldElement;
    let inverse = Theirs::from_bytes(&bytes.into()).and_then(|number| number.invert_vartime());
    let bytes = inverse.map(|inverse| inverse.to_bytes().into()).unwrap_or([0; 32]);
    field(bytes).unwrap_or(Field::ZERO)
}

/// Replaces each number by its inverse, with one inversion for all; none may be 0.
pub(super) fn invert_all(numbers: &mut [Field]) {
    let mut product = Field::ONE;
    let mut products = Vec::with_capacity(numbers.len());
    for number in &*numbers {
        products.push(product);
        product = mul(&product, number);
    }
    let mut inverse = inverse(&product);
    for (number, before) in numbers.iter_mut().zip(products).rev() {
        let this = mul(&inverse, &before);
        inverse = mul(&inverse, number);
        *number = this;
    }
}

/// Reads 32 big-endian bytes below p.
pub(super) fn field(mut bytes: [u8; 32]) -> Option<Field> {
    bytes.reverse();
    Field::decode(&bytes)
}

/// A point as (X, Y, ZZ, ZZZ) with x = X/ZZ, y = Y/ZZZ, ZZ³ = ZZZ² ("XYZZ" of the Explicit-Formulas Database).
///
/// Nothing compares before it adds. Adding a point to itself or to its negative makes ZZ and ZZZ zero, and what is made of such
/// a point keeps them zero: [`Point::is_lost`] at the end says whether anything exceptional happened on the way.
#[derive(Clone, Copy)]
pub(super) struct Point {
    x: Field,
    y: Field,
    zz: Field,
    zzz: Field,
}

impl From<Affine> for Point {
    fn from(Affine { x, y }: Affine) -> Self {
        Self { x, y, zz: Field::ONE, zzz: Field::ONE }
    }
}

impl Point {
    /// The sum; formula `madd-2008-s`.
    #[inline(never)]
    pub(super) fn add(&self, other: &Affine) -> Self {
        let p = other.x * self.zz - self.x;
        let r = other.y * self.zzz - self.y;
        let pp = p.square();
        let ppp = p * pp;
        let q = self.x * pp;
        let x = r.square() - ppp - q - q;
        Self { x, y: r * (q - x) - self.y * ppp, zz: self.zz * pp, zzz: self.zzz * ppp }
    }

    /// Twice the point; formula `dbl-2008-s-1` with a = -3. No point of a curve of odd order has y = 0.
    #[inline(never)]
    pub(super) fn double(&self) -> Self {
        let u = self.y + self.y;
        let v = mul(&u, &u);
        let w = mul(&u, &v);
        let s = mul(&self.x, &v);
        let m = mul(&(self.x - self.zz), &(self.x + self.zz));
        let m = m + m + m;
        let x = mul(&m, &m) - s - s;
        let y = mul(&m, &(s - x)) - mul(&w, &self.y);
        Self { x, y, zz: mul(&v, &self.zz), zzz: mul(&w, &self.zzz) }
    }

    /// Whether an addition met equal or opposite points: the coordinates mean nothing then.
    pub(super) fn is_lost(&self) -> bool {
        self.zz.iszero() != 0
    }

    /// Whether the point's x is this number, without an inversion.
    pub(super) fn has_x(&self, x: Field) -> bool {
        mul(&x, &self.zz).equals(self.x) != 0
    }

    /// The points in affine form, with one inversion for all; `None` when one of them is lost.
    pub(super) fn normalize(points: &[Self]) -> Option<Vec<Affine>> {
        if points.iter().any(Self::is_lost) {
            return None;
        }
        let mut inverses: Vec<Field> = points.iter().map(|point| point.zzz).collect();
        invert_all(&mut inverses);
        let affine = |(point, inverse): (&Self, &Field)| {
            // 1/Z = ZZ/ZZZ
            let z = mul(&point.zz, inverse);
            Affine { x: mul(&point.x, &mul(&z, &z)), y: mul(&point.y, inverse) }
        };
        Some(points.iter().zip(&inverses).map(affine).collect())
    }
}
