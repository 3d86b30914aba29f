//! What a gateway has to keep to on each connection for the devices it acts for (§1.10): first the message to
//! `attach`, once that is acknowledged the subscription to the config, once that is in force the device's messages,
//! and none after the subscription was left.

use std::collections::BTreeMap;

use device_link::wire::PacketId;

use crate::property::{Property, ensure};

/// How far a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The message to `attach` is on its way.
    Announced(Option<PacketId>),
    /// It is acknowledged.
    Acknowledged,
    /// The subscription to the config is on its way.
    Subscribing(PacketId),
    /// It is in force.
    Attached,
}

/// The devices a gateway has begun to act for on the connection there is, by what their topics begin with.
#[derive(Debug, Default)]
pub(super) struct Proxies(BTreeMap<String, Step>);

impl Proxies {
    pub(super) fn is_attached(&self, prefix: &str) -> bool {
        self.0.get(prefix) == Some(&Step::Attached)
    }

    pub(super) fn publishes(&mut self, prefix: &str, topic: &str, id: Option<PacketId>) {
        let step = self.0.get(prefix).copied();
        if topic == "attach" {
            ensure(step != Some(Step::Attached), Property::OutputIsAllowed, || {
                format!("{prefix} is attached, and announced again")
            });
            self.0.insert(prefix.to_owned(), Step::Announced(id));
        } else {
            ensure(step == Some(Step::Attached), Property::OutputIsAllowed, || {
                format!("{prefix} publishes on {topic}, and is not attached: {step:?}")
            });
        }
    }

    pub(super) fn subscribes(&mut self, prefix: &str, topic: &str, id: PacketId) {
        let step = self.0.get(prefix).copied();
        let is_early = matches!(step, None | Some(Step::Announced(_)));
        ensure(!is_early, Property::OutputIsAllowed, || {
            format!("{prefix}/{topic} is subscribed to before the attachment is acknowledged: {step:?}")
        });
        if topic == "config" && step == Some(Step::Acknowledged) {
            self.0.insert(prefix.to_owned(), Step::Subscribing(id));
        }
    }

    pub(super) fn unsubscribes(&mut self, prefix: &str, topic: &str) {
        if topic == "config" {
            self.0.remove(prefix);
        }
    }

    pub(super) fn announced(&mut self, id: PacketId) {
        self.advance(Step::Announced(Some(id)), Some(Step::Acknowledged));
    }

    pub(super) fn subscribed(&mut self, id: PacketId, granted: bool) {
        self.advance(Step::Subscribing(id), granted.then_some(Step::Attached));
    }

    /// A broker may send the config before it answers the subscription.
    pub(super) fn receives(&mut self, topic: &str) {
        let step = topic.strip_suffix("/config").and_then(|prefix| self.0.get_mut(prefix));
        if let Some(step) = step.filter(|step| matches!(step, Step::Subscribing(_))) {
            *step = Step::Attached;
        }
    }

    fn advance(&mut self, from: Step, to: Option<Step>) {
        let found = self.0.iter().find(|(_, step)| **step == from).map(|(prefix, _)| prefix.clone());
        if let Some(prefix) = found {
            match to {
                Some(to) => drop(self.0.insert(prefix, to)),
                None => drop(self.0.remove(&prefix)),
            }
        }
    }
}
