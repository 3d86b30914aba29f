//! The messages kept for later subscribers.

use crate::message::Message;
use crate::{Limits, Qos};
use device_link::wire::topic_matches;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// Retained messages by topic, within the limits.
#[derive(Debug, Default)]
pub(crate) struct Retained {
    messages: BTreeMap<Arc<str>, Arc<Message>>,
    bytes: usize,
}

impl Retained {
    /// Keeps `message` in place of its topic's last one, or clears that when the payload is empty. `false` when
    /// there is no room; the older message is gone then as well, since it is no longer the last.
    pub(crate) fn keep(&mut self, message: &Arc<Message>, limits: &Limits) -> bool {
        if let Some(old) = self.messages.remove(&message.topic) {
            self.bytes -= old.size();
        }
        if message.payload.is_empty() {
            return true;
        }
        let bytes = self.bytes + message.size();
        if self.messages.len() >= limits.retained_messages || bytes > limits.retained_bytes {
            return false;
        }
        self.bytes = bytes;
        self.messages.insert(message.topic.clone(), message.clone());
        true
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Message>> {
        self.messages.values()
    }

    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    fn after(&self, cursor: &Cursor) -> Option<&Arc<Message>> {
        let Some(wild) = cursor.filter.find(['+', '#']) else {
            let message = self.messages.get(&cursor.filter);
            return message.filter(|_| cursor.after.is_none());
        };
        // "a/#" selects "a" too, so the slash before the wildcard is no part of the common beginning.
        let prefix = cursor.filter[..wild].trim_end_matches('/');
        let start = match &cursor.after {
            Some(topic) => Bound::Excluded(&**topic),
            None => Bound::Included(prefix),
        };
        self.messages
            .range::<str, _>((start, Bound::Unbounded))
            .take_while(|(topic, _)| topic.starts_with(prefix))
            .find(|(topic, _)| topic_matches(topic, &cursor.filter))
            .map(|(_, message)| message)
    }
}

/// How far the retained messages of one subscription have been delivered: they are looked up one by one as the
/// reader takes them, so that a wide filter needs no queue.
#[derive(Debug)]
pub(crate) struct Cursor {
    pub(crate) filter: Arc<str>,
    qos: Qos,
    after: Option<Arc<str>>,
}

impl Cursor {
    pub(crate) fn new(filter: Arc<str>, qos: Qos) -> Self {
        Self { filter, qos, after: None }
    }

    /// The next message, with the quality of service it is due; it stays the next until `advance`.
    pub(crate) fn peek<'a>(&self, retained: &'a Retained) -> Option<(&'a Arc<Message>, Qos)> {
        retained.after(self).map(|message| (message, message.qos.min(self.qos)))
    }

    pub(crate) fn advance(&mut self, delivered: Arc<str>) {
        self.after = Some(delivered);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn message(topic: &str, payload: &'static str) -> Arc<Message> {
        Arc::new(Message {
            topic: topic.into(),
            payload: Bytes::from_static(payload.as_bytes()),
            qos: Qos::AtLeastOnce,
        })
    }

    fn found(retained: &Retained, filter: &str) -> Vec<String> {
        let mut cursor = Cursor::new(filter.into(), Qos::AtMostOnce);
        let mut topics = Vec::new();
        while let Some((message, _)) = cursor.peek(retained) {
            topics.push(message.topic.to_string());
            cursor.advance(message.topic.clone());
        }
        topics
    }

    #[test]
    fn a_cursor_finds_each_matching_topic_once() {
        let mut retained = Retained::default();
        for topic in ["a", "a/b", "a/b/c", "ab", "a-b", "b/b", "$SYS/x", "/b"] {
            assert!(retained.keep(&message(topic, "x"), &Limits::default()));
        }
        assert_eq!(found(&retained, "a/#"), ["a", "a/b", "a/b/c"]);
        assert_eq!(found(&retained, "+/b"), ["/b", "a/b", "b/b"]);
        assert_eq!(found(&retained, "a/b"), ["a/b"]);
        assert_eq!(found(&retained, "#").len(), 7);
        assert_eq!(found(&retained, "/+"), ["/b"]);
        assert_eq!(found(&retained, "$SYS/#"), ["$SYS/x"]);
        assert_eq!(found(&retained, "c"), [""; 0]);
    }

    #[test]
    fn an_empty_payload_clears_and_bytes_are_counted() {
        let mut retained = Retained::default();
        let limits = Limits { retained_messages: 1, retained_bytes: 10, ..Limits::default() };
        assert!(retained.keep(&message("a", "12345"), &limits));
        assert!(!retained.keep(&message("b", "1"), &limits));
        assert!(retained.keep(&message("a", "123456789"), &limits));
        assert!(!retained.keep(&message("a", "1234567890"), &limits));
        assert_eq!((retained.len(), retained.bytes()), (0, 0));
        assert!(retained.keep(&message("a", "1"), &limits));
        assert!(retained.keep(&message("a", ""), &limits));
        assert_eq!((retained.len(), retained.bytes()), (0, 0));
    }
}
