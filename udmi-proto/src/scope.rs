//! What a block of a device may do while it handles something: the link's context, bound to one device.

use alloc::string::String;
use core::time::Duration;

use bytes::Bytes;
use device_link::{
    Cx, ExitReason, Full, HookId, Instant, Now, Publish, Queue, Token, Topic, UtcMillis, wire::Qos,
};
use serde::{Deserialize, Serialize};

use crate::actor::{Actor, Claim};
use crate::latch::StateLatch;
use crate::logs::{Logs, clip};
use crate::model::category::{Category, Level};
use crate::model::common::Timestamp;
use crate::model::entry::Entry;
use crate::port::{Hook, Notice};
use crate::topics::Topics;
use crate::udmi::Udmi;

/// The deadlines of one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum DeviceTimer {
    /// No config has come since the link is up.
    ConfigSync,
    /// A burst of configs is over: look at the operation mode.
    Mode,
    /// The application has not answered a lifecycle hook.
    Lifecycle,
    /// The next state may be published.
    State,
    /// Log entries have waited long enough.
    LogFlush,
    /// The next metrics are due.
    Metrics,
    /// The next complete sample is due.
    Sample,
    /// The next change-of-value sample may be published.
    Limit,
    /// The application has not answered a read.
    Read,
    /// A write has to show progress or has taken too long.
    Write,
    /// The set values lapse.
    Expiry,
    /// A blob is to be begun, activated or given up.
    Blob,
    /// A scan is to begin; the earliest of all families.
    Scan,
    /// A scan is to end; the earliest of all families.
    ScanEnd,
}

impl DeviceTimer {
    /// All of them.
    pub(crate) const ALL: [Self; 14] = [
        Self::ConfigSync,
        Self::Mode,
        Self::Lifecycle,
        Self::State,
        Self::LogFlush,
        Self::Metrics,
        Self::Sample,
        Self::Limit,
        Self::Read,
        Self::Write,
        Self::Expiry,
        Self::Blob,
        Self::Scan,
        Self::ScanEnd,
    ];
}

/// One device's view of the link.
pub(crate) struct Scope<'a, 'b> {
    pub(crate) cx: &'a mut Cx<'b, Udmi>,
    pub(crate) actor: &'a mut Actor,
    pub(crate) topics: &'a Topics,
    pub(crate) latch: &'a mut StateLatch,
    pub(crate) logs: &'a mut Logs,
}

impl Scope<'_, '_> {
    pub(crate) fn now(&self) -> Now {
        self.cx.now()
    }

    pub(crate) fn after(&mut self, timer: DeviceTimer, delay: Duration) {
        self.cx.after(self.actor.timer(timer), delay);
    }

    pub(crate) fn at(&mut self, timer: DeviceTimer, at: Instant) {
        self.cx.at(self.actor.timer(timer), at);
    }

    pub(crate) fn at_utc(&mut self, timer: DeviceTimer, at: UtcMillis) {
        self.cx.at_utc(self.actor.timer(timer), at);
    }

    pub(crate) fn cancel(&mut self, timer: DeviceTimer) {
        self.cx.cancel(self.actor.timer(timer));
    }

    pub(crate) fn is_armed(&self, timer: DeviceTimer) -> bool {
        self.cx.is_armed(self.actor.timer(timer))
    }

    /// Whether the application may be asked something at present.
    pub(crate) fn has_room(&self) -> bool {
        self.cx.pending_hooks() < self.cx.limits().pending_hooks
    }

    pub(crate) fn invoke(&mut self, hook: Hook) -> Result<HookId, Full> {
        let id = self.cx.invoke(self.actor.hook(hook))?;
        self.actor.claim(Claim::Hook(id));
        Ok(id)
    }

    pub(crate) fn cancel_hook(&mut self, id: HookId) {
        self.cx.cancel_hook(id);
        self.actor.claim(Claim::Cancelled(id));
    }

    pub(crate) fn notify(&mut self, notice: Notice) {
        self.cx.notify(self.actor.notice(notice));
    }

    /// Whether what the device publishes goes out now: the link is up, and a proxied device is attached.
    pub(crate) fn is_up(&self) -> bool {
        self.cx.is_up() && self.actor.is_attached()
    }

    /// The device's run has come to its end.
    pub(crate) fn exit(&mut self, reason: ExitReason) {
        match self.actor {
            Actor::Own => self.cx.exit(reason),
            Actor::Proxied(_) => self.actor.claim(Claim::End(reason)),
        }
    }

    /// Something the state shows has changed: a state follows, as soon as the latch allows (§7.1).
    pub(crate) fn touch(&mut self) {
        self.latch.touch();
    }

    /// An entry for a status, stamped and cut like a log entry: every state carries it from now on.
    pub(crate) fn entry(&self, category: Category, message: impl Into<String>) -> Entry {
        let mut entry = Entry::new(category, message, self.logs.stamp(self.cx.now()));
        clip(&mut entry.message);
        entry
    }

    /// Logs at `level` if the minimum level in force allows.
    pub(crate) fn log(&mut self, category: Category, level: Level, message: impl Into<String>) {
        if self.logs.takes(level) {
            let entry = self.entry(category, message).at(level);
            self.log_entry(entry);
        }
    }

    /// Logs an entry if the minimum level in force allows.
    pub(crate) fn log_entry(&mut self, entry: Entry) {
        let Some(kept) = self.logs.push(entry) else { return };
        self.notify(Notice::Logged(kept));
        if !self.is_armed(DeviceTimer::LogFlush) {
            self.after(DeviceTimer::LogFlush, Logs::FLUSH_AFTER);
        }
    }

    /// The timestamp of a message that is sent now: true milliseconds (§2.2, §11 item 39).
    pub(crate) fn timestamp(&self) -> Timestamp {
        Timestamp::from_millis(self.cx.now().utc.0)
    }

    /// Publishes an event at QoS 1 (§11 item 25); it waits in the bounded outbox while there is no link, and that of a
    /// proxied device until it is attached.
    pub(crate) fn publish_event(&mut self, topic: &Topic, payload: impl Into<Bytes>) -> Token {
        self.publish(topic, payload, self.actor.event_queue())
    }

    /// Publishes at QoS 1.
    pub(crate) fn publish(&mut self, topic: &Topic, payload: impl Into<Bytes>, queue: Queue) -> Token {
        let token = self.cx.publish(Publish {
            topic: topic.clone(),
            payload: payload.into(),
            qos: Qos::AtLeastOnce,
            retain: false,
            queue,
        });
        self.actor.claim(Claim::Publish(token));
        token
    }
}
