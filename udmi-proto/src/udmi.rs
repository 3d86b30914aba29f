//! UDMI as a dialect of the link.

use device_link::{
    ConnectSpec, Cx, Dialect, HookId, LinkEvent, Message, Now, Receipt, Slot, StoreId, Stored,
    SubscribeRefused, Token, wire::Qos,
};
use serde::{Deserialize, Serialize};

use crate::device::DeviceCore;
use crate::port::{Command, Hook, Notice, Outcome};
use crate::scope::DeviceTimer;
use crate::settings::{Settings, SettingsError};
use crate::topics::Topics;

/// A UDMI device or gateway on one link.
#[derive(Debug)]
pub struct Udmi {
    settings: Settings,
    own: DeviceCore,
}

impl Udmi {
    /// A device of these settings.
    ///
    /// # Errors
    /// What [`Settings::check`] finds.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        settings.check()?;
        let topics = Topics::new(&settings.topic_prefix).map_err(|_| SettingsError::TopicPrefix)?;
        let own = DeviceCore::new(&settings, topics, Slot(0));
        Ok(Self { settings, own })
    }

    /// The settings it was made from.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}

/// Deadlines of a device or gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Timer {
    /// One of the device's own.
    Own(DeviceTimer),
}

/// What a subscription is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// The device's config.
    Config,
    /// The device's commands.
    Commands,
}

impl Dialect for Udmi {
    type Command = Command;
    type Notice = Notice;
    type Hook = Hook;
    type Outcome = Outcome;
    type Timer = Timer;
    type Tag = Tag;

    fn connect(&mut self, _now: Now) -> ConnectSpec {
        let settings = &self.settings;
        let credentials = settings.credentials.as_ref();
        ConnectSpec {
            endpoint: settings.endpoint.clone(),
            client_id: settings.client_id.clone(),
            username: credentials.map(|credentials| credentials.username.clone()),
            password: credentials.map(|credentials| credentials.password.clone()),
            token: None,
            will: None, // §1.1
            keep_alive_seconds: settings.options.keep_alive_seconds,
            clean_session: true,
        }
    }

    fn on_start(&mut self, cx: &mut Cx<'_, Self>, stored: &[Stored]) {
        self.own.on_start(cx, stored);
        if self.settings.options.commands {
            self.own.subscribe_commands(cx);
        }
    }

    fn on_link(&mut self, cx: &mut Cx<'_, Self>, event: LinkEvent) {
        match event {
            LinkEvent::Up { resumed } => {
                cx.notify(Notice::Connected { resumed });
                self.own.on_up(cx);
            }
            LinkEvent::Down { why } => {
                cx.notify(Notice::Disconnected { why });
                self.own.on_down(cx);
            }
        }
    }

    fn on_subscribed(&mut self, cx: &mut Cx<'_, Self>, tag: Tag, answer: Result<Qos, SubscribeRefused>) {
        if answer.is_err() {
            self.own.on_subscription_refused(cx, tag);
        }
    }

    fn on_message(&mut self, cx: &mut Cx<'_, Self>, tag: Tag, message: Message<'_>) {
        match tag {
            Tag::Config => {
                self.own.on_config(cx, message.payload);
            }
            Tag::Commands => self.own.on_cloud_command(cx, message.topic, message.payload, message.retain),
        }
    }

    fn on_receipt(&mut self, cx: &mut Cx<'_, Self>, token: Token, receipt: Receipt) {
        self.own.on_receipt(cx, token, receipt);
    }

    fn on_timer(&mut self, cx: &mut Cx<'_, Self>, timer: Timer) {
        match timer {
            Timer::Own(timer) => self.own.on_timer(cx, timer),
        }
    }

    fn on_command(&mut self, cx: &mut Cx<'_, Self>, command: Command) {
        self.own.on_command(cx, command);
    }

    fn on_hook(&mut self, cx: &mut Cx<'_, Self>, id: HookId, outcome: Outcome) {
        self.own.on_hook(cx, id, outcome);
    }

    fn on_stored(&mut self, cx: &mut Cx<'_, Self>, _id: StoreId, ok: bool) {
        if !ok {
            self.own.on_store_failed(cx);
        }
    }

    fn on_settled(&mut self, cx: &mut Cx<'_, Self>) {
        self.own.on_settled(cx);
    }
}
