//! One device of a run, as the application holds it: the one that connects, or one it acts for.

use std::fmt;
use std::sync::Arc;

use udmi_proto::{Category, Command, Found, Json, JsonError, Level, Map, PointModel, PointNames, Reading};

use super::IntoReading;
use crate::drive::SendError;
use crate::log_bridge::{LevelFilter, LogBridge};

/// What takes the commands of a device: the link to its run, whatever drives that.
pub trait Commands: Send + Sync {
    /// Takes a command in. Never blocks.
    ///
    /// # Errors
    /// [`SendError`]; the command was not taken.
    fn send(&self, command: Command) -> Result<(), SendError>;
    /// Takes the last command of a run in, even if there is no room. Later ones are refused.
    ///
    /// # Errors
    /// [`SendError::Ended`] if there was a last one before.
    fn send_last(&self, command: Command) -> Result<(), SendError>;
    /// Whether the run is over.
    fn has_ended(&self) -> bool;
}

/// What can be told of a device: of the one that connects by way of its `Handle`, of a proxied one by way of
/// `Handle::proxied`. Cheap to clone, usable from any thread and from within closures; no method ever blocks.
#[derive(Clone)]
pub struct DeviceHandle {
    commands: Arc<dyn Commands>,
    /// The id of a proxied device.
    proxied: Option<Arc<str>>,
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

impl DeviceHandle {
    pub(super) fn own(commands: Arc<dyn Commands>) -> Self {
        Self { commands, proxied: None }
    }

    pub(super) fn of_proxied(&self, device: &str) -> Self {
        Self { commands: self.commands.clone(), proxied: Some(device.into()) }
    }

    pub(super) fn commands(&self) -> &dyn Commands {
        &*self.commands
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
        let mut values = Map::new();
        for (point, value) in points {
            match value.into_reading() {
                Some(Reading::Value(value)) => drop(values.insert(point.into(), value)),
                Some(Reading::Failed(message)) => self.fail_point(&point.into(), &message)?,
                None => {}
            }
        }
        if values.is_empty() { Ok(()) } else { self.send(Command::SetPoints { values }) }
    }

    /// Several points were read at the same moment, and a complete sample goes out with that: at once if the config has
    /// no `sample_limit_sec`, else as soon as that allows (§4.5). So the application sets the pace: each call is one event,
    /// and [`HandleError::Full`] tells that the broker does not keep up; nothing of this call was taken then.
    ///
    /// # Errors
    /// As [`Self::set_point`].
    pub fn publish_points<N: Into<Box<str>>, V: IntoReading>(
        &self,
        points: impl IntoIterator<Item = (N, V)>,
    ) -> Result<(), HandleError> {
        let read = |(point, value): (N, V)| Some((point, value.into_reading()?));
        let readings = points.into_iter().filter_map(read).collect();
        self.send(Command::PublishPoints { readings })
    }

    /// As [`Self::publish_points`], with names made ready once: for those who publish many thousand values a second. A
    /// value for each name, in the order in which the names were given.
    ///
    /// # Errors
    /// As [`Self::set_point`].
    pub fn publish_values<V: IntoReading>(
        &self,
        names: &PointNames,
        values: impl IntoIterator<Item = V>,
    ) -> Result<(), HandleError> {
        let readings = names.with(values.into_iter().map(IntoReading::into_reading));
        self.send(Command::PublishPoints { readings })
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

    /// Publish a sample, of points that are polled a new one, as soon as `sample_limit_sec` allows; without one at once.
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
    pub fn log_bridge(&self, level: LevelFilter) -> LogBridge {
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

    /// The address in a family cannot be told; the localnet block tells why, until the next address.
    ///
    /// # Errors
    /// As [`Self::set_point`].
    pub fn fail_family(&self, family: &str, message: &str) -> Result<(), HandleError> {
        self.send(Command::FailFamily { family: family.into(), message: message.into() })
    }

    /// The address in a named network of the localnet block, such as a serial line; none if there is none.
    ///
    /// # Errors
    /// As [`Self::set_point`].
    pub fn set_network(&self, network: &str, address: Option<&str>) -> Result<(), HandleError> {
        self.send(Command::SetNetwork { network: network.into(), address: address.map(Into::into) })
    }

    /// The address in a named network cannot be told; the localnet block tells why, until the next address.
    ///
    /// # Errors
    /// As [`Self::set_point`].
    pub fn fail_network(&self, network: &str, message: &str) -> Result<(), HandleError> {
        self.send(Command::FailNetwork { network: network.into(), message: message.into() })
    }

    /// A device was heard of without a scan, in a family such as `bacnet`. Told where the config wants so
    /// (`passive_sec`), once in so many seconds as it says (§6.4).
    ///
    /// # Errors
    /// As [`Self::set_point`].
    pub fn overheard(&self, family: &str, found: Found) -> Result<(), HandleError> {
        self.send(Command::Overheard { family: family.into(), found: Box::new(found) })
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

    /// Any command, for what has no method of its own. One that concerns the connection is refused for a proxied
    /// device.
    ///
    /// # Errors
    /// As [`Self::set_point`].
    pub fn send(&self, command: Command) -> Result<(), HandleError> {
        let command = match &self.proxied {
            None => command,
            Some(device) => Command::Proxied { device: device.as_ref().into(), command: Box::new(command) },
        };
        self.commands.send(command).map_err(HandleError::from)
    }
}

impl fmt::Debug for DeviceHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceHandle").field("proxied", &self.proxied).finish_non_exhaustive()
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
