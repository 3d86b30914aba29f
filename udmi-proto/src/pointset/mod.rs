//! The pointset block of a device: which points it reports, when, and what is written to them (§4).
//!
//! Decisions where the specification leaves room:
//! * An event is partial (`partial_update`) if a point that is both known and in force is missing in it;
//!   unknown points do not count, since the device can never report them.
//! * A point that leaves the config, or whose set value does, is released at once; what is written again
//!   when it comes back restores its value state.
//! * A set value that was taken on is not written again by a later config, whatever came of it.
//! * A stale `state_etag` moves nothing in the plant: it neither writes nor releases. An etag is good if it
//!   is that of the present state or one of the last two reported; so a retained config is good again after
//!   a restart.
//! * The event that shows a written value is a complete one without new readings, and follows the state that
//!   says `applied`. A complete event out of turn starts the period anew.
//! * A change-of-value update that would push the next complete sample back, because of the limit, waits for
//!   that sample instead.
//! * Readings lose all but two decimals on the wire only; set values and points with an increment under 0.01
//!   keep theirs.
//! * `stop_time` is read and ignored (§11 item 54).

mod changes;
mod etag;
mod model;
mod models;
mod number;
mod orders;
mod point;
mod points;
mod read;
mod report;
mod sample;
mod write;

use alloc::borrow::{Cow, ToOwned as _};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use device_link::{HookId, Map, UtcMillis};

use self::etag::{ETAG_CHARACTERS, Etags};
use self::model::{Model, Units};
use self::orders::PointOrder;
use self::point::{Order, Point};
use self::points::Points;
use self::sample::{Asked, Pace};
use self::write::{Expiry, Gate, Writes};
use crate::config::Block;
use crate::model::category::{Category, Level};
use crate::model::common::Timestamp;
use crate::model::entry::Entry;
use crate::model::value::Value;
use crate::name;
use crate::port::{Notice, Outcome, Reading, Readings};
use crate::scope::{DeviceTimer, Scope};
use crate::settings::{Options, PointModel};

/// Points that one config may name; the rest is left out, in the order of names. The schema of a site model
/// allows 150 (§A).
pub(crate) const POINTS: usize = 2000;

/// Longest name of a point, in bytes.
pub(crate) const NAME_BYTES: usize = 256;

pub(crate) use self::model::Model as KnownPoint;
pub(crate) use self::orders::Orders;

/// The points of one device.
#[derive(Debug)]
pub(crate) struct Pointset {
    /// The points the device knows and those the config names, in one map: all that is to be reported is
    /// found in one walk, without lookups.
    points: Points,
    /// The config in force, if it has a pointset block.
    block: Option<InForce>,
    pace: Pace,
    asked: Option<Asked>,
    writes: Writes,
    etags: Etags,
    echo_etag: bool,
    /// How large the last complete event was.
    event_bytes: usize,
}

#[derive(Debug, Default)]
struct InForce {
    /// Whether the config leaves the choice of points to the device.
    device_decides: bool,
    status: Option<Entry>,
    /// The etag of the config, unless it is empty or too long.
    etag: Option<String>,
}

impl Pointset {
    /// Points with names that are not legal are left out, since no message could carry them.
    pub(crate) fn new(points: Map<String, PointModel>, options: &Options) -> Self {
        let mut units = Units::default();
        let mut known = |model| Point::known(Model::new(model, &mut units));
        let legal = points.into_iter().filter(|(name, _)| is_name(name));
        let mut points = Points::default();
        points.add(legal.map(|(name, model)| (name.into(), known(model))).collect());
        Self {
            points,
            block: None,
            pace: Pace::default(),
            asked: None,
            writes: Writes::new(Duration::from_millis(options.minimum_updating_ms)),
            etags: Etags::default(),
            echo_etag: options.echo_etag,
            event_bytes: 0,
        }
    }

    /// Puts the block of a config in force; `config_utc` is the config's own time in milliseconds. A bad
    /// block leaves the one in force as it is.
    pub(crate) fn on_config(
        &mut self,
        sc: &mut Scope<'_, '_>,
        block: Block<Orders<'_>>,
        config_utc: Option<i64>,
    ) {
        match block {
            Block::Absent => self.withdraw(sc),
            Block::Bad => {
                let message = "The pointset block of the config cannot be used";
                let entry = sc.entry(Category::PointsetPointInvalid, message);
                let block = self.block.get_or_insert_default();
                block.status.get_or_insert(entry);
            }
            Block::Good(orders) => self.apply(sc, orders, config_utc),
        }
        self.settle(sc);
    }

