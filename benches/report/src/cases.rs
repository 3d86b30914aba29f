//! What is measured, defined once for criterion, for counted instructions and for the report: each case does the same
//! thing over and over, in the core and, where there is one, as its floor.

use std::fmt;

use crate::gateway::{Attached, proxy_config};
use crate::plain::{Line, messages, publish_floor, receive_floor};
use crate::{ConfigFloor, Connected, SampleFloor, config_packet};

/// Points of each proxied device.
const PROXY_POINTS: usize = 10;

/// Does it once more and returns a number that depends on all of it.
pub type Turn = Box<dyn FnMut() -> usize>;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// A config comes in, is acknowledged, handled and answered by a state, which is acknowledged.
    Config,
    /// All points are sampled and published, which is acknowledged.
    Sample,
    /// Messages come in at QoS 1 in one read and are acknowledged; the link alone.
    Receive,
    /// Messages go out at QoS 1 and are acknowledged in one read; the link alone.
    Publish,
    /// Time passes in which nothing is due.
    Tick,
    /// The core is asked when it wants to be called next.
    Deadline,
    /// A config of one of many proxied devices of ten points comes in and is answered.
    ProxyConfig,
    /// A minute of a gateway in which each of its devices of ten points is sampled once.
    ProxyMinute,
    /// Time passes for a gateway in which nothing is due.
    ProxyTick,
    /// A gateway is asked when it wants to be called next.
    ProxyDeadline,
}

impl What {
    /// All there is.
    pub const ALL: [Self; 10] = [
        Self::Config,
        Self::Sample,
        Self::Receive,
        Self::Publish,
        Self::Tick,
        Self::Deadline,
        Self::ProxyConfig,
        Self::ProxyMinute,
        Self::ProxyTick,
        Self::ProxyDeadline,
    ];

    /// Its name, without spaces.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Sample => "sample",
            Self::Receive => "receive",
            Self::Publish => "publish",
            Self::Tick => "tick",
            Self::Deadline => "deadline",
            Self::ProxyConfig => "proxy-config",
            Self::ProxyMinute => "proxy-minute",
            Self::ProxyTick => "proxy-tick",
            Self::ProxyDeadline => "proxy-deadline",
        }
    }

    /// Whether there is a floor to put beside it.
    #[must_use]
    pub fn has_floor(self) -> bool {
        matches!(self, Self::Config | Self::Sample | Self::Receive | Self::Publish)
    }

    /// What its sizes are numbers of.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::Config | Self::Sample | Self::Tick | Self::Deadline => "points",
            Self::Receive | Self::Publish => "messages",
            Self::ProxyConfig | Self::ProxyMinute | Self::ProxyTick | Self::ProxyDeadline => "devices",
        }
    }

    /// The sizes it is measured at.
    #[must_use]
    pub fn sizes(self) -> &'static [usize] {
        match self {
            Self::Config | Self::Sample => &[10, 100, 1000],
            Self::Receive | Self::Publish => &[1, 10, 100],
            Self::Tick | Self::Deadline => &[10, 1000],
            Self::ProxyConfig | Self::ProxyTick | Self::ProxyDeadline => &[10, 1000],
            Self::ProxyMinute => &[10, 100],
        }
    }

    /// The sizes at which its growth is looked at, each twice the one before.
    #[must_use]
    pub fn growing(self) -> &'static [usize] {
        match self {
            Self::Config | Self::Sample | Self::Tick | Self::Deadline => {
                &[10, 20, 40, 80, 160, 320, 640, 1280, 2560]
            }
            Self::Receive | Self::Publish => &[1, 2, 4, 8, 16, 32, 64, 128, 256],
            Self::ProxyConfig | Self::ProxyMinute | Self::ProxyTick | Self::ProxyDeadline => {
                &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]
            }
        }
    }
}

/// One thing at one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Case {
    /// What is done.
    pub what: What,
    /// With how many.
    pub size: usize,
}

