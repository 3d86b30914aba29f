//! Where devices are: asked for by Who-Is, remembered until they do not answer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::channel::{Announcement, Channel, Until};
use super::client::{Client, Device};
use super::codec::apdu::Apdu;
use super::codec::link::Link;
use super::codec::network::{ALL_NETWORKS, Packet, Remote};
use super::codec::service::{WhoIs, unconfirmed};
use super::refusal::Refusal;
use crate::family::ProviderError;

/// Devices that are remembered.
const DEVICES: usize = 16_384;
/// For how long a broadcast device spreads our broadcasts and sends us those of its network, in seconds.
const FOREIGN_SECONDS: u16 = 120;

/// A device by its instance, and its network where that was told.
pub(super) type Name = (u32, Option<u16>);

#[derive(Debug, Default)]
pub(super) struct Directory(Mutex<BTreeMap<Name, Device>>);

impl Directory {
    /// The device of that name, looked for if it is not known.
    pub(super) fn find(&self, client: &Client, name: Name, until: &Until) -> Result<Device, ProviderError> {
        if let Some(device) = self.lock().get(&name) {
            return Ok(device.clone());
        }
        let device = look_for(client, name, until)?;
        self.remember(name, device.clone());
        Ok(device)
    }

    /// The network of a device that is known to stand behind a router.
    pub(super) fn network(&self, name: Name) -> Option<u16> {
        Some(self.lock().get(&name)?.peer.remote.as_ref()?.network)
    }

    pub(super) fn remember(&self, name: Name, device: Device) {
        let mut devices = self.lock();
        if devices.len() >= DEVICES && !devices.contains_key(&name) {
            devices.pop_first();
        }
        devices.insert(name, device);
    }

    pub(super) fn forget(&self, name: Name) {
        self.lock().remove(&name);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Name, Device>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn look_for(client: &Client, (instance, network): Name, until: &Until) -> Result<Device, ProviderError> {
    let channel = client.channel()?;
    let listener = channel.listen();
    let networks: Vec<u16> = network.into_iter().collect();
    for _ in 0..client.settings.tries.max(1) {
        ask(client, &channel, Some((instance, instance)), &networks)?;
        let at = Instant::now() + client.settings.timeout;
        while let Some(found) =
            until.wait(&listener.announcements, at).map_err(|over| Refusal::from(over).at_device())?
        {
            let Announcement { peer, i_am } = found;
            let there = i_am.device == instance && is_in(client, &networks, peer.remote.as_ref());
            if there {
                return Ok(Device::new(instance, peer, i_am.max_apdu));
            }
        }
    }
    Err(ProviderError::Unreachable(format!("device {instance} cannot be found")))
}

/// Whether a device with that place is in one of the networks; all are if there are none. Without a number of its
/// own, the network around the gateway may be any.
pub(super) fn is_in(client: &Client, networks: &[u16], place: Option<&Remote>) -> bool {
    let number = place.map(|remote| remote.network).or(client.settings.network);
    networks.is_empty() || number.is_none_or(|number| networks.contains(&number))
}

/// Sends Who-Is wherever the settings say.
pub(super) fn ask(
    client: &Client,
    channel: &Arc<Channel>,
    range: Option<(u32, u32)>,
    networks: &[u16],
) -> Result<(), ProviderError> {
    let content = WhoIs { range }.encode();
    let apdu = Apdu::Unconfirmed { service: unconfirmed::WHO_IS, content: &content }.encode();
    let all = |network| Some(Remote { network, address: Vec::new() });
    let local = networks.is_empty() || is_in(client, networks, None);
    let mut destinations = Vec::new();
    if networks.is_empty() {
        destinations.push(all(ALL_NETWORKS));
    } else {
        let remote = networks.iter().filter(|network| Some(**network) != client.settings.network);
        destinations.extend(local.then_some(None));
        destinations.extend(remote.map(|network| all(*network)));
    }
    let mut sent = Err("nowhere to ask".to_owned());
    for destination in destinations {
        let packet = Packet::new(destination, false, &apdu).encode();
        for address in &client.settings.destinations {
            let one = channel.send(&Link::Broadcast(&packet), *address);
            sent = sent.or(one.map_err(|error| format!("UDP to {address}: {error}")));
        }
        if let Some(address) = client.settings.broadcast_device {
            let registered = channel.send(&Link::RegisterForeignDevice { seconds: FOREIGN_SECONDS }, address);
            let one = registered.and_then(|()| channel.send(&Link::DistributeBroadcast(&packet), address));
            sent = sent.or(one.map_err(|error| format!("UDP to {address}: {error}")));
        }
    }
    sent.map_err(ProviderError::Io)
}
