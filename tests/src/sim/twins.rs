//! Properties that compare runs of one plan: what differs between them must not be seen.

use device_link::trace::{Header, replay};
use serde_json::Value;
use udmi_proto::{Hook, Limits, Notice, Settings, Udmi};

use super::run::{Violation, Way};
use super::site::{self, IDS};
use super::{Op, Plan, Shape, perform, quietly};
use crate::property::Property;
use crate::world::{Cut, Setup, World};

/// Which plans are compared: those of one seed in so many, since it takes several times the time.
const SELDOM: u64 = 64;
/// Operations of a plan that is short enough to be run byte by byte.
const SHORT: usize = 25;
/// The device behind a gateway that is in trouble, and those that are not.
const SICK: usize = 1;
const WELL: [usize; 3] = [0, 2, 3];

/// Holds runs of a plan against each other.
///
/// # Errors
///
/// The first violation.
pub(super) fn check(plan: &Plan, way: &Way) -> Result<(), Box<Violation>> {
    if !way.compares.unwrap_or(plan.seed.is_multiple_of(SELDOM)) {
        return Ok(());
    }
    let twins = Twins { plan, way };
    twins.replay()?;
    twins.cut_otherwise()?;
    if plan.shape == Shape::Gateway { twins.siblings() } else { Ok(()) }
}

/// All that a device let out, whatever call it was in.
#[derive(Debug, Default)]
struct Output {
    messages: Vec<(u64, String, String, Value)>,
    notices: Vec<Notice>,
    hooks: Vec<Hook>,
}

/// A plan, and how it is run.
struct Twins<'a> {
    plan: &'a Plan,
    way: &'a Way,
}

impl Twins<'_> {
    /// Property 2: what is recorded of each run is what a device does to which the same happens.
    fn replay(&self) -> Result<(), Box<Violation>> {
        let setup = Setup { records: true, ..self.setup() };
        let settings = setup.settings.clone();
        let (_, world) = self.output(setup, &self.plan.ops)?;
        replays(&world, &settings).map_err(|what| self.violation(Property::RunsReplay, what))
    }

    /// Property 1: a run is the same however bytes are cut.
    fn cut_otherwise(&self) -> Result<(), Box<Violation>> {
        let ops: Vec<_> = self.plan.ops.iter().filter_map(whatever_the_cut).collect();
        let with = |cut| {
            let mut setup = Setup { limits: Limits::default(), ..self.setup() };
            setup.weather.cut = cut;
            self.output(setup, &ops).map(|(output, _)| output)
        };
        let whole = with(Cut::Whole)?;
        let short = (ops.len() <= SHORT).then_some(Cut::Every(1));
        for cut in std::iter::once(Cut::Seeded(40)).chain(short) {
            let difference = whole.difference(&with(cut)?);
            if let Some(what) = difference {
                return Err(self.violation(Property::CutsAreInvisible, format!("{cut:?}: {what}")));
            }
        }
        Ok(())
    }

    /// Property 10: for the siblings of a device it is the same whether that is in trouble.
    fn siblings(&self) -> Result<(), Box<Violation>> {
        let with = |is_sick: bool| {
            let ops: Vec<_> = self.plan.ops.iter().filter_map(|op| around_the_sick(op, is_sick)).collect();
            let mut setup = Setup { limits: Limits::default(), ..self.setup() };
            setup.weather.cut = Cut::Whole;
            self.output(setup, &ops).map(|(output, _)| output.of_the_well())
        };
        match with(false)?.difference(&with(true)?) {
            Some(what) => Err(self.violation(Property::SiblingsAreApart, what)),
            None => Ok(()),
        }
    }

    fn setup(&self) -> Setup {
        Setup { defect: self.way.defect, ..self.plan.setup() }
    }

    /// What comes out of a run, and the world after it.
    fn output(&self, setup: Setup, ops: &[Op]) -> Result<(Output, World), Box<Violation>> {
        let live = || {
            let mut world = World::new(setup);
            let mut output = Output::default();
            site::furnish(&mut world);
            if self.plan.shape == Shape::Gateway {
                site::act_for(&mut world, &[0, 1, 2, 3]);
            }
            for op in ops {
                perform::perform(&mut world, op);
                output.take(&mut world);
            }
            perform::settle(&mut world);
            output.take(&mut world);
            (output, world)
        };
        quietly::catch(live).map_err(|(property, what)| self.violation(property, what))
    }

    fn violation(&self, property: Property, what: String) -> Box<Violation> {
        let Plan { seed, shape, .. } = *self.plan;
        Box::new(Violation { property, what, seed, shape, at_ms: 0, op: None, transcript: String::new() })
    }
}

