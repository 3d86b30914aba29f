//! Which device of a run acts: the one that connects, or one of those a gateway acts for.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use device_link::{ExitReason, Gate, HookId, Queue, Slot, Token};
use serde::{Deserialize, Serialize};

use crate::family::{self, Family};
use crate::port::{Hook, Notice, Target};
use crate::scope::DeviceTimer;
use crate::udmi::{Tag, Timer};

/// A proxied device of one run; never given to another one, so that what comes late for one that is gone finds nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProxyIx(pub(crate) u32);

impl ProxyIx {
    /// What the device's states supersede each other in; 0 is the gateway's own.
    pub(crate) fn slot(self) -> Slot {
        Slot(self.0)
    }

    /// What holds the device's events back until it is attached.
    pub(crate) fn gate(self) -> Gate {
        Gate(self.0)
    }
}

/// Who a scope belongs to.
#[derive(Debug)]
pub(crate) enum Actor {
    /// The device that connects.
    Own,
    /// A device that it acts for.
    Proxied(Box<Proxied>),
}

/// A proxied device as its scope knows it.
#[derive(Debug)]
pub(crate) struct Proxied {
    pub(crate) ix: ProxyIx,
    pub(crate) id: String,
    /// How its config says it is reached, if that can be right.
    pub(crate) target: Option<Target>,
    /// Whether it may publish.
    pub(crate) attached: bool,
    /// What it has asked for since the gateway last looked; a handful after each call.
    pub(crate) claims: Vec<Claim>,
}

/// Something that comes back by itself and is to find its device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// The answer to a hook.
    Hook(HookId),
    /// A hook whose answer is not awaited any more.
    Cancelled(HookId),
    /// The receipt of a publish.
    Publish(Token),
    /// The end of the device's run, for the gateway to see to.
    End(ExitReason),
}

impl Actor {
    pub(crate) fn proxied(ix: ProxyIx, id: String) -> Self {
        Self::Proxied(Box::new(Proxied { ix, id, target: None, attached: false, claims: Vec::new() }))
    }

    pub(crate) fn is_own(&self) -> bool {
        matches!(self, Self::Own)
    }

    pub(crate) fn timer(&self, timer: DeviceTimer) -> Timer {
        match self {
            Self::Own => Timer::Own(timer),
            Self::Proxied(proxied) => Timer::Proxy(proxied.ix, timer),
        }
    }

    pub(crate) fn config_tag(&self) -> Tag {
        match self {
            Self::Own => Tag::Config,
            Self::Proxied(proxied) => Tag::ProxyConfig(proxied.ix),
        }
    }

    pub(crate) fn commands_tag(&self) -> Tag {
        match self {
            Self::Own => Tag::Commands,
            Self::Proxied(proxied) => Tag::ProxyCommands(proxied.ix),
        }
    }

    /// Where its events wait.
    pub(crate) fn event_queue(&self) -> Queue {
        match self {
            Self::Own => Queue::Bounded,
            Self::Proxied(proxied) => Queue::Gated(proxied.ix.gate()),
        }
    }

    pub(crate) fn hook(&self, hook: Hook) -> Hook {
        match self {
            Self::Own => hook,
            Self::Proxied(proxied) => {
                let (device, target) = (proxied.id.clone(), proxied.target.clone());
                Hook::Proxied { device, target, hook: Box::new(hook) }
            }
        }
    }

    pub(crate) fn notice(&self, notice: Notice) -> Notice {
        match self {
            Self::Own => notice,
            Self::Proxied(proxied) => {
                Notice::Proxied { device: proxied.id.clone(), notice: Box::new(notice) }
            }
        }
    }

    /// Whether what it publishes may go out as soon as there is a link.
    pub(crate) fn is_attached(&self) -> bool {
        match self {
            Self::Own => true,
            Self::Proxied(proxied) => proxied.attached,
        }
    }

    /// Notes what is to come back to a proxied device; the rest comes to the device's own by default.
    pub(crate) fn claim(&mut self, claim: Claim) {
        match self {
            Self::Own => {}
            Self::Proxied(proxied) => proxied.claims.push(claim),
        }
    }

    /// Whether a reference can be one of the device's points (§4.6): that of a proxied device has the form of its
    /// target's family, where that family has one.
    pub(crate) fn takes(&self, reference: &str) -> bool {
        let target = match self {
            Self::Own => None,
            Self::Proxied(proxied) => proxied.target.as_ref(),
        };
        let Some(target) = target else { return true };
        match Family::from_name(&target.family) {
            Some(family @ (Family::Bacnet | Family::Modbus)) => {
                family::check_point(family, target.unitid.as_deref(), reference).is_ok()
            }
            Some(
                Family::Vendor | Family::Ipv4 | Family::Ipv6 | Family::Ether | Family::Iot | Family::Fqdn,
            )
            | None => true,
        }
    }

    pub(crate) fn as_proxied(&mut self) -> Option<&mut Proxied> {
        match self {
            Self::Own => None,
            Self::Proxied(proxied) => Some(proxied),
        }
    }
}
