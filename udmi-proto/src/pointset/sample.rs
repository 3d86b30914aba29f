//! When the pointset speaks: complete samples at their rate and when the application wants them, changes and written
//! values in between, and no two events closer than the limit (§4.5).

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use device_link::{HookId, Instant, Map};

use super::point::{Point, Reading};
use super::{Orders, Pointset};
use crate::port::{Hook, Outcome, Reading as Answered, Wanted};
use crate::scope::{DeviceTimer, Scope};
use crate::settings::Source;

/// The period if the config names none, or zero (§11 item 4).
const DEFAULT_PERIOD: i64 = 300;
/// Longest period and limit, in seconds: the schema's bound.
const LONGEST: i64 = 86_400;
/// How long the first sample after a change of period waits for values.
const GRACE: Duration = Duration::from_secs(2);
/// Longest wait for readings; half a period if that is less.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a read waits that finds too many hooks unanswered, until it looks again.
const ROOM_PAUSE: Duration = Duration::from_millis(200);
/// What is told of points that were not asked for in time.
const NO_ROOM: &str = "not read: too many requests are waiting for an answer";
/// What is told of points that were not read by then.
const READ_TOO_LATE: &str = "not read in time";
/// Least time before an event that nobody asked for even without a limit, so that a burst of changes becomes one event.
/// Samples that are due or that the application asks for are as close as they come.
const SPACING: Duration = Duration::from_millis(100);
/// A written value is published at the latest so long after it is in force, if the limit allows: after the
/// state that says so with the usual time between two states (§4.8, §7.2), not much later with a longer one.
const PROMPT: Duration = Duration::from_millis(2100);
/// How long after the state that tells of a write its event follows.
const AFTER_STATE: Duration = Duration::from_millis(50);

/// When events are due.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Between two complete samples; none while the config wants no events.
    period: Option<Duration>,
    /// Least time between two events.
    limit: Duration,
    /// When the last event was published.
    last: Option<Instant>,
    /// When the next complete sample is.
    due: Option<Instant>,
    /// The first sample after a change of period is still to come.
    opening: Option<Opening>,
    /// A complete sample is wanted before it is due.
    prompt: Option<Prompt>,
    /// When the changes that wait may be published.
    partial: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Opening {
    /// Not before this, unless all values are there.
    until: Instant,
    /// From when the limit allows it.
    from: Instant,
    /// Whether the points that have to be asked for were.
    read: bool,
}

#[derive(Clone, Copy, Debug)]
struct Prompt {
    at: Instant,
    /// Whether to ask for readings first.
    read: bool,
}

/// Readings are being waited for.
#[derive(Debug)]
pub(super) struct Asked {
    /// None while the application has too many hooks to answer: they may well be those of other devices.
    hook: Option<HookId>,
    /// Whether the sample to follow is one of the regular ones.
    regular: bool,
    /// How long the answer, or room to ask, is waited for.
    until: Instant,
}

impl Pace {
    /// From when the limit allows another event.
    fn limited(&self) -> Instant {
        self.last.map_or(Instant(0), |last| last + self.limit)
    }

    /// From when an event that nobody asked for is allowed.
    fn spaced(&self) -> Instant {
        self.last.map_or(Instant(0), |last| last + self.limit.max(SPACING))
    }
}

/// The period of §4.5: the rate, but not under the limit; none if the rate is negative.
fn period(rate: Option<i64>, limit: Duration) -> Option<Duration> {
    let rate = match rate {
        None | Some(0) => DEFAULT_PERIOD,
        Some(rate) => rate.min(LONGEST),
    };
    u64::try_from(rate).ok().map(|rate| Duration::from_secs(rate).max(limit))
}

impl Pointset {
    pub(super) fn set_pace(&mut self, sc: &mut Scope<'_, '_>, orders: &Orders<'_>) {
        let limit = orders.sample_limit_sec.unwrap_or(0).clamp(0, LONGEST);
        self.pace.limit = Duration::from_secs(limit.unsigned_abs());
        let period = period(orders.sample_rate_sec, self.pace.limit);
        if period == self.pace.period {
            return; // an unchanged period does not restart the timer
        }
        self.stop_sampling(sc);
        self.pace.period = period;
        if period.is_some() {
            self.open(sc);
        }
    }

    pub(super) fn stop_sampling(&mut self, sc: &mut Scope<'_, '_>) {
        for timer in [DeviceTimer::Sample, DeviceTimer::Limit, DeviceTimer::Read] {
            sc.cancel(timer);
        }
        if let Some(asked) = self.asked.take() {
            asked.hook.into_iter().for_each(|hook| sc.cancel_hook(hook));
        }
        let Pace { limit, last, .. } = self.pace;
        self.pace = Pace { limit, last, ..Pace::default() };
    }

