//! Many inverses by one inversion (Montgomery's trick).

use super::point::Field;

/// Products are made in so many chains by turns: one alone would keep the processor waiting for each.
const CHAINS: usize = 4;

/// Numbers on a stack, which come back inverted.
pub(super) struct Inverses {
    /// Of each number the product of those before it in its chain, and itself.
    factors: Vec<(Field, Field)>,
    products: [Field; CHAINS],
}

impl Inverses {
    /// With room for so many numbers.
    pub(super) fn new(count: usize) -> Self {
        Self { factors: Vec::with_capacity(count), products: [Field::ONE; CHAINS] }
    }

    /// Takes numbers from now on.
    pub(super) fn begin(&mut self) {
        self.factors.clear();
        self.products = [Field::ONE; CHAINS];
    }

    /// Takes a number; `false` for 0, instead of which 1 is taken.
    #[inline(always)]
    pub(super) fn push(&mut self, number: Field) -> bool {
        let fits = number.iszero() == 0;
        let number = if fits { number } else { Field::ONE };
        if let Some(product) = self.products.get_mut(self.factors.len() % CHAINS) {
            self.factors.push((*product, number));
            *product *= number;
        }
        fits
    }

    /// Inverts what has been taken.
    pub(super) fn invert(&mut self) {
        Field::batch_invert(&mut self.products);
    }

    /// The inverse of the last number that is still there.
    #[inline(always)]
    pub(super) fn pop(&mut self) -> Option<Field> {
        let (before, number) = self.factors.pop()?;
        let product = self.products.get_mut(self.factors.len() % CHAINS)?;
        let inverse = *product * before;
        *product *= number;
        Some(inverse)
    }
}
