//! Operations on a gateway and the devices behind it, as data, and what carries them out.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};
use udmi_proto::{
    Closed, Command, GatewaySettings, Level, ProxySettings, Settings, Source, Value as PointValue,
};
use udmi_tests::model::Model;
use udmi_tests::world::{Answer, Fieldbus, Opens, Setup, World, merge};

use super::super::operations::{Broken, Config, POINTS, calm, config, point_value};

/// Four devices the gateway knows, one that it hears of from its config alone, and one that the broker does not let
/// it act for.
pub(crate) const IDS: [&str; 6] = ["AHU-22", "AHU-23", "VAV-7", "VAV-8", "NEW-1", "ODD-1"];
/// How many of them the gateway knows at the start.
pub(crate) const KNOWN: usize = 4;
/// How many of them the broker lets it act for.
pub(crate) const BOUND: usize = 5;

/// One thing that happens.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    /// The gateway is to act for these.
    Act(Vec<usize>),
    /// The gateway's config cannot be used.
    GatewayBroken(Broken),
    /// Something happens to a device.
    To(usize, OnProxy),
    Pass(u64),
    Drop,
    Refuse,
    Silence,
    Calm,
    BreakUp(usize),
    BreakDown(usize),
    Latency(u64),
    Crash(u64),
    StepWall(i64),
    StoreFails(bool),
}

