//! A running device, as its application holds it.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use udmi_host::application::{
    Adoption, Commands, Connected, DeviceHandle, HandleError, NotConnected, Running,
};
use udmi_proto::{Command, ExitReason, Udmi};

use crate::driver::{Link, SendError};

/// A running device. Cheap to clone, usable from any thread and from within closures; no method but those whose names
/// begin with `wait` ever blocks. What it tells of the device itself are the methods of
/// [`DeviceHandle`].
///
/// Dropping all handles does not end the device, as dropping the handle of a thread does not end the thread;
/// [`Handle::stop`] does.
#[derive(Clone, Debug)]
#[must_use = "the device runs on without its handle, but cannot be stopped"]
pub struct Handle {
    running: Running,
    link: Link<Udmi>,
}

impl Handle {
    pub(crate) fn new(link: Link<Udmi>, connected: Arc<Connected>, adoption: Adoption) -> Self {
        Self { running: Running::new(Arc::new(link.clone()), connected, adoption), link }
    }

    udmi_host::handle_methods!();

    /// Waits until the broker accepts the connection, but no longer than `patience`. Nothing needs it: what is told
    /// before waits in the device. It is for programs that want to say so if there is no broker.
    ///
    /// # Errors
    /// [`NotConnected`], with the reason. The device goes on trying.
    pub fn wait_connected(&self, patience: Duration) -> Result<(), NotConnected> {
        self.running.connected().wait(patience)
    }

    /// Waits until there is room for many requests again, or `patience` is over; for who was told that there is none
    /// ([`HandleError::Full`](crate::HandleError::Full)). Says whether there is.
    ///
    /// # Errors
    /// [`HandleError::Ended`](crate::HandleError::Ended).
    pub fn wait_for_room(&self, patience: Duration) -> Result<bool, HandleError> {
        self.link.wait_for_room(patience).map_err(HandleError::from)
    }

    /// Waits until the device has ended, and says why. What follows is the caller's to do, such as an exit of
    /// the process with [`udmi_proto::exit_code`].
    pub fn wait(&self) -> ExitReason {
        self.link.wait()
    }

    /// As [`Self::wait`], but no longer than `patience`.
    pub fn wait_for(&self, patience: Duration) -> Option<ExitReason> {
        self.link.wait_for(patience)
    }
}

impl Deref for Handle {
    type Target = DeviceHandle;

    fn deref(&self) -> &DeviceHandle {
        self.running.own()
    }
}

impl Commands for Link<Udmi> {
    fn send(&self, command: Command) -> Result<(), SendError> {
        self.send(command)
    }

    fn send_last(&self, command: Command) -> Result<(), SendError> {
        self.send_last(command)
    }

    fn has_ended(&self) -> bool {
        self.wait_for(Duration::ZERO).is_some()
    }
}
