//! The topics of one device, made once (§1.4).

use alloc::format;
use alloc::string::String;

use device_link::{Filter, Topic, TopicError};

#[derive(Debug)]
pub(crate) struct Topics {
    prefix: String,
    pub(crate) config: Filter,
    pub(crate) commands: Filter,
    pub(crate) state: Topic,
    pub(crate) events_system: Topic,
    pub(crate) events_pointset: Topic,
}

impl Topics {
    pub(crate) fn new(prefix: &str) -> Result<Self, TopicError> {
        let prefix = prefix.trim_end_matches('/');
        Ok(Self {
            prefix: prefix.into(),
            config: Filter::new(&format!("{prefix}/config"))?,
            commands: Filter::new(&format!("{prefix}/commands/#"))?,
            state: Topic::new(&format!("{prefix}/state"))?,
            events_system: Topic::new(&format!("{prefix}/events/system"))?,
            events_pointset: Topic::new(&format!("{prefix}/events/pointset"))?,
        })
    }

    /// What all of them begin with.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The topic of events of some other folder.
    pub(crate) fn events(&self, folder: &str) -> Result<Topic, TopicError> {
        Topic::new(&format!("{}/events/{folder}", self.prefix))
    }

    /// What follows `commands/` in a topic.
    pub(crate) fn command<'a>(&self, topic: &'a str) -> Option<&'a str> {
        topic.strip_prefix(self.prefix.as_str())?.strip_prefix("/commands/")
    }
}
