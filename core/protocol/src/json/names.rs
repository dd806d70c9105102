//! Finding duplicate member names in time that hostile names cannot make quadratic.

use std::borrow::Cow;

/// Up to so many names are compared pairwise, which is quicker than sorting.
const PAIRWISE: usize = 8;

/// Whether a name occurs twice. `order` is scratch space.
pub(super) fn has_duplicate(names: &[Cow<'_, str>], order: &mut Vec<(u64, usize)>) -> bool {
    // In a canonical object each name is greater than the one before.
    if names.is_sorted_by(|before, after| before < after) {
        return false;
    }
    if names.len() <= PAIRWISE {
        return names
            .iter()
            .enumerate()
            .any(|(index, name)| names.iter().take(index).any(|other| other == name));
    }
    // The fingerprint settles nearly every comparison. Equal ones fall back to the names, so that names made to
    // collide cost no more than a sort of strings.
    let name = |index: usize| names.get(index).map(|name| &**name);
    order.clear();
    order.extend(names.iter().enumerate().map(|(index, name)| (fingerprint(name), index)));
    order.sort_unstable_by(|left, right| left.0.cmp(&right.0).then_with(|| name(left.1).cmp(&name(right.1))));
    let mut neighbours = order.iter().zip(order.iter().skip(1));
    neighbours.any(|(left, right)| left.0 == right.0 && name(left.1) == name(right.1))
}

/// The first and last eight bytes of a name, mixed; a shorter name whole, with its length.
fn fingerprint(name: &str) -> u64 {
    let bytes = name.as_bytes();
    let (head, tail) = match (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        (Some(head), Some(tail)) => (u64::from_le_bytes(*head), u64::from_le_bytes(*tail)),
        _ => (bytes.iter().fold(0, |word, &byte| word << 8 | u64::from(byte)), bytes.len() as u64),
    };
    head ^ tail.rotate_left(29)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    proptest! {
        #[test]
        fn like_a_set(names in prop::collection::vec("[ab]{0,6}|[ab]{0,3}common middle part[ab]{0,3}", 0..40)) {
            let names: Vec<Cow<'_, str>> = names.into_iter().map(Cow::Owned).collect();
            let distinct: HashSet<_> = names.iter().collect();
            prop_assert_eq!(has_duplicate(&names, &mut Vec::new()), distinct.len() < names.len());
        }
    }

    /// In an order that settles nothing by itself.
    #[test]
    fn a_fingerprint_is_no_name() {
        let mut names: Vec<Cow<'_, str>> = [5, 3, 9, 1, 7, 2, 8, 4, 6, 0]
            .map(|index| Cow::Owned(format!("beginning{index:05}the end.")))
            .into();
        let mut order = Vec::new();
        assert!(names.len() > PAIRWISE && !has_duplicate(&names, &mut order));
        names.push(Cow::Borrowed("beginning00003the end."));
        assert!(has_duplicate(&names, &mut order));
    }

    /// 65 536 names with one fingerprint; comparing each with each would take minutes.
    #[test]
    fn collisions_are_not_quadratic() {
        let mut names: Vec<Cow<'_, str>> =
            (0..65_536).map(|index| Cow::Owned(format!("beginning{index:05}the end."))).collect();
        assert_eq!(fingerprint(&names[0]), fingerprint(&names[1]));
        let mut order = Vec::new();
        assert!(!has_duplicate(&names, &mut order));
        names.push(Cow::Borrowed("beginning40000the end."));
        assert!(has_duplicate(&names, &mut order));
    }
}