impl Case {
    /// The cases that are compared with their floors and with what they took before.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let of = |what: What| what.sizes().iter().map(move |size| Self { what, size: *size });
        What::ALL.into_iter().flat_map(of).collect()
    }

    /// The case of that name, as it is shown.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let (what, size) = name.split_once('/')?;
        let what = What::ALL.into_iter().find(|one| one.name() == what)?;
        Some(Self { what, size: size.parse().ok()? })
    }

    /// How many turns are measured in a row; for ever the same number, since what happens once in some turns is
    /// part of the figure.
    #[must_use]
    pub fn turns(self) -> usize {
        match self.what {
            What::Tick | What::Deadline | What::ProxyTick | What::ProxyDeadline => 1000,
            What::ProxyMinute => 2,
            _ if self.size >= 300 => 8,
            _ => 64,
        }
    }

    /// A core that is ready for it.
    #[must_use]
    pub fn core(self) -> Turn {
        let size = self.size;
        match self.what {
            What::Config => {
                let packets = [config_packet(size, 1), config_packet(size, 2)];
                let (mut device, mut turn) = (Connected::new(size), 0);
                Box::new(move || {
                    turn ^= 1;
                    device.config(&packets[turn])
                })
            }
            What::Sample => {
                let mut device = Connected::new(size);
                Box::new(move || device.sample())
            }
            What::Receive => {
                let (mut line, inbound) = (Line::new(), messages(few(size)));
                Box::new(move || line.receive(&inbound))
            }
            What::Publish => {
                let mut line = Line::new();
                Box::new(move || line.publish(few(size)))
            }
            What::Tick => {
                let mut device = Connected::new(size);
                Box::new(move || device.tick())
            }
            What::Deadline => {
                let device = Connected::new(size);
                Box::new(move || device.deadline().map_or(0, |due| usize::from(due.0 > 0)))
            }
            What::ProxyConfig => {
                let packets = [1, 2].map(|second| proxy_config(size / 2, PROXY_POINTS, second));
                let (mut gateway, mut turn) = (Attached::new(size, PROXY_POINTS), 0);
                Box::new(move || {
                    turn ^= 1;
                    gateway.config(&packets[turn])
                })
            }
            What::ProxyMinute => {
                let mut gateway = Attached::sampling(size, PROXY_POINTS);
                Box::new(move || gateway.minute())
            }
            What::ProxyTick => {
                let mut gateway = Attached::new(size, PROXY_POINTS);
                Box::new(move || gateway.tick())
            }
            What::ProxyDeadline => {
                let gateway = Attached::new(size, PROXY_POINTS);
                Box::new(move || gateway.deadline().map_or(0, |due| usize::from(due.0 > 0)))
            }
        }
    }

    /// The same bytes by serde_json and the MQTT codec alone; none where nothing is read or written.
    #[must_use]
    pub fn floor(self) -> Option<Turn> {
        let size = self.size;
        match self.what {
            What::Config => {
                let floor = ConfigFloor::new(size);
                Some(Box::new(move || floor.run()))
            }
            What::Sample => {
                let floor = SampleFloor::new(size);
                Some(Box::new(move || floor.run()))
            }
            What::Receive => {
                let floor = receive_floor(messages(few(size)));
                Some(Box::new(move || floor.run()))
            }
            What::Publish => {
                let floor = publish_floor(few(size));
                Some(Box::new(move || floor.run()))
            }
            What::Tick
            | What::Deadline
            | What::ProxyConfig
            | What::ProxyMinute
            | What::ProxyTick
            | What::ProxyDeadline => None,
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.what.name(), self.size)
    }
}

fn few(size: usize) -> u16 {
    u16::try_from(size).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_found_by_its_name() {
        for case in Case::all() {
            assert_eq!(Case::named(&case.to_string()), Some(case));
        }
        assert_eq!(Case::named("config/many"), None);
        assert_eq!(Case::named("nothing/10"), None);
    }

    #[test]
    fn floors_write_as_many_bytes_as_cores() {
        for case in Case::all().into_iter().filter(|case| case.size <= 100) {
            assert_eq!(case.floor().is_some(), case.what.has_floor(), "{case}");
            let Some(mut floor) = case.floor() else { continue };
            let mut core = case.core();
            for _ in 0..3 {
                assert_eq!(core(), floor(), "{case}");
            }
        }
    }

    #[test]
    fn nothing_happens_while_nothing_is_due() {
        for what in [What::Tick, What::ProxyTick] {
            let mut tick = Case { what, size: 10 }.core();
            assert_eq!((0..10_000).map(|_| tick()).sum::<usize>(), 0, "{what:?}");
        }
    }
}
