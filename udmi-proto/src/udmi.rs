//! UDMI as a dialect of the link.

use alloc::vec::Vec;

use device_link::{
    ConnectSpec, Cx, Dialect, Endpoint, FetchEvent, FetchId, HookId, Key, LinkEvent, Message, Now, Receipt,
    Slot, StoreId, Stored, SubscribeRefused, Token, wire::Qos,
};
use serde::{Deserialize, Serialize};

use crate::credentials::{self, Credentials};
use crate::device::{CloudCommand, DeviceCore};
use crate::persisted;
use crate::port::{Command, Hook, Notice, Outcome};
use crate::redirect::{self, Authentication, Redirect};
use crate::scope::DeviceTimer;
use crate::secrets;
use crate::settings::{Settings, SettingsError};
use crate::topics::Topics;

/// A UDMI device or gateway on one link.
#[derive(Debug)]
pub struct Udmi {
    settings: Settings,
    own: DeviceCore,
    redirect: Redirect,
    credentials: Credentials,
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
        let redirect = Redirect::new(&settings);
        Ok(Self { settings, own, redirect, credentials: Credentials::new() })
    }

    /// The settings it was made from.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Where it connects to, which is another endpoint than that of its settings once it was redirected.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.redirect.connection().endpoint
    }

    /// Brings the device in line with the endpoint in use: its topics, what waits for them, its silence.
    fn follow(&mut self, cx: &mut Cx<'_, Self>) {
        self.own.hold_states(self.redirect.holds_states());
        let connection = self.redirect.connection();
        self.own.wait_for_config(connection.config_sync_seconds);
        let acknowledged = if connection.no_config_ack { Qos::AtMostOnce } else { Qos::AtLeastOnce };
        self.own.use_config_qos(cx, acknowledged);
        if self.own.topic_prefix() == connection.topic_prefix {
            return;
        }
        // The prefix was checked when the connection was read.
        let Ok(topics) = Topics::new(&connection.topic_prefix) else { return };
        cx.move_topics(self.own.topic_prefix(), &connection.topic_prefix);
        self.own.use_topics(cx, topics, self.settings.options.commands);
    }
}