    /// One of `Sample`, `Limit`, `Read`, `Write` and `Expiry` has fired.
    pub(crate) fn on_timer(&mut self, sc: &mut Scope<'_, '_>, timer: DeviceTimer) {
        match timer {
            DeviceTimer::Sample => self.on_sample_timer(sc),
            DeviceTimer::Limit => self.on_limit_timer(sc),
            DeviceTimer::Read => self.on_read_timer(sc),
            DeviceTimer::Write => self.writes.on_timer(sc, &mut self.points),
            DeviceTimer::Expiry => self.lapse(sc),
            DeviceTimer::ConfigSync
            | DeviceTimer::Mode
            | DeviceTimer::Lifecycle
            | DeviceTimer::State
            | DeviceTimer::LogFlush
            | DeviceTimer::Metrics
            | DeviceTimer::Blob
            | DeviceTimer::Scan
            | DeviceTimer::ScanEnd => {}
        }
        self.settle(sc);
    }

    /// The application has answered; gives the outcome back if the hook is none of the pointset's.
    pub(crate) fn on_hook(
        &mut self,
        sc: &mut Scope<'_, '_>,
        id: HookId,
        outcome: Outcome,
    ) -> Option<Outcome> {
        let outcome = self.on_read(sc, id, outcome);
        let outcome = outcome.and_then(|outcome| self.writes.on_answer(sc, &mut self.points, id, outcome));
        self.settle(sc);
        outcome
    }

    /// The application has new values.
    pub(crate) fn set_points(&mut self, sc: &mut Scope<'_, '_>, values: Map<String, Value>) {
        let mut at = 0;
        for (name, value) in values {
            match self.points.next_mut(&mut at, &name).filter(|point| point.model().is_some()) {
                Some(point) => self.writes.changes.accept(sc, &name, point, value),
                None => refuse_unknown(sc, &name),
            }
        }
        self.after_values(sc);
    }

    /// The application has a new value.
    pub(crate) fn set_point(&mut self, sc: &mut Scope<'_, '_>, point: &str, value: Value) {
        self.take_value(sc, point, value);
        self.after_values(sc);
    }

    fn take_value(&mut self, sc: &mut Scope<'_, '_>, name: &str, value: Value) {
        if let Some(point) = known(sc, &mut self.points, name) {
            self.writes.changes.accept(sc, name, point, value);
        }
    }

    fn after_values(&mut self, sc: &mut Scope<'_, '_>) {
        self.continue_opening(sc);
        if self.writes.changes.moved {
            self.writes.changes.moved = false;
            self.tell_moves(sc);
        }
        self.settle(sc);
    }

    /// The application has read points, and wants a sample with them.
    pub(crate) fn publish_points(&mut self, sc: &mut Scope<'_, '_>, mut readings: Readings) {
        self.take_all(sc, readings.take());
        self.publish_now(sc);
        self.settle(sc);
    }

