//! A running device, whatever drives it.

use std::fmt;
use std::sync::Arc;

use udmi_proto::{Command, ExitReason, ProxySettings};

use super::{Adoption, Commands, Connected, DeviceHandle, HandleError};

/// What the handles of a device share, but for waiting. Their methods are those of the same names here, where more
/// is said of them.
#[derive(Clone)]
pub struct Running {
    own: DeviceHandle,
    connected: Arc<Connected>,
    adoption: Arc<Adoption>,
}

impl Running {
    /// A run that takes commands there, whose connection is watched there.
    pub fn new(commands: Arc<dyn Commands>, connected: Arc<Connected>, adoption: Adoption) -> Self {
        Self { own: DeviceHandle::own(commands), connected, adoption: Arc::new(adoption) }
    }

    /// The device that connects.
    #[must_use]
    pub fn own(&self) -> &DeviceHandle {
        &self.own
    }

    /// A device it acts for.
    #[must_use]
    pub fn proxied(&self, device: &str) -> DeviceHandle {
        self.own.of_proxied(device)
    }

    /// Adds what is known of a proxied device, as the builder does.
    ///
    /// # Errors
    /// [`HandleError::Full`] or [`HandleError::Ended`], as all methods here.
    pub fn add_proxy(&self, device: &str, mut proxy: ProxySettings) -> Result<(), HandleError> {
        self.adoption.apply(&mut proxy);
        self.own.send(Command::AddProxy { device: device.into(), proxy: Box::new(proxy) })
    }

    /// Forgets a proxied device.
    ///
    /// # Errors
    /// As [`Self::add_proxy`].
    pub fn remove_proxy(&self, device: &str) -> Result<(), HandleError> {
        self.own.send(Command::RemoveProxy { device: device.into() })
    }

    /// Asks for a new key pair.
    ///
    /// # Errors
    /// As [`Self::add_proxy`].
    pub fn rotate_key(&self) -> Result<(), HandleError> {
        self.own.send(Command::RotateKey)
    }

    /// Ends the run for that reason.
    pub fn stop_for(&self, reason: ExitReason) {
        // Refused only if the device is about to end anyway.
        let _ = self.own.commands().send_last(Command::Stop { reason });
    }

    /// Its connection.
    #[must_use]
    pub fn connected(&self) -> &Connected {
        &self.connected
    }

    /// Whether there is a connection.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connected.is_up() && !self.own.commands().has_ended()
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("connected", &self.connected).finish_non_exhaustive()
    }
}
