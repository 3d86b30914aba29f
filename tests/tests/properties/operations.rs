//! Operations of the simulated lives as proptest strategies, and the worlds they happen in.

use proptest::prelude::*;
use serde_json::{Value, json};
use udmi_proto::{Options, Value as PointValue};
use udmi_tests::sim::{perform, site};
use udmi_tests::world::{Answer, Setup, World};

pub(crate) use perform::{calm, settle};
pub(crate) use site::POINTS;
pub(crate) use udmi_tests::sim::{Broken, Config, Op};

/// Blocks a config may have besides those of system and points, one of them unknown.
const BLOCKS: [&str; 6] = ["localnet", "discovery", "gateway", "blobset", "update", "unheard_of"];
/// Modes a config may ask for; `active` twice, since little happens to a device that never is.
const MODES: [Option<&str>; 6] =
    [None, Some("initial"), Some("active"), Some("active"), Some("restart"), Some("updating")];

/// The world around a device, which is recorded.
pub(crate) fn setup(seed: u64) -> Setup {
    Setup { records: true, ..site::device(seed) }
}

pub(crate) fn play(world: &mut World, ops: &[Op]) {
    for op in ops {
        perform::perform(world, op);
    }
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
        let (mode, etag) = (mode.map(Into::into), etag.map(Into::into));
        let blocks = blocks.into_iter().map(Into::into).collect();
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
        1 => prop::sample::select(vec!["beep", "restart", "a/b"]).prop_map(|name| Op::CloudCommand(name.into())),
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