/// Deadlines of a device or gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Timer {
    /// One of the device's own.
    Own(DeviceTimer),
    /// The next step of a redirect (§5.3).
    Redirect,
    /// Nothing was heard of the cloud since the start: look elsewhere (§5.4).
    Fallback,
    /// The token is to be renewed (§1.8).
    Token,
    /// The host or the store has not answered during a rotation of the key.
    Rotation,
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

    fn connect(&mut self, now: Now) -> ConnectSpec {
        let connection = self.redirect.connection();
        let (username, password, token) = match &connection.authentication {
            Authentication::None => (None, None, None),
            Authentication::Password(credentials) => {
                (Some(credentials.username.clone()), Some(credentials.password.clone()), None)
            }
            Authentication::Token(token) => {
                (Some(token.username.clone()), None, Some(credentials::token(token, now.utc)))
            }
        };
        ConnectSpec {
            endpoint: connection.endpoint.clone(),
            client_id: connection.client_id.clone(),
            username,
            password,
            token,
            will: None, // §1.1
            keep_alive_seconds: self.settings.options.keep_alive_seconds,
            clean_session: true,
        }
    }

    fn mask_stored(key: &Key, value: &[u8]) -> Option<Vec<u8>> {
        persisted::mask(key.as_str(), value)
    }

    fn mask_message(topic: &str, payload: &[u8]) -> Option<Vec<u8>> {
        if topic.ends_with("/config") { redirect::mask_config(payload) } else { secrets::command(payload) }
    }

    fn mask_hook(hook: &Hook) -> Option<Hook> {
        secrets::hook(hook)
    }

    fn mask_notice(notice: &Notice) -> Option<Notice> {
        secrets::notice(notice)
    }

    fn on_start(&mut self, cx: &mut Cx<'_, Self>, stored: &[Stored]) {
        self.redirect.load(stored);
        self.follow(cx);
        self.own.on_start(cx, stored);
        if self.settings.options.commands {
            self.own.subscribe_commands(cx);
        }
        self.redirect.on_start(cx, &mut self.own, stored);
        self.credentials.rotation.on_start(cx, &mut self.own, stored);
    }

    fn on_link(&mut self, cx: &mut Cx<'_, Self>, event: LinkEvent) {
        match event {
            LinkEvent::Up { resumed } => {
                cx.notify(Notice::Connected { resumed });
                self.own.on_up(cx);
                self.redirect.on_up(cx, &mut self.own);
                self.credentials.on_up(cx, &mut self.own, &self.redirect);
            }
            LinkEvent::Down { why } => {
                cx.notify(Notice::Disconnected { why: why.clone() });
                self.own.on_down(cx);
                self.credentials.on_down(cx, &mut self.own, &why);
                self.redirect.on_down(cx, &mut self.own, &why);
            }
        }
        self.follow(cx);
    }

    fn on_subscribed(&mut self, cx: &mut Cx<'_, Self>, tag: Tag, answer: Result<Qos, SubscribeRefused>) {
        if answer.is_err() {
            self.own.on_subscription_refused(cx, tag);
        }
    }

    fn on_message(&mut self, cx: &mut Cx<'_, Self>, tag: Tag, message: Message<'_>) {
        match tag {
            Tag::Config => {
                let blob = self.own.on_config(cx, message.payload);
                self.redirect.on_config(cx, &mut self.own, blob);
                self.follow(cx);
            }
            Tag::Commands => {
                match self.own.on_cloud_command(cx, message.topic, message.payload, message.retain) {
                    CloudCommand::Handled => {}
                    CloudCommand::RotateKey => {
                        self.credentials.rotation.begin(cx, &mut self.own, &self.redirect, false);
                    }
                }
            }
        }
    }

    fn on_receipt(&mut self, cx: &mut Cx<'_, Self>, token: Token, receipt: Receipt) {
        self.own.on_receipt(cx, token, receipt);
    }

    fn on_timer(&mut self, cx: &mut Cx<'_, Self>, timer: Timer) {
        match timer {
            Timer::Own(timer) => self.own.on_timer(cx, timer),
            Timer::Redirect => self.redirect.on_timer(cx, &mut self.own),
            Timer::Fallback => self.redirect.on_fallback(cx, &mut self.own),
            Timer::Token => Credentials::on_timer(cx),
            Timer::Rotation => self.credentials.rotation.on_timer(cx, &mut self.own),
        }
        self.follow(cx);
    }

    fn on_command(&mut self, cx: &mut Cx<'_, Self>, command: Command) {
        if command == Command::RotateKey {
            self.credentials.rotation.begin(cx, &mut self.own, &self.redirect, true);
        } else {
            self.own.on_command(cx, command);
        }
    }

    fn on_hook(&mut self, cx: &mut Cx<'_, Self>, id: HookId, outcome: Outcome) {
        let rest = self.credentials.rotation.on_hook(cx, &mut self.own, &mut self.redirect, id, outcome);
        if let Some(outcome) = rest {
            self.own.on_hook(cx, id, outcome);
        }
    }

    fn on_stored(&mut self, cx: &mut Cx<'_, Self>, id: StoreId, ok: bool) {
        self.own.on_stored(cx, id, ok);
        self.redirect.on_stored(cx, &mut self.own, id);
        self.credentials.rotation.on_stored(cx, &mut self.own, id, ok);
        self.follow(cx);
    }

    fn on_fetched(&mut self, cx: &mut Cx<'_, Self>, id: FetchId, event: FetchEvent) {
        self.own.on_fetched(cx, id, event);
    }

    fn on_settled(&mut self, cx: &mut Cx<'_, Self>) {
        self.own.on_settled(cx);
        self.redirect.on_settled(cx, &self.own);
        self.follow(cx);
    }
}
