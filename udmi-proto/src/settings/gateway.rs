//! What a gateway is, beyond a device: the devices it may act for (§6.7).

use alloc::string::String;
use alloc::vec::Vec;

use device_link::{Limits, Map};
use serde::{Deserialize, Serialize};

use super::{Identity, Known, PointModel, SettingsError};
use crate::config::MEMBERS;
use crate::model::common::Stage;

/// The longest id of a proxied device, in bytes.
pub(crate) const DEVICE_ID_BYTES: usize = 128;

/// What a proxied device may have waiting, in messages and in their bytes.
const MESSAGES: usize = 8;
const MESSAGE_BYTES: usize = 16 << 10;
/// The hooks it may have open while it reads and writes.
const HOOKS: usize = 2;
/// The topics it is subscribed to.
const SUBSCRIPTIONS: usize = 3;
/// Slots and subscriptions of the gateway itself are fewer.
const OWN: usize = 16;
/// What the link can hold.
const SUBSCRIPTIONS_MAX: usize = 32_767;

/// What makes a device a gateway.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GatewaySettings {
    /// What is known of the devices it may act for, by id.
    pub proxies: Map<String, ProxySettings>,
    /// Who says which devices are attached.
    pub mode: ProxyMode,
    /// The most devices that are attached; what a config names beyond is left out and told. 2000 by default. Each takes
    /// three of [`Limits::subscriptions`](crate::Limits::subscriptions), one of
    /// [`Limits::slots`](crate::Limits::slots), and up to two of
    /// [`Limits::pending_hooks`](crate::Limits::pending_hooks) while it reads and writes.
    pub maximum: usize,
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self { proxies: Map::new(), mode: ProxyMode::default(), maximum: 2000 }
    }
}

/// Who says which devices a gateway attaches (§11 item 29).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProxyMode {
    /// The config: `gateway.proxy_ids`, whether the device is known or not.
    #[default]
    Explicit,
    /// The settings and the application: all devices that are known.
    Implicit,
}

/// What is known of a device that a gateway acts for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProxySettings {
    /// What it tells of itself.
    pub identity: Identity,
    /// The points it has.
    pub points: Map<String, PointModel>,
    /// Its addresses by family; a config whose target is another address is not followed (§6.7).
    pub families: Map<String, String>,
    /// What it supports, for its self-enumeration (§6.3).
    pub features: Map<String, Stage>,
    /// Names of top-level config blocks the application takes care of.
    pub custom_blocks: Vec<String>,
}

impl From<ProxySettings> for Known {
    fn from(proxy: ProxySettings) -> Self {
        let ProxySettings { identity, points, families, features, custom_blocks } = proxy;
        Self { identity, points, families, features, scans: Vec::new(), custom_blocks }
    }
}

impl GatewaySettings {
    /// Limits with room for the devices that are known: for what all of them say at once, when they are attached, and
    /// for what they ask for at the same time.
    #[must_use]
    pub fn scaled(&self, limits: &Limits) -> Limits {
        let known = self.proxies.len();
        Limits {
            outbox_messages: limits.outbox_messages + known * MESSAGES,
            outbox_bytes: limits.outbox_bytes + known * MESSAGE_BYTES,
            pending_hooks: limits.pending_hooks + known * HOOKS,
            slots: limits.slots.max(known + OWN),
            subscriptions: limits.subscriptions.max((known * SUBSCRIPTIONS + OWN).min(SUBSCRIPTIONS_MAX)),
            ..limits.clone()
        }
    }

    pub(super) fn check(&self, own: &str) -> Result<(), SettingsError> {
        if self.proxies.len() > self.maximum {
            return Err(SettingsError::Proxies);
        }
        for (device, proxy) in &self.proxies {
            if !is_device_id(device) || device == own {
                return Err(SettingsError::ProxyId);
            }
            if proxy.custom_blocks.iter().any(|name| MEMBERS.contains(&name.as_str())) {
                return Err(SettingsError::CustomBlock);
            }
        }
        Ok(())
    }
}

/// Whether a text may be a level of a topic, which is all that is asked of a device's id.
pub(crate) fn is_device_id(id: &str) -> bool {
    (1..=DEVICE_ID_BYTES).contains(&id.len()) && !id.contains(['/', '+', '#', '\0'])
}
