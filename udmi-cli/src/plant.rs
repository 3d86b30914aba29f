//! A simulated plant, made from the metadata of a device: values wander, writes take their time.

use std::sync::Arc;
use std::time::Duration;

use udmi_proto::model::metadata::{BaselineState, Pointset, PointsetPoint, ValueType};
use udmi_proto::{Map, Reading, Value};

/// Part of the way to a point's tolerance that wandering values stay within.
const WANDER: f64 = 0.8;
/// How far one reading may be from the one before, as part of the tolerance.
const STEP: f64 = 0.25;
/// Tolerance of a number of which the metadata gives none, as part of its baseline.
const DEFAULT_TOLERANCE: f64 = 0.02;
/// One reading in so many finds that a switch has changed.
const CHANGE_ONE_IN: u64 = 400;

/// What a plant is like; plants of equal devices share it.
#[derive(Debug)]
pub(crate) struct PlantModel {
    /// By name.
    points: Vec<PointOf>,
}

/// The points of a plant, and when what was written to them is in force.
#[derive(Debug)]
pub(crate) struct Plant {
    model: Arc<PlantModel>,
    /// In the order of the model.
    points: Box<[Point]>,
    random: Random,
    /// How long a write takes until it is in force.
    write: Duration,
    alarms: Vec<Alarm>,
}

/// An alarm that was raised or cleared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Alarm {
    /// The point that shows it.
    pub(crate) point: String,
    /// Whether it was raised.
    pub(crate) raised: bool,
}

