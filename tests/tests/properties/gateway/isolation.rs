//! What happens to one device is nobody else's business: all that its siblings send, ask and tell is the same without
//! it, to the millisecond.

use proptest::prelude::*;
use serde_json::Value;
use udmi_proto::{Hook, Notice};
use udmi_tests::world::World;

use super::super::always::cases;
use super::operations::{IDS, Op, act_for, begun, gentle_op, on_proxy, perform, setup};

/// The device that is in trouble.
const SICK: usize = 1;
/// The devices the gateway acts for, but that one.
const WELL: [usize; 3] = [0, 2, 3];

/// Something that happens to all alike, or to the sick device alone.
#[derive(Clone, Debug)]
enum Step {
    All(Op),
    Sick(Op),
}

/// What all devices but the sick one have let out.
#[derive(Debug, PartialEq)]
struct Output {
    messages: Vec<(u64, String, String, Value)>,
    notices: Vec<Notice>,
    hooks: Vec<Hook>,
}

fn output(world: &World) -> Output {
    let well = |id: &str| WELL.iter().any(|well| IDS[*well] == id);
    let id_of = |prefix: &str| prefix.rsplit('/').next().unwrap_or_default().to_owned();
    let messages = world.watch.emitted.iter().filter(|sent| well(&id_of(&sent.prefix)) && !sent.duplicate);
    let messages =
        messages.map(|sent| (sent.at, sent.prefix.clone(), sent.topic.clone(), sent.payload.clone()));
    let of_well = |notice: &&Notice| matches!(notice, Notice::Proxied { device, .. } if well(device));
    let hooks = world.plant.asked().iter();
    let hooks = hooks.filter(|hook| matches!(hook, Hook::Proxied { device, .. } if well(device)));
    Output {
        messages: messages.collect(),
        notices: world.notices().iter().filter(of_well).cloned().collect(),
        hooks: hooks.cloned().collect(),
    }
}

fn lived(seed: u64, steps: &[Step], with_trouble: bool) -> Output {
    let mut world = begun(setup(seed));
    for step in steps {
        match step {
            Step::All(op) => perform(&mut world, op),
            Step::Sick(op) if with_trouble => perform(&mut world, op),
            Step::Sick(_) => {}
        }
    }
    world.advance(60_000);
    output(&world)
}

fn all() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => gentle_op(0..4).prop_filter("not of the sick one", |op| !matches!(op, Op::To(SICK, _))),
        1 => Just(Op::Drop),
        1 => (0..5000u64).prop_map(Op::Crash),
    ]
}

fn trouble() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => on_proxy().prop_map(|op| Op::To(SICK, op)),
        1 => Just(Op::Act(WELL.to_vec())),
        1 => Just(Op::Act(vec![0, SICK, 2, 3])),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_siblings_of_a_device_in_trouble_do_not_notice(
        steps in prop::collection::vec(
            prop_oneof![1 => all().prop_map(Step::All), 1 => trouble().prop_map(Step::Sick)], 1..40),
        seed in any::<u64>(),
    ) {
        prop_assert_eq!(lived(seed, &steps, true), lived(seed, &steps, false));
    }
}

#[test]
fn a_gateway_that_acts_for_one_less_is_the_same_to_the_others() {
    let without = {
        let mut world = begun(setup(1));
        act_for(&mut world, &WELL);
        world.advance(120_000);
        output(&world)
    };
    let mut world = begun(setup(1));
    world.advance(120_000);
    assert_eq!(output(&world), without);
}
