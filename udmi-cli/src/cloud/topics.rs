//! The topics of a registry's devices, seen from the cloud (§1.4).

use device_link::{Filter, Topic, TopicError};

/// What stands before device ids in the classic convention.
const CLASSIC: &str = "/devices";

/// Where devices publish: what stands before `/AHU-1/state` in their topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Registry {
    /// All registries of either convention. It can be heard, but not published to.
    Any,
    /// The one with this before its device ids, such as `/r/REG/d` or `/devices`.
    Prefix(String),
}

impl Registry {
    /// The registry of that name on a broker such as mosquitto: `/r/REG/d`.
    pub(crate) fn named(registry: &str) -> Self {
        Self::Prefix(format!("/r/{registry}/d"))
    }

    /// The registry that a topic prefix belongs to; the id of `device` at its end is left out.
    pub(crate) fn of_prefix(prefix: &str, device: Option<&str>) -> Self {
        let prefix = prefix.trim_end_matches('/');
        let own = device.and_then(|device| prefix.strip_suffix(device)?.strip_suffix('/'));
        Self::Prefix(own.unwrap_or(prefix).to_owned())
    }

    /// The topic of a device's config; none if the registry is not just one.
    ///
    /// # Errors
    /// MQTT does not allow the topic, or the id leads to another one.
    pub(super) fn config(&self, device: &str) -> Result<Option<Topic>, TopicError> {
        if device.is_empty() || device.contains('/') {
            return Err(TopicError);
        }
        match self {
            Self::Any => Ok(None),
            Self::Prefix(prefix) => Topic::new(&format!("{prefix}/{device}/config")).map(Some),
        }
    }

    /// What one device, or all, can be heard on. Configs come first: when the filters after one are
    /// answered, what the broker kept of it has arrived.
    pub(super) fn filters(&self, device: Option<&str>) -> Result<Vec<Filter>, TopicError> {
        let device = device.unwrap_or("+");
        let prefixes = match self {
            Self::Any => vec!["/r/+/d", CLASSIC],
            Self::Prefix(prefix) => vec![prefix.as_str()],
        };
        let kinds = ["config", "state", "events/#"].into_iter();
        let all =
            kinds.flat_map(|kind| prefixes.iter().map(move |prefix| format!("{prefix}/{device}/{kind}")));
        all.map(|filter| Filter::new(&filter)).collect()
    }

    /// What a topic says; none for topics that are not UDMI's.
    pub(super) fn read(&self, topic: &str) -> Option<Address> {
        let mut parts = match self {
            Self::Prefix(prefix) => topic.strip_prefix(prefix.as_str())?.strip_prefix('/')?,
            Self::Any => match topic.strip_prefix("/r/") {
                Some(rest) => rest.split_once('/')?.1.strip_prefix("d/")?,
                None => topic.strip_prefix(CLASSIC)?.strip_prefix('/')?,
            },
        }
        .splitn(3, '/');
        let (device, kind) = (parts.next()?.to_owned(), parts.next()?);
        let folder = parts.next().map(ToOwned::to_owned);
        let kind = match kind {
            "config" => Kind::Config,
            "state" => Kind::State,
            "events" => Kind::Events,
            _ => return None,
        };
        Some(Address { device, kind, folder })
    }
}

/// What a topic says of its messages.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// The device's id.
    pub(super) device: String,
    /// What they are.
    pub(super) kind: Kind,
    /// What follows `events/`.
    pub(super) folder: Option<String>,
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// What the cloud wants of a device.
    Config,
    /// What a device is.
    State,
    /// What happens at a device; the folder says of which block.
    Events,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(device: &str, kind: Kind, folder: Option<&str>) -> Option<Address> {
        Some(Address { device: device.into(), kind, folder: folder.map(Into::into) })
    }

    #[test]
    fn both_conventions_are_read() {
        let event = "/r/REG/d/AHU-1/events/pointset";
        let state = "/devices/AHU-1/state";
        let events = address("AHU-1", Kind::Events, Some("pointset"));
        for registry in [Registry::Any, Registry::named("REG")] {
            assert_eq!(registry.read(event), events);
        }
        for registry in [Registry::Any, Registry::of_prefix(CLASSIC, None)] {
            assert_eq!(registry.read(state), address("AHU-1", Kind::State, None));
            assert_eq!(registry.read("/devices/AHU-1/commands/x"), None);
            assert_eq!(registry.read("/devicesX/AHU-1/state"), None);
        }
        assert_eq!(Registry::named("REG").read(state), None);
    }

    #[test]
    fn a_devices_prefix_leads_to_its_registry() {
        let registry = Registry::of_prefix("/r/REG/d/AHU-1", Some("AHU-1"));
        assert_eq!(registry, Registry::named("REG"));
        assert_eq!(Registry::of_prefix("/r/REG/d/", None), Registry::named("REG"));
    }

    #[test]
    fn a_device_id_cannot_lead_to_another_topic() {
        for device in ["", "a/b", "+", "#"] {
            assert!(Registry::named("REG").config(device).is_err(), "{device}");
        }
    }
}
