//! The gateway block of one device: how a proxied device is reached, and whether it is (§6.7). Of the gateway's own it
//! shows whether all devices are attached.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;

use serde::Serialize;

use crate::config::Block;
use crate::family::Family;
use crate::localnet::Localnet;
use crate::model::category::{Category, Level};
use crate::model::config;
use crate::model::entry::Entry;
use crate::port::{Outcome, Target};
use crate::scope::Scope;

/// The family of a target that names none (§11 item 56).
const DEFAULT_FAMILY: &str = "vendor";

/// `config.gateway` and `state.gateway` of one device.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    /// The config has a gateway block.
    present: bool,
    /// What the config says of the target.
    given: Option<Box<Target>>,
    status: Option<Box<Status>>,
}

/// What is wrong.
#[derive(Debug, Default, PartialEq)]
struct Status {
    /// With the target.
    target: Option<Entry>,
    /// With the way to the device.
    connection: Option<Entry>,
    /// With the devices that the gateway acts for.
    attachments: Option<Entry>,
}

impl Reach {
    /// Puts the block in force. A bad one leaves the target as it was.
    pub(crate) fn on_config(
        &mut self,
        sc: &mut Scope<'_, '_>,
        block: Block<config::Gateway>,
        localnet: &Localnet,
    ) {
        self.present = block.is_present();
        match block {
            Block::Bad => {}
            Block::Absent => self.given = None,
            Block::Good(gateway) => self.given = gateway.target.map(|target| Box::new(read(target))),
        }
        self.check(sc, localnet);
    }

    /// Compares the target with what is known of the device: what is asked of the application goes there, if anywhere.
    pub(crate) fn check(&mut self, sc: &mut Scope<'_, '_>, localnet: &Localnet) {
        if sc.actor.is_own() {
            return;
        }
        let checked = self.given.as_deref().map(|given| check(given, localnet));
        let (target, wrong) = match checked {
            None => (None, None),
            Some(Ok(target)) => (Some(target), None),
            Some(Err(wrong)) => (None, Some(wrong)),
        };
        if let Some(proxied) = sc.actor.as_proxied() {
            proxied.target = target;
        }
        // §11 item 31.
        let entry = wrong.map(|wrong| sc.entry(Category::GatewayProxyTarget, wrong).at(Level::ERROR));
        self.show(sc, entry, |status| &mut status.target);
    }

    /// The application has read the device's points, or could not.
    pub(crate) fn on_read(&mut self, sc: &mut Scope<'_, '_>, outcome: &Outcome) {
        let entry = match outcome {
            Outcome::Values { .. } => None,
            Outcome::Failed { message } => Some(sc.entry(Category::GatewayProxyConnect, message.clone())),
            Outcome::Done
            | Outcome::Invalid { .. }
            | Outcome::Metrics(_)
            | Outcome::Blob(_)
            | Outcome::KeyMade(_)
            | Outcome::Unhandled => return,
        };
        if !sc.actor.is_own() {
            self.show(sc, entry, |status| &mut status.connection);
        }
    }

    /// Tells whether that changes the state.
    pub(crate) fn show_attachments(&mut self, entry: Option<Entry>) -> bool {
        let changed = self.set(entry, |status| &mut status.attachments).is_some();
        changed && self.present
    }

    /// Nothing of a config is in force any more.
    pub(crate) fn halt(&mut self, sc: &mut Scope<'_, '_>) {
        *self = Self::default();
        if let Some(proxied) = sc.actor.as_proxied() {
            proxied.target = None;
        }
    }

    /// The block of the state, if the config has one.
    pub(crate) fn report(&self) -> Option<Report<'_>> {
        let status = self.status.as_deref();
        let status = status.and_then(|status| {
            let reach = status.target.as_ref().or(status.connection.as_ref());
            reach.or(status.attachments.as_ref())
        });
        self.present.then_some(Report { status })
    }

    fn show(
        &mut self,
        sc: &mut Scope<'_, '_>,
        entry: Option<Entry>,
        place: fn(&mut Status) -> &mut Option<Entry>,
    ) {
        if let Some(entry) = self.set(entry, place) {
            sc.touch();
            if let Some(entry) = entry {
                sc.log_entry(entry);
            }
        }
    }

    /// Gives the entry back if it says something new; one that says the same keeps its time.
    fn set(
        &mut self,
        entry: Option<Entry>,
        place: fn(&mut Status) -> &mut Option<Entry>,
    ) -> Option<Option<Entry>> {
        if entry.is_none() && self.status.is_none() {
            return None;
        }
        let shown = place(self.status.get_or_insert_default());
        if shown.as_ref().map(|shown| &shown.message) == entry.as_ref().map(|entry| &entry.message) {
            return None;
        }
        shown.clone_from(&entry);
        if self.status.as_deref() == Some(&Status::default()) {
            self.status = None;
        }
        Some(entry)
    }
}

/// `state.gateway`, borrowed.
#[derive(Serialize)]
pub(crate) struct Report<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a Entry>,
}

fn read(target: crate::model::metadata::LocalnetFamily) -> Target {
    Target {
        family: target.family.unwrap_or_else(|| DEFAULT_FAMILY.into()),
        addr: target.addr,
        network: target.network,
        unitid: target.unitid,
        adjunct: target.adjunct.unwrap_or_default(),
    }
}

/// The target check of §6.7. A target without an address is the one that is known.
///
/// # Errors
/// What is wrong with it.
fn check(given: &Target, localnet: &Localnet) -> Result<Target, String> {
    let Some(family) = Family::from_name(&given.family) else {
        return Err(format!("Family {} is unknown", given.family));
    };
    let known = localnet.address(&given.family);
    let addr = match (given.addr.as_deref(), known) {
        (Some(addr), Some(known)) if addr != known => {
            return Err(format!("Family address was {addr}, expected {known}"));
        }
        (given, known) => given.or(known),
    };
    let checked = family.check_target(addr, given.unitid.as_deref(), given.network.as_deref());
    checked.map_err(|malformed| format!("Family {}: {malformed}", given.family))?;
    Ok(Target { addr: addr.map(String::from), ..given.clone() })
}
