//! The network between device and broker: latency, cuts, loss, silence.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use udmi_proto::{Closed, ConnId, Endpoint, Event};

use super::{Happening, World};
use crate::property::{Property, ensure};

/// How a stream of bytes is cut into pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Each write arrives as it was made.
    Whole,
    /// Pieces of so many bytes.
    Every(usize),
    /// Pieces of 1 to so many bytes, drawn from the seed.
    Seeded(usize),
}

/// What becomes of an attempt to connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opens {
    /// It succeeds.
    Accepted,
    /// It fails at once.
    Fails(Closed),
    /// It succeeds, but the broker never hears of it.
    Unheard,
    /// Nothing is ever heard of it.
    Unanswered,
}

/// How the network is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weather {
    /// Milliseconds of each way.
    pub latency_ms: u64,
    /// How bytes are cut into pieces.
    pub cut: Cut,
    /// Bytes a second in each direction, if that is bounded.
    pub bytes_per_second: Option<u64>,
    /// Bytes a second that the device reads, if it is slow; what it has not read waits in the broker.
    pub reads_per_second: Option<u64>,
    /// What becomes of attempts to connect.
    pub opens: Opens,
    /// A half-open connection: what is sent vanishes, and nobody is told.
    pub is_silent: bool,
    /// Only what the device sends vanishes.
    pub is_mute: bool,
    /// Only what the broker sends vanishes.
    pub is_deaf: bool,
    /// Milliseconds until the broker hears of a connection's loss. Until then it takes what was under way, be it after
    /// the first bytes of the next connection.
    pub lingers_ms: u64,
    /// The connection breaks after so many more bytes from the device.
    pub breaks_up_after: Option<usize>,
    /// The connection breaks after so many more bytes to the device.
    pub breaks_down_after: Option<usize>,
}

