//! Operations as data, and what carries them out.

use proptest::prelude::*;
use serde_json::{Value, json};
use udmi_proto::model::common::Timestamp;
use udmi_proto::{Closed, Command, Event, Json, Level, Options, Source, Value as PointValue};
use udmi_tests::data_url;
use udmi_tests::model::Model;
use udmi_tests::world::{Answer, Opens, Setup, World};

/// The points of the device, and one it does not know.
pub(crate) const POINTS: [&str; 5] =
    ["duct_pressure_setpoint", "filter_alarm", "filter_pressure", "supply_temperature", "stranger"];

/// Blocks a config may have besides those of system and points, one of them unknown.
const BLOCKS: [&str; 6] = ["localnet", "discovery", "gateway", "blobset", "update", "unheard_of"];
/// Modes a config may ask for; `active` twice, since little happens to a device that never is.
const MODES: [Option<&str>; 6] =
    [None, Some("initial"), Some("active"), Some("active"), Some("restart"), Some("updating")];

/// One thing that happens.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Config(Config),
    Broken(Broken),
    Pass(u64),
    Drop,
    Refuse,
    Silence,
    Calm,
    BreakUp(usize),
    BreakDown(usize),
    Latency(u64),
    SetPoint(usize, PointValue),
    FailPoint(usize),
    Override(usize, bool),
    Define(usize, bool),
    Remove(usize),
    SampleNow,
    Log(u16),
    Software(bool),
    Address(bool),
    Block(bool),
    Event,
    Writes(Answer),
    Reads(Answer),
    CloudCommand(&'static str),
    Crash(u64),
    StepWall(i64),
    StoreFails(bool),
}

/// A good config.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) level: i64,
    pub(crate) metrics: i64,
    pub(crate) mode: Option<&'static str>,
    pub(crate) rate: i64,
    pub(crate) limit: Option<i64>,
    pub(crate) points: Option<Vec<(usize, Option<Value>, bool)>>,
    pub(crate) etag: Option<&'static str>,
    pub(crate) expiry: Option<i64>,
    pub(crate) increment: Option<f64>,
    pub(crate) blocks: Vec<&'static str>,
    pub(crate) seconds_back: i64,
}

/// A config that cannot be used.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Broken {
    Text,
    CutShort,
    NoTimestamp,
    Array,
    NoUtf8,
}

impl Config {
    pub(crate) fn to_json(&self, world: &World) -> Value {
        let mut now = world.now().utc;
        now.0 -= self.seconds_back * 1000;
        let stamp = Timestamp::from_millis_whole_seconds(now.0);
        let mut config = json!({
            "timestamp": stamp.as_str(),
            "version": "1.5.7",
            "system": { "min_loglevel": self.level, "metrics_rate_sec": self.metrics, "operation": {} }
        });
        if let Some(mode) = self.mode {
            config["system"]["operation"]["mode"] = json!(mode);
        }
        for block in self.blocks.iter().filter(|block| **block != "update") {
            config[block] = match *block {
                "localnet" => json!({ "families": { "ipv4": {}, "ether": {} } }),
                "blobset" => json!({ "blobs": {} }),
                "discovery" => self.discovery(world),
                _ => json!({}),
            };
        }
        if self.blocks.contains(&"update") {
            config["blobset"]["blobs"]["system"] = update(self.rate);
        }
        if let Some(points) = &self.points {
            config["pointset"] = json!({ "sample_rate_sec": self.rate, "points": {} });
            if let Some(limit) = self.limit {
                config["pointset"]["sample_limit_sec"] = json!(limit);
            }
            if let Some(etag) = self.etag {
                config["pointset"]["state_etag"] = json!(etag);
            }
            if let Some(seconds) = self.expiry {
                let at = Timestamp::from_millis_whole_seconds(world.now().utc.0 + seconds * 1000);
                config["pointset"]["set_value_expiry"] = json!(at.as_str());
            }
            for (point, set_value, wrong_reference) in points {
                let point = POINTS[*point];
                config["pointset"]["points"][point] = reference(point, *wrong_reference);
                if let Some(increment) = self.increment {
                    config["pointset"]["points"][point]["cov_increment"] = json!(increment);
                }
                if let Some(value) = set_value {
                    config["pointset"]["points"][point]["set_value"] = value.clone();
                }
            }
        }
        config
    }
}

