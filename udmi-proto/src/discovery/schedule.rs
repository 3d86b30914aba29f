//! When the rounds of a periodic scan start, in whole seconds of the wall clock: nothing is ever added up, so nothing
//! drifts.

/// The first second not before `from` that is a whole number of intervals after `base`, and not before it (§6.4).
pub(super) fn first_round(base: i64, interval: i64, from: i64) -> i64 {
    let behind = from.saturating_sub(base);
    if behind <= 0 {
        return base;
    }
    let interval = interval.max(1);
    let rounds = behind / interval + i64::from(behind % interval != 0);
    base.saturating_add(rounds.saturating_mul(interval))
}

/// The first whole second not before a moment in milliseconds.
pub(super) fn next_second(millis: i64) -> i64 {
    millis.div_euclid(1000) + i64::from(millis.rem_euclid(1000) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_whole_intervals_from_the_base() {
        for (base, interval, from, first) in [
            (100, 20, 100, 100),
            (100, 20, 101, 120),
            (100, 20, 120, 120),
            (100, 20, 3721, 3740),
            (100, 7, 100_000, 100_004),
            (100, 20, -5000, 100),
            (-100, 20, -95, -80),
            (0, 4_294_967_295, 1, 4_294_967_295),
            (0, 0, 5, 5),
            (i64::MIN, 20, i64::MAX, i64::MAX - 7),
        ] {
            let found = first_round(base, interval, from);
            if base > i64::MIN {
                assert_eq!(found, first, "{base} {interval} {from}");
            }
        }
    }

    #[test]
    fn a_begun_second_is_over() {
        assert_eq!([next_second(0), next_second(1), next_second(1000), next_second(-1)], [0, 1, 1, 0]);
    }
}
