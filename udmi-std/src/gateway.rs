//! A gateway with closures: the part of [`Builder`] about devices it acts for, and about field devices.

use udmi_host::application::{CommandError, IntoReading, ProxiedSetup, Reply, WriteError, known};
use udmi_proto::{Json, Source, Value};

use crate::device::Builder;

/// A device that a gateway acts for, with closures of its own. They go before those for all proxied devices.
#[derive(Debug, Default)]
#[must_use = "a proxied device does nothing before its gateway has it"]
pub struct Proxied {
    pub(crate) setup: ProxiedSetup,
}

impl Builder {
    /// Puts values from the cloud in force for all proxied devices: the device, the point, the value. Without any
    /// closure, writes to writable points succeed and become the present value.
    pub fn on_proxied_writeback(
        mut self,
        mut write: impl FnMut(&str, &str, &Value) -> Result<(), WriteError> + Send + 'static,
    ) -> Self {
        self.setup.closures.proxied.write =
            Some(Box::new(move |device, point, value| Reply::Now(write(&device, &point, &value))));
        self
    }

    /// Gives a point of a proxied device back to local control: the device, the point.
    pub fn on_proxied_release(
        mut self,
        mut release: impl FnMut(&str, &str) -> Result<(), WriteError> + Send + 'static,
    ) -> Self {
        self.setup.closures.proxied.release =
            Some(Box::new(move |device, point| Reply::Now(release(&device, &point))));
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
        self.setup.closures.proxied.read =
            Some(Box::new(move |device, points| Reply::Now(read(&device, &points).map(known))));
        self
    }

    /// Takes care of commands to proxied devices that are none of the devices' own: the device, what follows
    /// `commands/` in the topic, the content.
    pub fn on_proxied_command(
        mut self,
        mut command: impl FnMut(&str, &str, &str) -> Result<(), CommandError> + Send + 'static,
    ) -> Self {
        self.setup.settings.options.command_hook = true;
        self.setup.closures.proxied.command =
            Some(Box::new(move |device, name, payload| Reply::Now(command(&device, &name, &payload))));
        self
    }

    /// Takes a top-level block of proxied devices' configs that is the application's own: the device, and the block as
    /// JSON; none if there is none.
    pub fn on_proxied_config_block(
        mut self,
        name: &str,
        mut hear: impl FnMut(&str, Option<&str>) + Send + 'static,
    ) -> Self {
        self.setup.proxied_blocks.push(name.into());
        let hear = Box::new(move |device: String, block: Option<Json>| {
            hear(&device, block.as_ref().map(Json::as_str));
            Reply::Now(())
        });
        self.setup.closures.proxied.blocks.insert(name.into(), hear);
        self
    }
}

impl Proxied {
    udmi_host::proxied_methods!();

    /// As [`Builder::on_writeback`].
    pub fn on_writeback(
        mut self,
        mut write: impl FnMut(&str, &Value) -> Result<(), WriteError> + Send + 'static,
    ) -> Self {
        self.setup.closures.write = Some(Box::new(move |point, value| Reply::Now(write(&point, &value))));
        self
    }

    /// As [`Builder::on_writeback_point`].
    pub fn on_writeback_point(
        mut self,
        point: &str,
        mut write: impl FnMut(&Value) -> Result<(), WriteError> + Send + 'static,
    ) -> Self {
        let write = Box::new(move |value| Reply::Now(write(&value)));
        self.setup.closures.write_point.insert(point.into(), write);
        self
    }

    /// As [`Builder::on_release`].
    pub fn on_release(
        mut self,
        mut release: impl FnMut(&str) -> Result<(), WriteError> + Send + 'static,
    ) -> Self {
        self.setup.closures.release = Some(Box::new(move |point| Reply::Now(release(&point))));
        self
    }

    /// As [`Builder::poll`].
    pub fn poll<R: IntoReading>(mut self, point: &str, mut read: impl FnMut() -> R + Send + 'static) -> Self {
        self.setup.set_source(point, Source::Polled);
        let read = Box::new(move || Reply::Now(read().into_reading()));
        self.setup.closures.poll.insert(point.into(), read);
        self
    }

    /// As [`Builder::on_command`].
    pub fn on_command(
        mut self,
        mut command: impl FnMut(&str, &str) -> Result<(), CommandError> + Send + 'static,
    ) -> Self {
        let command = Box::new(move |name: String, payload: String| Reply::Now(command(&name, &payload)));
        self.setup.closures.command = Some(command);
        self
    }

    /// As [`Builder::on_config_block`].
    pub fn on_config_block(
        mut self,
        name: &str,
        mut hear: impl FnMut(Option<&str>) + Send + 'static,
    ) -> Self {
        self.setup.want_block(name);
        let hear = Box::new(move |block: Option<Json>| {
            hear(block.as_ref().map(Json::as_str));
            Reply::Now(())
        });
        self.setup.closures.blocks.insert(name.into(), hear);
        self
    }
}
