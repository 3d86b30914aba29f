//! What carries operations out, and what brings a world to rest after them.

use serde_json::json;
use udmi_proto::{Category, Closed, Command, Event, Hook, Json, Level, Outcome, PointModel, Value};

use super::site::{self, IDS, POINTS, act_for, known};
use super::{OnProxy, Op};
use crate::world::{Answer, Fieldbus, Opens, Weather, World};

/// How long everything has to come to its end in good weather, in milliseconds.
const SETTLE_MS: u64 = 400_000;

/// Carries an operation out.
pub fn perform(world: &mut World, op: &Op) {
    match op {
        Op::Pass(milliseconds) => world.advance(*milliseconds),
        Op::Config(config) => {
            let config = config.to_json(world);
            site::configure(world, &config);
        }
        Op::Redirect(to) => site::redirect(world, *to),
        Op::Web(lie) => world.staging.lie = lie.clone(),
        Op::Broken(broken) | Op::GatewayBroken(broken) => world.publish("config", broken.payload(), true),
        Op::CloudCommand(name) => world.publish(&format!("commands/{name}"), "{}", false),
        Op::Drop => world.drop_link(),
        Op::Refuse => world.weather().opens = Opens::Fails(Closed::Refused),
        Op::Silence => world.weather().is_silent = true,
        Op::Mute => world.weather().is_mute = true,
        Op::Deaf => world.weather().is_deaf = true,
        Op::Unheard => world.weather().opens = Opens::Unheard,
        Op::Unanswered => world.weather().opens = Opens::Unanswered,
        Op::NoNames => world.weather().opens = Opens::Fails(Closed::Resolve),
        Op::Lingers(milliseconds) => world.weather().lingers_ms = *milliseconds,
        Op::SlowReader(rate) => world.weather().reads_per_second = Some(*rate),
        Op::SlowNetwork(rate) => world.weather().bytes_per_second = Some(*rate),
        Op::TakeOver => world.take_over(),
        Op::RestartBroker => world.restart_broker(),
        Op::Deny(refuses) => world.refuse(if *refuses { &["commands/#"] } else { &[] }),
        Op::Calm => calm(world),
        Op::BreakUp(after) => world.weather().breaks_up_after = Some(*after),
        Op::BreakDown(after) => world.weather().breaks_down_after = Some(*after),
        Op::Latency(milliseconds) => world.weather().latency_ms = *milliseconds,
        Op::Crash(dark) => world.crash(*dark),
        Op::CrashSafe(dark, safe) => world.crash_after_stores(*dark, *safe),
        Op::CrashTorn(dark) => world.crash_torn(*dark),
        Op::Suspend(milliseconds) => world.suspend(*milliseconds),
        Op::StepWall(milliseconds) => world.step_wall(*milliseconds),
        Op::StoreFails(fails) => world.store_fails = *fails,
        Op::SlowStore(milliseconds) => world.store_ms = *milliseconds,
        Op::Blobs(answer) => world.plant.blobs = answer.clone(),
        Op::Others(answer) => world.plant.others = answer.clone(),
        Op::Writes(answer) => world.plant.writes = answer.clone(),
        Op::Reads(answer) => {
            world.plant.reads = answer.clone();
            world.plant.scans = answer.clone();
        }
        Op::Act(ids) => act_for(world, ids),
        Op::To(id, op) => {
            if let Some(id) = IDS.get(*id) {
                happen(world, id, op);
            }
        }
        Op::SetPoint(..)
        | Op::FailPoint(_)
        | Op::Override(..)
        | Op::Define(..)
        | Op::Remove(_)
        | Op::SampleNow
        | Op::Log(_)
        | Op::Software(_)
        | Op::Address(_)
        | Op::Block(_)
        | Op::Event => {
            for command in commands(op) {
                world.command(command);
            }
        }
    }
}

