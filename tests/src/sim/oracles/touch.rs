//! Property 3, the second half: the last touch is always followed by a state. What is asked for by sending the same
//! config again tells nothing new.

use super::super::oracle::Oracle;
use super::super::perform::perform;
use super::super::random::Random;
use super::super::{OnProxy, Op, Plan, Shape};
use super::rest::{self, Who};
use crate::property::Property;
use crate::world::World;

/// What is touched at rest, at most.
const TOUCHES: u64 = 6;
/// How long the last touch may take to be told: a point without a value is told of when it is sampled.
const TOLD_MS: u64 = 30_000;

/// Touches a device at rest.
#[derive(Debug)]
pub(crate) struct Touch {
    shape: Shape,
    random: Random,
}

impl Touch {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self { shape: plan.shape, random: Random::new(plan.seed.rotate_left(32)) }
    }

    fn op(&mut self, who: Who) -> Op {
        let point = self.random.index(3);
        let value = i64::try_from(self.random.below(100)).unwrap_or(0).into();
        match who {
            Who::Own => match self.random.below(8) {
                0..3 => Op::SetPoint(point, value),
                3 => Op::FailPoint(point),
                4..6 => Op::Override(point, self.random.flag()),
                6 => Op::Software(self.random.flag()),
                _ => Op::Block(self.random.flag()),
            },
            Who::Proxied(id) => {
                let id = super::super::site::IDS.iter().position(|known| *known == id).unwrap_or(usize::MAX);
                let op = if self.random.flag() {
                    OnProxy::SetPoint(point, value)
                } else {
                    OnProxy::FailPoint(point)
                };
                Op::To(id, op)
            }
        }
    }
}

impl Oracle for Touch {
    fn property(&self) -> Property {
        Property::StatesKeepTheirPace
    }

    fn look(&mut self, _world: &World) -> Result<(), String> {
        Ok(())
    }

    fn settled(&mut self, world: &mut World) -> Result<(), String> {
        let Some(who) = rest::one(&rest::all(world, self.shape), self.random.draw()) else { return Ok(()) };
        let config = who.config(world);
        who.answer(world, &config);
        for _ in 0..=self.random.below(TOUCHES) {
            let op = self.op(who);
            perform(world, &op);
            world.advance(self.random.below(4000));
        }
        world.advance(TOLD_MS);
        let told = who.state(world);
        let again = who.answer(world, &config);
        let (told, again) = (rest::without(told, &["/timestamp"]), rest::without(again, &["/timestamp"]));
        if told != again {
            let difference = rest::difference(&told, &again);
            return Err(format!("{}: a change was not told by itself: {difference}", who.prefix(world)));
        }
        Ok(())
    }
}
