//! Births, crashes and ends of the device, and the broker's accounts.

use bytes::{Bytes, BytesMut};
use device_broker::{Access, Broker, Users};
use device_link::trace::{Header, Recorder, shown_boot};
use device_link::wire::{self, Packet};
use udmi_proto::{Action, Boot, Closed, Device, ExitReason, Key, Stored, Udmi};

use super::cloud::sibling;
use super::{Birth, Happening, Setup, World};

/// The name of the cloud's account.
pub(super) const CLOUD_USER: &str = "cloud";
/// A broker that takes packets larger than any device does, so that the device's own bound is seen.
const BROKER_PACKET_BYTES: usize = 64 << 20;

/// A broker with the access list of §1.5.
pub(super) fn broker(setup: &Setup) -> Broker {
    Broker::new(limits(), users(setup))
}

fn limits() -> device_broker::Limits {
    device_broker::Limits {
        packet_bytes: BROKER_PACKET_BYTES,
        queued_bytes: BROKER_PACKET_BYTES,
        unsent_bytes: BROKER_PACKET_BYTES * 4,
        ..device_broker::Limits::default()
    }
}

fn users(setup: &Setup) -> Users {
    let access = access(&setup.settings.topic_prefix, setup);
    let users = Users::default().with(CLOUD_USER, "", Access::all());
    let users = setup.registries.iter().fold(users, |users, registry| match &registry.password {
        Some(password) => users.with(&registry.prefix, password, self::access(&registry.prefix, setup)),
        None => users,
    });
    let users = match &setup.settings.credentials {
        Some(_) => users,
        None => users.with_anonymous(access.clone()),
    };
    let accounts = setup.settings.credentials.iter().chain(&setup.accounts);
    accounts.fold(users, |users, account| {
        users.with(&account.username, account.password.expose(), access.clone())
    })
}

fn access(prefix: &str, setup: &Setup) -> Access {
    let own = access_of(Access::default(), prefix, &setup.refused);
    setup.bound.iter().fold(own, |access, id| {
        let prefix = sibling(prefix, id);
        access_of(access, &prefix, &setup.refused).publish(&format!("{prefix}/attach"))
    })
}

fn access_of(access: Access, prefix: &str, refused: &[String]) -> Access {
    let access = access.publish(&format!("{prefix}/events/#")).publish(&format!("{prefix}/state"));
    let allowed = ["config", "commands/#", "errors"].into_iter();
    let allowed = allowed.filter(|filter| !refused.iter().any(|refused| refused == filter));
    allowed.fold(access, |access, filter| access.subscribe(&format!("{prefix}/{filter}")))
}

impl World {
    /// The device starts with what the store holds.
    pub(super) fn boot(&mut self) {
        if self.device.is_some() {
            return;
        }
        self.run += 1;
        let stored = self.store.iter().map(|(key, value)| Stored { key: key.clone(), value: value.clone() });
        let mut boot = Boot {
            now: self.now(),
            seed: self.setup.seed.wrapping_add(u64::from(self.run)),
            stored: stored.collect(),
            limits: self.setup.limits.clone(),
        };
        if let Some(spoiler) = &mut self.spoiler {
            spoiler.boot(&mut boot);
        }
        let settings = self.setup.settings.clone();
        self.recorder = self.setup.records.then(|| {
            let shown = shown_boot::<Udmi>(&boot);
            self.traces.push(vec![Header::new("world", shown, settings.clone()).line()]);
            let mut recorder = Recorder::new(&boot.limits);
            recorder.construction(boot.now);
            recorder
        });
        let dialect = Udmi::new(settings).expect("the world's settings are valid");
        let mut device = Device::new(boot, dialect);
        let actions: Vec<Action> = std::iter::from_fn(|| device.poll()).collect();
        self.device = Some(device);
        self.watch.started();
        let (notices, hooks) = (self.notices.len(), self.plant.asked().len());
        self.births.push(Birth { notices, hooks, held: self.store.clone() });
        self.record(None, &actions);
        self.perform(actions.into());
        for command in self.plant.first_values() {
            self.command(command);
        }
    }

