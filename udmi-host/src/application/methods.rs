//! What the builders and handles of all adapters have alike: each adapter has types of its own, for its documentation
//! to be whole, and these methods on them.

/// Methods of a builder that has `setup: Setup`.
#[macro_export]
#[doc(hidden)]
macro_rules! builder_methods {
    () => {
        /// Adds a point, or replaces what is known of it.
        pub fn point(mut self, name: &str, model: udmi_proto::PointModel) -> Self {
            self.setup.settings.points.insert(name.into(), model);
            self
        }

        /// Remembers across restarts. Without, the device forgets its restart count and more with the process.
        pub fn store(mut self, store: impl $crate::store::Store + Send + 'static) -> Self {
            self.setup.store = Box::new(store);
            self
        }

        /// What to trust and who to be, for TLS endpoints. Without, the roots of the operating system are trusted.
        pub fn tls(mut self, tls: $crate::tls::TlsSettings) -> Self {
            self.setup.tls = Some(tls);
            self
        }

        /// The device's keys: they sign tokens and are its certificate for TLS where [`Builder::tls`] names none. They
        /// are rotated if the cloud or the application wants it, and restored if the broker refuses the new ones.
        pub fn keys(mut self, keys: $crate::key_store::DeviceKeys) -> Self {
            self.setup.set_keys(keys);
            self
        }

        /// From where, and to which folder, blobs are fetched. Needed by [`Builder::on_blob`].
        pub fn fetch_policy(mut self, policy: $crate::fetch::FetchPolicy) -> Self {
            self.setup.set_fetch_policy(policy);
            self
        }

        /// Seeds jitter and identifiers, for runs that are to be repeated. Without, the operating system does.
        pub fn seed(mut self, seed: u64) -> Self {
            self.setup.seed = Some(seed);
            self
        }

        /// Other bounds than the default ones, which for a gateway grow with the devices it knows at the start
        /// ([`GatewaySettings::scaled`](udmi_proto::GatewaySettings::scaled)).
        pub fn limits(mut self, limits: udmi_proto::Limits) -> Self {
            self.setup.limits = Some(limits);
            self
        }

        /// Computes a point from the present values of the others before each sample. Adds the point if need be.
        pub fn computed<R: $crate::application::IntoReading>(
            mut self,
            point: &str,
            compute: impl FnMut(&udmi_proto::Map<String, udmi_proto::Value>) -> R + Send + 'static,
        ) -> Self {
            self.setup.set_source(point, udmi_proto::Source::Computed);
            self.setup.closures.own.set_computed(point, compute);
            self
        }

        /// Whether to report memory, disc and load of the host. Off unless asked for.
        pub fn metrics(mut self, wanted: bool) -> Self {
            self.setup.settings.options.metrics_hook = wanted;
            self
        }

        /// Records the run to a file, for replay and for the eye. It has the device's whole traffic in clear, but
        /// no password. It grows without bound; when it cannot be written any more, it ends there.
        pub fn trace(mut self, path: impl AsRef<std::path::Path>) -> Self {
            self.setup.set_trace(path.as_ref().to_owned());
            self
        }

        /// Makes the device a gateway, if it is none, that knows this device. Which devices it acts for is for its config to
        /// say, unless the settings' [`mode`](udmi_proto::GatewaySettings::mode) is another.
        pub fn proxied(mut self, device: &str, proxied: Proxied) -> Self {
            self.setup.add_proxied(device, proxied.setup);
            self
        }

        /// Speaks with field devices of a family, on threads of their own: scans them, and reads, writes and releases the
        /// points that have a reference there. Points of proxied devices with such a reference are asked for before each
        /// sample.
        pub fn family(mut self, provider: impl $crate::family::FamilyProvider + 'static) -> Self {
            self.setup.add_family(provider);
            self
        }

        /// Other bounds for the work of families than the default ones.
        pub fn field_limits(mut self, limits: $crate::family::FieldLimits) -> Self {
            self.setup.field_limits = limits;
            self
        }
    };
}

/// Methods of a builder of a proxied device that has `setup: ProxiedSetup`.
#[macro_export]
#[doc(hidden)]
macro_rules! proxied_methods {
    () => {
        /// A device of which this is known.
        pub fn new(settings: udmi_proto::ProxySettings) -> Self {
            Self { setup: $crate::application::ProxiedSetup { settings, ..Default::default() } }
        }

        /// Adds a point, or replaces what is known of it.
        pub fn point(mut self, name: &str, model: udmi_proto::PointModel) -> Self {
            self.setup.settings.points.insert(name.into(), model);
            self
        }

        /// As [`Builder::computed`].
        pub fn computed<R: $crate::application::IntoReading>(
            mut self,
            point: &str,
            compute: impl FnMut(&udmi_proto::Map<String, udmi_proto::Value>) -> R + Send + 'static,
        ) -> Self {
            self.setup.set_source(point, udmi_proto::Source::Computed);
            self.setup.closures.set_computed(point, compute);
            self
        }
    };
}

/// Methods of a handle that has `running: Running`.
#[macro_export]
#[doc(hidden)]
macro_rules! handle_methods {
    () => {
        /// A device this one acts for as its gateway. One it knows nothing of is told so by a notice, with each request.
        pub fn proxied(&self, device: &str) -> $crate::application::DeviceHandle {
            self.running.proxied(device)
        }

        /// What is known of a proxied device, in place of what was known before. Which devices the gateway acts for is for
        /// the config to say, or with [`ProxyMode::Implicit`](udmi_proto::ProxyMode::Implicit) for this. Its points are
        /// asked for as those of the others are, by closures for all devices and by families.
        ///
        /// # Errors
        /// As [`DeviceHandle::set_point`](crate::DeviceHandle::set_point).
        pub fn add_proxy(
            &self,
            device: &str,
            proxy: udmi_proto::ProxySettings,
        ) -> Result<(), $crate::application::HandleError> {
            self.running.add_proxy(device, proxy)
        }

        /// Nothing is known of a proxied device any more. One that the config names stays attached all the same.
        ///
        /// # Errors
        /// As [`DeviceHandle::set_point`](crate::DeviceHandle::set_point).
        pub fn remove_proxy(&self, device: &str) -> Result<(), $crate::application::HandleError> {
            self.running.remove_proxy(device)
        }

        /// Make a new key pair and connect with it; see [`Builder::keys`](crate::Builder::keys).
        ///
        /// # Errors
        /// As [`DeviceHandle::set_point`](crate::DeviceHandle::set_point).
        pub fn rotate_key(&self) -> Result<(), $crate::application::HandleError> {
            self.running.rotate_key()
        }

        /// Ends the device in order: last state, last logs, farewell. Nothing else is taken from now on.
        /// Returns at once; [`Self::wait`] waits for the end.
        pub fn stop(&self) {
            self.stop_for(udmi_proto::ExitReason::Shutdown);
        }

        /// As [`Self::stop`], with the reason that [`Self::wait`] then returns.
        pub fn stop_for(&self, reason: udmi_proto::ExitReason) {
            self.running.stop_for(reason);
        }

        /// Whether the broker has accepted the connection and it was not lost since.
        pub fn is_connected(&self) -> bool {
            self.running.is_connected()
        }
    };
}
