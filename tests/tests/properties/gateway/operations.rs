//! Operations on a gateway and the devices behind it as proptest strategies, and the world they happen in.

use proptest::prelude::*;
use udmi_tests::sim::{perform as lives, site};
use udmi_tests::world::{Answer, Setup, World};

use super::super::operations::{Broken, POINTS, config, point_value};

pub(crate) use lives::perform;
pub(crate) use site::{BOUND, IDS, KNOWN, act_for, wanted};
pub(crate) use udmi_tests::sim::{OnProxy, Op};

/// The world around a gateway, which is recorded.
pub(crate) fn setup(seed: u64) -> Setup {
    Setup { records: true, ..site::gateway(seed) }
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
        1 => prop::sample::select(vec!["beep", "restart", "rotate_key"])
            .prop_map(|name| OnProxy::CloudCommand(name.into())),
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
