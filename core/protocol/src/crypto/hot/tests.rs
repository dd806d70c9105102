//! The tables say what p256 says, and nothing where they cannot know.

use super::comb::{COLUMNS, Digits, TEETH};
use super::table::{GENERATOR, NARROW, Shape, WIDE};
use super::*;
use ::p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use ::p256::ecdsa::{Signature as Parsed, VerifyingKey};
use ::p256::elliptic_curve::ff::Field as _;
use ::p256::elliptic_curve::ops::Reduce as _;
use ::p256::elliptic_curve::point::AffineCoordinates as _;
use ::p256::{FieldBytes, ProjectivePoint, Scalar};
use std::sync::OnceLock;

/// A reproducible stream (SplitMix64).
pub(super) struct Stream(pub(super) u64);

impl Stream {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn bytes(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes.chunks_mut(8).for_each(|chunk| chunk.copy_from_slice(&self.next().to_le_bytes()));
        bytes
    }

    fn scalar(&mut self) -> Scalar {
        Scalar::reduce(&FieldBytes::from(self.bytes()))
    }
}

/// 2^(10·tooth)
fn power(tooth: usize) -> Scalar {
    (0..COLUMNS * tooth).fold(Scalar::ONE, |power, _| power.double())
}

fn digits(scalar: &Scalar) -> Option<Digits> {
    let mut bytes: [u8; 32] = scalar.to_bytes().into();
    bytes.reverse();
    Digits::of(Order::decode(&bytes).unwrap())
}

fn verifying(d: &Scalar) -> VerifyingKey {
    VerifyingKey::from_affine((ProjectivePoint::GENERATOR * d).to_affine()).unwrap()
}

fn table(key: &VerifyingKey, shape: Shape) -> Table {
    Table::new(Affine::of(key).unwrap(), shape).unwrap()
}

fn generator() -> &'static Table {
    static SHARE: OnceLock<Generator> = OnceLock::new();
    SHARE.get_or_init(Generator::shared).table().unwrap()
}

fn join(r: &Scalar, s: &Scalar) -> [u8; 64] {
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(&r.to_bytes());
    bytes[32..].copy_from_slice(&s.to_bytes());
    bytes
}

fn plain(key: &VerifyingKey, hash: &[u8; 32], signature: &[u8; 64]) -> bool {
    Parsed::from_slice(signature).is_ok_and(|signature| key.verify_prehash(hash, &signature).is_ok())
}

/// r of the point u1·G + u2·Q, and the hash and s that make exactly these factors.
fn signature_of(u1: &Scalar, u2: &Scalar, key: &VerifyingKey) -> ([u8; 32], [u8; 64]) {
    let sum = ProjectivePoint::GENERATOR * u1 + ProjectivePoint::from(*key.as_affine()) * u2;
    let r = if sum == ProjectivePoint::IDENTITY {
        Scalar::from(5u32)
    } else {
        Scalar::reduce(&sum.to_affine().x())
    };
    let s = r * u2.invert().unwrap();
    ((u1 * &s).to_bytes().into(), join(&r, &s))
}

#[test]
fn digits_are_the_scalar() {
    let mut stream = Stream(1);
    let edges = [1u32, 2, 3, 4, 5, 63, 64].map(Scalar::from);
    let scalars = edges.iter().flat_map(|k| [*k, -*k]).chain((0..200).map(|_| stream.scalar()));
    for k in scalars.collect::<Vec<_>>() {
        let digits = digits(&k).unwrap();
        let mut sum = Scalar::ZERO;
        for column in digits.columns() {
            sum = sum.double();
            for tooth in 0..TEETH {
                let power = power(tooth);
                sum = if (column >> tooth) & 1 == 1 { sum + power } else { sum - power };
            }
        }
        assert_eq!(if digits.is_negative() { -sum } else { sum }, k);
    }
    assert!(digits(&Scalar::ZERO).is_none());
}

/// Random and mutated signatures: `IMAGXP_SIGNATURES` of them, 5 000 by default.
#[test]
fn tables_agree_with_p256_and_aws_lc() {
    let count: u64 = std::env::var("IMAGXP_SIGNATURES").map_or(5_000, |count| count.parse().unwrap());
    let generator = generator();
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let tallies: Vec<_> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|thread| scope.spawn(move || agree(thread, count / threads, generator)))
            .collect();
        handles.into_iter().map(|handle| handle.join().unwrap()).collect()
    });
    let (good, bad) = tallies.iter().fold((0, 0), |sum, tally| (sum.0 + tally.0, sum.1 + tally.1));
    assert!(good > count / 4 && bad > count / 4, "{good} good, {bad} bad");
    println!("{} signatures by the tables and by both others: {good} good, {bad} bad", good + bad);
}

