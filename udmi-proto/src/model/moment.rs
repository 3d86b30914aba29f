//! Date and time of day as messages carry them. Written out here, since every message carries several.

mod read;

use alloc::string::String;
use alloc::vec::Vec;

pub(super) use self::read::read;

/// Milliseconds since 1970 in UTC, of the years 0 to 9999; the fraction of the second where it is wanted.
pub(super) fn written(millis: i64, has_fraction: bool) -> String {
    let mut text = Vec::with_capacity("1970-01-01T00:00:00.000Z".len());
    put_moment(&mut text, millis);
    if has_fraction {
        let fraction = millis.rem_euclid(1000);
        text.push(b'.');
        put_digit(&mut text, fraction / 100);
        put_two_digits(&mut text, fraction % 100);
    }
    text.push(b'Z');
    String::from_utf8(text).unwrap_or_default()
}

fn put_moment(text: &mut Vec<u8>, millis: i64) {
    let (year, month, day) = date_of(millis.div_euclid(86_400_000));
    let second = millis.rem_euclid(86_400_000) / 1000;
    put_two_digits(text, year / 100);
    put_two_digits(text, year % 100);
    for (separator, number) in
        [(b'-', month), (b'-', day), (b'T', second / 3600), (b':', second / 60 % 60), (b':', second % 60)]
    {
        text.push(separator);
        put_two_digits(text, number);
    }
}

fn put_two_digits(text: &mut Vec<u8>, number: i64) {
    put_digit(text, number / 10);
    put_digit(text, number % 10);
}

fn put_digit(text: &mut Vec<u8>, digit: i64) {
    text.push(b'0' + (digit % 10) as u8);
}

/// Year, month and day of so many days after 1970-01-01.
fn date_of(days: i64) -> (i64, i64, i64) {
    // A year that begins in March ends with its leap day, so that all days before it count alike.
    const MARCH_OF_YEAR_0_TO_1970: i64 = 719_468;
    const DAYS_OF_400_YEARS: i64 = 146_097;
    let days = days + MARCH_OF_YEAR_0_TO_1970;
    let of_cycle = days.rem_euclid(DAYS_OF_400_YEARS);
    // Centuries and groups of four years end with the day that only the longest of them have.
    let century = (of_cycle / 36_524).min(3);
    let of_century = of_cycle - century * 36_524;
    let group = of_century / 1461;
    let of_group = of_century - group * 1461;
    let year_of_group = (of_group / 365).min(3);
    let day_of_year = of_group - year_of_group * 365;
    // From March on, five months in a row have 153 days, with 31 and 30 in turn.
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let year = days.div_euclid(DAYS_OF_400_YEARS) * 400 + century * 100 + group * 4 + year_of_group;
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::date_of;

    #[test]
    fn every_day_is_written_as_the_calendar_has_it() {
        let (mut year, mut month, mut day) = (0, 1, 1);
        for days in -719_528..2_932_000 {
            assert_eq!(date_of(days), (year, month, day));
            let is_leap_year = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let last = match month {
                2 => 28 + i64::from(is_leap_year),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            (year, month, day) = match (month, day) {
                (12, 31) => (year + 1, 1, 1),
                (month, day) if day == last => (year, month + 1, 1),
                (month, day) => (year, month, day + 1),
            };
        }
        for second in (-62_167_219_200_i64..253_401_000_000).step_by(86_399_977) {
            let written = super::written(second * 1000, false);
            assert_eq!(written, jiff::Timestamp::from_second(second).unwrap().to_string());
        }
        assert_eq!(super::written(951_825_599_007, true), "2000-02-29T11:59:59.007Z");
    }
}
