//! Prints what an idle device takes in the core, after each step of its beginning: itself, and what it holds. With
//! `--check` it fails if that is over the bounds in `checks/bounds`.

mod bounds;
mod counting;
mod rig;

use std::mem::size_of;
use std::process::ExitCode;

use udmi_proto::{
    Command, Device, Endpoint, Event, GatewaySettings, PointModel, ProxySettings, Settings, Transport, Udmi,
    Value, ValueKind,
};

use bounds::Bounds;
use counting::Held;
use rig::Rig;

/// Devices of which the mean is taken.
const DEVICES: usize = 20;
const POINTS: [usize; 4] = [0, 3, 10, 100];
/// Long enough after its config for a device to rest, in milliseconds.
const REST: u64 = 20_000;

fn main() -> ExitCode {
    let mut bounds = Bounds::new();
    println!("A device itself: {} bytes, of which UDMI {}.\n", size_of::<Device>(), size_of::<Udmi>());
    println!(
        "| device of | made | connected | configured, idle | with what the allocator adds | in blocks |"
    );
    println!("|---|---|---|---|---|---|");
    for points in POINTS {
        let steps = device(points);
        let [made, connected, idle] = steps.map(|held| size_of::<Device>() + held.bytes);
        let (rounded, blocks) = (size_of::<Device>() + steps[2].rounded, steps[2].blocks);
        bounds.hold("idle-device", points, idle);
        println!("| {points} points | {made} | {connected} | {idle} | {rounded} | {blocks} |");
    }
    println!(
        "\n| proxied device of | attached, configured, idle | with what the allocator adds | in blocks |"
    );
    println!("|---|---|---|---|");
    for points in POINTS {
        let held = proxied(points);
        bounds.hold("idle-proxied", points, held.bytes);
        println!("| {points} points | {} | {} | {} |", held.bytes, held.rounded, held.blocks);
    }
    if std::env::args().any(|argument| argument == "--check") { bounds.verdict() } else { ExitCode::SUCCESS }
}

/// What a device holds when it is made, when it is connected, and when it rests after its first config.
fn device(points: usize) -> [Held; 3] {
    let before = Held::now();
    let mut rigs: Vec<Rig> = Vec::with_capacity(DEVICES);
    let room = Held::now().since(before, 1);
    let held = || {
        let held = Held::now().since(before, 1);
        let each = |all: usize, room: usize| all.saturating_sub(room) / DEVICES;
        Held {
            bytes: each(held.bytes, room.bytes),
            rounded: each(held.rounded, room.rounded),
            blocks: each(held.blocks, room.blocks),
        }
    };
    for number in 0..DEVICES {
        let mut rig = Rig::new(settings(number, points));
        rig.act();
        rigs.push(rig);
    }
    let made = held();
    rigs.iter_mut().for_each(Rig::connect);
    let connected = held();
    for (number, rig) in rigs.iter_mut().enumerate() {
        rig.configure(&format!("/r/REG/d/AHU-{number}/config"), &config(points, &[]), 0);
        let values = (0..points).map(|point| (name(point), Value::Number(20.5))).collect();
        rig.handle(Event::Command(Command::SetPoints { values }));
        rig.rest(REST);
    }
    let idle = held();
    [made, connected, idle]
}

/// What a gateway holds for each of its devices.
fn proxied(points: usize) -> Held {
    let hold = |devices: usize| {
        let before = Held::now();
        let mut settings = settings(0, 0);
        let ids: Vec<_> = (1..=devices).map(|number| format!("AHU-{number}")).collect();
        let proxy = ProxySettings { points: models(points), ..ProxySettings::default() };
        let proxies = ids.iter().map(|id| (id.clone(), proxy.clone())).collect();
        settings.gateway = Some(GatewaySettings { proxies, ..GatewaySettings::default() });
        drop(proxy);
        let mut rig = Rig::new(settings);
        rig.act();
        rig.connect();
        rig.configure("/r/REG/d/AHU-0/config", &config(0, &ids), REST);
        for id in &ids {
            rig.configure(&format!("/r/REG/d/{id}/config"), &config(points, &[]), 0);
        }
        rig.configure("/r/REG/d/AHU-0/config", &config(0, &ids), REST);
        drop(ids);
        Held::now().since(before, 1)
    };
    let (one, many) = (hold(1), hold(1 + DEVICES));
    many.since(one, DEVICES)
}

fn settings(number: usize, points: usize) -> Settings {
    let endpoint = Endpoint { host: "localhost".into(), port: 1883, transport: Transport::Tcp };
    let name = format!("/r/REG/d/AHU-{number}");
    let mut settings = Settings::new(&format!("AHU-{number}"), endpoint, &name, &name);
    settings.points = models(points);
    settings
}

fn models(points: usize) -> udmi_proto::Map<String, PointModel> {
    let model = |point| PointModel {
        units: Some("Degrees-Celsius".into()),
        reference: Some(format!("AV/{point}")),
        kind: Some(ValueKind::Number { minimum: None, maximum: None }),
        ..PointModel::default()
    };
    (0..points).map(|point| (name(point), model(point))).collect()
}

fn name(point: usize) -> String {
    format!("supply_air_temperature_sensor_{point}")
}

fn config(points: usize, proxies: &[String]) -> String {
    let points: Vec<_> = (0..points)
        .map(|point| format!(r#""{}":{{"ref":"AV/{point}","units":"Degrees-Celsius"}}"#, name(point)))
        .collect();
    format!(
        r#"{{"timestamp":"2026-03-01T10:00:00Z","version":"1.5.7","system":{{"min_loglevel":400,"metrics_rate_sec":0}},"gateway":{{"proxy_ids":{proxies:?}}},"pointset":{{"sample_rate_sec":3600,"points":{{{}}}}}}}"#,
        points.join(",")
    )
}
