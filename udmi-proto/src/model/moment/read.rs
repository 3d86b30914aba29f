//! Date and time of day as messages bring them: RFC 3339 and what is close to it (§C.4).

/// Milliseconds since 1970 in UTC; a finer fraction is cut off. Read are dates as `2026-03-01` or `20260301`, then `T`, a
/// small `t` or a blank, times as `10:00:00`, `100000` or without seconds, with up to nine digits after a point or comma,
/// and `Z`, a small `z` or an offset of up to a day as `+01:00`, `+0100` or `+01`. A leap second is the one before it.
pub(in crate::model) fn read(text: &str) -> Option<i64> {
    let mut text = Text(text.as_bytes());
    let date = text.date()?;
    if !text.takes(b"Tt ") {
        return None;
    }
    let (seconds, millis) = text.time()?;
    let offset = text.offset()?;
    text.0.is_empty().then_some((date * 86_400 + seconds - offset) * 1000 + millis)
}

/// What is left of a text.
struct Text<'a>(&'a [u8]);

impl Text<'_> {
    /// Days since 1970-01-01.
    fn date(&mut self) -> Option<i64> {
        let year = match self.sign() {
            Some(-1) if self.0.starts_with(b"000000") => return None,
            Some(sign) => sign * self.number(6)?,
            None => self.number(4)?,
        };
        let is_spaced = self.takes(b"-");
        let month = self.number(2)?;
        if self.takes(b"-") != is_spaced {
            return None;
        }
        let day = self.number(2)?;
        let is_legal = (-9999..=9999).contains(&year)
            && (1..=12).contains(&month)
            && (1..=last_day(year, month)).contains(&day);
        is_legal.then(|| days_of(year, month, day))
    }

    /// Seconds of the day, and milliseconds.
    fn time(&mut self) -> Option<(i64, i64)> {
        let hour = self.number(2)?;
        let is_spaced = self.takes(b":");
        let (mut minute, mut second, mut millis) = (0, 0, 0);
        if is_spaced || self.has_digit() {
            minute = self.number(2)?;
            if self.has_another(is_spaced) {
                second = self.number(2)?;
                millis = self.fraction()?;
            }
        }
        (hour < 24 && minute < 60 && second <= 60)
            .then_some((hour * 3600 + minute * 60 + second.min(59), millis))
    }

    fn has_another(&mut self, is_spaced: bool) -> bool {
        if is_spaced { self.takes(b":") } else { self.has_digit() }
    }

    fn fraction(&mut self) -> Option<i64> {
        if !self.takes(b".,") {
            return Some(0);
        }
        let (mut millis, mut digits) = (0, 0);
        while self.has_digit() {
            let digit = self.number(1)?;
            if digits < 3 {
                millis = millis * 10 + digit;
            }
            digits += 1;
        }
        (digits..3).for_each(|_| millis *= 10);
        (1..=9).contains(&digits).then_some(millis)
    }

    /// Seconds that the local time is ahead.
    fn offset(&mut self) -> Option<i64> {
        if self.takes(b"Zz") {
            return Some(0);
        }
        let sign = self.sign()?;
        let hour = self.number(2)?;
        let is_spaced = self.takes(b":");
        let (mut minute, mut second) = (0, 0);
        if is_spaced || self.has_digit() {
            minute = self.number(2)?;
            if self.has_another(is_spaced) {
                second = self.number(2)?;
            }
        }
        (hour <= 25 && minute < 60 && second < 60).then_some(sign * (hour * 3600 + minute * 60 + second))
    }

    fn sign(&mut self) -> Option<i64> {
        let sign = match self.0.first()? {
            b'-' => -1,
            b'+' => 1,
            _ => return None,
        };
        self.takes(b"+-").then_some(sign)
    }

    /// So many digits.
    fn number(&mut self, digits: usize) -> Option<i64> {
        let (number, rest) = self.0.split_at_checked(digits)?;
        self.0 = rest;
        let digit =
            |value: i64, digit: &u8| digit.is_ascii_digit().then(|| value * 10 + i64::from(digit - b'0'));
        number.iter().try_fold(0, digit)
    }

    fn has_digit(&self) -> bool {
        self.0.first().is_some_and(u8::is_ascii_digit)
    }

    fn takes(&mut self, any: &[u8]) -> bool {
        match self.0 {
            [first, rest @ ..] if any.contains(first) => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }
}

fn last_day(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a day.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    // A year that begins in March ends with its leap day.
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    const MARCH_OF_YEAR_0_TO_1970: i64 = 719_468;
    // From March on, five months in a row have 153 days, with 31 and 30 in turn.
    days + (153 * month + 2) / 5 + day - 1 - MARCH_OF_YEAR_0_TO_1970
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use jiff::fmt::temporal::Pieces;

    use super::read;

    /// By way of jiff, which reads more: weeks, names of zones, parts of seconds in an offset.
    fn reference(text: &str) -> Option<i64> {
        let pieces = Pieces::parse(text).ok()?;
        let (time, offset) = (pieces.time()?, pieces.to_numeric_offset()?);
        let days = (pieces.date() - jiff::civil::date(1970, 1, 1)).get_days();
        let (hour, minute, second) =
            (i64::from(time.hour()), i64::from(time.minute()), i64::from(time.second()));
        let seconds =
            i64::from(days) * 86_400 + hour * 3600 + minute * 60 + second - i64::from(offset.seconds());
        Some(seconds * 1000 + i64::from(time.millisecond()))
    }

    #[test]
    fn dates_and_times_are_read_as_jiff_reads_them() {
        let texts = [
            "2026-03-01T10:00:00Z",
            "2024-02-29t23:59:60.123456789z",
            "19700101 000000,5+0130",
            "+002026-12-31T10:59-23:59:59",
            "-000001-06-30T10+07",
            "9999-12-31T23:59:59.999-00:00",
            "2100-02-28T1000+25",
            "1900-11-30T00:00:00.000000001+0000",
        ];
        let mut read_at_all = 0;
        for text in texts {
            for at in 0..=text.len() {
                for byte in b"0123456789-+:.,TtZz x" {
                    let mut changed = String::from(text);
                    changed
                        .replace_range(at..(at + 1).min(text.len()), core::str::from_utf8(&[*byte]).unwrap());
                    let mut longer = String::from(text);
                    longer.insert(at, char::from(*byte));
                    for text in [&changed, &longer, text.get(..at).unwrap()] {
                        assert_eq!(read(text), reference(text), "{text}");
                        read_at_all += usize::from(read(text).is_some());
                    }
                }
            }
        }
        assert!(read_at_all > 500, "{read_at_all}");
    }

    #[test]
    fn every_day_is_where_the_calendar_has_it() {
        let mut day = jiff::civil::date(1, 1, 1);
        while day.year() < 9999 {
            let text = alloc::format!("{day}T00:00:00Z");
            assert_eq!(read(&text), reference(&text), "{text}");
            day = day.checked_add(jiff::Span::new().days(97)).unwrap();
        }
    }
}
