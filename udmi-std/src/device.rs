//! A UDMI device with closures, for authors of applications.

use std::fmt;
use std::sync::Arc;

pub use udmi_host::application::StartError;
use udmi_host::application::{
    Adoption, Blob, BlobError, CommandError, Connected, IntoReading, Parts, Redirect, Reply, Setup,
    WriteError, known,
};
use udmi_proto::{Json, Lifecycle, Notice, Settings, Source, Udmi, Value};

use crate::bare::Bare;
use crate::closures::Called;
use crate::driver::Driver;
use crate::gateway::Proxied;
use crate::handle::Handle;

/// Where a UDMI device begins: [`Device::builder`].
#[derive(Debug)]
pub struct Device;

impl Device {
    /// Begins a device of these settings.
    pub fn builder(settings: Settings) -> Builder {
        Builder { setup: Setup::new(settings) }
    }
}

/// Collects what a device needs; [`Builder::start`] starts it.
///
/// All closures are called on one thread of their own, one at a time. They may block, at the expense of each
/// other but not of the connection, and they may use a [`Handle`]. What families answer ([`Builder::family`]) runs
/// elsewhere. One that panics has failed: the cloud is told,
/// and the device goes on.
#[must_use = "a builder does nothing before it is started"]
pub struct Builder {
    pub(crate) setup: Setup,
}

impl Builder {
    udmi_host::builder_methods!();

    /// Puts values from the cloud in force, for all points without a closure of their own. Without any closure,
    /// writes to writable points succeed and become the present value.
    pub fn on_writeback(
        mut self,
        mut write: impl FnMut(&str, &Value) -> Result<(), WriteError> + Send + 'static,
    ) -> Self {
        self.setup.closures.own.write = Some(Box::new(move |point, value| Reply::Now(write(&point, &value))));
        self
    }

    /// Puts values from the cloud in force for one point.
    pub fn on_writeback_point(
        mut self,
        point: &str,
        mut write: impl FnMut(&Value) -> Result<(), WriteError> + Send + 'static,
    ) -> Self {
        let write = Box::new(move |value| Reply::Now(write(&value)));
        self.setup.closures.own.write_point.insert(point.into(), write);
        self
    }

    /// Gives a point back to local control when the cloud lets it go.
    pub fn on_release(
        mut self,
        mut release: impl FnMut(&str) -> Result<(), WriteError> + Send + 'static,
    ) -> Self {
        self.setup.closures.own.release = Some(Box::new(move |point| Reply::Now(release(&point))));
        self
    }

    /// Reads a point before each sample. Adds the point if need be.
    pub fn poll<R: IntoReading>(mut self, point: &str, mut read: impl FnMut() -> R + Send + 'static) -> Self {
        self.setup.set_source(point, Source::Polled);
        let read = Box::new(move || Reply::Now(read().into_reading()));
        self.setup.closures.own.poll.insert(point.into(), read);
        self
    }

