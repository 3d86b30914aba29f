//! A UDMI device with closures, for authors of applications.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use device_link::trace::Header;
use udmi_host::family::{FamilyProvider, FieldLimits};
use udmi_host::fetch::{FetchPolicy, Fetcher, FetcherError};
use udmi_host::key_store::DeviceKeys;
use udmi_host::store::{MemoryStore, Store};
use udmi_host::tls::{TlsConfig, TlsError, TlsSettings, Trust};
use udmi_proto::{
    Lifecycle, Limits, Notice, PointModel, Settings, SettingsError, Source, Transport, Udmi, Value,
};

use crate::bare::Bare;
use crate::blob::{Blob, BlobError, Redirect};
use crate::closures::Closures;
use crate::connected::Connected;
use crate::driver::{Driver, DriverError, TlsSource, TraceOutput};
use crate::gateway::Adoption;
use crate::handle::Handle;
use crate::identity::tls_source;
use crate::reading::{CommandError, IntoReading, WriteError};

/// Commands and notices that may wait for each proxied device, beside those of the device itself.
const COMMANDS_PER_PROXY: usize = 4;
const NOTICES_PER_PROXY: usize = 8;

/// Where a UDMI device begins: [`Device::builder`].
#[derive(Debug)]
pub struct Device;

impl Device {
    /// Begins a device of these settings.
    pub fn builder(settings: Settings) -> Builder {
        Builder {
            settings,
            closures: Closures::default(),
            store: Box::new(MemoryStore::new()),
            tls: None,
            keys: None,
            fetch_policy: None,
            seed: None,
            limits: None,
            families: Vec::new(),
            field_limits: FieldLimits::default(),
            blocks: Vec::new(),
            trace: None,
        }
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
    pub(crate) settings: Settings,
    pub(crate) closures: Closures,
    store: Box<dyn Store + Send>,
    tls: Option<TlsSettings>,
    keys: Option<DeviceKeys>,
    fetch_policy: Option<FetchPolicy>,
    seed: Option<u64>,
    limits: Option<Limits>,
    trace: Option<PathBuf>,
    /// Speak with field devices.
    pub(crate) families: Vec<Arc<dyn FamilyProvider>>,
    pub(crate) field_limits: FieldLimits,
    /// Config blocks of proxied devices that the application takes care of.
    pub(crate) blocks: Vec<String>,
}

impl Builder {
    /// Adds a point, or replaces what is known of it.
    pub fn point(mut self, name: &str, model: PointModel) -> Self {
        self.settings.points.insert(name.into(), model);
        self
    }

    /// Remembers across restarts. Without, the device forgets its restart count and more with the process.
    pub fn store(mut self, store: impl Store + Send + 'static) -> Self {
        self.store = Box::new(store);
        self
    }

    /// What to trust and who to be, for TLS endpoints. Without, the roots of the operating system are trusted.
    pub fn tls(mut self, tls: TlsSettings) -> Self {
        self.tls = Some(tls);
        self
    }

    /// The device's keys: they sign tokens and are its certificate for TLS where [`Builder::tls`] names none. They
    /// are rotated if the cloud or the application wants it, and restored if the broker refuses the new ones.
    pub fn keys(mut self, keys: DeviceKeys) -> Self {
        self.closures.keys = Some(keys.clone());
        self.keys = Some(keys);
        self
    }

    /// From where, and to which folder, blobs are fetched. Needed by [`Builder::on_blob`].
    pub fn fetch_policy(mut self, policy: FetchPolicy) -> Self {
        self.fetch_policy = Some(policy);
        self
    }

    /// Seeds jitter and identifiers, for runs that are to be repeated. Without, the operating system does.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Other bounds than the default ones, which for a gateway grow with the devices it knows at the start
    /// ([`GatewaySettings::scaled`](udmi_proto::GatewaySettings::scaled)).
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = Some(limits);
        self
    }

    /// Puts values from the cloud in force, for all points without a closure of their own. Without any closure,
    /// writes to writable points succeed and become the present value.
    pub fn on_writeback(
        mut self,
        write: impl FnMut(&str, &Value) -> Result<(), WriteError> + Send + 'static,
    ) -> Self {
        self.closures.own.write = Some(Box::new(write));
        self
    }

    /// Puts values from the cloud in force for one point.
    pub fn on_writeback_point(
        mut self,
        point: &str,
        write: impl FnMut(&Value) -> Result<(), WriteError> + Send + 'static,
    ) -> Self {
        self.closures.own.write_point.insert(point.into(), Box::new(write));
        self
    }

    /// Gives a point back to local control when the cloud lets it go.
    pub fn on_release(
        mut self,
        release: impl FnMut(&str) -> Result<(), WriteError> + Send + 'static,
    ) -> Self {
        self.closures.own.release = Some(Box::new(release));
        self
    }