/// What the application wants with an operation.
fn commands(op: &Op) -> Vec<Command> {
    let command = match op {
        Op::SetPoint(point, value) => set(*point, value),
        Op::FailPoint(point) => fail(*point),
        Op::Override(point, overridden) => {
            name(*point).map(|point| Command::OverridePoint { point, overridden: *overridden })
        }
        Op::Define(point, writable) => {
            let model = PointModel { writable: *writable, ..PointModel::default() };
            name(*point).map(|point| Command::DefinePoint { point, model })
        }
        Op::Remove(point) => name(*point).map(|point| Command::RemovePoint { point }),
        Op::SampleNow => Some(Command::SampleNow),
        Op::Log(count) => return log(*count).collect(),
        Op::Software(there) => {
            Some(Command::SetSoftware { module: "shell".into(), version: there.then(|| "1".into()) })
        }
        Op::Address(there) => Some(Command::SetFamilyAddress {
            family: "ipv4".into(),
            address: there.then(|| "192.0.2.99".into()),
        }),
        Op::Block(there) => {
            let content = there.then(|| Json::object(r#"{"a":1}"#).expect("it is an object"));
            Some(Command::SetBlock { name: "own".into(), content })
        }
        Op::Event => Some(event()),
        _ => None,
    };
    command.into_iter().collect()
}

fn name(point: usize) -> Option<String> {
    POINTS.get(point).map(|point| (*point).to_owned())
}

fn set(point: usize, value: &Value) -> Option<Command> {
    name(point).map(|point| Command::SetPoint { point, value: value.clone() })
}

fn fail(point: usize) -> Option<Command> {
    name(point).map(|point| Command::FailPoint { point, message: "torn wire".into() })
}

fn log(count: u16) -> impl Iterator<Item = Command> {
    (0..count).map(|number| Command::Log {
        level: Level::ERROR,
        category: Category::device("test"),
        message: format!("entry {number}"),
        detail: None,
    })
}

fn event() -> Command {
    let content = Json::object(r#"{"count":1}"#).expect("it is an object");
    Command::SendEvent { folder: "own".into(), content }
}

fn happen(world: &mut World, id: &str, op: &OnProxy) {
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
        OnProxy::SetPoint(point, value) => tell(world, id, set(*point, value)),
        OnProxy::FailPoint(point) => tell(world, id, fail(*point)),
        OnProxy::SampleNow => tell(world, id, [Command::SampleNow]),
        OnProxy::Log(count) => tell(world, id, log(*count)),
        OnProxy::Event => tell(world, id, [event()]),
    }
}

fn fieldbus<'a>(world: &'a mut World, id: &str) -> &'a mut Fieldbus {
    world.plant.proxied.entry(id.to_owned()).or_default()
}

fn tell(world: &mut World, id: &str, commands: impl IntoIterator<Item = Command>) {
    for command in commands {
        world.command(Command::Proxied { device: id.to_owned(), command: Box::new(command) });
    }
}

/// The network is in order.
pub fn calm(world: &mut World) {
    let weather = world.weather();
    // How bytes are cut is no trouble, and stays.
    *weather = Weather { cut: weather.cut, ..Weather::default() };
}

/// Everything is in order: the network, the store, the cloud, and a plant that also answers what it owes.
pub fn mend(world: &mut World) {
    calm(world);
    (world.plant.writes, world.plant.reads) = (Answer::Ok(0), Answer::Ok(0));
    world.plant.scans = Answer::Ok(3000);
    for device in world.plant.proxied.values_mut() {
        (device.reads, device.writes) = (Answer::Ok(0), Answer::Ok(0));
    }
    (world.plant.blobs, world.plant.others) = (Answer::Ok(0), Answer::Ok(0));
    (world.store_fails, world.store_ms) = (false, 1);
    world.staging.lie = None;
    if world.refuses() {
        // What was refused is asked for again on the next connection.
        world.refuse(&[]);
        world.drop_link();
    }
    world.cloud.refuses_to_attach.clear();
    while let Some(asked) = world.plant.take_any() {
        let outcome = match &asked.hook {
            Hook::ProcessBlob { .. } | Hook::ActivateBlob { .. } => {
                Outcome::Failed { message: "it hung".into() }
            }
            hook => world.plant.done(hook),
        };
        world.give(Event::HookDone { id: asked.id, outcome });
    }
}

/// Everything is in order, and has time to come to its end. The cloud turns to where the device is.
pub fn settle(world: &mut World) {
    mend(world);
    world.advance(SETTLE_MS);
    let place = world.watch.prefix().to_owned();
    world.cloud.turn_to(&place);
}
