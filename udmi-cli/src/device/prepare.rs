//! What a device needs to run, whatever it runs on.

use std::path::Path;
use std::time::{Duration, Instant};

use device_link::trace::Header;
use udmi_host::drive::{Equipment, NOTICES_MAX, Signer, TlsSource, TraceOutput};
use udmi_host::fetch::{FetchPolicy, Fetcher};
use udmi_host::files::Access;
use udmi_host::key_store::DeviceKeys;
use udmi_host::store::{FileStore, Store as _};
use udmi_host::tls::TlsConfig;
use udmi_proto::{Command, Limits, Settings, Source, Udmi};

use super::application::{Host, PlantApplication, Points};
use super::module::Module;
use super::notices::Notices;
use super::run::Run;
use crate::access::{Plan, Tls};
use crate::output::{Failure, Output};

/// Where blobs are fetched to, within the state folder.
const STAGING: &str = "staging";
/// Where the simulated software is, within the state folder.
const SOFTWARE: &str = "software";
/// Notices of a proxied device that may wait to be printed.
const NOTICES_PER_PROXY: usize = 8;

/// A device that is ready to run.
pub(super) struct Prepared {
    pub(super) dialect: Udmi,
    pub(super) equipment: Equipment<Udmi>,
}

impl Run {
    /// Opens the files the device needs. `say` hands commands of its application to it.
    pub(super) fn prepare(
        self,
        say: Box<dyn FnMut(Command) + Send>,
        output: &Output,
    ) -> Result<(PlantApplication, Prepared), Failure> {
        let Plan { settings, tls, keys } = self.plan;
        let settings = simulated(settings, self.write);
        let staging = self.store.join(STAGING);
        let store = open_store(&self.store, output)?;
        let application = PlantApplication {
            points: Points { plants: self.plants, born: Instant::now(), say },
            host: Host {
                staging: staging.clone(),
                module: Module::new(self.store.join(SOFTWARE)),
                keys: keys.clone(),
                folder: self.store,
            }
            .into(),
            notices: Notices::new(output, settings.endpoint.to_string()),
        };
        let trace = self.trace.map(|path| trace_output(&path, settings.clone())).transpose()?;
        let gateway = settings.gateway.as_ref();
        let (proxies, limits) = gateway
            .map(|gateway| (gateway.proxies.len(), gateway.scaled(&Limits::default())))
            .unwrap_or_default();
        let (tls, tls_source) = secure(tls, keys.as_ref())?;
        let fetcher = Fetcher::open(FetchPolicy::new(staging)).map_err(Failure::new)?;
        let equipment = Equipment {
            delegate: Box::new(self.field),
            store: Box::new(store),
            tls,
            tls_source,
            signer: keys.map(|keys| -> Signer { Box::new(move |request| keys.sign(request)) }),
            fetcher: Some(Box::new(fetcher)),
            limits: Limits { outbox_kept_bytes: self.keep_outbox, ..limits },
            notices_max: NOTICES_MAX + proxies * NOTICES_PER_PROXY,
            seed: self.seed,
            trace,
            ..Equipment::default()
        };
        let prepared = Prepared { dialect: Udmi::new(settings).map_err(Failure::usage)?, equipment };
        Ok((application, prepared))
    }
}

/// Connects with the certificate that the keys have at the time.
fn secure(
    tls: Option<Tls>,
    keys: Option<&DeviceKeys>,
) -> Result<(Option<TlsConfig>, Option<TlsSource>), Failure> {
    let Some(Tls { mut settings, rotates }) = tls else { return Ok((None, None)) };
    let config = TlsConfig::new(&settings).map_err(Failure::usage)?;
    let source = keys.cloned().filter(|_| rotates).map(|keys| -> TlsSource {
        Box::new(move || {
            settings.identity = keys.tls_identity();
            TlsConfig::new(&settings)
        })
    });
    Ok((Some(config), source))
}

/// All points are asked for, and writes show as `updating` for as long as the plant takes.
fn simulated(mut settings: Settings, write: Duration) -> Settings {
    let proxies = settings.gateway.iter_mut().flat_map(|gateway| gateway.proxies.values_mut());
    let points = proxies.map(|proxy| &mut proxy.points).chain([&mut settings.points]);
    for model in points.flat_map(|points| points.values_mut()) {
        model.source = Source::Polled;
    }
    settings.options.minimum_updating_ms = u64::try_from(write.as_millis()).unwrap_or(u64::MAX);
    settings.options.metrics_hook = true;
    settings
}

fn open_store(folder: &Path, output: &Output) -> Result<FileStore, Failure> {
    let unusable = |error| Failure::new(error).hint("--state-dir names another folder");
    let mut store = FileStore::open(folder).map_err(unusable)?;
    store.load_all().map_err(unusable)?;
    for notice in store.take_notices() {
        let kept_as = notice.kept_as.display();
        output.remark(format!("{} could not be read ({}); it is kept as {kept_as}", notice.key, notice.why));
    }
    Ok(store)
}

fn trace_output(path: &Path, settings: Settings) -> Result<TraceOutput<Udmi>, Failure> {
    let file = Access::Owner
        .create(path)
        .map_err(|error| Failure::usage(format!("cannot write the trace {}: {error}", path.display())))?;
    let software = concat!("udmi ", env!("CARGO_PKG_VERSION"));
    let header = move |boot: &device_link::Boot| Header::new(software, boot.clone(), settings).line();
    Ok(TraceOutput::new(header, file))
}