    /// Reads a point before each sample. Adds the point if need be.
    pub fn poll<R: IntoReading>(mut self, point: &str, read: impl FnMut() -> R + Send + 'static) -> Self {
        self.settings.points.entry(point.into()).or_default().source = Source::Polled;
        self.closures.own.set_poll(point, read);
        self
    }

    /// Reads many points at once before each sample: all that have no closure of their own when the device is
    /// started. A point left out keeps its value.
    pub fn poll_all<N, R, M>(mut self, read: impl FnMut() -> M + Send + 'static) -> Self
    where
        N: Into<String>,
        R: IntoReading,
        M: IntoIterator<Item = (N, R)>,
    {
        self.closures.own.set_poll_all(read);
        self
    }

    /// Computes a point from the present values of the others before each sample. Adds the point if need be.
    pub fn computed<R: IntoReading>(
        mut self,
        point: &str,
        compute: impl FnMut(&BTreeMap<String, Value>) -> R + Send + 'static,
    ) -> Self {
        self.settings.points.entry(point.into()).or_default().source = Source::Computed;
        self.closures.own.set_computed(point, compute);
        self
    }

    /// Takes care of commands that are none of the device's own: what follows `commands/` in the topic, and the
    /// content.
    pub fn on_command(
        mut self,
        command: impl FnMut(&str, &str) -> Result<(), CommandError> + Send + 'static,
    ) -> Self {
        self.settings.options.command_hook = true;
        self.closures.own.command = Some(Box::new(command));
        self
    }

    /// Is asked before the device ends because the cloud wants it so; an error prevents it.
    pub fn on_lifecycle(
        mut self,
        lifecycle: impl FnMut(Lifecycle) -> Result<(), String> + Send + 'static,
    ) -> Self {
        self.settings.options.lifecycle_hook = true;
        self.closures.lifecycle = Some(Box::new(lifecycle));
        self
    }

    /// Installs blobs of that name, such as `system`, and returns the version of what was installed, if it has
    /// one. What is installed here is not to be in use before [`Builder::on_activate`]: a crash in between must
    /// leave the old one working.
    pub fn on_blob(
        mut self,
        name: &str,
        install: impl FnMut(Blob) -> Result<Option<String>, BlobError> + Send + 'static,
    ) -> Self {
        if !self.settings.options.blobs.iter().any(|known| known == name) {
            self.settings.options.blobs.push(name.into());
        }
        self.closures.blob.insert(name.into(), Box::new(install));
        self
    }

    /// Puts an installed blob in use, by its name and version, once the cloud knows that it was installed. The
    /// device restarts then: its run ends with [`ExitReason::Restart`](crate::ExitReason::Restart).
    pub fn on_activate(
        mut self,
        activate: impl FnMut(&str, Option<&str>) -> Result<(), String> + Send + 'static,
    ) -> Self {
        self.closures.activate = Some(Box::new(activate));
        self
    }

    /// Tells whether an installed blob is in use, by its name and version; none if that cannot be told. It is asked at
    /// the start of a run whose predecessor ended during [`Builder::on_activate`], by loss of power, or because
    /// activating replaces the process. Without it, or where it tells none, an activation is begun once more and
    /// after the second time taken for done.
    pub fn on_check_activation(
        mut self,
        check: impl FnMut(&str, Option<&str>) -> Option<bool> + Send + 'static,
    ) -> Self {
        self.closures.check_activation = Some(Box::new(check));
        self
    }

    /// Hears when the device leaves its endpoint for another, and what came of it.
    pub fn on_redirect(mut self, hear: impl FnMut(Redirect<'_>) + Send + 'static) -> Self {
        self.closures.redirect = Some(Box::new(hear));
        self
    }

    /// Hears of a new key: its public half as PEM, to be registered with the cloud, and the name of the old
    /// pair's backup. The device connects with the new key from then on. It is told again at each start until the
    /// broker has taken the key.
    pub fn on_key_rotated(mut self, hear: impl FnMut(&str, &str) + Send + 'static) -> Self {
        self.closures.key_rotated = Some(Box::new(hear));
        self
    }

    /// Hears all notices. Those that come while 1024 wait are left out.
    pub fn on_notice(mut self, hear: impl FnMut(&Notice) + Send + 'static) -> Self {
        self.closures.notice = Some(Box::new(hear));
        self
    }

    /// Takes a top-level block of the config that is the application's own, as JSON; none if there is none.
    pub fn on_config_block(mut self, name: &str, hear: impl FnMut(Option<&str>) + Send + 'static) -> Self {
        if !self.settings.custom_blocks.iter().any(|known| known == name) {
            self.settings.custom_blocks.push(name.into());
        }
        self.closures.own.blocks.insert(name.into(), Box::new(hear));
        self
    }

    /// Whether to report memory, disc and load of the host. Off unless asked for.
    pub fn metrics(mut self, wanted: bool) -> Self {
        self.settings.options.metrics_hook = wanted;
        self
    }

    /// Records the run to a file, for replay and for the eye. It has the device's whole traffic in clear, but
    /// no password. It grows without bound; when it cannot be written any more, it ends there.
    pub fn trace(mut self, path: impl AsRef<Path>) -> Self {
        self.trace = Some(path.as_ref().to_owned());
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
        driver.observer = Some(Box::new(move |notice| watch.see(notice)));
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

    fn driver(mut self) -> Result<(Driver<Udmi>, Adoption), StartError> {
        self.poll_the_rest();
        let adoption = self.adopt();
        let tls = self.tls_config().map_err(StartError::Tls)?;
        let tls_source = self.tls_source().map_err(StartError::Tls)?;
        let fetcher = self.fetcher()?;
        let trace = self.trace_output().map_err(StartError::Trace)?;
        let field = self.field_hooks().map_err(StartError::Field)?;
        let proxies = self.settings.gateway.as_ref().map_or(0, |gateway| gateway.proxies.len());
        let limits = self.limits.unwrap_or_else(|| match &self.settings.gateway {
            Some(gateway) => gateway.scaled(&Limits::default()),
            None => Limits::default(),
        });
        let dialect = Udmi::new(self.settings).map_err(StartError::Settings)?;
        let mut driver = Driver::new(dialect, self.closures);
        driver.store = self.store;
        driver.tls = tls;
        driver.tls_source = tls_source;
        if let Some(keys) = self.keys {
            driver.signer = Some(Box::new(move |request| keys.sign(request)));
        }
        if let Some(field) = field {
            driver.delegate = Box::new(field);
        }
        driver.fetcher = fetcher;
        driver.seed = self.seed.unwrap_or(driver.seed);
        driver.limits = limits;
        driver.commands_max += proxies * COMMANDS_PER_PROXY;
        driver.notices_max += proxies * NOTICES_PER_PROXY;
        driver.trace = trace;
        Ok((driver, adoption))
    }

    fn poll_the_rest(&mut self) {
        if self.closures.own.poll_all.is_some() {
            for model in self.settings.points.values_mut().filter(|model| model.source == Source::Pushed) {
                model.source = Source::Polled;
            }
        }
    }

    fn tls_config(&self) -> Result<Option<TlsConfig>, TlsError> {
        let system = TlsSettings { trust: Trust::System, identity: None };
        let needed = match self.settings.endpoint.transport {
            Transport::Tcp => None,
            Transport::Tls => Some(&system),
        };
        self.tls.as_ref().or(needed).map(TlsConfig::new).transpose()
    }

    /// Certificate and key are tried at once where they are needed at once.
    fn tls_source(&self) -> Result<Option<TlsSource>, TlsError> {
        let Some(keys) = &self.keys else { return Ok(None) };
        let mut source = tls_source(self.tls.clone(), keys.clone());
        if let (Some(source), Transport::Tls) = (&mut source, self.settings.endpoint.transport) {
            source()?;
        }
        Ok(source)
    }

    fn fetcher(&mut self) -> Result<Option<Fetcher>, StartError> {
        let Some(policy) = self.fetch_policy.take() else {
            let nowhere = !self.closures.blob.is_empty();
            return if nowhere { Err(StartError::NoStaging) } else { Ok(None) };
        };
        self.closures.staging.clone_from(&policy.staging);
        Fetcher::open(policy).map(Some).map_err(StartError::Fetch)
    }

    fn trace_output(&self) -> io::Result<Option<TraceOutput>> {
        let Some(path) = &self.trace else { return Ok(None) };
        let output = Box::new(File::create(path)?);
        let settings = self.settings.clone();
        let software = concat!("udmi-std ", env!("CARGO_PKG_VERSION"));
        let header = Box::new(move |boot: &_| Header::new(software, Clone::clone(boot), settings).line());
        Ok(Some(TraceOutput { header, output }))
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Why a device did not start.
#[derive(Debug)]
pub enum StartError {
    /// The settings cannot work.
    Settings(SettingsError),
    /// The certificates or the key cannot be used.
    Tls(TlsError),
    /// Blobs are wanted, but there is no folder to fetch them to.
    NoStaging,
    /// The staging folder, or what else fetching needs, cannot be used.
    Fetch(FetcherError),
    /// The trace cannot be written.
    Trace(io::Error),
    /// The threads for field devices cannot be started.
    Field(io::Error),
    /// The store cannot be read, or the host gives no thread.
    Driver(DriverError),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(error) => error.fmt(f),
            Self::Tls(error) => error.fmt(f),
            Self::NoStaging => {
                f.write_str("blobs are wanted, but no fetch policy says where to fetch them to")
            }
            Self::Fetch(error) => error.fmt(f),
            Self::Trace(error) => write!(f, "cannot write the trace: {error}"),
            Self::Field(error) => write!(f, "cannot start the threads for field devices: {error}"),
            Self::Driver(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StartError {}
