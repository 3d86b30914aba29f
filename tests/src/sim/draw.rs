//! Draws operations from a seed.

use serde_json::{Value, json};
use udmi_proto::Value as PointValue;

use super::random::Random;
use super::site::{IDS, POINTS, REGISTRIES};
use super::{Broken, Config, OnProxy, Op, Shape};
use crate::world::{Answer, Lie};

/// Blocks a config may have besides those of system and points, one of them unknown.
const BLOCKS: [&str; 7] = ["localnet", "discovery", "gateway", "blobset", "update", "download", "unheard_of"];
/// Modes a config may ask for; `active` more often, since little happens to a device that never is.
const MODES: [Option<&str>; 8] = [
    None,
    Some("initial"),
    Some("active"),
    Some("active"),
    Some("active"),
    None,
    Some("restart"),
    Some("updating"),
];

/// Draws so many operations.
pub(super) fn ops(shape: Shape, random: &mut Random, count: usize) -> Vec<Op> {
    let draw = match shape {
        Shape::Device => device_op,
        Shape::Gateway => gateway_op,
    };
    (0..count).map(|_| draw(random)).collect()
}

/// On average a little more than a minute passes with every fourth operation.
fn pass(random: &mut Random) -> Op {
    Op::Pass(match random.below(10) {
        0..3 => random.below(120),
        3..7 => random.below(20_000),
        7..9 => random.below(200_000),
        _ => random.below(800_000),
    })
}

fn device_op(random: &mut Random) -> Op {
    match random.below(100) {
        0..27 => pass(random),
        27..42 => Op::Config(config(random)),
        42..46 => Op::Broken(random.one(&Broken::ALL)),
        46..48 => Op::CloudCommand(random.one(&["beep", "restart", "a/b"]).into()),
        48..66 => trouble(random),
        _ => local_op(random),
    }
}

fn gateway_op(random: &mut Random) -> Op {
    match random.below(100) {
        0..27 => pass(random),
        27..31 => Op::Act((0..IDS.len()).filter(|_| random.percent(75)).collect()),
        31..33 => Op::GatewayBroken(random.one(&Broken::ALL)),
        33..48 => trouble(random),
        _ => {
            let id = random.index(IDS.len());
            Op::To(id, on_proxy(random))
        }
    }
}

/// What goes wrong around a device.
fn trouble(random: &mut Random) -> Op {
    match random.below(40) {
        0..4 => Op::Drop,
        4 => Op::Refuse,
        5 => Op::Silence,
        6 => random.one(&[Op::Mute, Op::Deaf]),
        7 => random.one(&[Op::Unheard, Op::Unanswered, Op::NoNames]),
        8..17 => Op::Calm,
        17 => Op::BreakUp(random.index(2000)),
        18 => Op::BreakDown(random.index(2000)),
        19 => Op::Latency(random.below(3000)),
        20 => Op::Latency(random.below(100)),
        21 => Op::Lingers(random.below(60_000)),
        22 => Op::SlowReader(100 + random.below(5000)),
        23 => Op::SlowNetwork(500 + random.below(5000)),
        24 => Op::TakeOver,
        25 => Op::RestartBroker,
        26 => Op::Deny(random.flag()),
        27..30 => Op::Crash(random.below(5000)),
        30 => Op::CrashSafe(random.below(5000), random.index(4)),
        31 => Op::Suspend(random.below(200_000)),
        32 => Op::StepWall(signed(random, 100_000)),
        33 => Op::StoreFails(true),
        34 => Op::StoreFails(false),
        35 => Op::SlowStore(random.below(3000)),
        36 => Op::SlowStore(1),
        37 => Op::Web(Some(lie(random))),
        38 => Op::Web(None),
        _ => Op::Redirect(random.index(REGISTRIES.len())),
    }
}

fn lie(random: &mut Random) -> Lie {
    let at = random.index(120);
    match random.below(10) {
        0 => Lie::Size(signed(random, 100)),
        1 => Lie::Content,
        2 => Lie::Redirects,
        3 => Lie::Stalls(at),
        4 => Lie::Endless,
        5 => Lie::Refuses,
        6 => Lie::Status(random.one(&[301, 403, 404, 500, 503])),
        7 => Lie::BreaksOff(at),
        8 => Lie::Changes(at),
        _ => Lie::Slow(random.below(5000)),
    }
}