/// What may happen to a device behind the gateway.
#[derive(Clone, Debug)]
pub(crate) enum OnProxy {
    Config(Config),
    Broken(Broken),
    CloudCommand(&'static str),
    /// Its attachments fail from now on, or do not any more.
    Unattachable(bool),
    /// An error of the broker out of the blue: on its own topic, or on the gateway's.
    Error {
        own_topic: bool,
        of_attachment: bool,
    },
    Reads(Answer),
    Writes(Answer),
    Add,
    Remove,
    SetPoint(usize, PointValue),
    FailPoint(usize),
    SampleNow,
    Log(u16),
    Event,
}

/// A gateway whose known devices have points of every kind of source.
pub(crate) fn setup(seed: u64) -> Setup {
    let mut settings = Model::air_handler().settings;
    let prefix = "/r/REG/d/GAT-1";
    (settings.device_id, settings.client_id) = ("GAT-1".into(), prefix.into());
    settings.topic_prefix = prefix.into();
    (settings.points, settings.options.command_hook) = (Default::default(), true);
    let proxies = IDS[..KNOWN].iter().map(|id| ((*id).to_owned(), known(id)));
    settings.gateway = Some(GatewaySettings { proxies: proxies.collect(), ..GatewaySettings::default() });
    let mut setup = Setup { seed, restart_ms: Some(1500), records: true, ..Setup::new(settings) };
    setup.bound = IDS[..BOUND].iter().map(|id| (*id).to_owned()).collect();
    let values = Model::air_handler().setup().plant.values;
    for id in &IDS[..KNOWN] {
        let device = Fieldbus { values: values.clone(), ..Fieldbus::default() };
        setup.plant.proxied.insert((*id).to_owned(), device);
    }
    setup
}

/// What the application knows of a device.
fn known(id: &str) -> ProxySettings {
    let Settings { mut identity, mut points, families, .. } = Model::air_handler().settings;
    identity.serial_no = id.to_owned();
    for (point, source) in [("supply_temperature", Source::Polled), ("filter_pressure", Source::Computed)] {
        if let Some(point) = points.get_mut(point) {
            point.source = source;
        }
    }
    ProxySettings { identity, points, families, ..ProxySettings::default() }
}

/// A world in which the gateway acts for the devices it knows.
pub(crate) fn begun(setup: Setup) -> World {
    let mut world = World::new(setup);
    act_for(&mut world, &[0, 1, 2, 3]);
    world.advance(5000);
    world
}

pub(crate) fn played(setup: Setup, ops: &[Op]) -> World {
    let mut world = begun(setup);
    for op in ops {
        perform(&mut world, op);
    }
    world
}

pub(crate) fn act_for(world: &mut World, ids: &[usize]) {
    let ids: Vec<_> = ids.iter().map(|id| IDS[*id]).collect();
    let system = json!({ "min_loglevel": 200, "metrics_rate_sec": 0, "operation": {} });
    let mut config = json!({ "system": system, "gateway": { "proxy_ids": ids } });
    merge(&mut config, &json!({ "timestamp": world.timestamp(), "version": "1.5.7" }));
    world.publish_config(&config);
}

/// What the gateway's last good config names.
pub(crate) fn wanted(world: &World) -> BTreeSet<String> {
    let ids = world.cloud.config.pointer("/gateway/proxy_ids").and_then(Value::as_array);
    ids.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

pub(crate) fn perform(world: &mut World, op: &Op) {
    match op {
        Op::Act(ids) => act_for(world, ids),
        Op::GatewayBroken(broken) => world.publish("config", broken.payload(), true),
        Op::To(id, op) => happen(world, IDS[*id], op),
        Op::Pass(milliseconds) => world.advance(*milliseconds),
        Op::Drop => world.drop_link(),
        Op::Refuse => world.weather().opens = Opens::Fails(Closed::Refused),
        Op::Silence => world.weather().is_silent = true,
        Op::Calm => calm(world),
        Op::BreakUp(after) => world.weather().breaks_up_after = Some(*after),
        Op::BreakDown(after) => world.weather().breaks_down_after = Some(*after),
        Op::Latency(milliseconds) => world.weather().latency_ms = *milliseconds,
        Op::Crash(dark) => world.crash(*dark),
        Op::StepWall(milliseconds) => world.step_wall(*milliseconds),
        Op::StoreFails(fails) => world.store_fails = *fails,
    }
}

fn happen(world: &mut World, id: &str, op: &OnProxy) {
    let name = |point: &usize| POINTS[*point].to_owned();
    match op {
        OnProxy::Config(config) => {
            let mut config = config.to_json(world);
            config["gateway"] = json!({ "target": { "family": "vendor", "addr": "4711" } });
            world.for_proxied(id, |world| world.publish_config(&config));
        }
        OnProxy::Broken(broken) => {
            world.for_proxied(id, |world| world.publish("config", broken.payload(), true));
        }
        OnProxy::CloudCommand(name) => {
            world.for_proxied(id, |world| world.publish(&format!("commands/{name}"), "{}", false));
        }
        OnProxy::Unattachable(fails) => {
            if *fails {
                world.cloud.refuses_to_attach.insert(id.to_owned());
            } else {
                world.cloud.refuses_to_attach.remove(id);
            }
        }
        OnProxy::Error { own_topic, of_attachment } => {
            let kind = if *of_attachment { "GATEWAY_ATTACHMENT_ERROR" } else { "ODDITY" };
            let error = json!({ "error_type": kind, "description": "by hand", "device_id": id }).to_string();
            if *own_topic {
                world.for_proxied(id, |world| world.publish("errors", error, false));
            } else {
                world.publish("errors", error, false);
            }
        }
        OnProxy::Reads(answer) => fieldbus(world, id).reads = answer.clone(),
        OnProxy::Writes(answer) => fieldbus(world, id).writes = answer.clone(),
        OnProxy::Add => {
            world.command(Command::AddProxy { device: id.to_owned(), proxy: Box::new(known(id)) });
        }
        OnProxy::Remove => world.command(Command::RemoveProxy { device: id.to_owned() }),
        OnProxy::SetPoint(point, value) => {
            tell(world, id, Command::SetPoint { point: name(point), value: value.clone() });
        }
        OnProxy::FailPoint(point) => {
            tell(world, id, Command::FailPoint { point: name(point), message: "torn wire".into() });
        }
        OnProxy::SampleNow => tell(world, id, Command::SampleNow),
        OnProxy::Log(count) => {
            for number in 0..*count {
                let (message, category) = (format!("entry {number}"), udmi_proto::Category::device("test"));
                tell(world, id, Command::Log { level: Level::ERROR, category, message, detail: None });
            }
        }
        OnProxy::Event => {
            let content = udmi_proto::Json::object(r#"{"count":1}"#).unwrap();
            tell(world, id, Command::SendEvent { folder: "own".into(), content });
        }
    }
}

fn fieldbus<'a>(world: &'a mut World, id: &str) -> &'a mut Fieldbus {
    world.plant.proxied.entry(id.to_owned()).or_default()
}

fn tell(world: &mut World, id: &str, command: Command) {
    world.command(Command::Proxied { device: id.to_owned(), command: Box::new(command) });
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        3 => (0..4000u64).prop_map(Answer::Ok),
        2 => (0..4000u64).prop_map(Answer::Failed),
        1 => (0..4000u64).prop_map(Answer::Invalid),
        1 => (0..90_000u64).prop_map(Answer::Ok),
        1 => (0..4000u64).prop_map(Answer::Twice),
        2 => (0..4000u64).prop_map(Answer::Flaps),
        1 => Just(Answer::Never),
    ]
}

