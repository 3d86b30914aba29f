//! A running device, as its application holds it.

use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use async_io::Timer;
use futures_lite::future;
use udmi_host::application::{
    Adoption, Commands, Connected, DeviceHandle, HandleError, NotConnected, Running,
};
use udmi_host::drive::SendError;
use udmi_proto::{Command, ExitReason, Udmi};

use crate::driver::Link;

/// A running device. Cheap to clone, usable from any thread and from within closures; no method ever blocks, and those
/// that wait are futures. What it tells of the device itself are the methods of [`DeviceHandle`].
///
/// Dropping all handles does not end the device, as dropping a detached task's handle does not end the task;
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
    pub async fn wait_connected(&self, patience: Duration) -> Result<(), NotConnected> {
        let connected = self.running.connected();
        within(patience, connected.settled()).await;
        connected.result(patience)
    }

    /// Waits until there is room for many requests again, or `patience` is over; for who was told that there is none
    /// ([`HandleError::Full`]). Says whether there is.
    ///
    /// # Errors
    /// [`HandleError::Ended`].
    pub async fn wait_for_room(&self, patience: Duration) -> Result<bool, HandleError> {
        match within(patience, self.link.wait_for_room()).await {
            Some(result) => Ok(result.map(|()| true)?),
            None => Ok(false),
        }
    }

    /// Waits until the device has ended, and says why. What follows is the caller's to do, such as an exit of
    /// the process with [`udmi_proto::exit_code`]. A device whose future is dropped has ended as
    /// [`ExitReason::Restart`].
    pub async fn wait(&self) -> ExitReason {
        self.link.wait().await
    }

    /// As [`Self::wait`], but no longer than `patience`.
    pub async fn wait_for(&self, patience: Duration) -> Option<ExitReason> {
        self.link.wait_for(patience).await
    }

    /// [`Self::stop`], and waits for the end.
    pub async fn shutdown(&self) -> ExitReason {
        self.stop();
        self.wait().await
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
        self.ended().is_some()
    }
}

async fn within<T>(patience: Duration, future: impl Future<Output = T>) -> Option<T> {
    let late = async {
        Timer::after(patience).await;
        None
    };
    future::or(async { Some(future.await) }, late).await
}
