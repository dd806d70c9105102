//! Points in time, in the one form that the protocol writes and reads (PROTOCOL §2 `ts`).

use core::fmt;

const MILLIS_PER_DAY: i64 = 86_400_000;
const DAYS_PER_400_YEARS: i64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01 in the proleptic Gregorian calendar.
const EPOCH_FROM_MARCH_0000: i64 = 719_468;

/// A point in time: milliseconds since 1970-01-01T00:00:00Z, without leap seconds.
///
/// The core never reads a clock; callers pass the time in.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The time this many milliseconds after 1970 (before, when negative).
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// The time this many seconds after 1970 (before, when negative); saturates at the ends of the range.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Milliseconds since 1970.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970, rounded down (also before 1970).
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Reads the protocol's profile of RFC 3339 (PROTOCOL §2): exactly `YYYY-MM-DDTHH:MM:SS[.f{1,3}]Z`.
    ///
    /// Years 2000 to 2100, dates that exist, no second 60, upper-case `T` and `Z`. Anything else is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        let (head, tail) = text.as_bytes().split_first_chunk::<19>()?;
        let [y1, y2, y3, y4, b'-', mo1, mo2, b'-', d1, d2, b'T', h1, h2, b':', mi1, mi2, b':', s1, s2] =
            *head
        else {
            return None;
        };
        let millis = match *tail {
            [b'Z'] => 0,
            [b'.', a, b'Z'] => number([a, b'0', b'0'])?,
            [b'.', a, b, b'Z'] => number([a, b, b'0'])?,
            [b'.', a, b, c, b'Z'] => number([a, b, c])?,
            _ => return None,
        };
        let year = number([y1, y2, y3, y4])?;
        let (month, day) = (number([mo1, mo2])?, number([d1, d2])?);
        let (hour, minute, second) = (number([h1, h2])?, number([mi1, mi2])?, number([s1, s2])?);
        let real = (2000..=2100).contains(&year)
            && (1..=12).contains(&month)
            && (1..=days_in_month(year, month)).contains(&day)
            && hour <= 23
            && minute <= 59
            && second <= 59;
        if !real {
            return None;
        }
        let seconds = (hour * 60 + minute) * 60 + second;
        Some(Self(days_from_civil(year, month, day) * MILLIS_PER_DAY + seconds * 1000 + millis))
    }

    /// Reads all that `Display` writes, of whatever year, and nothing else: for what we have written ourselves, under whatever clock.
    pub(crate) fn read_back(text: &str) -> Option<Self> {
        let (year, rest) = text.split_at_checked(text.len().checked_sub("-01-01T00:00:00.000Z".len())?)?;
        // 2000 has every day that any year has. One that this year lacks is another day when it is written again.
        let in_2000 = Self::parse(&format!("2000{rest}"))?.0;
        let (_, month, day) = civil_from_days(in_2000.div_euclid(MILLIS_PER_DAY));
        let days = days_from_civil(i64::from(year.parse::<i32>().ok()?), month, day);
        // The first day of all begins before the first millisecond that there is.
        let millis =
            i128::from(days) * i128::from(MILLIS_PER_DAY) + i128::from(in_2000.rem_euclid(MILLIS_PER_DAY));
        let time = Self(i64::try_from(millis).ok()?);
        (time.to_string() == text).then_some(time)
    }

    /// This time plus so many milliseconds; saturates.
    #[must_use]
    pub const fn saturating_add_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// This time plus so many seconds; saturates.
    #[must_use]
    pub const fn saturating_add_secs(self, secs: i64) -> Self {
        self.saturating_add_millis(secs.saturating_mul(1000))
    }

    /// Milliseconds from `earlier` to this time, negative when `earlier` is later; saturates.
    pub const fn millis_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Writes `YYYY-MM-DDTHH:MM:SS.mmmZ`, always with three decimals, so that equal times are equal texts.
///
/// Years outside 0 to 9999 carry a sign (ISO 8601 expanded form); [`Timestamp::parse`] does not read those.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil_from_days(self.0.div_euclid(MILLIS_PER_DAY));
        let in_day = self.0.rem_euclid(MILLIS_PER_DAY);
        if (0..=9999).contains(&year) {
            write!(f, "{year:04}")?;
        } else {
            write!(f, "{year:+05}")?;
        }
        let (seconds, millis) = (in_day / 1000, in_day % 1000);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }
}

