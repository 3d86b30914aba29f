//! The plant as the application of a device.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use udmi_host::fetch;
use udmi_host::key_store::{DeviceKeys, KeyStoreError};
use udmi_host::metrics::Metrics;
use udmi_proto::model::events::SystemMetrics;
use udmi_proto::{Category, Command, Hook, Level, Notice, Outcome, Udmi};
use udmi_smol::driver::{Answering, Hearing};

use super::gateway::Plants;
use super::module::Module;
use super::notices::Notices;
use crate::plant::{Alarm, Written};

/// Answers for a plant and its host, and prints what the device tells.
pub(super) struct PlantApplication {
    pub(super) points: Points,
    pub(super) host: Arc<Host>,
    pub(super) notices: Notices,
}

/// The points of a device and of those it acts for.
pub(super) struct Points {
    pub(super) plants: Plants,
    pub(super) born: Instant,
    /// Hands a command to the device.
    pub(super) say: Box<dyn FnMut(Command) + Send>,
}

/// What takes its time: files, keys, software.
pub(super) struct Host {
    /// The folder whose file system the metrics tell of.
    pub(super) folder: PathBuf,
    /// Where fetched blobs are.
    pub(super) staging: PathBuf,
    pub(super) module: Module,
    /// What is rotated, if there are any.
    pub(super) keys: Option<DeviceKeys>,
}

impl udmi_std::driver::Application<Udmi> for PlantApplication {
    fn answer(&mut self, hook: Hook) -> Outcome {
        if concerns_points(&hook) { self.points.answer(hook) } else { self.host.answer(hook) }
    }

    fn hear(&mut self, notice: Notice) {
        self.notices.print(&notice);
    }
}

/// The same for a device that is a future: what takes its time is done elsewhere.
pub(super) struct PlantFutures(PlantApplication);

impl PlantFutures {
    pub(super) fn new(application: PlantApplication) -> Self {
        Self(application)
    }
}

impl udmi_smol::driver::Application<Udmi> for PlantFutures {
    fn answer(&mut self, hook: Hook) -> Answering<Udmi> {
        if concerns_points(&hook) {
            return Answering::Now(self.0.points.answer(hook));
        }
        let host = self.0.host.clone();
        Answering::Later(Box::pin(blocking::unblock(move || host.answer(hook))))
    }

    fn hear(&mut self, notice: Notice) -> Option<Hearing> {
        self.0.notices.print(&notice);
        None
    }
}

fn concerns_points(hook: &Hook) -> bool {
    match hook {
        Hook::WritePoint { .. }
        | Hook::ReleasePoint { .. }
        | Hook::ReadPoints { .. }
        | Hook::Proxied { .. } => true,
        Hook::Metrics
        | Hook::ProcessBlob { .. }
        | Hook::ActivateBlob { .. }
        | Hook::CheckActivation { .. }
        | Hook::MakeKey
        | Hook::UseKey { .. }
        | Hook::RestoreKey { .. }
        | Hook::Lifecycle { .. }
        | Hook::Command { .. }
        | Hook::Scan { .. } => false,
    }
}

impl Points {
    /// Answers what concerns points.
    fn answer(&mut self, hook: Hook) -> Outcome {
        match hook {
            Hook::Proxied { device, hook, .. } => self.answer_of(Some(&device), *hook),
            own => self.answer_of(None, own),
        }
    }

    /// Answers what concerns points of a proxied device or of the device itself.
    fn answer_of(&mut self, device: Option<&str>, hook: Hook) -> Outcome {
        let now = self.born.elapsed();
        let Some(plant) = self.plants.get(device) else { return Outcome::Unhandled };
        match hook {
            Hook::WritePoint { point, value, .. } => match plant.write(&point, &value, now) {
                Written::Taken => Outcome::Done,
                Written::Invalid(why) => Outcome::Invalid { message: why.to_owned() },
                Written::Failed(why) => Outcome::Failed { message: why.to_owned() },
            },
            Hook::ReleasePoint { point, .. } => {
                plant.release(&point);
                Outcome::Done
            }
            Hook::ReadPoints { wanted } => {
                let (values, alarms) = (plant.read(&wanted.polled, now), plant.take_alarms());
                alarms.into_iter().for_each(|alarm| self.tell(device, &alarm));
                Outcome::Values { values }
            }
            _ => Outcome::Unhandled,
        }
    }

    fn tell(&mut self, device: Option<&str>, Alarm { point, raised }: &Alarm) {
        let (level, what) = if *raised { (Level::WARNING, "raised") } else { (Level::NOTICE, "cleared") };
        let message = format!("Point {point}: alarm {what}");
        let log = Command::Log { level, category: Category::device("alarm"), message, detail: None };
        (self.say)(match device {
            None => log,
            Some(device) => Command::Proxied { device: device.to_owned(), command: Box::new(log) },
        });
    }
}

impl Host {
    fn answer(&self, hook: Hook) -> Outcome {
        match hook {
            Hook::Metrics => Outcome::Metrics(self.metrics()),
            Hook::ProcessBlob { name, staged, .. } => {
                self.module.process(&name, &fetch::staged(&self.staging, staged))
            }
            Hook::ActivateBlob { name, .. } => self.module.activate(&name),
            Hook::CheckActivation { name, version, .. } => self.module.check(&name, version.as_deref()),
            Hook::MakeKey => match self.keys.as_ref().map(DeviceKeys::prepare) {
                None => Outcome::Unhandled,
                Some(Ok(made)) => Outcome::KeyMade(made),
                Some(Err(error)) => failed(&error),
            },
            Hook::UseKey { public_key } => match self.keys.as_ref().map(|keys| keys.adopt(&public_key)) {
                None => Outcome::Unhandled,
                Some(Ok(())) => Outcome::Done,
                Some(Err(error)) => failed(&error),
            },
            Hook::RestoreKey { backup } => match self.keys.as_ref().map(|keys| keys.restore(&backup)) {
                None => Outcome::Unhandled,
                Some(Ok(())) => Outcome::Done,
                Some(Err(error)) => failed(&error),
            },
            Hook::WritePoint { .. }
            | Hook::ReleasePoint { .. }
            | Hook::ReadPoints { .. }
            | Hook::Proxied { .. }
            | Hook::Lifecycle { .. }
            | Hook::Command { .. }
            | Hook::Scan { .. } => Outcome::Unhandled,
        }
    }

    fn metrics(&self) -> SystemMetrics {
        let Metrics { mem_total_mb, mem_free_mb, store_total_mb, store_free_mb, system_load } =
            Metrics::measure(&self.folder);
        SystemMetrics { mem_total_mb, mem_free_mb, store_total_mb, store_free_mb, system_load }
    }
}

fn failed(error: &KeyStoreError) -> Outcome {
    Outcome::Failed { message: error.to_string() }
}