pub(crate) fn on_proxy() -> impl Strategy<Value = OnProxy> {
    let point = || 0..POINTS.len();
    prop_oneof![
        8 => config().prop_map(OnProxy::Config),
        2 => prop::sample::select(Broken::ALL.to_vec()).prop_map(OnProxy::Broken),
        1 => prop::sample::select(vec!["beep", "restart", "rotate_key"]).prop_map(OnProxy::CloudCommand),
        1 => any::<bool>().prop_map(OnProxy::Unattachable),
        1 => any::<(bool, bool)>().prop_map(|(own_topic, of_attachment)| OnProxy::Error { own_topic, of_attachment }),
        2 => answer().prop_map(OnProxy::Reads),
        2 => answer().prop_map(OnProxy::Writes),
        1 => Just(OnProxy::Add),
        1 => Just(OnProxy::Remove),
        2 => (point(), point_value()).prop_map(|(point, value)| OnProxy::SetPoint(point, value)),
        1 => point().prop_map(OnProxy::FailPoint),
        1 => Just(OnProxy::SampleNow),
        1 => (1..20u16).prop_map(OnProxy::Log),
        1 => Just(OnProxy::Event),
    ]
}

fn acting() -> impl Strategy<Value = Op> {
    prop::sample::subsequence((0..IDS.len()).collect::<Vec<_>>(), 0..=IDS.len()).prop_map(Op::Act)
}

/// What happens in good weather, to devices of these numbers.
pub(crate) fn gentle_op(ids: std::ops::Range<usize>) -> impl Strategy<Value = Op> {
    prop_oneof![
        10 => (ids, on_proxy()).prop_map(|(id, op)| Op::To(id, op)),
        6 => (0..20_000u64).prop_map(Op::Pass),
        2 => (0..120u64).prop_map(Op::Pass),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        18 => gentle_op(0..IDS.len()),
        3 => acting(),
        1 => prop::sample::select(Broken::ALL.to_vec()).prop_map(Op::GatewayBroken),
        1 => Just(Op::Drop),
        1 => Just(Op::Refuse),
        1 => Just(Op::Silence),
        2 => Just(Op::Calm),
        1 => (0..2000usize).prop_map(Op::BreakUp),
        1 => (0..2000usize).prop_map(Op::BreakDown),
        1 => (0..3000u64).prop_map(Op::Latency),
        1 => (0..5000u64).prop_map(Op::Crash),
        1 => (-100_000..100_000i64).prop_map(Op::StepWall),
        1 => any::<bool>().prop_map(Op::StoreFails),
    ]
}

pub(crate) fn ops(most: usize) -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(op(), 1..most)
}
