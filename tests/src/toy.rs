//! A dialect of no vendor's: numbered requests and replies. It proves that the link and its drivers know
//! nothing of any cloud, and it is small enough to read in one go.
//!
//! `Ask` publishes on `api/NNNN`; the answer comes on `reply/NNNN`, or none comes in time. The other way,
//! what arrives on `ask/NNNN` is asked of the application, whose answer goes out on `told/NNNN`. The number
//! of the last request is stored, so that numbers go on after a restart.

use core::time::Duration;
use std::collections::BTreeMap;

use bytes::Bytes;
use device_link::wire::Qos;
use device_link::{
    ConnectSpec, Cx, Dialect, Endpoint, ExitReason, Filter, HookId, Key, LinkEvent, Message, Now, Publish,
    Queue, Receipt, Secret, StoreId, Stored, SubscribeRefused, Token, Topic,
};
use serde::{Deserialize, Serialize};

/// What a toy is made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setup {
    /// Where its broker is.
    pub endpoint: Endpoint,
    /// Client identifier and user name.
    pub name: String,
    /// Its password, if it needs one.
    pub password: Option<Secret<String>>,
    /// How long it waits for an answer, in milliseconds.
    pub patience: u64,
}

/// What the application may ask for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Ask the peer.
    Ask(String),
    /// Connect anew.
    Refresh,
    /// End.
    Leave(ExitReason),
}

/// What the application is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Notice {
    /// The broker has accepted.
    Online,
    /// The link is gone; the text says why.
    Offline(String),
    /// The broker refused what the toy lives of.
    Deaf,
    /// The peer has answered.
    Answer {
        /// Which request.
        number: u16,
        /// With what.
        text: String,
    },
    /// The peer has not answered in time, or never got the request.
    NoAnswer {
        /// Which request.
        number: u16,
    },
}

/// What the application is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// The peer's number for it.
    pub number: u16,
    /// What it asks.
    pub text: String,
}

/// What its subscriptions mean.
#[derive(Clone, Copy, Debug)]
pub enum Tag {
    /// An answer to a request.
    Reply,
    /// A question.
    Question,
}

/// Its deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Timer {
    /// The time is up for the answer to the request of this number.
    Patience(u16),
}

/// The dialect.
#[derive(Clone, Debug)]
pub struct Toy {
    setup: Setup,
    last: u16,
    open: BTreeMap<u16, Option<Token>>,
    questions: BTreeMap<HookId, u16>,
}

impl Toy {
    /// A toy that has asked nothing yet.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        Self { setup, last: 0, open: BTreeMap::new(), questions: BTreeMap::new() }
    }

    /// How many requests wait for an answer.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.open.len()
    }

    fn ask(&mut self, cx: &mut Cx<'_, Self>, text: String) {
        self.last = self.last % 9999 + 1;
        let number = self.last;
        cx.after(Timer::Patience(number), Duration::from_millis(self.setup.patience));
        let token = cx.publish(message("api", number, text));
        self.open.insert(number, Some(token));
        // A full store table only means that the number is stored with the next request.
        let _ = cx.store(&last_number(), Some(Bytes::from(number.to_string())));
    }

    fn close(&mut self, cx: &mut Cx<'_, Self>, number: u16, notice: Notice) {
        if self.open.remove(&number).is_some() {
            cx.cancel(Timer::Patience(number));
            cx.notify(notice);
        }
    }
}

impl Dialect for Toy {
    type Command = Command;
    type Notice = Notice;
    type Hook = Question;
    type Outcome = String;
    type Timer = Timer;
    type Tag = Tag;

    fn connect(&mut self, _now: Now) -> ConnectSpec {
        ConnectSpec {
            endpoint: self.setup.endpoint.clone(),
            client_id: self.setup.name.clone(),
            username: Some(self.setup.name.clone()),
            password: self.setup.password.clone(),
            token: None,
            will: None,
            keep_alive_seconds: 60,
            clean_session: true,
        }
    }

    fn on_start(&mut self, cx: &mut Cx<'_, Self>, stored: &[Stored]) {
        let known = stored.iter().find(|stored| stored.key == last_number());
        let number = known.and_then(|stored| core::str::from_utf8(&stored.value).ok()?.parse().ok());
        self.last = number.unwrap_or(0);
        cx.subscribe(&filter("reply/+"), Qos::AtLeastOnce, Tag::Reply);
        cx.subscribe(&filter("ask/+"), Qos::AtLeastOnce, Tag::Question);
    }

    fn on_link(&mut self, cx: &mut Cx<'_, Self>, event: LinkEvent) {
        cx.notify(match event {
            LinkEvent::Up { .. } => Notice::Online,
            LinkEvent::Down { why } => Notice::Offline(why.to_string()),
        });
    }

    fn on_subscribed(&mut self, cx: &mut Cx<'_, Self>, _: Tag, answer: Result<Qos, SubscribeRefused>) {
        if answer.is_err() {
            cx.notify(Notice::Deaf);
        }
    }

    fn on_message(&mut self, cx: &mut Cx<'_, Self>, tag: Tag, message: Message<'_>) {
        let Some(number) = message.topic.rsplit('/').next().and_then(|number| number.parse().ok()) else {
            return;
        };
        let text = String::from_utf8_lossy(message.payload).into_owned();
        match tag {
            Tag::Reply => self.close(cx, number, Notice::Answer { number, text }),
            Tag::Question => {
                if let Ok(id) = cx.invoke(Question { number, text }) {
                    self.questions.insert(id, number);
                }
            }
        }
    }

    fn on_receipt(&mut self, cx: &mut Cx<'_, Self>, token: Token, receipt: Receipt) {
        let Some(number) = self.open.iter().find(|(_, own)| **own == Some(token)).map(|(number, _)| *number)
        else {
            return;
        };
        match receipt {
            Receipt::Sent | Receipt::Acked => {
                self.open.insert(number, None);
            }
            Receipt::Lost(_) => self.close(cx, number, Notice::NoAnswer { number }),
        }
    }

    fn on_timer(&mut self, cx: &mut Cx<'_, Self>, Timer::Patience(number): Timer) {
        self.close(cx, number, Notice::NoAnswer { number });
    }

    fn on_command(&mut self, cx: &mut Cx<'_, Self>, command: Command) {
        match command {
            Command::Ask(text) => self.ask(cx, text),
            Command::Refresh => cx.refresh(),
            Command::Leave(reason) => cx.exit(reason),
        }
    }

    fn on_hook(&mut self, cx: &mut Cx<'_, Self>, id: HookId, outcome: String) {
        if let Some(number) = self.questions.remove(&id) {
            cx.publish(message("told", number, outcome));
        }
    }

    fn on_stored(&mut self, _: &mut Cx<'_, Self>, _: StoreId, _: bool) {}
}

fn message(kind: &str, number: u16, text: String) -> Publish {
    Publish {
        topic: Topic::new(&format!("{kind}/{number:04}")).expect("letters, a slash and digits"),
        payload: Bytes::from(text),
        qos: Qos::AtLeastOnce,
        retain: false,
        queue: Queue::Bounded,
    }
}

fn filter(text: &str) -> Filter {
    Filter::new(text).expect("the two filters are valid")
}

fn last_number() -> Key {
    Key::new("last_number").expect("letters and an underscore")
}