impl Config {
    /// An enumeration of now, a scan of a family there is, and one of a family that nobody scans. What is drawn for the
    /// other blocks decides when and how.
    fn discovery(&self, world: &World) -> Value {
        let moment = |seconds: i64| {
            let at = Timestamp::from_millis_whole_seconds(world.now().utc.0 + seconds * 1000);
            at.as_str().to_owned()
        };
        let mut scan = json!({ "scan_duration_sec": if self.metrics == 0 { 5 } else { 12 } });
        if let Some(ahead) = self.expiry {
            scan["generation"] = json!(moment(ahead));
        }
        if let Some(limit) = self.limit {
            scan["scan_interval_sec"] = json!(if limit == 15 { 20 } else { limit * 3600 });
        }
        if self.increment.is_some() {
            scan["depth"] = json!("details");
        }
        if self.etag.is_some() {
            scan["addrs"] = json!(["4711", "0x41"]);
        }
        json!({
            "generation": moment(0),
            "enumerations": { "points": "entries", "features": "entries", "families": "entries" },
            "families": { "vendor": scan, "bacnet": { "generation": moment(-1) }, "modbus": { "scan_interval_sec": 9 } }
        })
    }
}

/// One of two updates, one of which fails; the generation is its own.
fn update(number: i64) -> Value {
    let module = if number == 10 { "no module" } else { r#"{"version":"v2"}"# };
    let generation = Timestamp::from_millis_whole_seconds(1_772_359_200_000 + number * 1000);
    json!({
        "phase": "final", "url": data_url::encode(module.as_bytes()),
        "sha256": data_url::sha256(module.as_bytes()), "generation": generation.as_str()
    })
}

fn reference(point: &str, wrong: bool) -> Value {
    let known = match point {
        "filter_alarm" => Some("BV/3"),
        "filter_pressure" => Some("AV/5"),
        "supply_temperature" => Some("AI/1"),
        _ => None,
    };
    match known {
        _ if wrong => json!({ "ref": "ref-1a2b" }),
        Some(reference) => json!({ "ref": reference }),
        None => json!({}),
    }
}

impl Broken {
    pub(crate) const ALL: [Self; 5] =
        [Self::Text, Self::CutShort, Self::NoTimestamp, Self::Array, Self::NoUtf8];

    pub(crate) fn payload(self) -> &'static [u8] {
        match self {
            Self::Text => b"{ broken by hand",
            Self::CutShort => br#"{"timestamp":"2026-03-01T10:00:00Z","system":{"min_log"#,
            Self::NoTimestamp => br#"{"version":"1.5.7","system":{}}"#,
            Self::Array => b"[{}]",
            Self::NoUtf8 => b"{\"timestamp\":\"2026-03-01T10:00:00Z\",\"\xff\xfe\":1}",
        }
    }
}

/// A world whose points come from every kind of source.
pub(crate) fn setup(seed: u64) -> Setup {
    let mut model = Model::air_handler();
    for (point, source) in [("supply_temperature", Source::Polled), ("filter_pressure", Source::Computed)] {
        if let Some(point) = model.settings.points.get_mut(point) {
            point.source = source;
        }
    }
    model.settings.options.metrics_hook = true;
    model.settings.options.command_hook = true;
    Setup { seed, restart_ms: Some(1500), records: true, ..model.setup() }
}

pub(crate) fn play(world: &mut World, ops: &[Op]) {
    for op in ops {
        perform(world, op);
    }
}