    /// Starts a new period: the first sample comes as soon as there is a value for every point, but waits
    /// no longer than [`GRACE`] for pushed ones and [`READ_TIMEOUT`] for those asked for.
    fn open(&mut self, sc: &mut Scope<'_, '_>) {
        let now = sc.now().at;
        let from = self.pace.spaced().max(now);
        let until = from.max(now + GRACE);
        self.pace.opening = Some(Opening { until, from, read: false });
        sc.at(DeviceTimer::Sample, from);
        self.continue_opening(sc);
    }

    pub(super) fn continue_opening(&mut self, sc: &mut Scope<'_, '_>) {
        let now = sc.now().at;
        let Some(opening) = self.pace.opening else { return };
        if now < opening.from || self.asked.is_some() {
            return;
        }
        if !opening.read && self.points.values().any(Point::is_read) {
            return self.ask(sc, false);
        }
        if now >= opening.until || self.has_all_values() {
            self.send_complete(sc, false);
        } else {
            sc.at(DeviceTimer::Sample, opening.until);
        }
    }

    /// Whether every expected point has a value, or is known to have none.
    fn has_all_values(&self) -> bool {
        let lacks = |point: &Point| point.value().is_none() && !matches!(point.reading, Reading::Failed(_));
        !self.points.values().any(|point| point.is_expected() && lacks(point))
    }

    /// The next regular sample is due.
    pub(super) fn on_sample_timer(&mut self, sc: &mut Scope<'_, '_>) {
        self.writes.resume(sc, &mut self.points);
        if self.pace.opening.is_some() {
            return self.continue_opening(sc);
        }
        let (Some(due), Some(period)) = (self.pace.due, self.pace.period) else { return };
        // From deadline to deadline, so that nothing drifts; those missed in a stall are not made up for.
        let now = sc.now().at;
        let step = u64::try_from(period.as_millis()).unwrap_or(u64::MAX).max(1);
        let missed = now.0.saturating_sub(due.0) / step;
        self.schedule(sc, Instant(due.0.saturating_add(step.saturating_mul(missed + 1))));
        self.begin_sample(sc, true);
    }

    fn schedule(&mut self, sc: &mut Scope<'_, '_>, at: Instant) {
        self.pace.due = Some(at);
        sc.at(DeviceTimer::Sample, at);
    }

    fn begin_sample(&mut self, sc: &mut Scope<'_, '_>, regular: bool) {
        if self.asked.is_some() {
            return; // the sample that waits for its readings is about to go out
        }
        if self.points.values().any(Point::is_read) {
            self.ask(sc, regular);
        } else {
            self.send_complete(sc, regular);
        }
    }

    /// Asks the application for all points that are not pushed, in one hook.
    fn ask(&mut self, sc: &mut Scope<'_, '_>, regular: bool) {
        let until = sc.now().at + self.patience();
        self.ask_until(sc, regular, until);
    }

    fn patience(&self) -> Duration {
        self.pace.period.map_or(READ_TIMEOUT, |period| (period / 2).min(READ_TIMEOUT))
    }

    /// Asks, or waits for room to ask until then.
    fn ask_until(&mut self, sc: &mut Scope<'_, '_>, regular: bool, until: Instant) {
        let now = sc.now().at;
        let asked = if sc.has_room() {
            let wanted = self.wanted();
            sc.invoke(Hook::ReadPoints { wanted }).ok()
        } else {
            None
        };
        let until = if asked.is_some() { now + self.patience() } else { until };
        self.asked = Some(Asked { hook: asked, regular, until });
        sc.at(DeviceTimer::Read, if asked.is_some() { until } else { until.min(now + ROOM_PAUSE) });
    }

    fn wanted(&mut self) -> Wanted {
        let mut wanted = Wanted::default();
        for (name, point) in self.points.iter_mut().filter(|(_, point)| point.is_read()) {
            point.fresh = false;
            match point.source() {
                Some(Source::Computed) => wanted.computed.push(name.to_owned()),
                Some(Source::Polled | Source::Pushed) | None => {
                    if let Some(reference) = point.reference() {
                        wanted.references.insert(name.to_owned(), reference.to_owned());
                    }
                    wanted.polled.push(name.to_owned());
                }
            }
        }
        if !wanted.computed.is_empty() {
            let known = self.points.iter().filter(|(_, point)| point.is_expected());
            wanted.known = known
                .filter(|(_, point)| point.source() != Some(Source::Computed))
                .filter_map(|(name, point)| Some((name.to_owned(), point.value()?.clone())))
                .collect();
        }
        wanted
    }

