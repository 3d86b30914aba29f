//! What oracles do with a world at rest.

use serde_json::{Value, json};

use super::super::site::IDS;
use super::super::{Config, Shape};
use crate::property::{Property, violated};
use crate::world::World;

/// How long a config may take to be answered in good weather, in milliseconds.
const ANSWER_MS: u64 = 10_000;

/// A device in the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// The one that connects.
    Own,
    /// One behind it.
    Proxied(&'static str),
}

/// The devices that are there to be asked: the one that runs, and those it acts for.
pub(super) fn all(world: &World, shape: Shape) -> Vec<Who> {
    if world.device().is_none() {
        return Vec::new();
    }
    let proxied =
        IDS.into_iter().filter(|id| shape == Shape::Gateway && world.watch.is_attached(&world.prefix_of(id)));
    std::iter::once(Who::Own).chain(proxied.map(Who::Proxied)).collect()
}

/// One of these, by the seed.
pub(super) fn one(of: &[Who], seed: u64) -> Option<Who> {
    let count = u64::try_from(of.len()).ok().filter(|count| *count > 0)?;
    of.get(usize::try_from(seed % count).ok()?).copied()
}

impl Who {
    /// What its topics begin with.
    pub(super) fn prefix(self, world: &World) -> String {
        match self {
            Self::Own => world.watch.prefix().to_owned(),
            Self::Proxied(id) => world.prefix_of(id),
        }
    }

    /// Does something while the cloud publishes to it.
    pub(super) fn with<R>(self, world: &mut World, act: impl FnOnce(&mut World) -> R) -> R {
        let prefix = self.prefix(world);
        world.turned_to(&prefix, act)
    }

    /// Its last state.
    pub(super) fn state(self, world: &mut World) -> Value {
        self.with(world, |world| world.cloud.state().cloned()).unwrap_or_default()
    }

    /// A whole config that asks for nothing beyond its points.
    pub(super) fn config(self, world: &World) -> Value {
        let prefix = self.prefix(world);
        let old =
            world.cloud.config_of(&prefix).and_then(|config| config.pointer("/gateway/proxy_ids")).cloned();
        let mut config = plain();
        if old.is_some() && self == Self::Own {
            config.points = None;
        }
        let mut config = config.to_json(world);
        match (self, old) {
            (Self::Own, Some(old)) => config["gateway"] = json!({ "proxy_ids": old }),
            (Self::Own, None) => {}
            (Self::Proxied(_), _) => {
                config["gateway"] = json!({ "target": { "family": "vendor", "addr": "4711" } });
            }
        }
        config
    }

    /// The state by which it answers a config.
    pub(super) fn answer(self, world: &mut World, config: &Value) -> Value {
        let (prefix, begun) = (self.prefix(world), world.now().at.0);
        self.with(world, |world| world.publish_config(config));
        world.advance(ANSWER_MS);
        if !world.watch.of(&prefix, "state").any(|state| state.at >= begun) {
            violated(Property::ConfigsAreAnswered, &format!("{prefix} answers no config in {ANSWER_MS} ms"));
        }
        self.state(world)
    }
}

/// Points of three kinds, one of them unknown.
fn plain() -> Config {
    Config {
        level: 200,
        metrics: 0,
        mode: None,
        rate: 10,
        limit: None,
        points: Some(vec![(0, Some(json!(60)), false), (1, None, false), (4, None, false)]),
        etag: None,
        expiry: None,
        increment: None,
        blocks: vec!["localnet".into()],
        seconds_back: 0,
    }
}

/// A state without some members.
pub(super) fn without(mut state: Value, names: &[&str]) -> Value {
    for name in names {
        let Some((parent, member)) = name.rsplit_once('/') else { continue };
        if let Some(members) = state.pointer_mut(parent).and_then(Value::as_object_mut) {
            members.remove(member);
        }
    }
    state
}

/// Where two documents differ first.
pub(super) fn difference(before: &Value, after: &Value) -> String {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            let names = before.keys().chain(after.keys());
            let member = |of: &serde_json::Map<String, Value>, name: &String| {
                of.get(name).cloned().unwrap_or_default()
            };
            let differing = names.map(|name| (name, member(before, name), member(after, name)));
            differing
                .filter(|(_, before, after)| before != after)
                .map(|(name, before, after)| format!("{name}.{}", difference(&before, &after)))
                .next()
                .unwrap_or_default()
        }
        (before, after) => format!(": {before} and {after}"),
    }
}