impl Default for Weather {
    fn default() -> Self {
        Self {
            latency_ms: 10,
            cut: Cut::Whole,
            bytes_per_second: None,
            reads_per_second: None,
            opens: Opens::Accepted,
            is_silent: false,
            is_mute: false,
            is_deaf: false,
            lingers_ms: 0,
            breaks_up_after: None,
            breaks_down_after: None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Up,
    Down,
}

/// One connection between device and broker.
#[derive(Debug)]
struct Pipe {
    conn: ConnId,
    link: u64,
    is_up: bool,
    /// Something was lost in that direction, so nothing ever comes through again.
    is_dead: [bool; 2],
    /// When the last byte of each direction arrives.
    busy_until: [u64; 2],
}

#[derive(Debug)]
pub(super) struct Network {
    pub(super) weather: Weather,
    pipe: Option<Pipe>,
    names: BTreeMap<u64, ConnId>,
    /// Hosts that have an address.
    hosts: BTreeSet<String>,
    next_link: u64,
    random: u64,
}

impl Network {
    pub(super) fn new(weather: Weather, seed: u64, host: &str) -> Self {
        let hosts = BTreeSet::from([host.to_owned()]);
        Self { weather, pipe: None, names: BTreeMap::new(), hosts, next_link: 1, random: seed | 1 }
    }

    pub(super) fn conn(&self) -> Option<ConnId> {
        self.pipe.as_ref().filter(|pipe| pipe.is_up).map(|pipe| pipe.conn)
    }

    pub(super) fn is_linked(&self) -> bool {
        self.conn().is_some()
    }

    pub(super) fn conn_of(&self, link: u64) -> Option<ConnId> {
        self.names.get(&link).copied()
    }

    /// Ends the connection there is, for both ends.
    pub(super) fn cut(&mut self) -> Option<(ConnId, u64)> {
        self.pipe.take().map(|pipe| (pipe.conn, pipe.link))
    }

    pub(super) fn delivers(&self, conn: ConnId) -> bool {
        self.pipe.as_ref().is_some_and(|pipe| pipe.conn == conn && pipe.is_up)
    }

    pub(super) fn opened(&mut self, conn: ConnId) -> bool {
        match &mut self.pipe {
            Some(pipe) if pipe.conn == conn => {
                pipe.is_up = true;
                true
            }
            Some(_) | None => false,
        }
    }

    pub(super) fn forget(&mut self, conn: ConnId) {
        if self.pipe.as_ref().is_some_and(|pipe| pipe.conn == conn) {
            self.pipe = None;
        }
    }

    /// Xorshift: enough to cut streams.
    fn draw(&mut self, most: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let most = u64::try_from(most.max(1)).unwrap_or(1);
        usize::try_from(self.random % most).unwrap_or(0) + 1
    }

    fn pieces(&mut self, bytes: &Bytes) -> Vec<Bytes> {
        let mut rest = bytes.clone();
        let mut pieces = Vec::new();
        while !rest.is_empty() {
            let size = match self.weather.cut {
                Cut::Whole => rest.len(),
                Cut::Every(size) => size.max(1),
                Cut::Seeded(most) => self.draw(most),
            };
            pieces.push(rest.split_to(size.min(rest.len())));
        }
        pieces
    }
}

impl World {
    pub(super) fn dial(&mut self, conn: ConnId, to: &Endpoint) {
        let link = self.network.next_link;
        self.network.next_link += 1;
        self.network.names.insert(link, conn);
        let (run, latency) = (self.run, self.network.weather.latency_ms);
        let opens = match &self.network.weather.opens {
            Opens::Accepted if !self.network.hosts.contains(&to.host) => Opens::Fails(Closed::Resolve),
            opens => opens.clone(),
        };
        match opens {
            Opens::Unanswered => {}
            Opens::Fails(why) => {
                self.schedule(latency, Happening::Device { run, event: Event::Closed { conn, why } });
            }
            Opens::Accepted | Opens::Unheard => {
                self.network.pipe =
                    Some(Pipe { conn, link, is_up: false, is_dead: [false; 2], busy_until: [0, 0] });
                if opens == Opens::Accepted {
                    self.schedule(latency, Happening::Reached { link });
                }
                self.schedule(latency, Happening::Device { run, event: Event::Opened { conn } });
            }
        }
    }

    /// Carries bytes to the other end, piece by piece, as far as they come. Tells when the network has taken them.
    pub(super) fn carry(&mut self, direction: Direction, conn: ConnId, bytes: &Bytes) -> u64 {
        let now = self.at;
        let Some(link) = self.network.pipe.as_ref().filter(|pipe| pipe.conn == conn).map(|pipe| pipe.link)
        else {
            let is_known =
                direction == Direction::Down || self.network.names.values().any(|known| *known == conn);
            ensure(is_known, Property::OutputIsAllowed, || {
                format!("bytes for {conn}, which was never opened")
            });
            return now;
        };
        let weather = &self.network.weather;
        let vanishes = weather.is_silent
            || match direction {
                Direction::Up => weather.is_mute,
                Direction::Down => weather.is_deaf,
            };
        if let Some(pipe) = &mut self.network.pipe {
            let is_dead = &mut pipe.is_dead[direction as usize];
            *is_dead |= vanishes;
            if *is_dead {
                return now;
            }
        }
        let weather = &mut self.network.weather;
        let budget = match direction {
            Direction::Up => &mut weather.breaks_up_after,
            Direction::Down => &mut weather.breaks_down_after,
        };
        let breaks = budget.is_some_and(|left| left <= bytes.len());
        let carried = budget.map_or(bytes.len(), |left| left.min(bytes.len()));
        *budget = budget.map(|left| left - carried).filter(|_| !breaks);
        let mut taken = now;
        for piece in self.network.pieces(&bytes.slice(..carried)) {
            let at = self.arrival(direction, piece.len());
            taken = at.saturating_sub(self.network.weather.latency_ms);
            let happening = match direction {
                Direction::Up => Happening::Bytes { link, bytes: piece },
                Direction::Down => {
                    Happening::Device { run: self.run, event: Event::Received { conn, bytes: piece } }
                }
            };
            self.schedule_at(at, happening);
        }
        if breaks {
            let at = self.arrival(direction, 0);
            let run = self.run;
            self.schedule_at(at + self.network.weather.lingers_ms, Happening::Lost { link });
            self.schedule_at(
                at,
                Happening::Device { run, event: Event::Closed { conn, why: Closed::Reset } },
            );
        }
        taken
    }

    fn arrival(&mut self, direction: Direction, size: usize) -> u64 {
        let now = self.at;
        let weather = &self.network.weather;
        let size = u64::try_from(size).unwrap_or(u64::MAX);
        let slow = weather.reads_per_second.filter(|_| direction == Direction::Down);
        let rate = [weather.bytes_per_second, slow].into_iter().flatten().min();
        let time = rate.map_or(0, |rate| size.saturating_mul(1000) / rate.max(1));
        let latency = weather.latency_ms;
        let Some(pipe) = &mut self.network.pipe else { return now };
        let busy = match direction {
            Direction::Up => &mut pipe.busy_until[0],
            Direction::Down => &mut pipe.busy_until[1],
        };
        *busy = (*busy).max(now + latency) + time;
        *busy
    }

    /// The device closes: what it wrote before still arrives.
    pub(super) fn hang_up(&mut self, conn: ConnId) {
        let at = self.arrival(Direction::Up, 0);
        let Some(link) = self.network.pipe.as_ref().filter(|pipe| pipe.conn == conn).map(|pipe| pipe.link)
        else {
            return;
        };
        self.network.pipe = None;
        self.schedule_at(at, Happening::Lost { link });
    }

    /// The broker closes: what it wrote before still arrives.
    pub(super) fn hung_up(&mut self, link: u64) {
        let Some(conn) = self.network.pipe.as_ref().filter(|pipe| pipe.link == link).map(|pipe| pipe.conn)
        else {
            return;
        };
        let at = self.arrival(Direction::Down, 0);
        let event = Event::Closed { conn, why: Closed::Eof };
        self.schedule_at(at, Happening::Device { run: self.run, event });
    }
}