impl Output {
    /// Takes what came out since it was last taken.
    fn take(&mut self, world: &mut World) {
        let messages = world.watch.emitted.drain(..).filter(|message| !message.duplicate);
        self.messages.extend(messages.map(|sent| (sent.at, sent.prefix, sent.topic, sent.payload)));
        self.notices.extend_from_slice(world.notices());
        self.hooks.extend_from_slice(world.plant.asked());
        world.forget();
    }

    /// What came of those that are in no trouble.
    fn of_the_well(mut self) -> Self {
        let is_well = |id: &str| WELL.iter().any(|well| IDS.get(*well) == Some(&id));
        self.messages.retain(|(_, prefix, ..)| prefix.rsplit('/').next().is_some_and(is_well));
        self.notices.retain(|notice| matches!(notice, Notice::Proxied { device, .. } if is_well(device)));
        self.hooks.retain(|hook| matches!(hook, Hook::Proxied { device, .. } if is_well(device)));
        self
    }

    /// Where another output begins to differ.
    fn difference(&self, other: &Self) -> Option<String> {
        first_difference("message", &self.messages, &other.messages)
            .or_else(|| first_difference("notice", &self.notices, &other.notices))
            .or_else(|| first_difference("hook", &self.hooks, &other.hooks))
    }
}

fn first_difference<T: PartialEq + std::fmt::Debug>(what: &str, one: &[T], other: &[T]) -> Option<String> {
    let longest = one.len().max(other.len());
    let at = (0..longest).find(|at| one.get(*at) != other.get(*at))?;
    Some(format!("{what} {at} is once {:?} and once {:?}", one.get(at), other.get(at)))
}

/// Replays all runs that a world has recorded of a device of these settings.
///
/// # Errors
///
/// What differs first.
pub fn replays(world: &World, settings: &Settings) -> Result<(), String> {
    for trace in world.traces() {
        let Some((header, lines)) = trace.split_first() else { continue };
        let header: Header<Value> = Header::read(header).map_err(|error| error.to_string())?;
        let udmi = Udmi::new(settings.clone()).map_err(|error| error.to_string())?;
        let count = replay(header.boot, udmi, lines).map_err(|difference| difference.to_string())?;
        if count.lines != lines.len() {
            return Err("the replay ends early".into());
        }
    }
    Ok(())
}

/// The operation where pieces arrive at the moment the whole does, and all of them or none.
fn whatever_the_cut(op: &Op) -> Option<Op> {
    match op {
        Op::SlowNetwork(_) | Op::SlowReader(_) => None,
        Op::BreakUp(_) => Some(Op::Drop),
        op => Some(op.clone()),
    }
}

/// The operation in a life in which one device is in trouble, or is not; nothing else goes wrong that they share but
/// the connection and the power.
fn around_the_sick(op: &Op, is_sick: bool) -> Option<Op> {
    match op {
        Op::Pass(_) | Op::Drop | Op::Crash(_) => Some(op.clone()),
        Op::To(id, _) if WELL.contains(id) => Some(op.clone()),
        Op::To(SICK, _) if is_sick => Some(op.clone()),
        Op::Act(ids) if is_sick && ids.contains(&SICK) => Some(Op::Act(vec![0, SICK, 2, 3])),
        Op::Act(_) if is_sick => Some(Op::Act(WELL.to_vec())),
        _ => None,
    }
}
