//! Places in lists, as opaque texts.

use crate::problem::Problem;
use imagxp::encoding::{base64url_decode, base64url_encode};

/// Entries of a list when nobody says how many.
const USUAL: usize = 50;
/// Entries of a list at most.
pub(crate) const MOST: usize = 500;

/// The text of a place; `list` keeps a place of one list from being used in another.
pub(crate) fn write(list: char, place: &[u8]) -> String {
    let mut text = String::from(list);
    text.push_str(&base64url_encode(place));
    text
}

/// The place of a text. Refusal: `cursor.malformed`.
pub(crate) fn read<const N: usize>(list: char, text: Option<&str>) -> Result<Option<[u8; N]>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let place = text
        .strip_prefix(list)
        .and_then(|text| base64url_decode(text.as_bytes()))
        .and_then(|place| place.try_into().ok());
    place
        .map(Some)
        .ok_or_else(|| Problem::bad("cursor.malformed", "the cursor is not one that this list gave"))
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
        let text = write('v', &7_u64.to_be_bytes());
        assert_eq!(read::<8>('v', Some(&text)).unwrap(), Some(7_u64.to_be_bytes()));
        assert_eq!(read::<8>('v', None).unwrap(), None);
        for bad in [text.replace('v', "t"), format!("{text}A"), String::new(), "v".into(), "v!".into()] {
            assert_eq!(read::<8>('v', Some(&bad)).unwrap_err().code, "cursor.malformed", "{bad}");
        }
    }
}