    /// Takes readings in the order of names. Points are sorted as well, so one walk does.
    fn take_all<'a>(&mut self, sc: &mut Scope<'_, '_>, readings: impl Iterator<Item = (&'a str, Reading)>) {
        let (changes, mut points) = (&mut self.writes.changes, self.points.iter_mut().peekable());
        let mut strange: Option<&str> = None;
        let mut strangers = 0_usize;
        for (name, reading) in readings {
            while points.next_if(|(known, _)| *known < name).is_some() {}
            let point = points.peek_mut().filter(|(known, _)| *known == name);
            match (point.filter(|(_, point)| point.model().is_some()), reading) {
                (Some((_, point)), Reading::Value(value)) => changes.accept(sc, name, point, value),
                (Some((_, point)), Reading::Failed(message)) => changes.fail(sc, name, point, &message),
                (None, _) => {
                    strange.get_or_insert(name);
                    strangers += 1;
                }
            }
        }
        if let Some(name) = strange {
            let (name, more) = (start_of(name), strangers - 1);
            let others = if more > 0 { format!(", nor are {more} others") } else { String::new() };
            sc.notify(Notice::CommandRefused { reason: format!("Point {name} is not defined{others}") });
        }
    }

    /// The application cannot read a point.
    pub(crate) fn fail_point(&mut self, sc: &mut Scope<'_, '_>, point: &str, message: &str) {
        let name = point;
        if let Some(point) = known(sc, &mut self.points, name) {
            self.writes.changes.fail(sc, name, point, message);
        }
        self.after_values(sc);
    }

    /// Something local has taken a point over, or has let it go: then the set value is written again.
    pub(crate) fn override_point(&mut self, sc: &mut Scope<'_, '_>, point: &str, overridden: bool) {
        let name = point;
        if let Some(point) = known(sc, &mut self.points, name) {
            point.overridden = overridden;
            self.writes.evaluate(sc, name, point);
        }
        self.settle(sc);
    }

    /// Publishes a sample, with new readings of polled points, as soon as the limit allows.
    pub(crate) fn sample_now(&mut self, sc: &mut Scope<'_, '_>) {
        self.want_now(sc);
        self.settle(sc);
    }

    fn reported_etag<'a>(&'a self, block: &'a InForce) -> Option<&'a str> {
        let asked = block.etag.as_deref();
        if self.echo_etag { asked } else { asked.and(self.etags.current()) }
    }

    /// The run of the device ends while the process goes on. What is known and read of the points stays, all else is
    /// forgotten; `release` gives written points back as well.
    pub(crate) fn halt(&mut self, sc: &mut Scope<'_, '_>, release: bool) {
        self.stop_sampling(sc);
        sc.cancel(DeviceTimer::Expiry);
        self.writes.halt(sc);
        self.block = None;
        for (name, point) in self.points.iter_mut() {
            point.order = Order::Out;
            point.forget_told();
            if release {
                self.writes.evaluate(sc, name, point);
            } else {
                self.writes.suspend(sc, point);
            }
        }
        self.points.retain(|point| {
            point.tidy();
            point.model().is_some()
        });
        self.pace = Pace::default();
        self.etags = Etags::default();
        self.settle(sc);
    }

    /// The config has no pointset block: nothing is reported, nothing is in force (§4.3).
    fn withdraw(&mut self, sc: &mut Scope<'_, '_>) {
        if self.block.take().is_none() {
            return;
        }
        self.stop_sampling(sc);
        sc.cancel(DeviceTimer::Expiry);
        for (name, point) in self.points.iter_mut() {
            point.order = Order::Out;
            self.writes.evaluate(sc, name, point);
        }
        self.points.retain(|point| {
            point.tidy();
            point.model().is_some()
        });
        self.writes.changes.state = true;
    }

    fn apply(&mut self, sc: &mut Scope<'_, '_>, mut orders: Orders<'_>, config_utc: Option<i64>) {
        let points = orders.points.take().map(|points| points.orders);
        let mut block = InForce { device_decides: points.is_none(), ..InForce::default() };
        block.status = match points {
            None => self.choose(),
            Some(points) => self.adopt(sc, points),
        };
        let etag = orders.state_etag.take().filter(|etag| !etag.is_empty());
        let stale = etag.as_deref().is_some_and(|etag| !self.echo_etag && !self.is_recent(etag));
        match etag {
            Some(etag) if etag.chars().count() > ETAG_CHARACTERS => {
                let message = "state_etag of the config is longer than 32 characters";
                block.status.get_or_insert_with(|| sc.entry(Category::PointsetPointInvalid, message));
            }
            etag => block.etag = etag.map(Cow::into_owned),
        }
        let before = self.block.take();
        self.keep_entry(&mut block, before);
        self.block = Some(block);
        self.writes.gate =
            Gate { expiry: plan_expiry(sc, orders.set_value_expiry.as_ref(), config_utc), stale };
        for (name, point) in self.points.iter_mut() {
            self.writes.evaluate(sc, name, point);
        }
        self.points.retain(|point| {
            point.tidy();
            point.model().is_some() || point.is_in_force()
        });
        self.set_pace(sc, &orders);
    }

    /// A block status that stays keeps its time.
    fn keep_entry(&mut self, block: &mut InForce, before: Option<InForce>) {
        let was_there = before.is_some();
        let old = before.and_then(|before| before.status);
        let same = match (&old, &block.status) {
            (Some(old), Some(new)) => old.message == new.message,
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if same {
            block.status = old;
        } else if let Some(status) = &block.status {
            self.writes.changes.log(status.clone());
        }
        self.writes.changes.state |= !same || !was_there;
    }

    /// The config names no points: all that the device knows (§11 item 38).
    fn choose(&mut self) -> Option<Entry> {
        for point in self.points.values_mut() {
            let is_known = point.model().is_some();
            self.writes.changes.state |= point.is_in_force() != is_known;
            point.order = if is_known { Order::Own } else { Order::Out };
        }
        None
    }

    /// Takes over what the config says of each point. Both are sorted, so one walk does.
    fn adopt(
        &mut self,
        sc: &mut Scope<'_, '_>,
        wanted: Vec<(Cow<'_, str>, PointOrder<'_>)>,
    ) -> Option<Entry> {
        let mut illegal: Option<String> = None;
        let mut illegal_count = 0_usize;
        let mut legal_count = 0_usize;
        let mut newcomers = Vec::new();
        let mut known = self.points.iter_mut().peekable();
        let mut is_changed = false;
        for (name, order) in wanted {
            while let Some((_, point)) = known.next_if(|(known, _)| **known < *name) {
                is_changed |= point.leave();
            }
            let point = known.next_if(|(known, _)| **known == *name).map(|(_, point)| point);
            // What is known by its name has a legal one.
            if point.is_none() && !is_name(&name) {
                illegal_count += 1;
                illegal.get_or_insert_with(|| start_of(&name).to_owned());
                continue;
            }
            legal_count += 1;
            match point {
                Some(point) if legal_count > POINTS => is_changed |= point.leave(),
                Some(point) => {
                    is_changed |= !point.is_in_force();
                    point.follow(order);
                    point.begin_telling();
                }
                None if legal_count > POINTS => {}
                None => newcomers.push((name.into(), Point::ordered(order))),
            }
        }
        known.for_each(|(_, point)| is_changed |= point.leave());
        self.writes.changes.state |= is_changed || !newcomers.is_empty();
        self.points.add(newcomers);
        if let Some(name) = illegal {
            let more = illegal_count - 1;
            let message = format!("Point {name} has a name that UDMI does not allow, as have {more} others");
            sc.log(Category::PointsetPointInvalid, Level::ERROR, message);
        }
        let over = legal_count.checked_sub(POINTS).filter(|over| *over > 0)?;
        let message = format!("{over} of {legal_count} points are over the bound and left out");
        Some(sc.entry(Category::PointsetPointInvalid, message))
    }

    /// Whether a config builds upon the present state or one of the last two reported.
    fn is_recent(&self, etag: &str) -> bool {
        self.etags.matches(etag) || etag::compute(self.points.iter()) == etag
    }

    /// The set values have lapsed: every point is on its own, and the state says so.
    fn lapse(&mut self, sc: &mut Scope<'_, '_>) {
        self.writes.gate.expiry = Expiry::Passed;
        for (name, point) in self.points.iter_mut().filter(|(_, point)| point.is_in_force()) {
            self.writes.expire(sc, name, point);
        }
    }

    /// Tells what the input has caused.
    fn settle(&mut self, sc: &mut Scope<'_, '_>) {
        let changes = &mut self.writes.changes;
        let asked = self.block.as_ref().is_some_and(|block| block.etag.is_some());
        if !asked && changes.state {
            self.etags = Etags::default(); // what was reported once is not the present state any more
        } else if asked && !self.echo_etag && (changes.state || self.etags.current().is_none()) {
            self.etags.set(etag::compute(self.points.iter()), sc.now().at, sc.latch);
        }
        changes.moved = false;
        changes.tell(sc);
        if core::mem::take(&mut changes.applied) {
            self.tell_write(sc);
        }
    }
}