/// The seeded fault: instead of the generator's, the table of a key.
#[test]
#[should_panic(expected = "assertion `left == right` failed")]
fn a_wrong_table_is_found() {
    agree(1, 100, &table(&verifying(&Scalar::from(2_u32)), GENERATOR));
}

fn agree(seed: u64, count: u64, generator: &Table) -> (u64, u64) {
    let mut stream = Stream(seed);
    let (mut good, mut bad) = (0, 0);
    let (mut batch, mut answers, mut size) = (Vec::new(), Vec::new(), 1);
    let mut key = None;
    let mut k = stream.scalar();
    let mut point = ProjectivePoint::GENERATOR * k;
    for number in 0..count {
        let (d, verifying, table) = match key.take() {
            Some(key) if number % 100 != 0 => key,
            _ => {
                let d = stream.scalar();
                let verifying = verifying(&d);
                (d, verifying, Arc::new(table(&verifying, if number % 1000 == 0 { WIDE } else { NARROW })))
            }
        };
        let mut message = stream.bytes();
        let hash: [u8; 32] = Sha256::digest(message).into();
        // The next point is cheaper than another one.
        (k, point) = (k + Scalar::ONE, point + ProjectivePoint::GENERATOR);
        let r = Scalar::reduce(&point.to_affine().x());
        let s = k.invert().unwrap() * (Scalar::reduce(&FieldBytes::from(hash)) + r * d);
        let mut signature = join(&r, &s);
        let draw = stream.next();
        let bit = (draw >> 8) as usize % 512;
        match draw % 8 {
            0 => signature[bit / 8] ^= 1 << (bit % 8),
            1 => message[bit % 32] ^= 1 << (bit / 32 % 8),
            2 => signature[..32].copy_from_slice(&stream.bytes()),
            3 => signature[32..].copy_from_slice(&stream.bytes()),
            4 => signature = join(&r, &-s),
            _ => {}
        }
        let hash: [u8; 32] = Sha256::digest(message).into();
        let expected = plain(&verifying, &hash, &signature);
        assert_eq!(
            super::super::aws_lc::verify(&verifying, &message, &signature),
            expected,
            "{message:02x?} {signature:02x?}"
        );
        assert_eq!(
            check(generator, &table, hash, &Signature::from_bytes(signature)),
            Some(expected),
            "{hash:02x?} {signature:02x?}"
        );
        if number % 4 == 0
            && let Some(equation) = Equation::new(hash, &signature)
        {
            batch.push((equation, Arc::clone(&table)));
            answers.push(Some(expected));
        }
        // Of each size that is summed in another way.
        if batch.len() == size {
            assert_eq!(batch::hold(&batch, generator), answers);
            batch.clear();
            answers.clear();
            size = [2, 3, batch::MOST, batch::MOST + 3, 65][stream.next() as usize % 5];
        }
        (good, bad) = if expected { (good + 1, bad) } else { (good, bad + 1) };
        key = Some((d, verifying, table));
    }
    (good, bad)
}

/// Keys that are small multiples of G or -G, with factors that are small or near n: tables and sums full of equal points.
#[test]
fn multiples_of_the_generator() {
    let generator = generator();
    let mut stream = Stream(3);
    let mut lost = 0;
    for d in (1..=8u32).map(Scalar::from).flat_map(|d| [d, -d]) {
        let key = verifying(&d);
        let small = table(&key, NARROW);
        let factors: Vec<Scalar> =
            (1..=4u32).map(Scalar::from).flat_map(|k| [k, -k]).chain([stream.scalar()]).collect();
        for u1 in &factors {
            for u2 in &factors {
                let (hash, signature) = signature_of(u1, u2, &key);
                let expected = plain(&key, &hash, &signature);
                match check(generator, &small, hash, &Signature::from_bytes(signature)) {
                    Some(answer) => assert_eq!(answer, expected),
                    None => lost += 1,
                }
            }
        }
    }
    assert!(lost > 10, "{lost}: u1·G = -u2·Q is among these, and no table can say so");
}

