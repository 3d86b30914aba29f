//! Operations: one thing each that happens to a device, a gateway, or the world around them, as data.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize};
use udmi_proto::Value;

use super::{Broken, Config};
use crate::world::{Answer, Lie};

/// One thing that happens. Whatever names a device, a point or a size beyond what there is does nothing, so that every
/// list of operations can be carried out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// So many milliseconds pass.
    Pass(u64),

    /// The cloud publishes a config.
    Config(Config),
    /// The cloud publishes a config that cannot be used.
    Broken(Broken),
    /// The cloud sends a command of this name.
    CloudCommand(Cow<'static, str>),

    /// The cloud orders the device to the registry of that number, if there are several.
    Redirect(usize),
    /// Downloads go wrong so from now on, or do not any more.
    Web(Option<Lie>),

    /// The connection breaks.
    Drop,
    /// Connections are refused from now on.
    Refuse,
    /// What is sent from now on vanishes, and nobody is told.
    Silence,
    /// Only what the device sends vanishes from now on.
    Mute,
    /// Only what the broker sends vanishes from now on.
    Deaf,
    /// Connections succeed from now on, but the broker never hears of them.
    Unheard,
    /// Nothing is ever heard of connections from now on.
    Unanswered,
    /// The device has no name server from now on.
    NoNames,
    /// The broker hears of lost connections only after so many milliseconds.
    Lingers(u64),
    /// The device reads so many bytes a second from now on.
    SlowReader(u64),
    /// The network carries so many bytes a second from now on.
    SlowNetwork(u64),
    /// Another client connects as the device.
    TakeOver,
    /// The broker starts anew.
    RestartBroker,
    /// From the next connection on the broker refuses the subscription to commands, or does not any more.
    Deny(bool),
    /// The network is in order again.
    Calm,
    /// The connection breaks after so many more bytes from the device.
    BreakUp(usize),
    /// The connection breaks after so many more bytes to the device.
    BreakDown(usize),
    /// Bytes take so many milliseconds from now on.
    Latency(u64),

    /// The power fails, and comes back after so many milliseconds.
    Crash(u64),
    /// The power fails, but so many of the stores under way, the oldest first, are safe; it comes back after so many
    /// milliseconds.
    CrashSafe(u64, usize),
    /// The power fails, and stores under way leave half a value; it comes back after so many milliseconds.
    CrashTorn(u64),
    /// The machine sleeps for so many milliseconds.
    Suspend(u64),
    /// The wall clock moves by so many milliseconds.
    StepWall(i64),
    /// Stores fail from now on, or do not any more.
    StoreFails(bool),
    /// Stores take so many milliseconds from now on.
    SlowStore(u64),

    /// The application sets a point.
    SetPoint(usize, #[serde(deserialize_with = "reading")] Value),
    /// The application cannot read a point.
    FailPoint(usize),
    /// The application overrides a point, or does not any more.
    Override(usize, bool),
    /// The application defines a point, writable or not.
    Define(usize, bool),
    /// The application removes a point.
    Remove(usize),
    /// The application wants a sample.
    SampleNow,
    /// The application logs so many entries.
    Log(u16),
    /// The application sets the version of a module, or removes it.
    Software(bool),
    /// The application sets an address, or removes it.
    Address(bool),
    /// The application sets a block of its own, or removes it.
    Block(bool),
    /// The application sends an event of its own.
    Event,

    /// Writes are answered so from now on.
    Writes(Answer),
    /// Reads and scans are answered so from now on.
    Reads(Answer),

    /// Installing and activating is answered so from now on.
    Blobs(Answer),
    /// Commands, metrics and the like are answered so from now on.
    Others(Answer),

    /// The gateway is to act for these devices, and for no others.
    Act(Vec<usize>),
    /// The gateway's config cannot be used.
    GatewayBroken(Broken),
    /// Something happens to a device behind the gateway.
    To(usize, OnProxy),
}

/// What may happen to a device behind the gateway.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnProxy {
    /// The cloud publishes a config for it.
    Config(Config),
    /// The cloud publishes a config for it that cannot be used.
    Broken(Broken),
    /// The cloud sends it a command of this name.
    CloudCommand(Cow<'static, str>),
    /// Its attachments fail from now on, or do not any more.
    Unattachable(bool),
    /// An error of the broker out of the blue.
    Error {
        /// On the device's own topic, or on the gateway's.
        own_topic: bool,
        /// Whether it says that the attachment failed.
        of_attachment: bool,
    },
    /// Its reads are answered so from now on.
    Reads(Answer),
    /// Its writes are answered so from now on.
    Writes(Answer),
    /// The application knows it.
    Add,
    /// The application does not know it any more.
    Remove,
    /// The application sets one of its points.
    SetPoint(usize, #[serde(deserialize_with = "reading")] Value),
    /// The application cannot read one of its points.
    FailPoint(usize),
    /// The application wants a sample of it.
    SampleNow,
    /// The application logs so many entries for it.
    Log(u16),
    /// The application sends an event of its own for it.
    Event,
}

/// JSON has only `null` for what is no finite number.
fn reading<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(Value::Number(f64::NAN)))
}