/// The value of at most four ASCII digits; `None` when one is none. One branch for all of them: checked one by one, a time takes twice as long.
#[inline(always)]
fn number<const N: usize>(digits: [u8; N]) -> Option<i64> {
    let (mut value, mut good) = (0u32, true);
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        good &= digit <= 9;
        value = value.wrapping_mul(10).wrapping_add(u32::from(digit));
    }
    good.then_some(i64::from(value))
}

const fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970 of a proleptic Gregorian date.
///
/// Years are counted from March, which puts the leap day last and makes month lengths a linear formula
/// (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let march_year = if month <= 2 { year - 1 } else { year };
    let era = march_year.div_euclid(400);
    let year_of_era = march_year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * DAYS_PER_400_YEARS + day_of_era - EPOCH_FROM_MARCH_0000
}

/// The inverse of [`days_from_civil`].
const fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + EPOCH_FROM_MARCH_0000;
    let era = shifted.div_euclid(DAYS_PER_400_YEARS);
    let day_of_era = shifted.rem_euclid(DAYS_PER_400_YEARS);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year_of_era + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FIRST: i64 = 946_684_800_000; // 2000-01-01T00:00:00.000Z
    const LAST: i64 = 4_133_980_799_999; // 2100-12-31T23:59:59.999Z

    #[test]
    fn reads_the_profile() {
        for (text, millis) in [
            ("2000-01-01T00:00:00Z", FIRST),
            ("2100-12-31T23:59:59.999Z", LAST),
            ("2026-03-01T12:34:56.7Z", 1_772_368_496_700),
            ("2026-03-01T12:34:56.07Z", 1_772_368_496_070),
            ("2026-03-01T12:34:56.007Z", 1_772_368_496_007),
            ("2026-03-01T12:34:56.000Z", 1_772_368_496_000),
            ("2024-02-29T00:00:00Z", 1_709_164_800_000),
            ("2000-02-29T00:00:00Z", 951_782_400_000),
        ] {
            assert_eq!(Timestamp::parse(text).map(Timestamp::as_millis), Some(millis), "{text}");
        }
    }

    #[test]
    fn refuses_everything_else() {
        for text in [
            "",
            "Z",
            "1772368496",
            "2026-03-01",
            "2026-03-01T12:34:56",
            "2026-03-01T12:34Z",
            "2026-03-01t12:34:56Z",
            "2026-03-01T12:34:56z",
            "2026-03-01 12:34:56Z",
            "2026-03-01T12:34:56+00:00",
            "2026-03-01T12:34:56-00:00",
            "2026-03-01T12:34:56.Z",
            "2026-03-01T12:34:56,5Z",
            "2026-03-01T12:34:56.0000Z",
            "2026-03-01T12:34:56.1234567Z",
            "2026-03-01T12:34:56.+1Z",
            "2026-03-01T12:34:56.1 Z",
            "2026-03-01T12:34:60Z",
            "2016-12-31T23:59:60Z",
            "2026-03-01T12:60:56Z",
            "2026-03-01T24:00:00Z",
            "2026-00-01T12:34:56Z",
            "2026-13-01T12:34:56Z",
            "2026-03-00T12:34:56Z",
            "2026-03-32T12:34:56Z",
            "2026-04-31T12:34:56Z",
            "2026-06-31T12:34:56Z",
            "2026-09-31T12:34:56Z",
            "2026-11-31T12:34:56Z",
            "2025-02-29T12:34:56Z",
            "2024-02-30T12:34:56Z",
            "2100-02-29T12:34:56Z",
            "1999-12-31T23:59:59Z",
            "2101-01-01T00:00:00Z",
            "0000-01-01T00:00:00Z",
            "+2026-03-01T12:34:56Z",
            "26-03-01T12:34:56Z",
            "02026-03-01T12:34:56Z",
            "2026-3-01T12:34:56Z",
            "2026/03/01T12:34:56Z",
            "2026-03-01T12.34.56Z",
            "20260301T123456Z",
            " 2026-03-01T12:34:56Z",
            "2026-03-01T12:34:56Z ",
            "2026-03-01T12:34:56Z\n",
            "2026-03-01T12:34:56ZZ",
            "2026-W09-7T12:34:56Z",
            "-026-03-01T12:34:56Z",
            "2026-03-01T-2:34:56Z",
            "２026-03-01T12:34:56Z",
            "2026-03-01T12:34:56\u{660}Z",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }

    /// Every day of the range, against a calendar that just counts.
    #[test]
    fn every_day() {
        let mut millis = FIRST;
        for year in 2000..=2100_u32 {
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let lengths = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
            for (month, length) in lengths.into_iter().enumerate() {
                for day in 1..=31 {
                    let text = format!("{year}-{:02}-{day:02}T00:00:00.000Z", month + 1);
                    let expected = (day <= length).then_some(millis);
                    assert_eq!(Timestamp::parse(&text).map(Timestamp::as_millis), expected, "{text}");
                    if expected.is_some() {
                        assert_eq!(Timestamp(millis).to_string(), text);
                        millis += MILLIS_PER_DAY;
                    }
                }
            }
        }
        assert_eq!(millis, LAST + 1);
    }

    #[test]
    fn writes_any_value() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
            (253_402_300_800_000, "+10000-01-01T00:00:00.000Z"),
            (-62_167_219_200_000, "0000-01-01T00:00:00.000Z"),
            (-62_167_219_200_001, "-0001-12-31T23:59:59.999Z"),
            (i64::MAX, "+292278994-08-17T07:12:55.807Z"),
            (i64::MIN, "-292275055-05-16T16:47:04.192Z"),
        ] {
            assert_eq!(Timestamp(millis).to_string(), text);
            assert_eq!(Timestamp::read_back(text), Some(Timestamp(millis)));
        }
    }

    #[test]
    fn reads_back_nothing_else() {
        for text in [
            "",
            "Z",
            "1970-01-01T00:00:00Z",
            "1970-01-01T00:00:00.00Z",
            "+1970-01-01T00:00:00.000Z",
            "01970-01-01T00:00:00.000Z",
            "10000-01-01T00:00:00.000Z",
            "-0000-01-01T00:00:00.000Z",
            "-1-12-31T23:59:59.999Z",
            "970-01-01T00:00:00.000Z",
            "1970-02-29T00:00:00.000Z",
            "1900-02-29T00:00:00.000Z",
            "1970-13-01T00:00:00.000Z",
            "19é0-01-01T00:00:00.000Z",
            "1970é01-01T00:00:00.000Z",
            "-01-01T00:00:00.000Z",
            "+292278994-08-17T07:12:55.808Z",
            "-292275055-05-16T16:47:04.191Z",
            "+2147483647-12-31T23:59:59.999Z",
            "-2147483648-01-01T00:00:00.000Z",
            "+2147483648-01-01T00:00:00.000Z",
        ] {
            assert_eq!(Timestamp::read_back(text), None, "{text}");
        }
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Timestamp::from_secs(i64::MAX).as_millis(), i64::MAX);
        assert_eq!(Timestamp::from_secs(i64::MIN).as_millis(), i64::MIN);
        assert_eq!(Timestamp::from_millis(-1).as_secs(), -1);
        assert_eq!(Timestamp::from_millis(1999).as_secs(), 1);
        let (first, last) = (Timestamp(i64::MIN), Timestamp(i64::MAX));
        assert_eq!(last.saturating_add_millis(1), last);
        assert_eq!(first.saturating_add_secs(-1), first);
        assert_eq!(Timestamp(5).saturating_add_secs(-2).as_millis(), -1995);
        assert_eq!(last.millis_since(first), i64::MAX);
        assert_eq!(first.millis_since(last), i64::MIN);
        assert_eq!(Timestamp(7).millis_since(Timestamp(9)), -2);
    }

    proptest! {
        #[test]
        fn round_trip(millis in FIRST..=LAST) {
            let time = Timestamp(millis);
            prop_assert_eq!(Timestamp::parse(&time.to_string()), Some(time));
        }

        #[test]
        fn any_value_is_written_and_read_back(millis: i64) {
            let time = Timestamp(millis);
            prop_assert_eq!(Timestamp::read_back(&time.to_string()), Some(time));
        }

        #[test]
        fn what_is_read_back_was_written(text in "[-+]?[0-9]{4,9}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9]{3}Z") {
            if let Some(time) = Timestamp::read_back(&text) {
                prop_assert_eq!(time.to_string(), text);
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,30}|[-0-9T:.Z+]{18,25}") {
            if let Some(time) = Timestamp::parse(&text) {
                prop_assert!((FIRST..=LAST).contains(&time.as_millis()));
            }
        }

        /// Whatever one changed byte makes of a time, it is read as written or not at all.
        #[test]
        fn mutations(millis in FIRST..=LAST, at in 0_usize..24, byte in 0x20_u8..0x7F) {
            let mut text = Timestamp(millis).to_string().into_bytes();
            text[at] = byte;
            let text = String::from_utf8(text).unwrap();
            if let Some(time) = Timestamp::parse(&text) {
                prop_assert_eq!(time.to_string(), text);
            }
        }
    }
}