/// What the application or the plant does.
fn local_op(random: &mut Random) -> Op {
    let point = random.index(POINTS.len());
    match random.below(17) {
        0..4 => Op::SetPoint(point, point_value(random)),
        4..6 => Op::FailPoint(point),
        6..8 => Op::Override(point, random.flag()),
        8 => Op::Define(point, random.flag()),
        9 => Op::Remove(point),
        10 => Op::SampleNow,
        11 => Op::Log(1 + small(random, 39)),
        12 => Op::Software(random.flag()),
        13 => Op::Address(random.flag()),
        14 => Op::Block(random.flag()),
        15 => Op::Event,
        _ => match random.below(6) {
            0..2 => Op::Writes(answer(random)),
            2..4 => Op::Reads(answer(random)),
            4 => Op::Blobs(answer(random)),
            _ => Op::Others(answer(random)),
        },
    }
}

fn on_proxy(random: &mut Random) -> OnProxy {
    let point = random.index(POINTS.len());
    match random.below(24) {
        0..8 => OnProxy::Config(config(random)),
        8..10 => OnProxy::Broken(random.one(&Broken::ALL)),
        10 => OnProxy::CloudCommand(random.one(&["beep", "restart", "rotate_key"]).into()),
        11 => OnProxy::Unattachable(random.percent(30)),
        12 => OnProxy::Error { own_topic: random.flag(), of_attachment: random.flag() },
        13..15 => OnProxy::Reads(answer(random)),
        15..17 => OnProxy::Writes(answer(random)),
        17 => OnProxy::Add,
        18 => OnProxy::Remove,
        19..21 => OnProxy::SetPoint(point, point_value(random)),
        21 => OnProxy::FailPoint(point),
        22 => OnProxy::SampleNow,
        _ => {
            if random.flag() {
                OnProxy::Log(1 + small(random, 19))
            } else {
                OnProxy::Event
            }
        }
    }
}

fn answer(random: &mut Random) -> Answer {
    let after = if random.percent(10) { random.below(90_000) } else { random.below(4000) };
    match random.below(10) {
        0..4 => Answer::Ok(after),
        4..6 => Answer::Failed(after),
        6 => Answer::Invalid(after),
        7 => Answer::Twice(after),
        8 => Answer::Flaps(after),
        _ => Answer::Never,
    }
}

/// Draws a good config.
pub(super) fn config(random: &mut Random) -> Config {
    let points = random.percent(80).then(|| {
        let count = random.index(5);
        let mut point = || {
            let set_value = random.flag().then(|| set_value(random));
            (random.index(POINTS.len()), set_value, random.percent(10))
        };
        (0..count).map(|_| point()).collect()
    });
    Config {
        level: random.one(&[100, 200, 300, 500]),
        metrics: random.one(&[0, 10, 600]),
        mode: random.one(&MODES).map(Into::into),
        rate: random.one(&[2, 10, 60, 300]),
        limit: random.one(&[None, Some(0), Some(1), Some(15)]),
        points,
        etag: random.one(&[None, None, None, Some(""), Some("0123")]).map(Into::into),
        expiry: random.one(&[None, None, None, Some(-5), Some(0), Some(3), Some(60)]),
        increment: random.one(&[None, None, Some(0.0), Some(0.5)]),
        blocks: BLOCKS.iter().filter(|_| random.percent(40)).map(|block| (*block).into()).collect(),
        seconds_back: random.one(&[0, 0, 0, 3600]),
    }
}

fn set_value(random: &mut Random) -> Value {
    random.one(&[json!(60), json!(61), json!(15), json!(false), json!([1])])
}

fn point_value(random: &mut Random) -> PointValue {
    match random.below(5) {
        0 => PointValue::Integer(signed(random, 200)),
        1 => PointValue::Number(f64::from(small(random, 2000)) / 8.0 - 100.0),
        2 => PointValue::Boolean(random.flag()),
        3 => PointValue::from("auto"),
        _ => PointValue::Number(f64::NAN),
    }
}

fn small(random: &mut Random, bound: u16) -> u16 {
    u16::try_from(random.below(u64::from(bound))).unwrap_or(0)
}

fn signed(random: &mut Random, bound: u64) -> i64 {
    let size = i64::try_from(random.below(bound)).unwrap_or(0);
    if random.flag() { size } else { -size }
}
