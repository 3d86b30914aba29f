//! A dialect that does what it is told and tells all it hears: the link as a dialect sees it.

use core::time::Duration;

use bytes::Bytes;
use device_link::wire::Qos;
use device_link::{
    ConnectSpec, Cx, Dialect, Down, Endpoint, ExitReason, FetchEvent, FetchId, Filter, HookId, Key,
    LinkEvent, Lost, Message, Now, Oversized, Publish, Queue, Receipt, Request, Secret, Slot, StoreId,
    Stored, SubscribeRefused, Token, Topic, Transport, UtcMillis,
};
use serde::{Deserialize, Serialize};

/// What nobody is to see in a trace.
pub const SECRET: &str = "hunter2!";

/// What a publish does offline, in a form that can be written.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Policy {
    Drop,
    Bounded,
    Latest(u32),
}

/// Everything a dialect can do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Do {
    Publish {
        topic: String,
        payload: String,
        qos: Qos,
        policy: Policy,
    },
    Retract(u32),
    Withdraw(Vec<Token>),
    Subscribe {
        filter: String,
        qos: Qos,
        tag: u32,
    },
    Unsubscribe(String),
    Invoke(String),
    Cancel(HookId),
    Store(String, Option<String>),
    /// Stores [`SECRET`] under the key `secret`.
    StoreSecret,
    Fetch(String, u64),
    Release(FetchId),
    After(u8, u64),
    AtUtc(u8, i64),
    Refresh,
    DialAfter(u64),
    MoveTopics(String, String),
    Exit(ExitReason),
    Note(String),
}

/// Everything a dialect hears.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Told {
    Oversized { tag: u32, topic: String, bytes: usize, limit: usize, retain: bool },
    Up { resumed: bool },
    Down(Down),
    Subscribed(u32, Result<Qos, String>),
    Message { tag: u32, topic: String, payload: String, qos: Qos, retain: bool, duplicate: bool },
    Published(Token),
    Receipt(Token, Got),
    Timer(u8),
    Hook(HookId, String),
    Stored(StoreId, bool),
    Fetched(FetchId, FetchEvent),
    Full,
    Note(String),
}

/// A receipt, in a form that can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Got {
    Sent,
    Acked,
    Offline,
    Full,
    Superseded,
    TooLarge,
    Ended,
}

/// The dialect: what it does on its own, besides what it is commanded.
#[derive(Clone, Debug)]
pub struct Probe {
    pub spec: ConnectSpec,
    pub on_start: Vec<Do>,
    pub on_up: Vec<Do>,
    pub on_message: Vec<Do>,
    pub on_lost: Vec<Do>,
    /// The most publishes that were in its outbox.
    pub deepest: usize,
}

impl Probe {
    pub fn new() -> Self {
        Self {
            spec: ConnectSpec {
                endpoint: Endpoint { host: "broker".into(), port: 8883, transport: Transport::Tls },
                client_id: "device".into(),
                username: Some("user".into()),
                password: Some(Secret::new("hunter2".into())),
                token: None,
                will: None,
                keep_alive_seconds: 60,
                clean_session: true,
            },
            on_start: Vec::new(),
            on_up: Vec::new(),
            on_message: Vec::new(),
            on_lost: Vec::new(),
            deepest: 0,
        }
    }

    fn run(cx: &mut Cx<'_, Self>, orders: Vec<Do>) {
        for order in orders {
            Self::obey(cx, order);
        }
    }

    fn obey(cx: &mut Cx<'_, Self>, order: Do) {
        match order {
            Do::Publish { topic, payload, qos, policy } => {
                let queue = match policy {
                    Policy::Drop => Queue::Drop,
                    Policy::Bounded => Queue::Bounded,
                    Policy::Latest(slot) => Queue::Latest(Slot(slot)),
                };
                let topic = Topic::new(&topic).unwrap();
                let token =
                    cx.publish(Publish { topic, payload: Bytes::from(payload), qos, retain: false, queue });
                cx.notify(Told::Published(token));
            }
            Do::Retract(slot) => cx.retract(Slot(slot)),
            Do::Withdraw(tokens) => cx.withdraw(&tokens.into_iter().collect()),
            Do::Subscribe { filter, qos, tag } => cx.subscribe(&Filter::new(&filter).unwrap(), qos, tag),
            Do::Unsubscribe(filter) => cx.unsubscribe(&Filter::new(&filter).unwrap()),
            Do::Invoke(what) => {
                if cx.invoke(what).is_err() {
                    cx.notify(Told::Full);
                }
            }
            Do::Cancel(id) => cx.cancel_hook(id),
            Do::Store(key, value) => {
                if cx.store(&Key::new(&key).unwrap(), value.map(Bytes::from)).is_err() {
                    cx.notify(Told::Full);
                }
            }
            Do::StoreSecret => Self::obey(cx, Do::Store("secret".into(), Some(SECRET.into()))),
            Do::Fetch(url, limit) => {
                if cx.fetch(Request { url, limit }).is_err() {
                    cx.notify(Told::Full);
                }
            }
            Do::Release(id) => cx.release(id),
            Do::After(timer, millis) => cx.after(timer, Duration::from_millis(millis)),
            Do::AtUtc(timer, utc) => cx.at_utc(timer, UtcMillis(utc)),
            Do::Refresh => cx.refresh(),
            Do::DialAfter(millis) => cx.dial_after(Duration::from_millis(millis)),
            Do::MoveTopics(from, to) => cx.move_topics(&from, &to),
            Do::Exit(reason) => cx.exit(reason),
            Do::Note(text) => cx.notify(Told::Note(text)),
        }
    }
}

