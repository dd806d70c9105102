//! Pages of lists: where one begins, how long it is at most, and where the next one begins, as an opaque text.

use crate::problem::Problem;
use imagxp::encoding::{base64url_decode, base64url_encode};
use imagxp_broker::{AccountId, Id};

/// Entries of a list when nobody says how many.
const USUAL: usize = 50;
/// Entries of a list at most.
pub(crate) const MOST: usize = 500;

/// A place in a list.
pub(crate) trait Place: Sized {
    /// What the list is called in cursors: it keeps a place of one list from being used in another.
    const LIST: char;

    fn read(bytes: &[u8]) -> Option<Self>;

    fn write(&self) -> Vec<u8>;
}

impl Place for AccountId {
    const LIST: char = 'a';

    fn read(bytes: &[u8]) -> Option<Self> {
        Some(Self::from_bytes(bytes.try_into().ok()?))
    }

    fn write(&self) -> Vec<u8> {
        self.to_bytes().to_vec()
    }
}

/// A visa.
impl Place for Id {
    const LIST: char = 'v';

    fn read(bytes: &[u8]) -> Option<Self> {
        Self::from_be_bytes(bytes.try_into().ok()?).ok()
    }

    fn write(&self) -> Vec<u8> {
        self.to_be_bytes().to_vec()
    }
}

/// The number of a transfer in the log.
impl Place for u64 {
    const LIST: char = 't';

    fn read(bytes: &[u8]) -> Option<Self> {
        Some(Self::from_be_bytes(bytes.try_into().ok()?))
    }

    fn write(&self) -> Vec<u8> {
        self.to_be_bytes().to_vec()
    }
}

/// What a caller asks of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Page<P> {
    /// Behind this place; from the beginning on when absent.
    pub(crate) behind: Option<P>,
    /// How many entries at most.
    pub(crate) limit: usize,
}

impl<P: Place> Page<P> {
    /// Reads a query's members. Refusals: `cursor.malformed`, `query.malformed`.
    pub(crate) fn read(cursor: Option<&str>, limit: Option<usize>) -> Result<Self, Problem> {
        let malformed = || Problem::bad("cursor.malformed", "the cursor is not one that this list gave");
        let place = |text: &str| P::read(&base64url_decode(text.strip_prefix(P::LIST)?.as_bytes())?);
        let behind = cursor.map(|text| place(text).ok_or_else(malformed)).transpose()?;
        Ok(Self { behind, limit: self::limit(limit)? })
    }

    /// Where the next page begins, when this one is full.
    pub(crate) fn next<R>(&self, rows: &[R], place: impl FnOnce(&R) -> P) -> Option<P> {
        rows.last().filter(|_| rows.len() == self.limit).map(place)
    }
}

/// The text of a place.
pub(crate) fn cursor<P: Place>(place: &P) -> String {
    format!("{}{}", P::LIST, base64url_encode(&place.write()))
}

/// How many entries are given. Refusal: `query.malformed`.
pub(crate) fn limit(asked: Option<usize>) -> Result<usize, Problem> {
    match asked {
        None => Ok(USUAL),
        Some(limit @ 1..=MOST) => Ok(limit),
        Some(_) => Err(Problem::bad("query.malformed", format!("limit is 1 to {MOST}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_of_one_list_is_none_of_another() {
        let text = cursor(&7_u64);
        assert_eq!(Page::<u64>::read(Some(&text), None).unwrap(), Page { behind: Some(7), limit: USUAL });
        assert_eq!(Page::<u64>::read(None, Some(3)).unwrap(), Page { behind: None, limit: 3 });
        for bad in [text.replace('t', "v"), format!("{text}A"), String::new(), "t".into(), "t!".into()] {
            assert_eq!(Page::<u64>::read(Some(&bad), None).unwrap_err().code, "cursor.malformed", "{bad}");
        }
        assert_eq!(Page::<Id>::read(Some(&text), None).unwrap_err().code, "cursor.malformed");
        for bad in [0, MOST + 1] {
            assert_eq!(Page::<u64>::read(None, Some(bad)).unwrap_err().code, "query.malformed", "{bad}");
        }
    }

    #[test]
    fn a_full_page_has_a_next_one() {
        let page = Page::<u64>::read(None, Some(2)).unwrap();
        assert_eq!(page.next(&[5_u64, 4], |seq| *seq), Some(4));
        assert_eq!(page.next(&[5_u64], |seq| *seq), None);
    }
}
