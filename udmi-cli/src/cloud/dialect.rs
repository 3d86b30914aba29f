//! The cloud's side as a dialect of the link: it hears devices and publishes their configs.

use std::collections::BTreeMap;

use device_link::wire::Qos;
use device_link::{
    ConnectSpec, Cx, Dialect, Down, ExitReason, Filter, HookId, LinkEvent, Lost, Now, Publish, Queue,
    Receipt, StoreId, Stored, SubscribeRefused, Token, Topic,
};
use serde::{Deserialize, Serialize};

use super::topics::{Address, Kind, Registry};

/// Publishes that may wait for their receipt.
pub(super) const PENDING_MAX: usize = 64;

/// One registry, heard on one link.
#[derive(Debug)]
pub(super) struct CloudSide {
    spec: ConnectSpec,
    registry: Registry,
    filters: Vec<Filter>,
    /// How many of `filters` the broker has answered.
    answered: usize,
    pending: BTreeMap<Token, u64>,
}

impl CloudSide {
    pub(super) fn new(spec: ConnectSpec, registry: Registry, filters: Vec<Filter>) -> Self {
        Self { spec, registry, filters, answered: 0, pending: BTreeMap::new() }
    }

    /// Asks for the next subscription once the one before is answered, so that what the broker kept for the
    /// one before has arrived by then.
    fn subscribe_next(&self, cx: &mut Cx<'_, Self>) {
        if self.filters.is_empty() {
            return; // ready once the link is up
        }
        match self.filters.get(self.answered) {
            Some(filter) => cx.subscribe(filter, Qos::AtLeastOnce, self.answered),
            None => cx.notify(Notice::Ready),
        }
    }
}

/// What the user of the cloud's side may ask for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Command {
    /// Publish a message that the broker is to keep; `number` comes back with its receipt.
    Retain { number: u64, topic: String, payload: Vec<u8> },
    /// End in order.
    Leave,
}

/// What it is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Notice {
    /// The broker has accepted the connection.
    Up,
    /// The link is down, and why.
    Down {
        why: String,
        /// Whether the broker has refused us.
        refused: bool,
    },
    /// All subscriptions are answered, and what the broker had kept for all but the last has arrived.
    Ready,
    /// The broker does not let us hear this filter.
    Refused(String),
    /// A publish was handed over, at that time.
    Taken { number: u64, at: Now },
    /// A publish has come to its end.
    Published { number: u64, failure: Option<String> },
    /// A message of a device, or for one.
    Message(Message),
}

/// A message of a device, or for one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Message {
    /// The device's id.
    pub(crate) device: String,
    /// What it is.
    pub(crate) kind: Kind,
    /// What follows `events/` in the topic, such as `pointset`.
    pub(crate) folder: Option<String>,
    /// Its content.
    pub(crate) payload: Vec<u8>,
    /// Whether the broker had kept it from before.
    pub(crate) retained: bool,
    /// When it arrived.
    pub(crate) arrived: Now,
}

impl Message {
    /// The content as JSON, if it is that.
    pub(crate) fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&self.payload).ok()
    }
}

impl Dialect for CloudSide {
    type Command = Command;
    type Notice = Notice;
    type Hook = ();
    type Outcome = ();
    type Timer = ();
    type Tag = usize;

    fn connect(&mut self, _now: Now) -> ConnectSpec {
        self.spec.clone()
    }

    fn on_start(&mut self, cx: &mut Cx<'_, Self>, _stored: &[Stored]) {
        self.subscribe_next(cx);
    }

    fn on_link(&mut self, cx: &mut Cx<'_, Self>, event: LinkEvent) {
        match event {
            LinkEvent::Up { .. } => {
                cx.notify(Notice::Up);
                if self.filters.is_empty() {
                    cx.notify(Notice::Ready);
                }
            }
            LinkEvent::Down { why } => {
                let refused = matches!(why, Down::Refused(_));
                cx.notify(Notice::Down { why: why.to_string(), refused });
            }
        }
    }

    fn on_subscribed(&mut self, cx: &mut Cx<'_, Self>, tag: usize, answer: Result<Qos, SubscribeRefused>) {
        if answer.is_err()
            && let Some(filter) = self.filters.get(tag)
        {
            cx.notify(Notice::Refused(filter.as_str().to_owned()));
        }
        // After a reconnect the answers come again.
        if tag == self.answered {
            self.answered += 1;
            self.subscribe_next(cx);
        }
    }

    fn on_message(&mut self, cx: &mut Cx<'_, Self>, _tag: usize, message: device_link::Message<'_>) {
        let Some(Address { device, kind, folder }) = self.registry.read(message.topic) else { return };
        let payload = message.payload.to_vec();
        let arrived = cx.now();
        let retained = message.retain;
        cx.notify(Notice::Message(Message { device, kind, folder, payload, retained, arrived }));
    }

    fn on_receipt(&mut self, cx: &mut Cx<'_, Self>, token: Token, receipt: Receipt) {
        let Some(number) = self.pending.remove(&token) else { return };
        let failure = match receipt {
            Receipt::Sent | Receipt::Acked => None,
            Receipt::Lost(lost) => Some(lost_because(lost).to_owned()),
        };
        cx.notify(Notice::Published { number, failure });
    }

    fn on_timer(&mut self, _cx: &mut Cx<'_, Self>, (): ()) {}

    fn on_command(&mut self, cx: &mut Cx<'_, Self>, command: Command) {
        let (number, topic, payload) = match command {
            Command::Retain { number, topic, payload } => (number, topic, payload),
            Command::Leave => return cx.exit(ExitReason::Shutdown),
        };
        let failed = |failure: &str| Notice::Published { number, failure: Some(failure.to_owned()) };
        if self.pending.len() >= PENDING_MAX {
            return cx.notify(failed("too many publishes wait"));
        }
        let Ok(topic) = Topic::new(&topic) else { return cx.notify(failed("MQTT does not allow the topic")) };
        cx.notify(Notice::Taken { number, at: cx.now() });
        let (payload, qos) = (payload.into(), Qos::AtLeastOnce);
        let token = cx.publish(Publish { topic, payload, qos, retain: true, queue: Queue::Bounded });
        self.pending.insert(token, number);
    }

    fn on_hook(&mut self, _cx: &mut Cx<'_, Self>, _id: HookId, (): ()) {}

    fn on_stored(&mut self, _cx: &mut Cx<'_, Self>, _id: StoreId, _ok: bool) {}
}

fn lost_because(lost: Lost) -> &'static str {
    match lost {
        Lost::Offline => "there is no link",
        Lost::Full => "too many publishes wait",
        Lost::Superseded => "a later one took its place",
        Lost::TooLarge => "it is too large",
        Lost::Ended => "the run has ended",
    }
}
