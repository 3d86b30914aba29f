//! A UDMI device with closures that return futures, for authors of applications.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use blocking::unblock;
pub use udmi_host::application::StartError;
use udmi_host::application::{
    Blob, BlobError, Blocking, CommandError, Connected, IntoReading, Parts, Reply, Setup, WriteError, known,
};
use udmi_proto::{Json, Lifecycle, Notice, Settings, Source, Udmi, Value};

use crate::closures::{Called, elsewhere};
use crate::driver::{Driver, Run};
use crate::gateway::Proxied;
use crate::handle::Handle;
use crate::redirect::Redirect;

const SOFTWARE: &str = concat!("udmi-smol ", env!("CARGO_PKG_VERSION"));

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
/// Closures get what they are told as their own and return futures, which the device polls:
///
/// ```
/// use udmi_smol::{Device, Endpoint, PointModel, Settings, Transport};
///
/// let endpoint = Endpoint { host: "localhost".into(), port: 1883, transport: Transport::Tcp };
/// let settings = Settings::new("AHU-1", endpoint, "/r/REG/d/AHU-1", "/r/REG/d/AHU-1");
/// let (bus, requests) = smol::channel::bounded(8);
/// let builder = Device::builder(settings)
///     .point("setpoint", PointModel { writable: true, ..PointModel::default() })
///     .on_writeback(move |point, value| {
///         let bus = bus.clone();
///         async move {
///             bus.send((point, value)).await.map_err(|_| "the bus is gone")?;
///             Ok(())
///         }
///     })
///     .poll("temperature", || async { 21.5 });
/// # drop((builder, requests));
/// ```
///
/// Neither closures nor futures may block, since they would hold all that shares their thread: what blocks goes to
/// [`blocking::unblock`], what computes for long to a task of its own. The futures of one device run side by side, and
/// beside its connection; only those that write or release the same point, and commands of the same device, run one
/// after the other, in the order in which they came, and what is heard (notices, config blocks, redirects, new keys)
/// is heard in order. One that panics has failed: the cloud is told, and the device goes on. One whose answer nobody
/// waits for any more, such as a write that a later one has superseded, is dropped where it waits; what must
/// not be left half done goes to a task of its own.
#[must_use = "a builder does nothing before it is started"]
pub struct Builder {
    pub(crate) setup: Setup,
}

impl Builder {
    udmi_host::builder_methods!();

