//! Births, crashes and ends of the device, and the broker's accounts.

use device_broker::{Access, Broker, Users};
use device_link::trace::{Header, Recorder, shown_boot};
use udmi_proto::{Action, Boot, Device, ExitReason, Settings, Stored, Udmi};

use super::{Happening, Setup, World};

/// The name of the cloud's account.
pub(super) const CLOUD_USER: &str = "cloud";
/// A broker that takes packets larger than any device does, so that the device's own bound is seen.
const BROKER_PACKET_BYTES: usize = 64 << 20;

/// A broker with the access list of §1.5.
pub(super) fn broker(setup: &Setup) -> Broker {
    let access = access(&setup.settings, &setup.refused);
    let users = Users::default().with(CLOUD_USER, "", Access::all());
    let users = match &setup.settings.credentials {
        Some(_) => users,
        None => users.with_anonymous(access.clone()),
    };
    let accounts = setup.settings.credentials.iter().chain(&setup.accounts);
    let users = accounts.fold(users, |users, account| {
        users.with(&account.username, account.password.expose(), access.clone())
    });
    let limits = device_broker::Limits {
        packet_bytes: BROKER_PACKET_BYTES,
        queued_bytes: BROKER_PACKET_BYTES,
        unsent_bytes: BROKER_PACKET_BYTES * 4,
        ..device_broker::Limits::default()
    };
    Broker::new(limits, users)
}

fn access(settings: &Settings, refused: &[String]) -> Access {
    let prefix = &settings.topic_prefix;
    let mut access =
        Access::default().publish(&format!("{prefix}/events/#")).publish(&format!("{prefix}/state"));
    for filter in ["config", "commands/#", "errors"] {
        if !refused.iter().any(|refused| refused == filter) {
            access = access.subscribe(&format!("{prefix}/{filter}"));
        }
    }
    access
}

impl World {
    /// The device starts with what the store holds.
    pub(super) fn boot(&mut self) {
        if self.device.is_some() {
            return;
        }
        self.run += 1;
        let stored = self.store.iter().map(|(key, value)| Stored { key: key.clone(), value: value.clone() });
        let boot = Boot {
            now: self.now(),
            seed: self.setup.seed.wrapping_add(u64::from(self.run)),
            stored: stored.collect(),
            limits: self.setup.limits.clone(),
        };
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
        self.record(None, &actions);
        self.perform(actions.into());
        for command in self.plant.first_values() {
            self.command(command);
        }
    }

    /// The device's power fails and, after so many milliseconds, comes back.
    pub fn crash(&mut self, dark_ms: u64) {
        self.vanish();
        self.schedule(dark_ms, Happening::Boot);
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
        self.plant.forget();
        if let Some((_, link)) = self.network.cut() {
            self.schedule(0, Happening::Lost { link });
        }
    }

    pub(super) fn ended(&mut self, reason: ExitReason) {
        self.exits.push(reason);
        self.device = None;
        self.run += 1;
        self.open_hooks.clear();
        self.open_stores.clear();
        self.plant.forget();
        if reason == ExitReason::Restart
            && let Some(after) = self.setup.restart_ms
        {
            self.schedule(after, Happening::Boot);
        }
    }
}
