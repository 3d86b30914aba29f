//! A running device, as its application holds it.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use udmi_proto::{Command, ExitReason, ProxySettings, Udmi};

use crate::connected::{Connected, NotConnected};
use crate::device_handle::{DeviceHandle, HandleError};
use crate::driver::Link;
use crate::gateway::Adoption;

/// A running device. Cheap to clone, usable from any thread and from within closures; no method but
/// [`Handle::wait`], [`Handle::wait_for`] and [`Handle::wait_connected`] ever blocks. What it tells of the device itself are the methods of
/// [`DeviceHandle`].
///
/// Dropping all handles does not end the device, as dropping the handle of a thread does not end the thread;
/// [`Handle::stop`] does.
#[derive(Clone, Debug)]
#[must_use = "the device runs on without its handle, but cannot be stopped"]
pub struct Handle {
    own: DeviceHandle,
    connected: Arc<Connected>,
    adoption: Arc<Adoption>,
}

impl Handle {
    pub(crate) fn new(link: Link<Udmi>, connected: Arc<Connected>, adoption: Adoption) -> Self {
        Self { own: DeviceHandle::own(link), connected, adoption: Arc::new(adoption) }
    }

    /// A device this one acts for as its gateway. One it knows nothing of is told so by a notice, with each request.
    pub fn proxied(&self, device: &str) -> DeviceHandle {
        self.own.of_proxied(device)
    }

    /// What is known of a proxied device, in place of what was known before. Which devices the gateway acts for is for
    /// the config to say, or with [`ProxyMode::Implicit`](udmi_proto::ProxyMode::Implicit) for this. Its points are
    /// asked for as those of the others are, by closures for all devices and by families.
    ///
    /// # Errors
    /// As [`DeviceHandle::set_point`].
    pub fn add_proxy(&self, device: &str, mut proxy: ProxySettings) -> Result<(), HandleError> {
        self.adoption.apply(&mut proxy);
        self.send(Command::AddProxy { device: device.into(), proxy: Box::new(proxy) })
    }

    /// Nothing is known of a proxied device any more. One that the config names stays attached all the same.
    ///
    /// # Errors
    /// As [`DeviceHandle::set_point`].
    pub fn remove_proxy(&self, device: &str) -> Result<(), HandleError> {
        self.send(Command::RemoveProxy { device: device.into() })
    }

    /// Make a new key pair and connect with it; see [`Builder::keys`](crate::Builder::keys).
    ///
    /// # Errors
    /// As [`DeviceHandle::set_point`].
    pub fn rotate_key(&self) -> Result<(), HandleError> {
        self.send(Command::RotateKey)
    }

    /// Ends the device in order: last state, last logs, farewell. Nothing else is taken from now on.
    /// Returns at once; [`Self::wait`] waits for the end.
    pub fn stop(&self) {
        self.stop_for(ExitReason::Shutdown);
    }

    /// As [`Self::stop`], with the reason that [`Self::wait`] then returns.
    pub fn stop_for(&self, reason: ExitReason) {
        // Refused only if the device is about to end anyway.
        let _ = self.own.link().send_last(Command::Stop { reason });
    }

    /// Whether the broker has accepted the connection and it was not lost since.
    pub fn is_connected(&self) -> bool {
        self.connected.is_up() && self.own.link().wait_for(Duration::ZERO).is_none()
    }

    /// Waits until the broker accepts the connection, but no longer than `patience`. Nothing needs it: what is told
    /// before waits in the device. It is for programs that want to say so if there is no broker.
    ///
    /// # Errors
    /// [`NotConnected`], with the reason. The device goes on trying.
    pub fn wait_connected(&self, patience: Duration) -> Result<(), NotConnected> {
        self.connected.wait(patience)
    }

    /// Waits until the device has ended, and says why. What follows is the caller's to do, such as an exit of
    /// the process with [`udmi_proto::exit_code`].
    pub fn wait(&self) -> ExitReason {
        self.own.link().wait()
    }

    /// As [`Self::wait`], but no longer than `patience`.
    pub fn wait_for(&self, patience: Duration) -> Option<ExitReason> {
        self.own.link().wait_for(patience)
    }
}

impl Deref for Handle {
    type Target = DeviceHandle;

    fn deref(&self) -> &DeviceHandle {
        &self.own
    }
}
