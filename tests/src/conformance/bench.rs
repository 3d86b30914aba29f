//! What the tester stands on: a backend that keeps configs, the messages that come, and time. There are two: the
//! simulated world, and a real broker.

use serde_json::Value;
use udmi_proto::Now;

use crate::world::Received;

/// What the tester stands on. Where UDMIS would do something by itself, the bench does it (§7.3): a newer
/// `last_start` of a state goes into the config, if that has an `operation`, without a new timestamp.
pub trait Bench {
    /// The moment, on both clocks.
    fn now(&self) -> Now;

    /// Waits until there is a message to [`take`](Self::take), at most so many milliseconds.
    fn wait(&mut self, milliseconds: u64);

    /// The oldest message that was not taken yet.
    fn take(&mut self) -> Option<Received>;

    /// The config that the backend holds of a device; null if it holds none.
    fn config(&self, prefix: &str) -> Value;

    /// Changes the config that the backend holds of a device, and publishes it whole: retained, at QoS 1.
    ///
    /// # Errors
    /// It cannot be published: one line that says why.
    fn edit(&mut self, prefix: &str, change: &mut dyn FnMut(&mut Value)) -> Result<(), String>;

    /// Publishes a text in place of a config; what the backend holds stays.
    ///
    /// # Errors
    /// As [`Self::edit`].
    fn publish_text(&mut self, prefix: &str, text: &str) -> Result<(), String>;

    /// Whether devices with these topics can connect.
    fn knows(&self, prefix: &str) -> bool;

    /// The endpoint document that leads the device to these topics at the same broker (§5.3).
    fn endpoint(&self, prefix: &str) -> Value;

    /// Whether every config that was delivered to the device was acknowledged by it; none if the broker does not
    /// tell.
    fn acknowledged(&mut self, prefix: &str) -> Option<bool>;

    /// Nothing more will be sent: the next sequence may begin while this one goes on listening.
    fn release(&mut self) {}
}
