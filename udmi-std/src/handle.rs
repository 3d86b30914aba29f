//! A running device, as its application holds it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use udmi_host::log_bridge::LogBridge;
use udmi_proto::{Category, Command, ExitReason, Json, JsonError, Level, PointModel, Reading, Udmi};

use crate::driver::{Link, SendError};
use crate::reading::IntoReading;

/// A running device. Cheap to clone, usable from any thread and from within closures; no method but
/// [`Handle::wait`] and [`Handle::wait_for`] ever blocks.
///
/// Dropping all handles does not end the device, as dropping the handle of a thread does not end the thread;
/// [`Handle::stop`] does.
#[derive(Clone, Debug)]
#[must_use = "the device runs on without its handle, but cannot be stopped"]
pub struct Handle {
    link: Link<Udmi>,
    connected: Arc<AtomicBool>,
}

/// Why the device did not take a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandleError {
    /// Too many requests wait; try again later.
    Full,
    /// The device has ended or is about to.
    Ended,
    /// The content is no JSON object.
    Json(JsonError),
}

impl Handle {
    pub(crate) fn new(link: Link<Udmi>, connected: Arc<AtomicBool>) -> Self {
        Self { link, connected }
    }

    /// The point has a new present value; see [`IntoReading`] for what counts as one.
    ///
    /// # Errors
    /// [`HandleError::Full`] or [`HandleError::Ended`], as all methods here.
    pub fn set_point(&self, point: &str, value: impl IntoReading) -> Result<(), HandleError> {
        match value.into_reading() {
            Some(Reading::Value(value)) => self.send(Command::SetPoint { point: point.into(), value }),
            Some(Reading::Failed(message)) => self.fail_point(point, &message),
            None => Ok(()),
        }
    }

    /// Several points have new present values at the same moment.
    ///
    /// # Errors
    /// As [`Self::set_point`]. Some of the points that have failed may have been taken by then.
    pub fn set_points<N: Into<String>, V: IntoReading>(
        &self,
        points: impl IntoIterator<Item = (N, V)>,
    ) -> Result<(), HandleError> {
        let mut values = BTreeMap::new();
        for (point, value) in points {
            match value.into_reading() {
                Some(Reading::Value(value)) => drop(values.insert(point.into(), value)),
                Some(Reading::Failed(message)) => self.fail_point(&point.into(), &message)?,
                None => {}
            }
        }
        if values.is_empty() { Ok(()) } else { self.send(Command::SetPoints { values }) }
    }

    /// The point cannot be read; its state tells why until its next value.
    ///
    /// # Errors
    /// As [`Self::set_point`].
    pub fn fail_point(&self, point: &str, message: &str) -> Result<(), HandleError> {
        self.send(Command::FailPoint { point: point.into(), message: message.into() })
    }

    /// Something local has taken a written point over, or has let it go.
    ///
    /// # Errors
    /// As [`Self::set_point`].
    pub fn override_point(&self, point: &str, overridden: bool) -> Result<(), HandleError> {
        self.send(Command::OverridePoint { point: point.into(), overridden })
    }

    /// The device has a further point, or knows more about one.
    ///
    /// # Errors
    /// As [`Self::set_point`].
    pub fn define_point(&self, point: &str, model: PointModel) -> Result<(), HandleError> {
        self.send(Command::DefinePoint { point: point.into(), model })
    }

    /// The device has lost a point.
    ///
    /// # Errors
    /// As [`Self::set_point`].
    pub fn remove_point(&self, point: &str) -> Result<(), HandleError> {
        self.send(Command::RemovePoint { point: point.into() })
    }

    /// Publish a sample as soon as `sample_limit_sec` allows.
    ///
    /// # Errors
    /// As [`Self::set_point`].
    pub fn sample_now(&self) -> Result<(), HandleError> {
        self.send(Command::SampleNow)
    }

    /// An entry for the system log.
    ///
    /// # Errors
    /// As [`Self::set_point`].
    pub fn log(&self, level: Level, category: Category, message: &str) -> Result<(), HandleError> {
        self.send(Command::Log { level, category, message: message.into(), detail: None })
    }

    /// Logs at `INFO` in the category `device.application`.
    ///
    /// # Errors
    /// As [`Self::set_point`].
    pub fn info(&self, message: &str) -> Result<(), HandleError> {
        self.log(Level::INFO, Category::device("application"), message)
    }

