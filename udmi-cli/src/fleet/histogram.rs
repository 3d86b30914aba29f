//! How long things took, in buckets of fixed bounds: written by one thread, read by others, without a lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Buckets to each doubling, as a power of two: a bucket's end is at most 1/32 over what is in it.
const FINENESS: u32 = 5;
const STEPS: usize = 1 << FINENESS;
/// Doublings: the last bucket takes all from a day and a half on.
const DOUBLINGS: usize = 32;
const BUCKETS: usize = STEPS * (DOUBLINGS + 1);

/// Counts by duration, in microseconds.
pub(super) struct Histogram(Box<[AtomicU64]>);

impl Histogram {
    pub(super) fn new() -> Self {
        Self((0..BUCKETS).map(|_| AtomicU64::new(0)).collect())
    }

    /// Counts one. Only one thread may.
    pub(super) fn record(&self, took: Duration) {
        if let Some(count) = self.0.get(bucket(took)) {
            // There is no other writer, so that nothing is lost between the two.
            count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
    }

    /// Adds what was counted so far.
    pub(super) fn add_to(&self, sum: &mut Counts) {
        for (sum, count) in sum.0.iter_mut().zip(&self.0) {
            *sum += count.load(Ordering::Relaxed);
        }
    }
}

/// What a histogram has counted at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Counts(Box<[u64]>);

impl Counts {
    pub(super) fn new() -> Self {
        Self(vec![0; BUCKETS].into())
    }

    /// What was counted since an earlier moment.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        Self(self.0.iter().zip(&earlier.0).map(|(now, then)| now.saturating_sub(*then)).collect())
    }

    pub(super) fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The time within which that share (0 to 1) of all was done, to 1/32; none of nothing.
    pub(super) fn quantile(&self, share: f64) -> Option<Duration> {
        let total = self.total();
        let rank = ((share * total as f64).ceil() as u64).clamp(1, total.max(1));
        let mut seen = 0;
        let at = self.0.iter().position(|count| {
            seen += count;
            seen >= rank
        })?;
        Some(end(at))
    }
}

fn bucket(took: Duration) -> usize {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let doubling = micros.checked_ilog2().unwrap_or(0).saturating_sub(FINENESS);
    let step = usize::try_from(micros >> doubling).unwrap_or(usize::MAX);
    let doubling = usize::try_from(doubling).unwrap_or(usize::MAX);
    (doubling.min(DOUBLINGS) * STEPS).saturating_add(step).min(BUCKETS - 1)
}

/// The longest time that is counted in a bucket.
fn end(bucket: usize) -> Duration {
    let doubling = (bucket / STEPS).saturating_sub(1);
    let next = (bucket - doubling * STEPS + 1) as u64;
    Duration::from_micros((next << doubling) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buckets_end_is_at_most_a_thirty_second_over_what_is_in_it() {
        for micros in
            (0..4000).chain((12..36).flat_map(|bits| [(1_u64 << bits) - 1, 1 << bits, 3 << (bits - 1)]))
        {
            let took = Duration::from_micros(micros);
            let end = u64::try_from(end(bucket(took)).as_micros()).unwrap();
            assert!((micros..=micros + micros / 32).contains(&end), "{micros} in a bucket up to {end}");
        }
        assert_eq!(bucket(Duration::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_those_of_what_was_counted() {
        let histogram = Histogram::new();
        (1..=100).for_each(|micros| histogram.record(Duration::from_micros(micros)));
        let mut counts = Counts::new();
        assert_eq!(counts.quantile(0.5), None);
        histogram.add_to(&mut counts);
        let before = counts.clone();
        let quantile = |share| counts.quantile(share).unwrap().as_micros();
        assert_eq!((quantile(0.0), quantile(0.5), quantile(0.99), quantile(1.0)), (1, 50, 99, 101));
        (0..7).for_each(|_| histogram.record(Duration::from_secs(3)));
        let mut counts = Counts::new();
        histogram.add_to(&mut counts);
        let since = counts.since(&before);
        assert_eq!(since.total(), 7);
        assert!(since.quantile(0.5).unwrap().abs_diff(Duration::from_secs(3)) < Duration::from_millis(100));
    }
}
