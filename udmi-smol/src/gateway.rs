//! A gateway with closures: the part of [`Builder`] about devices it acts for.

use std::future::Future;

use udmi_host::application::{CommandError, IntoReading, ProxiedSetup, Reply, WriteError, known};
use udmi_proto::{Source, Value};

use crate::device::{Builder, into_reading, text};

/// A device that a gateway acts for, with closures of its own. They go before those for all proxied devices.
#[derive(Debug, Default)]
#[must_use = "a proxied device does nothing before its gateway has it"]
pub struct Proxied {
    pub(crate) setup: ProxiedSetup,
}

impl Builder {
    /// Puts values from the cloud in force for all proxied devices: the device, the point, the value. Without any
    /// closure, writes to writable points succeed and become the present value.
    pub fn on_proxied_writeback<F>(
        mut self,
        mut write: impl FnMut(String, String, Value) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), WriteError>> + Send + 'static,
    {
        self.setup.closures.proxied.write =
            Some(Box::new(move |device, point, value| Reply::later(write(device, point, value))));
        self
    }

    /// Gives a point of a proxied device back to local control: the device, the point.
    pub fn on_proxied_release<F>(
        mut self,
        mut release: impl FnMut(String, String) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), WriteError>> + Send + 'static,
    {
        self.setup.closures.proxied.release =
            Some(Box::new(move |device, point| Reply::later(release(device, point))));
        self
    }

    /// Reads points of proxied devices before each sample: the device, the points. All that have neither a closure of
    /// their own nor a reference in a family are asked for. A point left out keeps its value; a device that cannot be
    /// read at all is an error, which the cloud is told as `gateway.proxy.connect` until it can (§6.7).
    pub fn on_proxied_read<F, M, N, R>(
        mut self,
        mut read: impl FnMut(String, Vec<String>) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Result<M, String>> + Send + 'static,
        M: IntoIterator<Item = (N, R)>,
        N: Into<String>,
        R: IntoReading,
    {
        self.setup.closures.proxied.read = Some(Box::new(move |device, points| {
            let values = read(device, points);
            Reply::later(async move { values.await.map(known) })
        }));
        self
    }

    /// Takes care of commands to proxied devices that are none of the devices' own: the device, what follows
    /// `commands/` in the topic, the content.
    pub fn on_proxied_command<F>(
        mut self,
        mut command: impl FnMut(String, String, String) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), CommandError>> + Send + 'static,
    {
        self.setup.settings.options.command_hook = true;
        self.setup.closures.proxied.command =
            Some(Box::new(move |device, name, payload| Reply::later(command(device, name, payload))));
        self
    }

    /// Takes a top-level block of proxied devices' configs that is the application's own: the device, and the block as
    /// JSON; none if there is none.
    pub fn on_proxied_config_block<F>(
        mut self,
        name: &str,
        mut hear: impl FnMut(String, Option<String>) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.setup.proxied_blocks.push(name.into());
        let hear = Box::new(move |device, block| Reply::later(hear(device, text(block))));
        self.setup.closures.proxied.blocks.insert(name.into(), hear);
        self
    }
}

impl Proxied {
    udmi_host::proxied_methods!();

    /// As [`Builder::on_writeback`].
    pub fn on_writeback<F>(mut self, mut write: impl FnMut(String, Value) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<(), WriteError>> + Send + 'static,
    {
        self.setup.closures.write = Some(Box::new(move |point, value| Reply::later(write(point, value))));
        self
    }

    /// As [`Builder::on_writeback_point`].
    pub fn on_writeback_point<F>(
        mut self,
        point: &str,
        mut write: impl FnMut(Value) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), WriteError>> + Send + 'static,
    {
        let write = Box::new(move |value| Reply::later(write(value)));
        self.setup.closures.write_point.insert(point.into(), write);
        self
    }

    /// As [`Builder::on_release`].
    pub fn on_release<F>(mut self, mut release: impl FnMut(String) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<(), WriteError>> + Send + 'static,
    {
        self.setup.closures.release = Some(Box::new(move |point| Reply::later(release(point))));
        self
    }

    /// As [`Builder::poll`].
    pub fn poll<F>(mut self, point: &str, mut read: impl FnMut() -> F + Send + 'static) -> Self
    where
        F: Future<Output: IntoReading + Send> + Send + 'static,
    {
        self.setup.set_source(point, Source::Polled);
        let read = Box::new(move || Reply::later(into_reading(read())));
        self.setup.closures.poll.insert(point.into(), read);
        self
    }

    /// As [`Builder::on_command`].
    pub fn on_command<F>(mut self, mut command: impl FnMut(String, String) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<(), CommandError>> + Send + 'static,
    {
        let command = Box::new(move |name, payload| Reply::later(command(name, payload)));
        self.setup.closures.command = Some(command);
        self
    }

    /// As [`Builder::on_config_block`].
    pub fn on_config_block<F>(
        mut self,
        name: &str,
        mut hear: impl FnMut(Option<String>) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.setup.want_block(name);
        let hear = Box::new(move |block| Reply::later(hear(text(block))));
        self.setup.closures.blocks.insert(name.into(), hear);
        self
    }
}
