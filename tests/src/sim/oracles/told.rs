//! What a device tells its application, with what it is about.

use udmi_proto::Notice;

use crate::world::World;

/// A notice of a device.
pub(super) struct Told<'a> {
    /// In which run, from 1.
    pub(super) run: u32,
    /// When, in milliseconds of the monotonic clock.
    pub(super) at: u64,
    /// About which device behind the one that runs; empty if about itself.
    pub(super) id: &'a str,
    /// What.
    pub(super) notice: &'a Notice,
}

/// The notices since the world last forgot, oldest first.
pub(super) fn told(world: &World) -> impl Iterator<Item = Told<'_>> {
    let births = world.births();
    let first = world.runs() - u32::try_from(births.len()).unwrap_or_default();
    world.timed_notices().enumerate().map(move |(number, (at, notice))| {
        let begun = births.iter().take_while(|birth| birth.notices <= number).count();
        let run = first + u32::try_from(begun).unwrap_or_default();
        match notice {
            Notice::Proxied { device, notice } => Told { run, at, id: device, notice },
            notice => Told { run, at, id: "", notice },
        }
    })
}

/// The id of the device whose topics begin so, as in [`Told::id`].
pub(super) fn id_of<'a>(world: &World, prefix: &'a str) -> &'a str {
    let last = |prefix: &'a str| prefix.rsplit('/').next().unwrap_or_default();
    let own = world.watch.prefix();
    if own.rsplit('/').next() == Some(last(prefix)) { "" } else { last(prefix) }
}
