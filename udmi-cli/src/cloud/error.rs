//! What can go wrong on the cloud's side, in words and with hints.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use crate::output::Failure;

/// A duration for people.
pub(crate) struct Seconds(pub(crate) Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_millis() {
            millis if millis < 1000 => write!(f, "{millis} ms"),
            millis => write!(f, "{} s", millis as f64 / 1000.0),
        }
    }
}

/// What can go wrong on the cloud's side.
#[derive(Debug)]
pub(crate) enum CloudError {
    /// The run cannot start.
    Start(String),
    /// The broker cannot be reached, or does not let us in.
    Unreachable {
        /// The broker.
        endpoint: String,
        /// Why.
        why: String,
        /// Whether the broker has refused us.
        refused: bool,
    },
    /// The broker does not let us hear this filter.
    Refused(String),
    /// The registry, prefix or device id does not make a topic.
    Topic,
    /// A publish needs a single registry.
    Registry,
    /// The broker did not take the config.
    NotPublished(String),
    /// What was waited for did not come.
    Timeout(Duration),
    /// No state answered the config.
    NotAcknowledged {
        /// How long was waited.
        patience: Duration,
        /// The last state that came after the config, if any.
        last: Option<Value>,
    },
    /// The user wanted an end.
    Stopped,
    /// The run has ended by itself, which is a defect.
    Ended,
}

impl fmt::Display for CloudError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(why) => f.write_str(why),
            Self::Unreachable { endpoint, why, .. } => write!(f, "cannot use the broker {endpoint}: {why}"),
            Self::Refused(filter) => write!(f, "the broker refuses the subscription to {filter}"),
            Self::Topic => f.write_str("the registry, topic prefix or device id does not make an MQTT topic"),
            Self::Registry => f.write_str("of which registry the device is, is not said"),
            Self::NotPublished(why) => write!(f, "the broker did not take the config: {why}"),
            Self::Timeout(patience) => {
                write!(f, "what was waited for did not come in {}", Seconds(*patience))
            }
            Self::NotAcknowledged { patience, .. } => {
                write!(f, "no state with the config's timestamp as last_config in {}", Seconds(*patience))
            }
            Self::Stopped => f.write_str("stopped"),
            Self::Ended => f.write_str("the connection's thread has broken down"),
        }
    }
}

impl std::error::Error for CloudError {}

impl From<CloudError> for Failure {
    fn from(error: CloudError) -> Self {
        let hint = match &error {
            CloudError::Unreachable { refused: true, .. } => "--username and --password-file say who you are",
            CloudError::Unreachable { .. } => "`udmi broker` runs one here; --endpoint names another",
            CloudError::Refused(_) => "the broker's account needs the rights of a cloud; see --username",
            CloudError::Topic => return Self::usage(&error),
            CloudError::Registry => return Self::usage(&error).hint("say --registry or --topic-prefix"),
            CloudError::NotAcknowledged { .. } => "does the device run, and is the registry right?",
            CloudError::Start(_)
            | CloudError::NotPublished(_)
            | CloudError::Timeout(_)
            | CloudError::Stopped
            | CloudError::Ended => return Self::new(&error),
        };
        Self::new(&error).hint(hint)
    }
}