impl Dialect for Probe {
    type Command = Do;
    type Notice = Told;
    type Hook = String;
    type Outcome = String;
    type Timer = u8;
    type Tag = u32;

    fn connect(&mut self, _now: Now) -> ConnectSpec {
        self.spec.clone()
    }

    fn on_start(&mut self, cx: &mut Cx<'_, Self>, _stored: &[Stored]) {
        Self::run(cx, self.on_start.clone());
    }

    fn on_link(&mut self, cx: &mut Cx<'_, Self>, event: LinkEvent) {
        self.deepest = self.deepest.max(cx.outbox_depth());
        match event {
            LinkEvent::Up { resumed } => {
                cx.notify(Told::Up { resumed });
                Self::run(cx, self.on_up.clone());
            }
            LinkEvent::Down { why } => cx.notify(Told::Down(why)),
        }
    }

    fn on_subscribed(&mut self, cx: &mut Cx<'_, Self>, tag: u32, answer: Result<Qos, SubscribeRefused>) {
        cx.notify(Told::Subscribed(tag, answer.map_err(|refused| format!("{refused:?}"))));
    }

    fn on_message(&mut self, cx: &mut Cx<'_, Self>, tag: u32, message: Message<'_>) {
        // What is secret, a dialect keeps to itself.
        let shown = Self::mask_message(message.topic, message.payload);
        let shown = shown.unwrap_or_else(|| message.payload.to_vec());
        cx.notify(Told::Message {
            tag,
            topic: message.topic.into(),
            payload: String::from_utf8_lossy(&shown).into_owned(),
            qos: message.qos,
            retain: message.retain,
            duplicate: message.duplicate,
        });
        Self::run(cx, self.on_message.clone());
    }

    fn on_oversized(&mut self, cx: &mut Cx<'_, Self>, tag: u32, message: Oversized<'_>) {
        let Oversized { topic, bytes, limit, retain } = message;
        cx.notify(Told::Oversized { tag, topic: topic.into(), bytes, limit, retain });
    }

    fn on_receipt(&mut self, cx: &mut Cx<'_, Self>, token: Token, receipt: Receipt) {
        let got = match receipt {
            Receipt::Sent => Got::Sent,
            Receipt::Acked => Got::Acked,
            Receipt::Lost(Lost::Offline) => Got::Offline,
            Receipt::Lost(Lost::Full) => Got::Full,
            Receipt::Lost(Lost::Superseded) => Got::Superseded,
            Receipt::Lost(Lost::TooLarge) => Got::TooLarge,
            Receipt::Lost(Lost::Ended) => Got::Ended,
        };
        cx.notify(Told::Receipt(token, got));
        if matches!(receipt, Receipt::Lost(_)) {
            Self::run(cx, self.on_lost.clone());
        }
    }

    fn on_timer(&mut self, cx: &mut Cx<'_, Self>, timer: u8) {
        cx.notify(Told::Timer(timer));
    }

    fn on_command(&mut self, cx: &mut Cx<'_, Self>, command: Do) {
        Self::obey(cx, command);
        self.deepest = self.deepest.max(cx.outbox_depth());
    }

    fn on_hook(&mut self, cx: &mut Cx<'_, Self>, id: HookId, outcome: String) {
        cx.notify(Told::Hook(id, outcome));
    }

    fn on_stored(&mut self, cx: &mut Cx<'_, Self>, id: StoreId, ok: bool) {
        cx.notify(Told::Stored(id, ok));
    }

    fn on_fetched(&mut self, cx: &mut Cx<'_, Self>, id: FetchId, event: FetchEvent) {
        cx.notify(Told::Fetched(id, event));
    }

    fn mask_stored(key: &Key, value: &[u8]) -> Option<Vec<u8>> {
        (key.as_str() == "secret").then(|| value.iter().map(|_| b'*').collect())
    }

    /// What stands between brackets is secret.
    fn mask_message(_topic: &str, payload: &[u8]) -> Option<Vec<u8>> {
        let mut is_secret = false;
        let mask = |byte: &u8| {
            is_secret = match byte {
                b'[' => true,
                b']' => false,
                _ => is_secret,
            };
            if is_secret && *byte != b'[' { b'*' } else { *byte }
        };
        payload.contains(&b'[').then(|| payload.iter().map(mask).collect())
    }
}
