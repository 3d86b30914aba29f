//! UDMI as a dialect of the link.

use alloc::boxed::Box;
use alloc::vec::Vec;

use device_link::{
    ConnectSpec, Cx, Dialect, Endpoint, FetchEvent, FetchId, HookId, Key, LinkEvent, Message, Now, Oversized,
    Receipt, Slot, StoreId, Stored, SubscribeRefused, Token, wire::Qos,
};
use serde::{Deserialize, Serialize};

use crate::actor::{Actor, ProxyIx};
use crate::config::Arrived;
use crate::credentials::{self, Credentials};
use crate::device::{CloudCommand, DeviceCore};
use crate::gateway::{Gateway, GatewayLoad};
use crate::persisted;
use crate::port::{Command, Hook, Notice, Outcome};
use crate::redirect::{self, Authentication, Redirect};
use crate::scope::DeviceTimer;
use crate::secrets;
use crate::settings::{Known, Settings, SettingsError};
use crate::topics::Topics;

/// A UDMI device or gateway on one link.
#[derive(Debug)]
pub struct Udmi {
    subscribes_commands: bool,
    keep_alive_seconds: u16,
    own: DeviceCore,
    gateway: Option<Box<Gateway>>,
    redirect: Redirect,
    credentials: Credentials,
}

impl Udmi {
    /// A device of these settings.
    ///
    /// # Errors
    /// What [`Settings::check`] finds.
    pub fn new(mut settings: Settings) -> Result<Self, SettingsError> {
        settings.check()?;
        let topics = Topics::new(&settings.topic_prefix).map_err(|_| SettingsError::TopicPrefix)?;
        let known = Known::take(&mut settings);
        let own = DeviceCore::new(Actor::Own, known, &settings.options, topics, Slot(0));
        let redirect = Redirect::new(&settings);
        let gateway = match settings.gateway.take() {
            None => None,
            Some(taken) => {
                let topics = Topics::new(&settings.topic_prefix).map_err(|_| SettingsError::TopicPrefix)?;
                let gateway = Gateway::new(taken, &settings.device_id, &settings.options, topics);
                Some(Box::new(gateway))
            }
        };
        Ok(Self {
            subscribes_commands: settings.options.commands,
            keep_alive_seconds: settings.options.keep_alive_seconds,
            own,
            gateway,
            redirect,
            credentials: Credentials::new(),
        })
    }

    /// Where it connects to, which is another endpoint than that of its settings once it was redirected.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.redirect.connection().endpoint
    }

    /// What a gateway has to do with proxied devices at the moment; none of a device that is no gateway.
    #[must_use]
    pub fn gateway_load(&self) -> Option<GatewayLoad> {
        self.gateway.as_ref().map(|gateway| gateway.load())
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
        if let (Some(gateway), Ok(topics)) = (&mut self.gateway, Topics::new(&connection.topic_prefix)) {
            gateway.use_topics(cx, topics);
        }
        cx.move_topics(self.own.topic_prefix(), &connection.topic_prefix);
        self.own.use_topics(cx, topics, self.subscribes_commands);
    }
}

impl Udmi {
    fn on_config(&mut self, cx: &mut Cx<'_, Self>, config: Arrived<'_>) {
        let facts = self.own.on_config(cx, config);
        self.redirect.on_config(cx, &mut self.own, facts.endpoint);
        self.follow(cx);
        if let Some(gateway) = &mut self.gateway {
            gateway.on_config(cx, &mut self.own, facts.proxy_ids);
        }
    }

    fn on_gateway_message(&mut self, cx: &mut Cx<'_, Self>, tag: Tag, message: Message<'_>) {
        let Some(gateway) = &mut self.gateway else { return };
        match tag {
            Tag::Errors => gateway.on_error(cx, &mut self.own, None, message.payload),
            Tag::ProxyErrors(ix) => gateway.on_error(cx, &mut self.own, Some(ix), message.payload),
            Tag::ProxyConfig(ix) => gateway.on_proxy_config(cx, ix, Arrived::Whole(message.payload)),
            Tag::ProxyCommands(ix) => gateway.on_proxy_command(cx, ix, message),
            Tag::Config | Tag::Commands => {}
        }
    }

