//! A gateway with closures: the part of [`Builder`] about devices it acts for, and about field devices.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use udmi_host::family::{FamilyProvider, FieldHooks, FieldLimits, Polling};
use udmi_proto::{PointModel, ProxySettings, Source, Value};

use crate::closures::{PointClosures, known};
use crate::device::Builder;
use crate::reading::{CommandError, IntoReading, WriteError};

/// A device that a gateway acts for, with closures of its own. They go before those for all proxied devices.
#[derive(Debug, Default)]
#[must_use = "a proxied device does nothing before its gateway has it"]
pub struct Proxied {
    settings: ProxySettings,
    closures: PointClosures,
}

impl Builder {
    /// Makes the device a gateway, if it is none, that knows this device. Which devices it acts for is for its config to
    /// say, unless the settings' [`mode`](udmi_proto::GatewaySettings::mode) is another.
    pub fn proxied(mut self, device: &str, proxied: Proxied) -> Self {
        let Proxied { settings, closures } = proxied;
        self.settings.gateway.get_or_insert_default().proxies.insert(device.into(), settings);
        self.settings.options.command_hook |= closures.command.is_some();
        self.closures.proxied.devices.insert(device.into(), Box::new(closures));
        self
    }

    /// Speaks with field devices of a family, on threads of their own: scans them, and reads, writes and releases the
    /// points that have a reference there. Points of proxied devices with such a reference are asked for before each
    /// sample.
    pub fn family(mut self, provider: impl FamilyProvider + 'static) -> Self {
        self.families.push(Arc::new(provider));
        self
    }

    /// Other bounds for the work of families than the default ones.
    pub fn field_limits(mut self, limits: FieldLimits) -> Self {
        self.field_limits = limits;
        self
    }

    /// Puts values from the cloud in force for all proxied devices: the device, the point, the value. Without any
    /// closure, writes to writable points succeed and become the present value.
    pub fn on_proxied_writeback(
        mut self,
        write: impl FnMut(&str, &str, &Value) -> Result<(), WriteError> + Send + 'static,
    ) -> Self {
        self.closures.proxied.write = Some(Box::new(write));
        self
    }

    /// Gives a point of a proxied device back to local control: the device, the point.
    pub fn on_proxied_release(
        mut self,
        release: impl FnMut(&str, &str) -> Result<(), WriteError> + Send + 'static,
    ) -> Self {
        self.closures.proxied.release = Some(Box::new(release));
        self
    }

    /// Reads points of proxied devices before each sample: the device, the points. All that have neither a closure of
    /// their own nor a reference in a family are asked for. A point left out keeps its value; a device that cannot be
    /// read at all is an error, which the cloud is told as `gateway.proxy.connect` until it can (§6.7).
    pub fn on_proxied_read<N, R, M>(
        mut self,
        mut read: impl FnMut(&str, &[String]) -> Result<M, String> + Send + 'static,
    ) -> Self
    where
        N: Into<String>,
        R: IntoReading,
        M: IntoIterator<Item = (N, R)>,
    {
        self.closures.proxied.read = Some(Box::new(move |device, points| read(device, points).map(known)));
        self
    }

    /// Takes care of commands to proxied devices that are none of the devices' own: the device, what follows
    /// `commands/` in the topic, the content.
    pub fn on_proxied_command(
        mut self,
        command: impl FnMut(&str, &str, &str) -> Result<(), CommandError> + Send + 'static,
    ) -> Self {
        self.settings.options.command_hook = true;
        self.closures.proxied.command = Some(Box::new(command));
        self
    }

    /// Takes a top-level block of proxied devices' configs that is the application's own: the device, and the block as
    /// JSON; none if there is none.
    pub fn on_proxied_config_block(
        mut self,
        name: &str,
        hear: impl FnMut(&str, Option<&str>) + Send + 'static,
    ) -> Self {
        self.blocks.push(name.into());
        self.closures.proxied.blocks.insert(name.into(), Box::new(hear));
        self
    }

