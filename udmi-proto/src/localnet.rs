//! The localnet block: where the device is in each family and network that the config names (§6.5).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::config::Block;
use crate::model::category::{Category, Level};
use crate::model::config;
use crate::model::entry::Entry;
use crate::name::is_name;
use crate::scope::Scope;
use device_link::Map;

/// The most families, and the most networks, of a config that are looked at.
const NAMES: usize = 64;

/// The localnet block of one device.
#[derive(Debug, Default)]
pub(crate) struct Localnet {
    families: Places,
    networks: Places,
    /// The addresses have changed since this was last asked.
    moved: bool,
}

/// Where the device is, by family or by network.
#[derive(Debug, Default)]
struct Places {
    known: Map<String, Place>,
    /// What the config names. Of these, those of which nothing is known are left out.
    wanted: Option<Vec<String>>,
}

#[derive(Debug, PartialEq)]
enum Place {
    At(String),
    /// Why it cannot be told.
    Failed(Entry),
}

impl Localnet {
    pub(crate) fn new(addresses: Map<String, String>) -> Self {
        let mut localnet = Self::default();
        localnet.set_addresses(addresses);
        localnet
    }

    pub(crate) fn on_config(&mut self, block: Block<config::Localnet>) {
        match block {
            Block::Absent => {
                self.families.wanted = None;
                self.networks.wanted = None;
            }
            Block::Bad => drop(self.families.wanted.get_or_insert_default()),
            Block::Good(localnet) => {
                self.families.wanted = Some(names(localnet.families.unwrap_or_default()));
                self.networks.wanted = localnet.networks.map(names);
            }
        }
    }

    /// The device's addresses by family, whether the config asks for them or not.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = (&String, &String)> {
        self.families.known.iter().filter_map(|(family, place)| match place {
            Place::At(address) => Some((family, address)),
            Place::Failed(_) => None,
        })
    }

    /// Whether addresses may have changed since this was last asked.
    pub(crate) fn take_moved(&mut self) -> bool {
        core::mem::take(&mut self.moved)
    }

    /// The device's address in a family, whether the config asks for it or not.
    pub(crate) fn address(&self, family: &str) -> Option<&str> {
        match self.families.known.get(family)? {
            Place::At(address) => Some(address),
            Place::Failed(_) => None,
        }
    }

    /// The device has these addresses and no others; tells whether that changes the state.
    pub(crate) fn set_addresses(&mut self, addresses: Map<String, String>) -> bool {
        let known = addresses.into_iter().map(|(family, address)| (family, Place::At(address))).collect();
        let changed = self.families.known != known;
        self.families.known = known;
        self.moved |= changed;
        changed && self.families.wanted.is_some()
    }

    /// Tells whether that changes the state.
    pub(crate) fn set_address(&mut self, family: String, address: Option<String>) -> bool {
        self.moved = true;
        self.families.set(family, address.map(Place::At))
    }

    /// The address in a family cannot be told.
    pub(crate) fn fail_family(&mut self, sc: &mut Scope<'_, '_>, family: String, message: &str) {
        self.moved = true;
        self.families.fail(sc, family, "Family", message);
    }

    pub(crate) fn set_network(&mut self, sc: &mut Scope<'_, '_>, network: String, address: Option<String>) {
        if self.networks.set(network, address.map(Place::At)) {
            sc.touch();
        }
    }

    /// The address in a network cannot be told.
    pub(crate) fn fail_network(&mut self, sc: &mut Scope<'_, '_>, network: String, message: &str) {
        self.networks.fail(sc, network, "Network", message);
    }

    /// The block of the state, if the config has one; its families are required.
    pub(crate) fn report(&self) -> Option<LocalnetReport<'_>> {
        self.families.wanted.as_ref()?;
        let networks = self.networks.wanted.is_some().then_some(&self.networks);
        Some(LocalnetReport { families: &self.families, networks })
    }
}

/// Names that the schema allows.
fn names(members: Map<String, config::LocalnetFamily>) -> Vec<String> {
    members.into_keys().filter(|name| is_name(name)).take(NAMES).collect()
}

impl Places {
    /// Tells whether that changes the state.
    fn set(&mut self, name: String, place: Option<Place>) -> bool {
        let shown = self.wanted.as_ref().is_some_and(|wanted| wanted.contains(&name));
        let before = match &place {
            Some(_) => self.known.get(&name),
            None => return self.known.remove(&name).is_some() && shown,
        };
        let changed = before != place.as_ref();
        self.known.extend(place.map(|place| (name, place)));
        shown && changed
    }

    /// The same failure as before keeps its time.
    fn fail(&mut self, sc: &mut Scope<'_, '_>, name: String, kind: &str, message: &str) {
        let entry = sc.entry(Category::LocalnetNetwork, format!("{kind} {name}: {message}")).at(Level::ERROR);
        if let Some(Place::Failed(before)) = self.known.get(&name)
            && before.message == entry.message
        {
            return;
        }
        sc.log_entry(entry.clone());
        if self.set(name, Some(Place::Failed(entry))) {
            sc.touch();
        }
    }
}

/// `state.localnet`, borrowed.
#[derive(Serialize)]
pub(crate) struct LocalnetReport<'a> {
    families: &'a Places,
    #[serde(skip_serializing_if = "Option::is_none")]
    networks: Option<&'a Places>,
}

impl Serialize for Places {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for name in self.wanted.iter().flatten() {
            match self.known.get(name) {
                Some(Place::At(addr)) => {
                    map.serialize_entry(name, &Shown { addr: Some(addr), status: None })?;
                }
                Some(Place::Failed(entry)) => {
                    map.serialize_entry(name, &Shown { addr: None, status: Some(entry) })?;
                }
                None => {}
            }
        }
        map.end()
    }
}

#[derive(Serialize)]
struct Shown<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    addr: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a Entry>,
}
