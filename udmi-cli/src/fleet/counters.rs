//! What the devices of a thread have come to, counted where they run and read elsewhere, without a lock.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use device_link::Tally;

use super::histogram::{Counts, Histogram};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// Counters with one writer: the thread whose devices are counted.
        pub(super) struct Counters {
            $($(#[$doc])* pub(super) $name: Counter,)+
            /// When the last device was connected for the first time, in microseconds since the fleet began.
            pub(super) ramped: Counter,
            /// From the writing of a publish to its acknowledgement.
            pub(super) acknowledgements: Histogram,
        }

        /// All counters of all threads at a moment.
        #[derive(Clone, Debug)]
        pub(super) struct Sum {
            /// When.
            pub(super) at: Instant,
            $($(#[$doc])* pub(super) $name: u64,)+
            /// From the fleet's beginning until the last device was connected for the first time.
            pub(super) ramped: Duration,
            /// From the writing of a publish to its acknowledgement.
            pub(super) acknowledgements: Counts,
        }

        impl Counters {
            pub(super) fn new() -> Self {
                Self {
                    $($name: Counter::default(),)+
                    ramped: Counter::default(),
                    acknowledgements: Histogram::new(),
                }
            }
        }

        impl Sum {
            /// Adds the counters up.
            pub(super) fn of<'a>(all: impl Iterator<Item = &'a Counters>) -> Self {
                let mut sum = Self {
                    at: Instant::now(),
                    $($name: 0,)+
                    ramped: Duration::ZERO,
                    acknowledgements: Counts::new(),
                };
                for counters in all {
                    $(sum.$name = sum.$name.wrapping_add(counters.$name.get());)+
                    sum.ramped = sum.ramped.max(Duration::from_micros(counters.ramped.get()));
                    counters.acknowledgements.add_to(&mut sum.acknowledgements);
                }
                sum
            }
        }
    };
}

counters! {
    /// Devices that were begun.
    started,
    /// Devices that are connected now.
    connected,
    /// Devices that were connected at least once.
    connected_once,
    /// Devices that have put a config in force.
    configured,
    /// Connections that the broker has accepted.
    connections,
    /// Configs put in force.
    configs,
    /// Configs that could not be used, or not all of them.
    configs_with_findings,
    /// Publishes written at QoS 1, repetitions included.
    sent,
    /// Publishes acknowledged.
    acknowledged,
    /// Publishes lost for good.
    lost,
    /// Publishes not acknowledged when their device ended.
    unacknowledged,
    /// Messages received.
    received,
    /// Connections lost, failed attempts included.
    disconnections,
    /// Connections dropped, power cuts, late readings and bad values on purpose.
    faults,
    /// Devices that are at their end.
    ended,
    /// Devices that have left the broker in order.
    left,
    /// Runs begun after the first of a device: the cloud's restarts, and power cuts.
    restarts,
}

/// A number that one thread changes.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Only one thread may: between reading and writing nobody else writes.
    pub(super) fn add(&self, more: u64) {
        self.set(self.get().wrapping_add(more));
    }

    pub(super) fn one(&self) {
        self.add(1);
    }

    pub(super) fn take_one(&self) {
        self.set(self.get().wrapping_sub(1));
    }

    pub(super) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
}

/// Follows one device's publishes: brokers acknowledge them in the order in which they were written.
#[derive(Debug, Default)]
pub(super) struct Meter {
    seen: Tally,
    /// When what is not acknowledged was written.
    written: VecDeque<Instant>,
}

impl Meter {
    /// Looks at what has gone over the link. `now` is asked only if something has.
    pub(super) fn look(&mut self, tally: &Tally, now: impl Fn() -> Instant, counters: &Counters) {
        let seen = std::mem::replace(&mut self.seen, *tally);
        if seen == *tally {
            return;
        }
        let now = now();
        let grown = |of: fn(&Tally) -> u64| of(tally).saturating_sub(of(&seen));
        let acknowledged = grown(|tally| tally.acknowledged);
        // What was written and acknowledged between two looks is not timed.
        let timed = acknowledged.min(self.unacknowledged());
        for written in self.written.drain(..usize::try_from(timed).unwrap_or(0)) {
            counters.acknowledgements.record(now.saturating_duration_since(written));
        }
        let connections = grown(|tally| tally.connections);
        if connections > 0 {
            self.written.clear();
        }
        let sent = grown(|tally| tally.sent);
        let waiting = sent.saturating_sub(acknowledged - timed);
        self.written.extend(std::iter::repeat_n(now, usize::try_from(waiting).unwrap_or(0)));
        if self.written.is_empty() && self.written.capacity() > KEPT {
            self.written = VecDeque::new();
        }
        counters.connections.add(connections);
        counters.acknowledged.add(acknowledged);
        counters.sent.add(sent);
        counters.lost.add(grown(|tally| tally.lost));
        counters.received.add(grown(|tally| tally.received));
    }

    /// How many publishes are not acknowledged.
    pub(super) fn unacknowledged(&self) -> u64 {
        self.written.len() as u64
    }
}

/// An idle device keeps room for so many.
const KEPT: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acknowledgements_are_timed_in_the_order_of_writing() {
        let (counters, mut meter, start) = (Counters::new(), Meter::default(), Instant::now());
        let mut at = |millis: u64, tally: Tally| {
            meter.look(&tally, || start + Duration::from_millis(millis), &counters);
        };
        at(0, Tally { connections: 1, sent: 2, ..Tally::default() });
        at(10, Tally { connections: 1, sent: 3, ..Tally::default() });
        at(30, Tally { connections: 1, sent: 3, acknowledged: 3, received: 1, ..Tally::default() });
        let sum = Sum::of([&counters].into_iter());
        assert_eq!((sum.sent, sum.acknowledged, sum.received, sum.connections), (3, 3, 1, 1));
        let near = |share: f64| sum.acknowledgements.quantile(share).unwrap().as_millis();
        assert_eq!((near(0.1), near(1.0)), (20, 30));
        assert_eq!(meter.unacknowledged(), 0);
    }

    #[test]
    fn what_is_written_again_after_a_lost_link_is_timed_anew() {
        let (counters, mut meter, start) = (Counters::new(), Meter::default(), Instant::now());
        let mut at = |millis: u64, tally: Tally| {
            meter.look(&tally, || start + Duration::from_millis(millis), &counters);
            meter.unacknowledged()
        };
        assert_eq!(at(0, Tally { connections: 1, sent: 3, acknowledged: 1, ..Tally::default() }), 2);
        assert_eq!(at(5000, Tally { connections: 2, sent: 5, acknowledged: 1, ..Tally::default() }), 2);
        assert_eq!(at(5004, Tally { connections: 2, sent: 5, acknowledged: 3, ..Tally::default() }), 0);
        let sum = Sum::of([&counters].into_iter());
        assert_eq!(sum.acknowledgements.quantile(1.0).unwrap().as_millis(), 4);
    }
}