    /// What applies to proxied devices, known now or later.
    pub(crate) fn adopt(&mut self) -> Adoption {
        let families = self.families.iter().map(|provider| provider.family().to_owned());
        let polling = Polling { families: families.collect(), all: self.closures.proxied.read.is_some() };
        polling.apply(&mut self.settings);
        for family in &polling.families {
            if !self.settings.scans.contains(family) {
                self.settings.scans.push(family.clone());
            }
        }
        let adoption = Adoption { polling, blocks: std::mem::take(&mut self.blocks) };
        for proxy in self.settings.gateway.iter_mut().flat_map(|gateway| gateway.proxies.values_mut()) {
            adoption.apply(proxy);
        }
        adoption
    }

    pub(crate) fn field_hooks(&mut self) -> io::Result<Option<FieldHooks>> {
        if self.families.is_empty() {
            return Ok(None);
        }
        FieldHooks::new(std::mem::take(&mut self.families), self.field_limits).map(Some)
    }
}

impl Proxied {
    /// A device of which this is known.
    pub fn new(settings: ProxySettings) -> Self {
        Self { settings, closures: PointClosures::default() }
    }

    /// Adds a point, or replaces what is known of it.
    pub fn point(mut self, name: &str, model: PointModel) -> Self {
        self.settings.points.insert(name.into(), model);
        self
    }

    /// As [`Builder::on_writeback`].
    pub fn on_writeback(
        mut self,
        write: impl FnMut(&str, &Value) -> Result<(), WriteError> + Send + 'static,
    ) -> Self {
        self.closures.write = Some(Box::new(write));
        self
    }

    /// As [`Builder::on_writeback_point`].
    pub fn on_writeback_point(
        mut self,
        point: &str,
        write: impl FnMut(&Value) -> Result<(), WriteError> + Send + 'static,
    ) -> Self {
        self.closures.write_point.insert(point.into(), Box::new(write));
        self
    }

    /// As [`Builder::on_release`].
    pub fn on_release(
        mut self,
        release: impl FnMut(&str) -> Result<(), WriteError> + Send + 'static,
    ) -> Self {
        self.closures.release = Some(Box::new(release));
        self
    }

    /// As [`Builder::poll`].
    pub fn poll<R: IntoReading>(mut self, point: &str, read: impl FnMut() -> R + Send + 'static) -> Self {
        self.settings.points.entry(point.into()).or_default().source = Source::Polled;
        self.closures.set_poll(point, read);
        self
    }

    /// As [`Builder::computed`].
    pub fn computed<R: IntoReading>(
        mut self,
        point: &str,
        compute: impl FnMut(&BTreeMap<String, Value>) -> R + Send + 'static,
    ) -> Self {
        self.settings.points.entry(point.into()).or_default().source = Source::Computed;
        self.closures.set_computed(point, compute);
        self
    }

    /// As [`Builder::on_command`].
    pub fn on_command(
        mut self,
        command: impl FnMut(&str, &str) -> Result<(), CommandError> + Send + 'static,
    ) -> Self {
        self.closures.command = Some(Box::new(command));
        self
    }

    /// As [`Builder::on_config_block`].
    pub fn on_config_block(mut self, name: &str, hear: impl FnMut(Option<&str>) + Send + 'static) -> Self {
        if !self.settings.custom_blocks.iter().any(|known| known == name) {
            self.settings.custom_blocks.push(name.into());
        }
        self.closures.blocks.insert(name.into(), Box::new(hear));
        self
    }
}

/// What applies to every proxied device, whenever it becomes known.
#[derive(Debug, Default)]
pub(crate) struct Adoption {
    polling: Polling,
    blocks: Vec<String>,
}

impl Adoption {
    pub(crate) fn apply(&self, proxy: &mut ProxySettings) {
        self.polling.apply_to_proxy(proxy);
        for block in &self.blocks {
            if !proxy.custom_blocks.contains(block) {
                proxy.custom_blocks.push(block.clone());
            }
        }
    }
}