    /// The application has not answered in time: the sample goes out with what there is. Or there was no room to ask
    /// it, and may be now.
    pub(super) fn on_read_timer(&mut self, sc: &mut Scope<'_, '_>) {
        match self.asked.take() {
            None => {}
            Some(Asked { hook: None, regular, until }) if until > sc.now().at => {
                self.ask_until(sc, regular, until);
            }
            Some(Asked { hook: None, regular, .. }) => self.end_reading(sc, regular, Some(NO_ROOM)),
            Some(Asked { hook: Some(hook), regular, .. }) => {
                sc.cancel_hook(hook);
                self.end_reading(sc, regular, Some(READ_TOO_LATE));
            }
        }
    }

    /// What becomes of the read that is waited for if it is not waited for any longer.
    pub(crate) fn late_read(&self) -> Option<Outcome> {
        let asked = self.asked.as_ref().filter(|asked| asked.hook.is_some());
        asked.map(|_| Outcome::Failed { message: READ_TOO_LATE.into() })
    }

    /// Whether this is the read that is waited for.
    pub(crate) fn awaits(&self, id: HookId) -> bool {
        self.asked.as_ref().is_some_and(|asked| asked.hook == Some(id))
    }

    /// Gives the outcome back if the hook is none of ours.
    pub(super) fn on_read(
        &mut self,
        sc: &mut Scope<'_, '_>,
        id: HookId,
        outcome: Outcome,
    ) -> Option<Outcome> {
        let regular = match &self.asked {
            Some(asked) if asked.hook == Some(id) => asked.regular,
            Some(_) | None => return Some(outcome),
        };
        self.asked = None;
        sc.cancel(DeviceTimer::Read);
        let cause = match outcome {
            Outcome::Values { values } => {
                self.take_readings(sc, values);
                None
            }
            Outcome::Failed { message } | Outcome::Invalid { message } => Some(message),
            Outcome::Unhandled => Some("nobody reads it".to_owned()),
            Outcome::Done | Outcome::Metrics(_) | Outcome::Blob(_) | Outcome::KeyMade(_) => {
                Some("the question was not understood".to_owned())
            }
        };
        self.end_reading(sc, regular, cause.as_deref());
        None
    }

    fn take_readings(&mut self, sc: &mut Scope<'_, '_>, values: Map<String, Answered>) {
        for (name, answer) in values {
            let Some(point) = self.points.get_mut(&name).filter(|point| point.model().is_some()) else {
                continue;
            };
            match answer {
                Answered::Value(value) => self.writes.changes.accept(sc, &name, point, value),
                Answered::Failed(message) => self.writes.changes.fail(sc, &name, point, &message),
            }
        }
    }

    /// With a cause, every point that was asked for in vain has failed; without, it keeps its value.
    fn end_reading(&mut self, sc: &mut Scope<'_, '_>, regular: bool, cause: Option<&str>) {
        if let Some(cause) = cause {
            for (name, point) in self.points.iter_mut().filter(|(_, point)| point.is_read() && !point.fresh) {
                self.writes.changes.fail(sc, name, point, cause);
            }
        }
        match &mut self.pace.opening {
            Some(opening) => {
                opening.read = true;
                self.continue_opening(sc);
            }
            None => self.send_complete(sc, regular),
        }
    }

    /// Publishes all values there are. A point without one has failed, which the state tells (§4.3).
    fn send_complete(&mut self, sc: &mut Scope<'_, '_>, regular: bool) {
        let now = sc.now().at;
        let Some(period) = self.pace.period else { return };
        if now < self.pace.limited() {
            return self.want_sample(sc, self.pace.limited(), false);
        }
        let mut missing = false;
        for (name, point) in self.points.iter_mut().filter(|(_, point)| point.is_expected()) {
            if point.value().is_none() {
                missing = true;
                if !matches!(point.reading, Reading::Failed(_)) {
                    self.writes.changes.fail(sc, name, point, "no value");
                }
            }
        }
        let event = self.complete_event(&sc.timestamp(), missing);
        self.event_bytes = event.len();
        publish(sc, event);
        self.points.values_mut().for_each(Point::note_told);
        let due = if regular { self.pace.due } else { None };
        self.pace = Pace { last: Some(now), opening: None, prompt: None, partial: None, due, ..self.pace };
        sc.cancel(DeviceTimer::Limit);
        if due.is_none() {
            self.schedule(sc, now + period);
        }
    }

