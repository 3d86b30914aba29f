//! The steps that look at points.

use std::collections::BTreeSet;

use serde_json::Value;

use super::tester::Tester;
use super::{Halt, Progress, expect, fail, shown};

/// Seconds either half of the sanity check may take.
const SANE_S: u64 = 60;
/// Seconds by which an interval may miss its bounds.
const TOLERANCE_S: f64 = 1.5;

impl Tester<'_> {
    fn configured_points(&self) -> BTreeSet<String> {
        names(self.wanted.pointer("/pointset/points"))
    }

    /// State and config have the same points; the last event's values and the points in trouble, too.
    pub(super) fn sane_points(&mut self) -> Progress {
        if self.wanted.pointer("/pointset/points").is_none() {
            return Err(Halt::Skip("The config leaves it to the device which points it has".to_owned()));
        }
        let stated = |tester: &Self| names(tester.state_at("/pointset/points"));
        let waited = self.wait(SANE_S, "equal points in state and config", |tester| {
            stated(tester) == tester.configured_points()
        });
        self.or_difference(waited, "state", stated)?;
        let waited = self.wait(SANE_S, "value or trouble of every point", |tester| {
            tester.shown_points() == tester.configured_points()
        });
        self.or_difference(waited, "events", Self::shown_points)
    }

    /// A failure says which points are missing in a place, and which it has that the config does not.
    fn or_difference(
        &self,
        waited: Progress,
        place: &str,
        there: impl FnOnce(&Self) -> BTreeSet<String>,
    ) -> Progress {
        let Err(Halt::Fail(text)) = waited else { return waited };
        let (wanted, there) = (self.configured_points(), there(self));
        let missing = wanted.difference(&there).map(|name| format!("{name} is not in the {place}"));
        let strange = there.difference(&wanted).map(|name| format!("{name} is not in the config"));
        fail(format!("{text}: {}", missing.chain(strange).collect::<Vec<_>>().join(", ")))
    }

    fn shown_points(&self) -> BTreeSet<String> {
        let last = self.events.iter().rfind(|event| event.topic == "events/pointset");
        let values = last.and_then(|event| event.payload["points"].as_object()).into_iter().flatten();
        let valued = values.filter(|(_, point)| !point["present_value"].is_null());
        let points = self.state_at("/pointset/points").and_then(Value::as_object).into_iter().flatten();
        let troubled =
            points.filter(|(_, point)| point["status"]["level"].as_i64().is_some_and(|level| level >= 500));
        valued.chain(troubled).map(|(name, _)| name.clone()).collect()
    }

    /// Takes events out of the queue until one shows the value.
    pub(super) fn event(&mut self, point: &str, is: &Value, seconds: u64) -> Progress {
        let what = format!("event with {point} {is}");
        self.wait(seconds, &what, |tester| tester.pop_value(point, is))
    }

    fn pop_value(&mut self, point: &str, is: &Value) -> bool {
        let events = std::mem::take(&mut self.events);
        events.iter().any(|event| {
            event.topic == "events/pointset" && event.payload["points"][point]["present_value"] == *is
        })
    }

    pub(super) fn events(&mut self, folder: &str, count: usize) -> Progress {
        let topic = format!("events/{folder}");
        self.wait(120, &format!("{count} events on {folder}"), |tester| {
            tester.events.iter().filter(|event| event.topic == topic).count() >= count
        })
    }

    pub(super) fn numbers(&mut self) -> Progress {
        for event in self.events.iter().filter(|event| event.topic == "events/pointset") {
            for (name, point) in event.payload["points"].as_object().into_iter().flatten() {
                if let Some(text) = point["present_value"].as_str()
                    && expect::reads_as_number(text)
                {
                    return fail(format!("{name} is the text {text:?}"));
                }
            }
        }
        Ok(())
    }

    /// Four events from now on at most: of their three intervals the first does not count, one of the others must do.
    pub(super) fn interval(&mut self, limit: f64, rate: f64) -> Progress {
        self.events.clear();
        let waited = self.wait(120, "4 events on pointset", |tester| {
            let intervals = tester.intervals();
            intervals.len() == 3 || intervals.iter().skip(1).any(|interval| fits(*interval, limit, rate))
        });
        waited?;
        let intervals = self.intervals();
        if intervals.iter().skip(1).any(|interval| fits(*interval, limit, rate)) {
            return Ok(());
        }
        fail(format!("intervals of {intervals:?} s, expected {limit} to {rate} s"))
    }

    /// Seconds between the first four events.
    fn intervals(&self) -> Vec<i64> {
        let second = |event: &crate::world::Received| {
            let stamp = event.payload["timestamp"].as_str().and_then(expect::millis);
            stamp.map_or(0, |millis| millis.div_euclid(1000))
        };
        let events = self.events.iter().filter(|event| event.topic == "events/pointset");
        let seconds: Vec<i64> = events.take(4).map(second).collect();
        seconds.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    /// §9.6 `writeback_operation`: `updating` must be seen, unless the write is done before, in state and event.
    pub(super) fn updating(&mut self, point: &str, is: &Value, seconds: u64) -> Progress {
        let at = format!("/pointset/points/{point}/value_state");
        let (mut shows, mut is_instant) = (false, false);
        let waited = self.wait(seconds, "write under way", |tester| {
            shows |= tester.pop_value(point, is);
            let state = tester.state_at(&at).and_then(Value::as_str);
            is_instant = shows && state == Some("applied");
            is_instant || state == Some("updating")
        });
        match waited {
            Ok(()) if is_instant => Err(Halt::Skip("operation completed quickly".into())),
            Ok(()) => Ok(()),
            Err(Halt::Fail(text)) => fail(format!("{text}: value_state is {}", shown(self.state_at(&at)))),
            Err(skip) => Err(skip),
        }
    }
}

fn fits(interval: i64, limit: f64, rate: f64) -> bool {
    let interval = f64::from(i32::try_from(interval).unwrap_or(i32::MAX));
    interval > limit - TOLERANCE_S && interval < rate + TOLERANCE_S
}

fn names(points: Option<&Value>) -> BTreeSet<String> {
    points.and_then(Value::as_object).into_iter().flatten().map(|(name, _)| name.clone()).collect()
}
