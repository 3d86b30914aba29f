//! What not every device has.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use device_link::Boot;
use device_link::trace::Header;
use udmi_proto::{Settings, Udmi};

use super::identity::tls_source;
use crate::drive::{Delegate, Fetching, Signer, TlsSource, TraceOutput};
use crate::family::{FamilyProvider, FieldHooks, FieldLimits};
use crate::fetch::{FetchPolicy, Fetcher, FetcherError};
use crate::files::Access;
use crate::key_store::DeviceKeys;
use crate::tls::TlsSettings;

type OpenTls = Box<dyn FnOnce(Option<TlsSettings>) -> Option<TlsSource> + Send>;
type OpenFetcher = Box<dyn FnOnce() -> Result<Box<dyn Fetching>, FetcherError> + Send>;
type OpenTrace = Box<dyn FnOnce(&'static str, Settings) -> io::Result<TraceOutput<Udmi>> + Send>;
type OpenField = fn(Vec<Arc<dyn FamilyProvider>>, FieldLimits) -> io::Result<Box<dyn Delegate<Udmi>>>;

/// How to make what not every device has, once all is known of it. Nothing else names the code for it, so that a program
/// which asks for none of it has none.
#[derive(Default)]
pub(super) struct Openings {
    /// Signs tokens.
    pub(super) signer: Option<Signer>,
    /// The certificate of the keys, where the settings for TLS have none.
    pub(super) tls_source: Option<OpenTls>,
    /// Fetches blobs.
    pub(super) fetcher: Option<OpenFetcher>,
    /// Records the run of an adapter of that name.
    pub(super) trace: Option<OpenTrace>,
    /// Speaks with field devices.
    pub(super) field: Option<OpenField>,
}

impl Openings {
    pub(super) fn set_keys(&mut self, keys: DeviceKeys) {
        let signing = keys.clone();
        self.signer = Some(Box::new(move |request| signing.sign(request)));
        self.tls_source = Some(Box::new(move |settings| tls_source(settings, keys)));
    }

    pub(super) fn set_fetch_policy(&mut self, policy: FetchPolicy) {
        self.fetcher = Some(Box::new(move || Ok(Box::new(Fetcher::open(policy)?))));
    }

    pub(super) fn set_trace(&mut self, path: PathBuf) {
        self.trace = Some(Box::new(move |software, settings| {
            let header = move |boot: &Boot| Header::new(software, boot.clone(), settings).line();
            Ok(TraceOutput::new(header, Access::Owner.create(&path)?))
        }));
    }

    pub(super) fn set_field(&mut self) {
        self.field = Some(|families, limits| Ok(Box::new(FieldHooks::new(families, limits)?)));
    }
}