/// u1·G = ±u2·Q: the sum is a double, or the identity.
#[test]
fn equal_and_opposite_halves() {
    let generator = generator();
    let mut stream = Stream(4);
    for _ in 0..200 {
        let (d, u2) = (stream.scalar(), stream.scalar());
        let key = verifying(&d);
        let hot = table(&key, NARROW);
        for u1 in [d * u2, -(d * u2)] {
            let (hash, signature) = signature_of(&u1, &u2, &key);
            let expected = plain(&key, &hash, &signature);
            assert_eq!(expected, u1 == d * u2);
            let answer = check(generator, &hot, hash, &Signature::from_bytes(signature));
            assert!(answer.is_none_or(|answer| answer == expected));
            assert!(expected || answer.is_none(), "the identity has no x");
        }
        // u1 = 0: the hash is a multiple of n.
        let (_, signature) = signature_of(&Scalar::ZERO, &u2, &key);
        let zero = [0; 32];
        assert!(plain(&key, &zero, &signature));
        assert_eq!(check(generator, &hot, zero, &Signature::from_bytes(signature)), None);
    }
}

/// For each addition of the sum a key for which exactly this one meets an equal or an opposite point. The signature is good, the tables
/// do not know, and whoever asks [`HotKeys`] gets the truth.
#[test]
fn every_addition_can_be_exceptional() {
    let generator = generator();
    let mut stream = Stream(5);
    let mut batch = Vec::new();
    let (mut met, width) = (0, GENERATOR.len() + NARROW.len());
    for step in 1..COLUMNS * width {
        for opposite in [false, true] {
            let (u1, u2) = (stream.scalar(), stream.scalar());
            let Some(d) = key_that_meets(&u1, &u2, step, opposite) else { continue };
            let key = verifying(&d);
            let (hash, signature) = signature_of(&u1, &u2, &key);
            // The last addition of opposite points makes the identity, which has no x.
            let identity = opposite && step + 1 == COLUMNS * width;
            assert_eq!(plain(&key, &hash, &signature), !identity);
            let hot = table(&key, NARROW);
            assert_eq!(
                check(generator, &hot, hash, &Signature::from_bytes(signature)),
                None,
                "addition {step}"
            );
            met += 1;
            batch.push((Equation::new(hash, &signature).unwrap(), Arc::new(hot)));
        }
    }
    assert!(batch.len() > batch::MOST);
    known_or_exceptional(&batch, generator);
    assert!(met >= 2 * (COLUMNS * width - 3), "{met}");
}

/// A batch meets its points in another order than one equation alone: it says nothing, or the truth; and here it often says nothing.
fn known_or_exceptional(batch: &[(Equation, Arc<Table>)], generator: &Table) {
    for size in [3, batch::MOST] {
        let answers = batch.chunks(size).flat_map(|chunk| batch::hold(chunk, generator));
        assert!(answers.into_iter().all(|answer| answer != Some(false)), "{size}");
    }
}

/// d with a + b·d = ±(a' + b'·d), where a·G + b·Q is the sum before the addition `step`, and a'·G + b'·Q is what it adds.
fn key_that_meets(u1: &Scalar, u2: &Scalar, step: usize, opposite: bool) -> Option<Scalar> {
    let (mut a, mut b, mut at) = (Scalar::ZERO, Scalar::ZERO, 0);
    let (u1, u2) = (digits(u1)?, digits(u2)?);
    for (c1, c2) in u1.columns().zip(u2.columns()) {
        (a, b) = (a.double(), b.double());
        let parts = parts(c1, GENERATOR, u1.is_negative()).into_iter().map(|a| (a, Scalar::ZERO));
        let parts = parts.chain(parts_of_key(c2, u2.is_negative()));
        for (a2, b2) in parts {
            if at == step {
                let (a2, b2) = if opposite { (-a2, -b2) } else { (a2, b2) };
                return Option::from((b2 - b).invert())
                    .map(|inverse: Scalar| (a - a2) * inverse)
                    .filter(|d| !bool::from(d.is_zero()));
            }
            (a, b, at) = (a + a2, b + b2, at + 1);
        }
    }
    None
}

fn parts_of_key(column: u32, negative: bool) -> Vec<(Scalar, Scalar)> {
    parts(column, NARROW, negative).into_iter().map(|b| (Scalar::ZERO, b)).collect()
}

/// The factor of each comb's entry in a column.
fn parts(column: u32, shape: Shape, negative: bool) -> Vec<Scalar> {
    let mut tooth = 0;
    let part = |teeth: &usize| {
        let mut sum = Scalar::ZERO;
        for _ in 0..*teeth {
            let power = power(tooth);
            sum = if (column >> tooth) & 1 == 1 { sum + power } else { sum - power };
            tooth += 1;
        }
        if negative { -sum } else { sum }
    };
    shape.iter().map(part).collect()
}