fn perform(world: &mut World, op: &Op) {
    let name = |point: &usize| POINTS[*point].to_owned();
    match op {
        Op::Config(config) => {
            let config = config.to_json(world);
            world.publish_config(&config);
        }
        Op::Broken(broken) => world.publish("config", broken.payload(), true),
        Op::Pass(milliseconds) => world.advance(*milliseconds),
        Op::Drop => world.drop_link(),
        Op::Refuse => world.weather().opens = Opens::Fails(Closed::Refused),
        Op::Silence => world.weather().is_silent = true,
        Op::Calm => calm(world),
        Op::BreakUp(after) => world.weather().breaks_up_after = Some(*after),
        Op::BreakDown(after) => world.weather().breaks_down_after = Some(*after),
        Op::Latency(milliseconds) => world.weather().latency_ms = *milliseconds,
        Op::SetPoint(point, value) => {
            world.command(Command::SetPoint { point: name(point), value: value.clone() });
        }
        Op::FailPoint(point) => {
            world.command(Command::FailPoint { point: name(point), message: "torn wire".into() });
        }
        Op::Override(point, overridden) => {
            world.command(Command::OverridePoint { point: name(point), overridden: *overridden });
        }
        Op::Define(point, writable) => {
            let model = udmi_proto::PointModel { writable: *writable, ..udmi_proto::PointModel::default() };
            world.command(Command::DefinePoint { point: name(point), model });
        }
        Op::Remove(point) => world.command(Command::RemovePoint { point: name(point) }),
        Op::SampleNow => world.command(Command::SampleNow),
        Op::Log(count) => {
            for number in 0..*count {
                let message = format!("entry {number}");
                let category = udmi_proto::Category::device("test");
                world.command(Command::Log { level: Level::ERROR, category, message, detail: None });
            }
        }
        Op::Software(there) => {
            let version = there.then(|| "1".into());
            world.command(Command::SetSoftware { module: "shell".into(), version });
        }
        Op::Address(there) => {
            let address = there.then(|| "192.0.2.99".into());
            world.command(Command::SetFamilyAddress { family: "ipv4".into(), address });
        }
        Op::Block(there) => {
            let content = there.then(|| Json::object(r#"{"a":1}"#).unwrap());
            world.command(Command::SetBlock { name: "own".into(), content });
        }
        Op::Event => {
            let content = Json::object(r#"{"count":1}"#).unwrap();
            world.command(Command::SendEvent { folder: "own".into(), content });
        }
        Op::Writes(answer) => world.plant.writes = answer.clone(),
        Op::Reads(answer) => {
            world.plant.reads = answer.clone();
            world.plant.scans = answer.clone();
        }
        Op::CloudCommand(name) => world.publish(&format!("commands/{name}"), "{}", false),
        Op::Crash(dark) => world.crash(*dark),
        Op::StepWall(milliseconds) => world.step_wall(*milliseconds),
        Op::StoreFails(fails) => world.store_fails = *fails,
    }
}

pub(crate) fn calm(world: &mut World) {
    let weather = world.weather();
    (weather.opens, weather.is_silent, weather.latency_ms) = (Opens::Accepted, false, 10);
    (weather.breaks_up_after, weather.breaks_down_after) = (None, None);
}

/// Good weather, a plant in order that also answers what it owes, and time for everything to come to its end.
pub(crate) fn settle(world: &mut World) {
    calm(world);
    (world.plant.writes, world.plant.reads) = (Answer::Ok(0), Answer::Ok(0));
    world.plant.scans = Answer::Ok(3000);
    world.store_fails = false;
    while let Some(asked) = world.plant.take_any() {
        let outcome = world.plant.done(&asked.hook);
        world.give(Event::HookDone { id: asked.id, outcome });
    }
    world.advance(300_000);
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        4 => (0..4000u64).prop_map(Answer::Ok),
        1 => (0..4000u64).prop_map(Answer::Failed),
        1 => (0..4000u64).prop_map(Answer::Invalid),
        1 => (0..4000u64).prop_map(Answer::Twice),
        1 => Just(Answer::ByHand),
    ]
}

pub(crate) fn point_value() -> impl Strategy<Value = PointValue> {
    prop_oneof![
        (-5..200i64).prop_map(PointValue::Integer),
        (-100.0..100.0f64).prop_map(PointValue::Number),
        any::<bool>().prop_map(PointValue::Boolean),
        Just(PointValue::from("auto")),
        Just(PointValue::Number(f64::NAN)),
    ]
}

fn set_value() -> impl Strategy<Value = Value> {
    prop_oneof![Just(json!(60)), Just(json!(61)), Just(json!(15)), Just(json!(false)), Just(json!([1]))]
}

prop_compose! {
    pub(crate) fn config()(
        level in prop::sample::select(vec![100i64, 200, 300, 500]),
        metrics in prop::sample::select(vec![0i64, 10, 600]),
        mode in prop::sample::select(MODES.to_vec()),
        rate in prop::sample::select(vec![2i64, 10, 300]),
        limit in prop::sample::select(vec![None, Some(0i64), Some(1), Some(15)]),
        points in prop::option::weighted(0.8, prop::collection::vec(
            (0..POINTS.len(), prop::option::of(set_value()), prop::bool::weighted(0.1)), 0..5)),
        etag in prop::sample::select(vec![None, None, None, Some(""), Some("0123")]),
        expiry in prop::sample::select(vec![None, None, None, Some(-5i64), Some(0), Some(3), Some(60)]),
        increment in prop::sample::select(vec![None, None, Some(0.0), Some(0.5)]),
        blocks in prop::sample::subsequence(BLOCKS.to_vec(), 0..6),
        seconds_back in prop::sample::select(vec![0i64, 0, 0, 3600]),
    ) -> Config {
        Config { level, metrics, mode, rate, limit, points, etag, expiry, increment, blocks, seconds_back }
    }
}

/// What the application or the plant does.
fn local_op() -> impl Strategy<Value = Op> {
    let point = || 0..POINTS.len();
    prop_oneof![
        4 => (point(), point_value()).prop_map(|(point, value)| Op::SetPoint(point, value)),
        2 => point().prop_map(Op::FailPoint),
        2 => (point(), any::<bool>()).prop_map(|(point, on)| Op::Override(point, on)),
        1 => (point(), any::<bool>()).prop_map(|(point, on)| Op::Define(point, on)),
        1 => point().prop_map(Op::Remove),
        1 => Just(Op::SampleNow),
        1 => (1..40u16).prop_map(Op::Log),
        1 => any::<bool>().prop_map(Op::Software),
        1 => any::<bool>().prop_map(Op::Address),
        1 => any::<bool>().prop_map(Op::Block),
        1 => Just(Op::Event),
        1 => answer().prop_map(Op::Writes),
        1 => answer().prop_map(Op::Reads),
    ]
}

/// Only such operations, and time between them.
pub(crate) fn local_ops() -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(prop_oneof![3 => local_op(), 1 => (0..5000u64).prop_map(Op::Pass)], 1..20)
}

pub(crate) fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => config().prop_map(Op::Config),
        2 => prop::sample::select(Broken::ALL.to_vec()).prop_map(Op::Broken),
        8 => (0..20_000u64).prop_map(Op::Pass),
        3 => (0..120u64).prop_map(Op::Pass),
        1 => Just(Op::Drop),
        1 => Just(Op::Refuse),
        1 => Just(Op::Silence),
        2 => Just(Op::Calm),
        1 => (0..900usize).prop_map(Op::BreakUp),
        1 => (0..900usize).prop_map(Op::BreakDown),
        1 => (0..3000u64).prop_map(Op::Latency),
        12 => local_op(),
        1 => prop::sample::select(vec!["beep", "restart", "a/b"]).prop_map(Op::CloudCommand),
        1 => (0..5000u64).prop_map(Op::Crash),
        1 => (-100_000..100_000i64).prop_map(Op::StepWall),
        1 => any::<bool>().prop_map(Op::StoreFails),
    ]
}

/// Options of a device; states go out with all of them, at the usual pace.
pub(crate) fn options() -> impl Strategy<Value = Options> {
    let flags = prop::collection::vec(any::<bool>(), 5);
    let waits = prop::sample::select(vec![0i64, -1, 3]);
    let updating = prop::sample::select(vec![0u64, 3000]);
    (flags, waits, updating).prop_map(|(flags, config_sync_seconds, minimum_updating_ms)| Options {
        commands: flags[0],
        echo_etag: flags[1],
        lifecycle_hook: flags[2],
        metrics_hook: flags[3],
        command_hook: flags[4],
        config_sync_seconds,
        minimum_updating_ms,
        ..Options::default()
    })
}

/// The same world around a device with other options.
pub(crate) fn setup_with(seed: u64, mut options: Options) -> Setup {
    let mut setup = setup(seed);
    options.blobs = std::mem::take(&mut setup.settings.options.blobs);
    setup.settings.options = options;
    setup
}

pub(crate) fn ops(most: usize) -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(op(), 1..most)
}
