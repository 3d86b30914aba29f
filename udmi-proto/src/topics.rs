//! The topics of one device, made once (§1.4).

use alloc::format;
use alloc::string::String;

use device_link::{Filter, Topic, TopicError};

#[derive(Debug)]
pub(crate) struct Topics {
    prefix: String,
    pub(crate) config: Filter,
    pub(crate) commands: Filter,
    pub(crate) errors: Filter,
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
            errors: Filter::new(&format!("{prefix}/errors"))?,
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

    /// The topics of a device beside the one these belong to (§1.4).
    pub(crate) fn sibling(&self, id: &str) -> Result<Self, TopicError> {
        Self::new(&match self.prefix.rsplit_once('/') {
            Some((base, _)) => format!("{base}/{id}"),
            None => id.into(),
        })
    }

    /// What follows the part of a topic that these share with those of devices beside: its id, then the rest.
    fn beside<'a>(&self, topic: &'a str) -> Option<(&'a str, &'a str)> {
        let rest = match self.prefix.rsplit_once('/') {
            Some((base, _)) => topic.strip_prefix(base)?.strip_prefix('/')?,
            None => topic,
        };
        rest.split_once('/')
    }

    /// The topic of a device beside, if `is_one` knows it by its id, when it goes beside `others` instead.
    pub(crate) fn moved(&self, topic: &str, others: &Self, is_one: impl Fn(&str) -> bool) -> Option<String> {
        let (id, rest) = self.beside(topic).filter(|(id, _)| is_one(id))?;
        let prefix = match others.prefix.rsplit_once('/') {
            Some((base, _)) => format!("{base}/{id}"),
            None => id.into(),
        };
        Some(format!("{prefix}/{rest}"))
    }

    /// Where a gateway tells that it acts for the device, and that it does no more (§1.10).
    pub(crate) fn attach(&self) -> Result<Topic, TopicError> {
        Topic::new(&format!("{}/attach", self.prefix))
    }

    /// The same for its end; none where the local broker forbids it (§11 item 27).
    pub(crate) fn detach(&self) -> Option<Topic> {
        if self.prefix.starts_with("/r/") {
            None
        } else {
            Topic::new(&format!("{}/detach", self.prefix)).ok()
        }
    }

    /// What follows `commands/` in a topic.
    pub(crate) fn command<'a>(&self, topic: &'a str) -> Option<&'a str> {
        topic.strip_prefix(self.prefix.as_str())?.strip_prefix("/commands/")
    }
}