    /// Logs at `WARNING` in the category `device.application`.
    ///
    /// # Errors
    /// As [`Self::set_point`].
    pub fn warn(&self, message: &str) -> Result<(), HandleError> {
        self.log(Level::WARNING, Category::device("application"), message)
    }

    /// Logs at `ERROR` in the category `device.application`.
    ///
    /// # Errors
    /// As [`Self::set_point`].
    pub fn error(&self, message: &str) -> Result<(), HandleError> {
        self.log(Level::ERROR, Category::device("application"), message)
    }

    /// A logger that turns the application's `log` records of `level` and graver into entries of the system
    /// log, in categories made of their targets. Install it with [`LogBridge::install`], or chain another
    /// logger to it first. Records that do not fit the command channel are dropped: logging never blocks.
    #[must_use]
    pub fn log_bridge(&self, level: udmi_host::log_bridge::LevelFilter) -> LogBridge {
        let device = self.clone();
        LogBridge::new(level, move |entry| {
            let category =
                Category::parse(&entry.category).unwrap_or_else(|_| Category::device("application"));
            let _ = device.log(Level(entry.level), category, &entry.message);
        })
    }

    /// The application is fully running.
    ///
    /// # Errors
    /// As [`Self::set_point`].
    pub fn ready(&self) -> Result<(), HandleError> {
        self.send(Command::Ready)
    }

    /// The version of a software module (`[a-z_]+`), none if it is gone.
    ///
    /// # Errors
    /// As [`Self::set_point`].
    pub fn set_software(&self, module: &str, version: Option<&str>) -> Result<(), HandleError> {
        self.send(Command::SetSoftware { module: module.into(), version: version.map(Into::into) })
    }

    /// The address in a family such as `ipv4`, none if there is none.
    ///
    /// # Errors
    /// As [`Self::set_point`].
    pub fn set_family_address(&self, family: &str, address: Option<&str>) -> Result<(), HandleError> {
        self.send(Command::SetFamilyAddress { family: family.into(), address: address.map(Into::into) })
    }

    /// A top-level block of the application's own in the state, a JSON object, none if it is gone.
    ///
    /// # Errors
    /// As [`Self::set_point`], and [`HandleError::Json`].
    pub fn set_block(&self, name: &str, content: Option<&str>) -> Result<(), HandleError> {
        let content = content.map(Json::object).transpose().map_err(HandleError::Json)?;
        self.send(Command::SetBlock { name: name.into(), content })
    }

    /// An event of the application's own on `events/<folder>`, a JSON object; `timestamp` and `version` are
    /// added.
    ///
    /// # Errors
    /// As [`Self::set_point`], and [`HandleError::Json`].
    pub fn send_event(&self, folder: &str, content: &str) -> Result<(), HandleError> {
        let content = Json::object(content).map_err(HandleError::Json)?;
        self.send(Command::SendEvent { folder: folder.into(), content })
    }

    /// Make a new key pair and connect with it; see [`Builder::keys`](crate::Builder::keys).
    ///
    /// # Errors
    /// As [`Self::set_point`].
    pub fn rotate_key(&self) -> Result<(), HandleError> {
        self.send(Command::RotateKey)
    }

    /// Any command, for what has no method of its own.
    ///
    /// # Errors
    /// As [`Self::set_point`].
    pub fn send(&self, command: Command) -> Result<(), HandleError> {
        self.link.send(command).map_err(HandleError::from)
    }

    /// Ends the device in order: last state, last logs, farewell. Nothing else is taken from now on.
    /// Returns at once; [`Self::wait`] waits for the end.
    pub fn stop(&self) {
        self.stop_for(ExitReason::Shutdown);
    }

    /// As [`Self::stop`], with the reason that [`Self::wait`] then returns.
    pub fn stop_for(&self, reason: ExitReason) {
        // Refused only if the device is about to end anyway.
        let _ = self.link.send_last(Command::Stop { reason });
    }

    /// Whether the broker has accepted the connection and it was not lost since.
    pub fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed) && self.link.wait_for(Duration::ZERO).is_none()
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

impl From<SendError> for HandleError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Full => Self::Full,
            SendError::Ended => Self::Ended,
        }
    }
}

impl fmt::Display for HandleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("too many requests to the device are waiting"),
            Self::Ended => f.write_str("the device has ended"),
            Self::Json(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for HandleError {}