/// What becomes of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// It is on its way.
    Taken,
    /// The value is refused.
    Invalid(&'static str),
    /// It fails.
    Failed(&'static str),
}

/// What a point is like.
#[derive(Debug)]
struct PointOf {
    name: String,
    nature: Nature,
    writable: bool,
    baseline: Value,
    /// What the metadata expects of its baseline when it is written.
    expected: Option<BaselineState>,
    /// The place of the point whose written value this one follows.
    follows: Option<usize>,
}

#[derive(Debug)]
enum Nature {
    /// A number that stays within `spread` of the baseline.
    Number { spread: f64 },
    /// On or off.
    Switch { alarm: bool },
    /// One of these texts.
    Choice(Vec<String>),
    /// Any text.
    Text,
}

/// How a point is now.
#[derive(Debug)]
struct Point {
    present: Value,
    /// How far a number has wandered from where it belongs.
    offset: f64,
    writing: Option<Box<Writing>>,
}

/// A value on its way.
#[derive(Debug)]
struct Writing {
    from: Value,
    to: Value,
    since: Duration,
    until: Duration,
}

impl PlantModel {
    /// What the metadata says of the points.
    pub(crate) fn new(pointset: Option<&Pointset>) -> Self {
        let models = pointset.into_iter().flat_map(|pointset| &pointset.points);
        let mut points: Vec<PointOf> = models.map(|(name, model)| PointOf::new(name, model)).collect();
        points.sort_by(|one, other| one.name.cmp(&other.name));
        let mut model = Self { points };
        for setpoint in 0..model.points.len() {
            let name = &model.points[setpoint].name;
            if name.ends_with("_setpoint")
                && let Some(sensor) = model.place(&name.replace("_setpoint", "_sensor"))
            {
                model.points[sensor].follows = Some(setpoint);
            }
        }
        model
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.points.binary_search_by(|point| point.name.as_str().cmp(name)).ok()
    }
}

impl Plant {
    /// A plant at its baseline. Equal seeds wander alike.
    pub(crate) fn new(pointset: Option<&Pointset>, seed: u64, write: Duration) -> Self {
        Self::of(&Arc::new(PlantModel::new(pointset)), seed, write)
    }

    /// As [`Self::new`], one of many that are alike.
    pub(crate) fn of(model: &Arc<PlantModel>, seed: u64, write: Duration) -> Self {
        let at_baseline =
            |point: &PointOf| Point { present: point.baseline.clone(), offset: 0.0, writing: None };
        let points = model.points.iter().map(at_baseline).collect();
        Self { model: model.clone(), points, random: Random(seed), write, alarms: Vec::new() }
    }

    /// Reads points at a time since any fixed moment.
    pub(crate) fn read(&mut self, names: &[String], now: Duration) -> Map<String, Reading> {
        let read = |name: &String| Some((name.clone(), Reading::Value(self.read_one(name, now)?)));
        names.iter().filter_map(read).collect()
    }

    /// Takes a value for a point that the cloud may set. It is in force a little later.
    pub(crate) fn write(&mut self, name: &str, value: &Value, now: Duration) -> Written {
        let Some(at) = self.model.place(name) else { return Written::Failed("there is no such point") };
        let (model, point) = (&self.model.points[at], &mut self.points[at]);
        if same(value, &model.baseline) {
            match model.expected {
                Some(BaselineState::Invalid) => return Written::Invalid("the plant refuses this value"),
                Some(BaselineState::Failure) => return Written::Failed("the actuator does not answer"),
                Some(
                    BaselineState::Applied
                    | BaselineState::Updating
                    | BaselineState::Overridden
                    | BaselineState::Unknown,
                )
                | None => {}
            }
        }
        let from = point.arrive(now).clone();
        point.writing =
            Some(Box::new(Writing { from, to: value.clone(), since: now, until: now + self.write }));
        Written::Taken
    }

    /// Gives a point back to local control: it goes back to its baseline.
    pub(crate) fn release(&mut self, name: &str) {
        if let Some(at) = self.model.place(name) {
            self.points[at].writing = None;
            self.points[at].present = self.model.points[at].baseline.clone();
        }
    }

    /// Alarms raised or cleared since this was last asked.
    pub(crate) fn take_alarms(&mut self) -> Vec<Alarm> {
        std::mem::take(&mut self.alarms)
    }

    fn read_one(&mut self, name: &str, now: Duration) -> Option<Value> {
        let at = self.model.place(name)?;
        let shift = self.shift(at, now);
        let (model, point) = (&self.model.points[at], &mut self.points[at]);
        if model.writable {
            return Some(point.arrive(now).clone());
        }
        match &model.nature {
            Nature::Number { spread } => {
                point.offset = wander(point.offset, *spread, &mut self.random);
                let centre = model.baseline.as_number().unwrap_or_default();
                point.present = Value::Number(two_decimals(centre + shift + point.offset));
            }
            Nature::Switch { alarm } => {
                if self.random.one_in(CHANGE_ONE_IN) {
                    let on = point.present != Value::Boolean(true);
                    point.present = Value::Boolean(on);
                    if *alarm {
                        self.alarms.push(Alarm { point: name.to_owned(), raised: on });
                    }
                }
            }
            Nature::Choice(texts) => {
                if self.random.one_in(CHANGE_ONE_IN)
                    && let Some(text) = texts.get(self.random.below(texts.len()))
                {
                    point.present = Value::Text(text.clone());
                }
            }
            Nature::Text => {}
        }
        Some(point.present.clone())
    }

    /// How far the point that this one follows is from its own baseline.
    fn shift(&mut self, at: usize, now: Duration) -> f64 {
        let Some(leader) = self.model.points[at].follows else { return 0.0 };
        let baseline = self.model.points[leader].baseline.as_number().unwrap_or_default();
        self.points[leader].arrive(now).as_number().map_or(0.0, |present| present - baseline)
    }
}

impl PointOf {
    fn new(name: &str, model: &PointsetPoint) -> Self {
        let (nature, baseline) = nature(name, model);
        let (name, writable) = (name.to_owned(), model.writable.unwrap_or(false));
        Self { name, nature, writable, baseline, expected: model.baseline_state, follows: None }
    }
}

impl Point {
    /// Moves a value on its way to where it is now; numbers get there gradually, others at once at the end.
    fn arrive(&mut self, now: Duration) -> &Value {
        if let Some(writing) = &self.writing {
            if now >= writing.until {
                self.present = writing.to.clone();
                self.writing = None;
            } else {
                self.present = writing.on_the_way(now);
            }
        }
        &self.present
    }
}

impl Writing {
    fn on_the_way(&self, now: Duration) -> Value {
        let (Some(from), Some(to)) = (self.from.as_number(), self.to.as_number()) else {
            return self.from.clone();
        };
        let whole = (self.until - self.since).as_secs_f64();
        let part = now.saturating_sub(self.since).as_secs_f64() / whole;
        Value::Number(two_decimals(from + (to - from) * part))
    }
}

/// What the metadata shows of a point's values; a point of which it shows nothing is a number.
fn nature(name: &str, model: &PointsetPoint) -> (Nature, Value) {
    use serde_json::Value as Json;
    let baseline = model.baseline_value.as_ref();
    match (model.kind, baseline) {
        (Some(ValueType::Boolean), _) | (None, Some(Json::Bool(_))) => {
            let on = baseline.and_then(Json::as_bool).unwrap_or(false);
            (Nature::Switch { alarm: name.contains("alarm") }, Value::Boolean(on))
        }
        (Some(ValueType::String), _) | (None, Some(Json::String(_))) => text(model),
        (Some(ValueType::Number | ValueType::Unknown) | None, _) => number(model),
    }
}

fn text(model: &PointsetPoint) -> (Nature, Value) {
    let texts: Vec<String> = model.values.iter().flatten().map(|(_, text)| text.clone()).collect();
    let given = model.baseline_value.as_ref().and_then(serde_json::Value::as_str).map(ToOwned::to_owned);
    let baseline = given.or_else(|| texts.first().cloned()).unwrap_or_else(|| "normal".to_owned());
    let nature = if texts.contains(&baseline) { Nature::Choice(texts) } else { Nature::Text };
    (nature, Value::Text(baseline))
}

fn number(model: &PointsetPoint) -> (Nature, Value) {
    let range = model.range_min.zip(model.range_max);
    let centre = range.map_or(0.0, |(minimum, maximum)| f64::midpoint(minimum, maximum));
    let given = model.baseline_value.as_ref();
    let baseline = match given.and_then(serde_json::Value::as_i64) {
        Some(whole) => Value::Integer(whole),
        None => Value::Number(given.and_then(serde_json::Value::as_f64).unwrap_or(centre)),
    };
    let around = baseline.as_number().unwrap_or_default();
    let mut spread = model.baseline_tolerance.unwrap_or(around * DEFAULT_TOLERANCE).abs();
    for end in [model.range_min, model.range_max].into_iter().flatten() {
        spread = spread.min((end - around).abs());
    }
    (Nature::Number { spread: spread * WANDER }, baseline)
}

/// The next step of a walk that is drawn back to the middle.
fn wander(offset: f64, spread: f64, random: &mut Random) -> f64 {
    let step = (random.fraction() - 0.5) * 2.0 * STEP * spread;
    (offset * 0.95 + step).clamp(-spread, spread)
}

fn two_decimals(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

/// Whether two values mean the same, whichever way a number is written.
fn same(one: &Value, other: &Value) -> bool {
    one == other || one.as_number().is_some_and(|number| other.as_number() == Some(number))
}

/// SplitMix64: small, and good enough for weather.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// Equal seeds give equal numbers.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 up to but not including 1.
    pub(crate) fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn one_in(&mut self, times: u64) -> bool {
        self.next().is_multiple_of(times)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next()).unwrap_or(0).checked_rem(end).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const WRITE: Duration = Duration::from_secs(4);

    fn plant(points: &serde_json::Value) -> Plant {
        let pointset: Pointset = serde_json::from_value(json!({ "points": points })).unwrap();
        Plant::new(Some(&pointset), 7, WRITE)
    }

    fn value(plant: &mut Plant, name: &str, seconds: u64) -> Value {
        match plant.read(&[name.to_owned()], Duration::from_secs(seconds)).remove(name) {
            Some(Reading::Value(value)) => value,
            other => panic!("{name} reads as {other:?}"),
        }
    }

    #[test]
    fn numbers_wander_within_their_tolerance() {
        let mut plant = plant(&json!({ "sensor": { "baseline_value": 10, "baseline_tolerance": 2 } }));
        let values: Vec<f64> =
            (0..2000).map(|second| value(&mut plant, "sensor", second).as_number().unwrap()).collect();
        assert!(values.iter().all(|value| (8.0..=12.0).contains(value)));
        assert!(values.iter().any(|value| *value > 10.5) && values.iter().any(|value| *value < 9.5));
    }

    #[test]
    fn a_range_narrows_the_tolerance() {
        let mut plant = plant(&json!({
            "valve": { "baseline_value": 95, "baseline_tolerance": 20, "range_min": 0, "range_max": 100 }
        }));
        assert!((0..2000).all(|second| value(&mut plant, "valve", second).as_number().unwrap() <= 100.0));
    }

    #[test]
    fn a_write_gets_there_in_its_time_and_keeps_its_form() {
        let mut plant = plant(&json!({ "setpoint": { "baseline_value": 18, "writable": true } }));
        assert_eq!(value(&mut plant, "setpoint", 0), Value::Integer(18));
        assert_eq!(plant.write("setpoint", &Value::Integer(22), Duration::from_secs(10)), Written::Taken);
        assert_eq!(value(&mut plant, "setpoint", 12), Value::Number(20.0));
        assert_eq!(value(&mut plant, "setpoint", 14), Value::Integer(22));
        plant.release("setpoint");
        assert_eq!(value(&mut plant, "setpoint", 15), Value::Integer(18));
    }

    #[test]
    fn a_sensor_follows_the_setpoint_of_its_name() {
        let mut plant = plant(&json!({
            "air_setpoint": { "baseline_value": 18, "writable": true },
            "air_sensor": { "baseline_value": 18, "baseline_tolerance": 0 }
        }));
        plant.write("air_setpoint", &Value::Integer(24), Duration::ZERO);
        assert_eq!(value(&mut plant, "air_sensor", 60), Value::Number(24.0));
    }

    #[test]
    fn switches_change_rarely_and_alarms_are_told() {
        let mut plant = plant(&json!({ "filter_alarm": { "type": "boolean" } }));
        let mut before = value(&mut plant, "filter_alarm", 0);
        let mut changes = 0;
        for second in 1..4000 {
            let now = value(&mut plant, "filter_alarm", second);
            changes += usize::from(now != before);
            before = now;
        }
        assert!((1..40).contains(&changes), "{changes}");
        assert_eq!(plant.take_alarms().len(), changes);
        assert_eq!(plant.take_alarms(), []);
    }

    #[test]
    fn a_baseline_that_is_expected_to_fail_fails() {
        let mut plant = plant(&json!({
            "broken": { "baseline_value": 5, "writable": true, "baseline_state": "failure" }
        }));
        assert!(matches!(plant.write("broken", &Value::Integer(5), Duration::ZERO), Written::Failed(_)));
        assert_eq!(plant.write("broken", &Value::Integer(6), Duration::ZERO), Written::Taken);
    }

    #[test]
    fn equal_seeds_wander_alike() {
        let points = json!({ "sensor": { "baseline_value": 10, "baseline_tolerance": 2 } });
        let (mut one, mut other) = (plant(&points), plant(&points));
        assert!((0..50).all(|at| value(&mut one, "sensor", at) == value(&mut other, "sensor", at)));
    }
}
