//! A plan is all that decides a run: what is built, the seed, and what happens to it.

use serde::{Deserialize, Serialize};
use udmi_proto::{Limits, Options};

use super::random::Random;
use super::{Op, draw, site};
use crate::world::{Cut, Setup};

/// What is built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// A device that connects for itself.
    #[default]
    Device,
    /// A gateway and the devices behind it.
    Gateway,
}

/// All that decides a run. Equal plans give equal runs, bit for bit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// What is built.
    pub shape: Shape,
    /// Decides all that is not said by operations: options, how bytes are cut, jitter.
    pub seed: u64,
    /// What happens, in this order.
    pub ops: Vec<Op>,
}

impl Plan {
    /// The plan of a seed, of so many operations.
    #[must_use]
    pub fn drawn(shape: Shape, seed: u64, count: usize) -> Self {
        let mut random = Random::new(seed);
        let mut ops = draw::ops(shape, &mut random, count);
        // A store that tears promises less than others, so not all do.
        if seed.is_multiple_of(8) {
            ops.iter_mut().filter(|_| random.percent(50)).for_each(|op| {
                if let Op::Crash(dark_ms) = *op {
                    *op = Op::CrashTorn(dark_ms);
                }
            });
        }
        Self { shape, seed, ops }
    }

    /// The world it happens in.
    #[must_use]
    pub fn setup(&self) -> Setup {
        // Drawn apart from the operations, so that leaving some of them out changes nothing else.
        let mut random = Random::new(!self.seed);
        let mut setup = match self.shape {
            Shape::Device => site::device(self.seed),
            Shape::Gateway => site::gateway(self.seed),
        };
        if self.shape == Shape::Device && random.flag() {
            setup = site::with_registries(setup);
        }
        setup.settings.options.blob_limit = 1 << 17;
        // Schemas take most of the time, and messages are much alike.
        setup.schema_one_in = if self.seed.is_multiple_of(32) { 1 } else { 61 };
        setup.weather.cut = match random.below(4) {
            0 => Cut::Seeded(40),
            1 => Cut::Seeded(2000),
            _ => Cut::Whole,
        };
        setup.store_ms = random.one(&[1, 1, 50, 1500]);
        vary(&mut setup.settings.options, &mut random);
        if random.percent(15) {
            setup.limits = tight();
        }
        setup
    }
}

/// Bounds that are reached.
fn tight() -> Limits {
    Limits {
        inflight: 3,
        outbox_messages: 8,
        outbox_bytes: 6000,
        pending_hooks: 2,
        pending_stores: 1,
        ..Limits::default()
    }
}

/// States go out with all of these, at the usual pace.
fn vary(options: &mut Options, random: &mut Random) {
    options.commands = random.percent(90);
    options.echo_etag = random.flag();
    options.lifecycle_hook = random.flag();
    options.metrics_hook = random.flag();
    options.command_hook = random.flag();
    options.config_sync_seconds = random.one(&[0, 0, -1, 3]);
    options.minimum_updating_ms = random.one(&[0, 3000]);
}