    fn on_gateway_timer(&mut self, cx: &mut Cx<'_, Self>, timer: Timer) {
        let Some(gateway) = &mut self.gateway else { return };
        match timer {
            Timer::Proxy(ix, timer) => gateway.on_device_timer(cx, ix, timer),
            Timer::Attach(ix) => gateway.on_attach_timer(cx, &mut self.own, ix),
            Timer::Proxies => gateway.store(cx),
            Timer::Own(_) | Timer::Redirect | Timer::Fallback | Timer::Token | Timer::Rotation => {}
        }
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
    /// One of a proxied device's.
    Proxy(ProxyIx, DeviceTimer),
    /// The next attempt to attach a proxied device, the end of one, or one that has succeeded counts as good.
    Attach(ProxyIx),
    /// What is kept of the proxied devices is to be stored.
    Proxies,
}

/// What a subscription is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// The device's config.
    Config,
    /// The device's commands.
    Commands,
    /// A gateway's errors (§1.10).
    Errors,
    /// A proxied device's config.
    ProxyConfig(ProxyIx),
    /// A proxied device's commands.
    ProxyCommands(ProxyIx),
    /// A proxied device's errors.
    ProxyErrors(ProxyIx),
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
            keep_alive_seconds: self.keep_alive_seconds,
            clean_session: true,
        }
    }

    fn mask_stored(key: &Key, value: &[u8]) -> Option<Vec<u8>> {
        persisted::mask(key.as_str(), value)
    }

    fn mask_message(topic: &str, payload: &[u8]) -> Option<Vec<u8>> {
        if topic.ends_with("/config") {
            redirect::mask_config(payload)
        } else if topic.ends_with("/errors") {
            None // the broker's own words, which go into logs
        } else {
            secrets::command(payload)
        }
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
        if self.subscribes_commands {
            self.own.subscribe_commands(cx);
        }
        if let Some(gateway) = &mut self.gateway {
            gateway.on_start(cx, &mut self.own, stored);
        }
        self.redirect.on_start(cx, &mut self.own, stored);
        self.credentials.rotation.on_start(cx, &mut self.own, stored);
    }

    fn on_link(&mut self, cx: &mut Cx<'_, Self>, event: LinkEvent) {
        match event {
            LinkEvent::Up { resumed } => {
                cx.notify(Notice::Connected { resumed });
                self.own.on_up(cx);
                if let Some(gateway) = self.gateway.as_mut().filter(|_| !self.own.waits_for_config()) {
                    gateway.open(cx);
                }
                self.redirect.on_up(cx, &mut self.own);
                self.credentials.on_up(cx, &mut self.own, &self.redirect);
            }
            LinkEvent::Down { why } => {
                cx.notify(Notice::Disconnected { why: why.clone() });
                self.own.on_down(cx);
                if let Some(gateway) = &mut self.gateway {
                    gateway.on_down(cx);
                }
                self.credentials.on_down(cx, &mut self.own, &why);
                self.redirect.on_down(cx, &mut self.own, &why);
            }
        }
        self.follow(cx);
    }

    fn on_subscribed(&mut self, cx: &mut Cx<'_, Self>, tag: Tag, answer: Result<Qos, SubscribeRefused>) {
        match (tag, &mut self.gateway) {
            (Tag::ProxyConfig(ix), Some(gateway)) => {
                gateway.on_subscribed(cx, &mut self.own, ix, answer.map(|_| ()));
            }
            (Tag::ProxyCommands(ix) | Tag::ProxyErrors(ix), Some(gateway)) => {
                if answer.is_err() {
                    gateway.on_refused(cx, ix, tag);
                }
            }
            (Tag::ProxyConfig(_) | Tag::ProxyCommands(_) | Tag::ProxyErrors(_), None) => {}
            (Tag::Config | Tag::Commands | Tag::Errors, _) => {
                if answer.is_err() {
                    self.own.on_subscription_refused(cx, tag);
                }
            }
        }
    }

    fn on_message(&mut self, cx: &mut Cx<'_, Self>, tag: Tag, message: Message<'_>) {
        match tag {
            Tag::Config => self.on_config(cx, Arrived::Whole(message.payload)),
            Tag::Commands => {
                match self.own.on_cloud_command(cx, message.topic, message.payload, message.retain) {
                    CloudCommand::Handled => {}
                    CloudCommand::RotateKey => {
                        self.credentials.rotation.begin(cx, &mut self.own, &self.redirect, false);
                    }
                }
            }
            Tag::Errors | Tag::ProxyConfig(_) | Tag::ProxyCommands(_) | Tag::ProxyErrors(_) => {
                self.on_gateway_message(cx, tag, message);
            }
        }
    }

    /// A config is refused as any that cannot be read (§7.5), so that the cloud knows; a command is logged; of an error
    /// of the broker nothing is known.
    fn on_oversized(&mut self, cx: &mut Cx<'_, Self>, tag: Tag, message: Oversized<'_>) {
        let Oversized { topic, bytes, limit, .. } = message;
        let config = Arrived::Oversized { bytes, limit };
        match (tag, &mut self.gateway) {
            (Tag::Config, _) => self.on_config(cx, config),
            (Tag::Commands, _) => self.own.on_oversized_command(cx, topic, bytes),
            (Tag::ProxyConfig(ix), Some(gateway)) => gateway.on_proxy_config(cx, ix, config),
            (Tag::ProxyCommands(ix), Some(gateway)) => {
                gateway.on_oversized_command(cx, ix, topic, bytes);
            }
            (Tag::ProxyConfig(_) | Tag::ProxyCommands(_), None) | (Tag::Errors | Tag::ProxyErrors(_), _) => {}
        }
    }

    fn on_receipt(&mut self, cx: &mut Cx<'_, Self>, token: Token, receipt: Receipt) {
        let gateway = self.gateway.as_mut();
        if !gateway.is_some_and(|gateway| gateway.on_receipt(cx, &mut self.own, token, receipt)) {
            self.own.on_receipt(cx, token, receipt);
        }
    }

    fn on_timer(&mut self, cx: &mut Cx<'_, Self>, timer: Timer) {
        match timer {
            Timer::Own(timer) => {
                self.own.on_timer(cx, timer);
                if let (DeviceTimer::ConfigSync, Some(gateway)) = (timer, &mut self.gateway) {
                    gateway.open(cx);
                }
            }
            Timer::Redirect => self.redirect.on_timer(cx, &mut self.own),
            Timer::Fallback => self.redirect.on_fallback(cx, &mut self.own),
            Timer::Token => Credentials::on_timer(cx),
            Timer::Rotation => self.credentials.rotation.on_timer(cx, &mut self.own),
            Timer::Proxy(..) | Timer::Attach(_) | Timer::Proxies => return self.on_gateway_timer(cx, timer),
        }
        self.follow(cx);
    }

    fn on_command(&mut self, cx: &mut Cx<'_, Self>, command: Command) {
        match (command, &mut self.gateway) {
            (Command::RotateKey, _) => {
                self.credentials.rotation.begin(cx, &mut self.own, &self.redirect, true);
            }
            (Command::Proxied { device, command }, Some(gateway)) => {
                gateway.on_command(cx, &device, *command);
            }
            (Command::Found { scan, mut found }, Some(gateway)) => {
                if let Some(family) = self.own.family_of_scan(scan) {
                    gateway.recognise(family, &mut found);
                }
                self.own.on_command(cx, Command::Found { scan, found });
            }
            (Command::Overheard { family, mut found }, Some(gateway)) => {
                gateway.recognise(&family, &mut found);
                self.own.on_command(cx, Command::Overheard { family, found });
            }
            (Command::AddProxy { device, proxy }, Some(gateway)) => gateway.add(cx, device, *proxy),
            (Command::RemoveProxy { device }, Some(gateway)) => gateway.remove(cx, &device),
            (command, _) => self.own.on_command(cx, command),
        }
    }

    fn on_hook(&mut self, cx: &mut Cx<'_, Self>, id: HookId, outcome: Outcome) {
        let rest = self.credentials.rotation.on_hook(cx, &mut self.own, &mut self.redirect, id, outcome);
        let rest = match (rest, &mut self.gateway) {
            (Some(outcome), Some(gateway)) => gateway.on_hook(cx, id, outcome),
            (rest, _) => rest,
        };
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
        if let Some(gateway) = &mut self.gateway {
            gateway.on_settled(cx, &mut self.own);
        }
        self.own.on_settled(cx);
        if let Some(gateway) = self.gateway.as_mut().filter(|_| self.own.has_exited()) {
            gateway.flush(cx); // nothing is called any more after this
        }
        self.redirect.on_settled(cx, &self.own);
        self.follow(cx);
    }
}