    /// Publishes the values that have moved.
    fn send_partial(&mut self, sc: &mut Scope<'_, '_>) {
        self.pace.partial = None;
        if sc.now().at < self.pace.spaced() {
            return self.tell_moves(sc); // the limit was raised meanwhile
        }
        if !self.points.values().any(Point::has_moved) {
            return; // moved back meanwhile
        }
        publish(sc, self.partial_event(&sc.timestamp()));
        self.points.values_mut().filter(|point| point.has_moved()).for_each(Point::note_told);
        self.pace.last = Some(sc.now().at);
    }

    /// A value may have moved: tells it as soon as the limit allows, unless a complete sample comes first.
    pub(super) fn tell_moves(&mut self, sc: &mut Scope<'_, '_>) {
        if self.pace.opening.is_some() || self.pace.prompt.is_some() || self.pace.partial.is_some() {
            return;
        }
        let (Some(_), Some(due)) = (self.pace.period, self.pace.due) else { return };
        let now = sc.now().at;
        let at = self.pace.spaced().max(now);
        if due < at + self.pace.limit.max(SPACING) {
            return; // it would push the complete sample back
        }
        self.pace.partial = Some(at);
        if at == now {
            self.send_partial(sc);
        } else {
            self.arm_limit(sc);
        }
    }

    /// A set value is in force: its event follows the state that says so (§4.8).
    pub(super) fn tell_write(&mut self, sc: &mut Scope<'_, '_>) {
        let now = sc.now().at;
        let after_state = sc.latch.due().unwrap_or(now).max(now) + AFTER_STATE;
        self.want_sample(sc, after_state.min(now + PROMPT), false);
    }

    /// Publishes all values there are as soon as the limit allows; the first sample of a period does so by itself.
    pub(super) fn publish_now(&mut self, sc: &mut Scope<'_, '_>) {
        if self.pace.opening.is_some() {
            self.continue_opening(sc);
        } else {
            self.send_complete(sc, false);
        }
    }

    /// Wants a complete sample, with new readings, as soon as the limit allows.
    pub(super) fn want_now(&mut self, sc: &mut Scope<'_, '_>) {
        let now = sc.now().at;
        if self.pace.limited() > now {
            self.want_sample(sc, now, true);
        } else if self.pace.period.is_some() && self.pace.opening.is_none() {
            self.begin_sample(sc, false);
        }
    }

    fn want_sample(&mut self, sc: &mut Scope<'_, '_>, at: Instant, read: bool) {
        if self.pace.period.is_none() || self.pace.opening.is_some() {
            return;
        }
        let at = at.max(self.pace.spaced());
        let before = self.pace.prompt;
        let at = before.map_or(at, |before| before.at.min(at));
        self.pace.prompt = Some(Prompt { at, read: read || before.is_some_and(|before| before.read) });
        self.pace.partial = None; // the complete sample carries it
        self.arm_limit(sc);
    }

    fn arm_limit(&self, sc: &mut Scope<'_, '_>) {
        let prompt = self.pace.prompt.map(|prompt| prompt.at);
        match (prompt, self.pace.partial) {
            (Some(one), Some(other)) => sc.at(DeviceTimer::Limit, one.min(other)),
            (Some(at), None) | (None, Some(at)) => sc.at(DeviceTimer::Limit, at),
            (None, None) => sc.cancel(DeviceTimer::Limit),
        }
    }

    pub(super) fn on_limit_timer(&mut self, sc: &mut Scope<'_, '_>) {
        match self.pace.prompt.take() {
            Some(Prompt { read: true, .. }) => self.begin_sample(sc, false),
            Some(Prompt { read: false, .. }) => self.send_complete(sc, false),
            None if self.pace.partial.is_some() => self.send_partial(sc),
            None => {}
        }
    }
}

fn publish(sc: &mut Scope<'_, '_>, event: Vec<u8>) {
    let topics = sc.topics;
    sc.publish_event(&topics.events_pointset, Bytes::from(event));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_period_is_the_rate_but_not_under_the_limit() {
        let seconds = Duration::from_secs;
        let of = |rate, limit| period(rate, seconds(limit));
        assert_eq!(of(Some(8), 5), Some(seconds(8)));
        assert_eq!(of(Some(5), 8), Some(seconds(8)));
        assert_eq!(of(None, 0), Some(seconds(300)));
        assert_eq!(of(Some(0), 0), Some(seconds(300)));
        assert_eq!(of(Some(-1), 0), None);
        assert_eq!(of(Some(i64::MAX), 0), Some(seconds(86_400)));
    }
}