/// The point the application speaks of; if the device does not know it, the application is told.
fn known<'a>(sc: &mut Scope<'_, '_>, points: &'a mut Points, name: &str) -> Option<&'a mut Point> {
    let point = points.get_mut(name).filter(|point| point.model().is_some());
    if point.is_none() {
        refuse_unknown(sc, name);
    }
    point
}

fn refuse_unknown(sc: &mut Scope<'_, '_>, name: &str) {
    sc.notify(Notice::CommandRefused { reason: format!("Point {} is not defined", start_of(name)) });
}

/// What an expiry means (§4.7), with the timer armed if it is yet to come.
fn plan_expiry(sc: &mut Scope<'_, '_>, expiry: Option<&Timestamp>, config_utc: Option<i64>) -> Expiry {
    sc.cancel(DeviceTimer::Expiry);
    let Some(expiry) = expiry else { return Expiry::Ahead };
    let Ok(expiry) = expiry.millis() else { return Expiry::Unusable };
    if config_utc.is_some_and(|config| expiry <= config) {
        return Expiry::Unusable;
    }
    if expiry <= sc.now().utc.0 {
        return Expiry::Passed;
    }
    sc.at_utc(DeviceTimer::Expiry, UtcMillis(expiry));
    Expiry::Ahead
}

/// Whether a name is legal and not overlong.
fn is_name(name: &str) -> bool {
    name.len() <= NAME_BYTES && name::is_name(name)
}

/// As much of a name as a message may hold.
fn start_of(name: &str) -> &str {
    let end = name.char_indices().map(|(at, _)| at).take_while(|at| *at <= NAME_BYTES).last().unwrap_or(0);
    if name.len() <= NAME_BYTES { name } else { name.get(..end).unwrap_or("") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_pattern_of_the_schema() {
        for name in ["a", "a1", "a_1", "supply_air_temperature_sensor", "x9_y8"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "1a", "_a", "a_", "a__b", "A", "a-b", "ä", "a b", &"a".repeat(NAME_BYTES + 1)] {
            assert!(!is_name(name), "{name}");
        }
    }
}