    /// From the next connection on, the broker knows no account of that registry.
    pub fn close_registry(&mut self, prefix: &str) {
        for registry in self.setup.registries.iter_mut().filter(|registry| registry.prefix == prefix) {
            registry.password = None;
        }
        self.broker.set_users(users(&self.setup));
    }

    /// The device's power fails and, after so many milliseconds, comes back.
    pub fn crash(&mut self, dark_ms: u64) {
        self.crash_after_stores(dark_ms, 0);
    }

    /// As [`World::crash`], but so many of the stores under way, the oldest first, are safe before it, though
    /// nobody is told so.
    pub fn crash_after_stores(&mut self, dark_ms: u64, safe: usize) {
        let run = self.run;
        let under_way = self.calendar.values().filter_map(|happening| match happening {
            Happening::Stored { run: of, key, value, .. } if *of == run => Some((key.clone(), value.clone())),
            _ => None,
        });
        let under_way: Vec<_> = under_way.take(safe).collect();
        if !self.store_fails {
            under_way.into_iter().for_each(|(key, value)| self.keep(key, value));
        }
        self.vanish();
        self.schedule(dark_ms, Happening::Boot);
    }

    /// As [`World::crash`], but of the stores under way each leaves half of its value, as no store with an atomic
    /// replacement does.
    pub fn crash_torn(&mut self, dark_ms: u64) {
        let run = self.run;
        let under_way = self.calendar.values().filter_map(|happening| match happening {
            Happening::Stored { run: of, key, value: Some(value), .. } if *of == run => {
                Some((key.clone(), value.slice(..value.len() / 2)))
            }
            _ => None,
        });
        for (key, half) in under_way.collect::<Vec<_>>() {
            self.has_torn = true;
            self.keep(key, Some(half));
        }
        self.crash(dark_ms);
    }

    /// Another client connects as the device: the broker lets go of the device, and of the other once the device is
    /// back.
    pub fn take_over(&mut self) {
        let Some(connect) = self.watch.connect().cloned() else { return };
        let mut bytes = BytesMut::new();
        wire::encode(&Packet::Connect(connect), &mut bytes).expect("the device's CONNECT is valid");
        self.intruders += 1;
        let conn = device_broker::ConnId(u64::MAX - self.intruders);
        self.broker.open(conn, self.at);
        self.broker.bytes(conn, &bytes, self.at);
        self.serve();
    }

    /// The broker starts anew: with what is retained, and without connections.
    pub fn restart_broker(&mut self) {
        let kept = self.broker.snapshot();
        self.broker = Broker::restore(limits(), users(&self.setup), kept);
        if let Some((conn, link)) = self.network.cut() {
            self.lose(conn, link, Closed::Reset);
        }
        self.join_cloud();
    }

    /// What the broker refuses of the device's subscriptions, from its next connection on.
    pub fn refuse(&mut self, filters: &[&str]) {
        self.setup.refused = filters.iter().map(|filter| (*filter).to_owned()).collect();
        self.broker.set_users(users(&self.setup));
    }

    /// Whether the broker refuses subscriptions of the device.
    #[must_use]
    pub fn refuses(&self) -> bool {
        !self.setup.refused.is_empty()
    }

    /// The store's content changes.
    pub(super) fn keep(&mut self, key: Key, value: Option<Bytes>) {
        match value {
            Some(value) => drop(self.store.insert(key, value)),
            None => drop(self.store.remove(&key)),
        }
    }

    /// The device's power fails for good.
    pub fn kill(&mut self) {
        self.vanish();
    }

    fn vanish(&mut self) {
        self.device = None;
        self.run += 1; // what is under way to the device finds nobody
        self.open_hooks.clear();
        self.open_stores.clear();
        self.staging.forget();
        self.plant.forget();
        if let Some((_, link)) = self.network.cut() {
            self.schedule(self.network.weather.lingers_ms, Happening::Lost { link });
        }
    }

    pub(super) fn ended(&mut self, reason: ExitReason) {
        self.exits.push(reason);
        self.device = None;
        self.run += 1;
        self.open_hooks.clear();
        self.open_stores.clear();
        self.staging.forget();
        self.plant.forget();
        if reason == ExitReason::Restart
            && let Some(after) = self.setup.restart_ms
        {
            self.schedule(after, Happening::Boot);
        }
    }
}
