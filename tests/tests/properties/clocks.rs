//! A periodic scan keeps to its generation plus whole intervals of the wall clock, to the second, whatever the clocks
//! and the network do (§6.4).

use proptest::prelude::*;
use serde_json::json;
use udmi_proto::Event;
use udmi_proto::model::common::Timestamp;
use udmi_tests::model::Model;
use udmi_tests::world::{Setup, World};

use super::always::cases;
use super::operations::calm;

const INTERVAL_S: i64 = 600;
const HOUR_MS: i64 = 3_600_000;
const SUSPEND_MS: u64 = 600_000;
/// How long a driver sleeps at most before it looks at the clocks.
const LONGEST_SLEEP_MS: u64 = 10_000;

#[derive(Clone, Debug)]
enum Op {
    /// Somebody sets the wall clock.
    Step(i64),
    /// The machine is suspended; whether its monotonic clock goes on meanwhile depends on the machine.
    Suspend {
        is_counted: bool,
    },
    Pass(u64),
    /// The config comes again, which changes nothing.
    Resend,
    Drop,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        1 => prop::sample::select(vec![HOUR_MS, -HOUR_MS]).prop_map(Op::Step),
        1 => (-3000..3000i64).prop_map(Op::Step),
        2 => any::<bool>().prop_map(|is_counted| Op::Suspend { is_counted }),
        4 => (0..1_500_000u64).prop_map(Op::Pass),
        1 => Just(Op::Resend),
        1 => Just(Op::Drop),
    ]
}

/// A device that is to scan every ten minutes, and has begun to.
fn periodic(seed: u64) -> World {
    let model = Model::air_handler();
    let mut world = World::new(Setup { seed, ..model.setup() });
    let mut config = model.config();
    config["timestamp"] = world.timestamp().into();
    let first = Timestamp::from_millis_whole_seconds(world.now().utc.0 + 10_000);
    let family = json!({
        "generation": first.as_str(), "scan_interval_sec": INTERVAL_S, "scan_duration_sec": 10
    });
    // Nothing else happens, since hours have to pass.
    config["system"]["metrics_rate_sec"] = 0.into();
    config.as_object_mut().unwrap().remove("pointset");
    config["discovery"] = json!({ "families": { model.facet: family } });
    world.publish_config(&config);
    world.advance(30_000);
    assert_eq!(rounds(&world).len(), 1);
    world
}

fn perform(world: &mut World, op: &Op) {
    match op {
        Op::Step(milliseconds) => {
            world.step_wall(*milliseconds);
            wake(world);
        }
        Op::Suspend { is_counted: true } => {
            world.suspend(SUSPEND_MS);
            wake(world);
        }
        Op::Suspend { is_counted: false } => {
            world.step_wall(i64::try_from(SUSPEND_MS).unwrap());
            wake(world);
        }
        Op::Pass(milliseconds) => world.advance(*milliseconds),
        Op::Resend => {
            let config = world.cloud.config.clone();
            world.publish_config(&config);
        }
        Op::Drop => world.drop_link(),
    }
}

/// A driver wakes up after a while, whatever the deadline was.
fn wake(world: &mut World) {
    world.advance(LONGEST_SLEEP_MS);
    world.give(Event::Tick);
}

/// The rounds begun, as seconds of their generations, and by how many milliseconds each was late.
fn rounds(world: &World) -> Vec<(i64, i64)> {
    let marks = world.watch.on("events/discovery").filter(|event| event.payload["event_no"] == 0);
    marks
        .map(|mark| {
            let millis = |member: &str| {
                let text = mark.payload[member].as_str().expect("a timestamp").to_owned();
                Timestamp::from(text).millis().expect("a date")
            };
            (millis("generation") / 1000, millis("timestamp") - millis("generation"))
        })
        .collect()
}

fn check(world: &World, generation: i64) {
    let rounds = rounds(world);
    for (round, late) in &rounds {
        assert_eq!((round - generation) % INTERVAL_S, 0, "{rounds:?}");
        assert!((0..1000).contains(late), "begun {late} ms after its generation");
    }
    let in_order = rounds.windows(2).all(|pair| pair[0].0 < pair[1].0);
    assert!(in_order, "a generation was begun twice: {rounds:?}");
}

/// In peace there is a round in each interval, from an hour and an interval on, which a step back may have to wait for.
fn check_goes_on(world: &mut World, back_ms: i64) {
    calm(world);
    world.advance(u64::try_from(back_ms).unwrap() + 700_000);
    let begun = rounds(world).len();
    world.advance(u64::try_from(INTERVAL_S).unwrap() * 3000);
    assert_eq!(rounds(world).len(), begun + 3);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_periodic_scan_keeps_to_its_seconds(ops in prop::collection::vec(op(), 1..12), seed in any::<u64>()) {
        let mut world = periodic(seed);
        let generation = rounds(&world)[0].0;
        ops.iter().for_each(|op| perform(&mut world, op));
        let back: i64 = ops.iter().map(|op| if let Op::Step(step @ ..0) = op { -step } else { 0 }).sum();
        check_goes_on(&mut world, back);
        check(&world, generation);
    }
}

#[test]
fn an_hour_forward_an_hour_back_and_ten_minutes_of_sleep_move_no_round() {
    for op in [
        Op::Step(HOUR_MS),
        Op::Step(-HOUR_MS),
        Op::Suspend { is_counted: true },
        Op::Suspend { is_counted: false },
    ] {
        let mut world = periodic(1);
        let generation = rounds(&world)[0].0;
        world.advance(1_000_000);
        perform(&mut world, &op);
        check_goes_on(&mut world, if matches!(op, Op::Step(..0)) { HOUR_MS } else { 0 });
        check(&world, generation);
    }
}