    /// Reads many points at once before each sample: all that have no closure of their own when the device is
    /// started. A point left out keeps its value.
    pub fn poll_all<N, R, M>(mut self, mut read: impl FnMut() -> M + Send + 'static) -> Self
    where
        N: Into<String>,
        R: IntoReading,
        M: IntoIterator<Item = (N, R)>,
    {
        self.setup.closures.own.poll_all = Some(Box::new(move || Reply::Now(known(read()))));
        self
    }

    /// Takes care of commands that are none of the device's own: what follows `commands/` in the topic, and the
    /// content.
    pub fn on_command(
        mut self,
        mut command: impl FnMut(&str, &str) -> Result<(), CommandError> + Send + 'static,
    ) -> Self {
        self.setup.settings.options.command_hook = true;
        let command = Box::new(move |name: String, payload: String| Reply::Now(command(&name, &payload)));
        self.setup.closures.own.command = Some(command);
        self
    }

    /// Is asked before the device ends because the cloud wants it so; an error prevents it.
    pub fn on_lifecycle(
        mut self,
        mut lifecycle: impl FnMut(Lifecycle) -> Result<(), String> + Send + 'static,
    ) -> Self {
        self.setup.settings.options.lifecycle_hook = true;
        self.setup.closures.lifecycle = Some(Box::new(move |action| Reply::Now(lifecycle(action))));
        self
    }

    /// Installs blobs of that name, such as `system`, and returns the version of what was installed, if it has
    /// one. What is installed here is not to be in use before [`Builder::on_activate`]: a crash in between must
    /// leave the old one working.
    pub fn on_blob(
        mut self,
        name: &str,
        mut install: impl FnMut(Blob) -> Result<Option<String>, BlobError> + Send + 'static,
    ) -> Self {
        self.setup.want_blob(name);
        let install = Box::new(move |blob| Reply::Now(install(blob)));
        self.setup.closures.blob.insert(name.into(), install);
        self
    }

    /// Puts an installed blob in use, by its name and version, once the cloud knows that it was installed. The
    /// device restarts then: its run ends with [`ExitReason::Restart`](crate::ExitReason::Restart).
    pub fn on_activate(
        mut self,
        mut activate: impl FnMut(&str, Option<&str>) -> Result<(), String> + Send + 'static,
    ) -> Self {
        self.setup.closures.activate =
            Some(Box::new(move |name, version| Reply::Now(activate(&name, version.as_deref()))));
        self
    }

    /// Tells whether an installed blob is in use, by its name and version; none if that cannot be told. It is asked at
    /// the start of a run whose predecessor ended during [`Builder::on_activate`], by loss of power, or because
    /// activating replaces the process. Without it, or where it tells none, an activation is begun once more and
    /// after the second time taken for done.
    pub fn on_check_activation(
        mut self,
        mut check: impl FnMut(&str, Option<&str>) -> Option<bool> + Send + 'static,
    ) -> Self {
        self.setup.closures.check_activation =
            Some(Box::new(move |name, version| Reply::Now(check(&name, version.as_deref()))));
        self
    }

    /// Hears when the device leaves its endpoint for another, and what came of it.
    pub fn on_redirect(mut self, mut hear: impl FnMut(Redirect<'_>) + Send + 'static) -> Self {
        self.setup.closures.redirect = Some(Box::new(move |redirect| {
            hear(redirect);
            Reply::Now(())
        }));
        self
    }

    /// Hears of a new key: its public half as PEM, to be registered with the cloud, and the name of the old
    /// pair's backup. The device connects with the new key from then on. It is told again at each start until the
    /// broker has taken the key.
    pub fn on_key_rotated(mut self, mut hear: impl FnMut(&str, &str) + Send + 'static) -> Self {
        self.setup.closures.key_rotated = Some(Box::new(move |public_key, backup| {
            hear(public_key, backup);
            Reply::Now(())
        }));
        self
    }

    /// Hears all notices. Those that come while 1024 wait are left out.
    pub fn on_notice(mut self, mut hear: impl FnMut(&Notice) + Send + 'static) -> Self {
        self.setup.closures.notice = Some(Box::new(move |notice| {
            hear(&notice);
            Reply::Now(())
        }));
        self
    }

    /// Takes a top-level block of the config that is the application's own, as JSON; none if there is none.
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
        self.setup.closures.own.blocks.insert(name.into(), hear);
        self
    }

    /// Starts the device. It connects, and reconnects, from then on by itself.
    ///
    /// # Errors
    /// [`StartError`]. An unreachable or refusing broker is none: the device keeps trying.
    pub fn start(self) -> Result<Handle, StartError> {
        let connected = Arc::new(Connected::default());
        let watch = connected.watch();
        let (mut driver, adoption) = self.driver()?;
        driver.equipment.observer = Some(Box::new(move |notice| watch.see(notice)));
        let link = driver.start().map_err(StartError::Driver)?;
        Ok(Handle::new(link, connected, adoption))
    }

    /// Starts the device in the caller's own loop, which calls [`Bare::turn`]. All closures are called from there.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_bare(self) -> Result<Bare<Udmi>, StartError> {
        let (driver, _) = self.driver()?;
        Bare::start(driver).map_err(StartError::Driver)
    }

    fn driver(self) -> Result<(Driver<Udmi>, Adoption), StartError> {
        let parts = self.setup.prepare(concat!("udmi-std ", env!("CARGO_PKG_VERSION")))?;
        let Parts { dialect, closures, equipment, adoption } = parts;
        Ok((Driver { dialect, application: Box::new(Called(closures)), equipment }, adoption))
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("setup", &self.setup).finish()
    }
}