    /// Puts values from the cloud in force, for all points without a closure of their own: the point, the value.
    /// Without any closure, writes to writable points succeed and become the present value.
    pub fn on_writeback<F>(mut self, mut write: impl FnMut(String, Value) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<(), WriteError>> + Send + 'static,
    {
        self.setup.closures.own.write = Some(Box::new(move |point, value| Reply::later(write(point, value))));
        self
    }

    /// Puts values from the cloud in force for one point.
    pub fn on_writeback_point<F>(
        mut self,
        point: &str,
        mut write: impl FnMut(Value) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), WriteError>> + Send + 'static,
    {
        let write = Box::new(move |value| Reply::later(write(value)));
        self.setup.closures.own.write_point.insert(point.into(), write);
        self
    }

    /// Gives a point back to local control when the cloud lets it go.
    pub fn on_release<F>(mut self, mut release: impl FnMut(String) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<(), WriteError>> + Send + 'static,
    {
        self.setup.closures.own.release = Some(Box::new(move |point| Reply::later(release(point))));
        self
    }

    /// Reads a point before each sample, beside the others. Adds the point if need be.
    pub fn poll<F>(mut self, point: &str, mut read: impl FnMut() -> F + Send + 'static) -> Self
    where
        F: Future<Output: IntoReading + Send> + Send + 'static,
    {
        self.setup.set_source(point, Source::Polled);
        let read = Box::new(move || Reply::later(into_reading(read())));
        self.setup.closures.own.poll.insert(point.into(), read);
        self
    }

    /// Reads many points at once before each sample: all that have no closure of their own when the device is
    /// started. A point left out keeps its value.
    pub fn poll_all<F, M, N, R>(mut self, mut read: impl FnMut() -> F + Send + 'static) -> Self
    where
        F: Future<Output = M> + Send + 'static,
        M: IntoIterator<Item = (N, R)>,
        N: Into<String>,
        R: IntoReading,
    {
        self.setup.closures.own.poll_all = Some(Box::new(move || {
            let values = read();
            Reply::later(async move { known(values.await) })
        }));
        self
    }

    /// Takes care of commands that are none of the device's own: what follows `commands/` in the topic, and the
    /// content.
    pub fn on_command<F>(mut self, mut command: impl FnMut(String, String) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<(), CommandError>> + Send + 'static,
    {
        self.setup.settings.options.command_hook = true;
        let command = Box::new(move |name, payload| Reply::later(command(name, payload)));
        self.setup.closures.own.command = Some(command);
        self
    }

    /// Is asked before the device ends because the cloud wants it so; an error prevents it.
    pub fn on_lifecycle<F>(mut self, mut lifecycle: impl FnMut(Lifecycle) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.setup.settings.options.lifecycle_hook = true;
        self.setup.closures.lifecycle = Some(Box::new(move |action| Reply::later(lifecycle(action))));
        self
    }

    /// Installs blobs of that name, such as `system`, and returns the version of what was installed, if it has
    /// one. What is installed here is not to be in use before [`Builder::on_activate`]: a crash in between must
    /// leave the old one working. Files are read and moved by `smol::fs`, or on threads that may block.
    ///
    /// ```
    /// use udmi_smol::udmi_host::fetch::FetchPolicy;
    /// # use udmi_smol::{Device, Endpoint, Settings, Transport};
    /// # let endpoint = Endpoint { host: "localhost".into(), port: 1883, transport: Transport::Tcp };
    /// # let settings = Settings::new("AHU-1", endpoint, "/r/REG/d/AHU-1", "/r/REG/d/AHU-1");
    /// let builder = Device::builder(settings)
    ///     .fetch_policy(FetchPolicy::new("/var/lib/device/staging"))
    ///     .on_blob("system", |blob| async move {
    ///         smol::fs::rename(&blob.path, "/var/lib/device/next").await?;
    ///         Ok(Some(blob.sha256))
    ///     });
    /// # drop(builder);
    /// ```
    pub fn on_blob<F>(mut self, name: &str, mut install: impl FnMut(Blob) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<Option<String>, BlobError>> + Send + 'static,
    {
        self.setup.want_blob(name);
        let install = Box::new(move |blob| Reply::later(install(blob)));
        self.setup.closures.blob.insert(name.into(), install);
        self
    }

    /// Puts an installed blob in use, by its name and version, once the cloud knows that it was installed. The
    /// device restarts then: its run ends with [`ExitReason::Restart`](crate::ExitReason::Restart).
    pub fn on_activate<F>(
        mut self,
        mut activate: impl FnMut(String, Option<String>) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        let activate = Box::new(move |name, version| Reply::later(activate(name, version)));
        self.setup.closures.activate = Some(activate);
        self
    }

    /// Tells whether an installed blob is in use, by its name and version; none if that cannot be told. It is asked at
    /// the start of a run whose predecessor ended during [`Builder::on_activate`], by loss of power, or because
    /// activating replaces the process. Without it, or where it tells none, an activation is begun once more and
    /// after the second time taken for done.
    pub fn on_check_activation<F>(
        mut self,
        mut check: impl FnMut(String, Option<String>) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Option<bool>> + Send + 'static,
    {
        let check = Box::new(move |name, version| Reply::later(check(name, version)));
        self.setup.closures.check_activation = Some(check);
        self
    }

    /// Hears when the device leaves its endpoint for another, and what came of it.
    pub fn on_redirect<F>(mut self, mut hear: impl FnMut(Redirect) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.setup.closures.redirect = Some(Box::new(move |redirect| Reply::later(hear(redirect.into()))));
        self
    }

    /// Hears of a new key: its public half as PEM, to be registered with the cloud, and the name of the old
    /// pair's backup. The device connects with the new key from then on. It is told again at each start until the
    /// broker has taken the key.
    pub fn on_key_rotated<F>(mut self, mut hear: impl FnMut(String, String) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.setup.closures.key_rotated =
            Some(Box::new(move |public_key, backup| Reply::later(hear(public_key.into(), backup.into()))));
        self
    }

    /// Hears all notices. Those that come while 1024 wait are left out.
    pub fn on_notice<F>(mut self, mut hear: impl FnMut(Notice) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.setup.closures.notice = Some(Box::new(move |notice| Reply::later(hear(notice))));
        self
    }

    /// Takes a top-level block of the config that is the application's own, as JSON; none if there is none.
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
        self.setup.closures.own.blocks.insert(name.into(), hear);
        self
    }

    /// Starts the device on smol's global executor. It connects, and reconnects, from then on by itself.
    ///
    /// # Errors
    /// [`StartError`]. An unreachable or refusing broker is none: the device keeps trying.
    pub async fn start(self) -> Result<Handle, StartError> {
        let (device, run) = self.prepare().await?;
        smol::spawn(run).detach();
        Ok(device)
    }

    /// Makes the device without starting it: it runs while the future is polled, on an executor of the caller's choice,
    /// and has ended if that is dropped. One thread holds thousands on one executor:
    ///
    /// ```
    /// use udmi_smol::{Device, Endpoint, ExitReason, Settings, Transport};
    ///
    /// let executor = smol::LocalExecutor::new();
    /// smol::block_on(executor.run(async {
    ///     let mut devices = Vec::new();
    ///     for id in ["AHU-1", "AHU-2"] {
    ///         let prefix = format!("/r/REG/d/{id}");
    ///         let endpoint = Endpoint { host: "localhost".into(), port: 1883, transport: Transport::Tcp };
    ///         let (device, run) =
    ///             Device::builder(Settings::new(id, endpoint, &prefix, &prefix)).prepare().await?;
    ///         executor.spawn(run).detach();
    ///         devices.push(device);
    ///     }
    ///     for device in devices {
    ///         assert_eq!(device.shutdown().await, ExitReason::Shutdown);
    ///     }
    ///     Ok::<(), udmi_smol::StartError>(())
    /// }))?;
    /// # Ok::<(), udmi_smol::StartError>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn prepare(mut self) -> Result<(Handle, Run<Udmi>), StartError> {
        self.setup.closures.blocking = Blocking::Elsewhere(elsewhere);
        let parts = match self.setup.is_slow() {
            true => unblock(move || self.setup.prepare(SOFTWARE)).await?,
            false => self.setup.prepare(SOFTWARE)?,
        };
        let connected = Arc::new(Connected::default());
        let watch = connected.watch();
        let Parts { dialect, closures, mut equipment, adoption } = parts;
        equipment.observer = Some(Box::new(move |notice| watch.see(notice)));
        let driver = Driver { dialect, application: Box::new(Called(closures)), equipment };
        let (link, run) = driver.start().await.map_err(StartError::Driver)?;
        Ok((Handle::new(link, connected, adoption), run))
    }
}

/// What a closure has read.
pub(crate) async fn into_reading(read: impl Future<Output: IntoReading>) -> Option<udmi_proto::Reading> {
    read.await.into_reading()
}

/// A block of the config as its closure gets it.
pub(crate) fn text(block: Option<Json>) -> Option<String> {
    block.map(|block| block.as_str().into())
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("setup", &self.setup).finish()
    }
}
