//! The checks: what each does, and what a broker of MQTT 3.1.1 answers.

use crate::client::{Client, connect, id, kept, login, show, with_will};
use Qos::{AtLeastOnce, AtMostOnce, ExactlyOnce};
use device_link::wire::{Connect, Packet, Qos};
use std::net::SocketAddr;

/// A broker, and a name that no other check uses.
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    pub(crate) name: String,
}

/// What was seen, in words.
pub(crate) type Seen = String;

/// Name, check, what our broker answers.
pub(crate) type Check = (&'static str, fn(&Site) -> Seen, &'static str);

impl Site {
    fn topic(&self, last: &str) -> String {
        format!("{}/{last}", self.name)
    }

    fn join(&self, who: &str) -> Client {
        Client::join(self.address, connect(&self.topic(who))).0
    }

    fn answer_to(&self, connect: Connect) -> Seen {
        let mut client = Client::open(self.address);
        client.send(&Packet::Connect(connect));
        client.shown()
    }

    /// What a fresh connection answers to these bytes.
    fn answer_to_raw(&self, bytes: &[u8]) -> Seen {
        let mut client = Client::open(self.address);
        client.send_raw(bytes);
        client.shown()
    }

    /// What a client that is connected gets for these bytes.
    fn joined_answer_to_raw(&self, bytes: &[u8]) -> Seen {
        let mut client = self.join("a");
        client.send_raw(bytes);
        client.send(&Packet::PingReq);
        client.shown()
    }
}

pub(crate) const CHECKS: &[Check] = &[
    ("a UDMI client id is taken", |s| s.answer_to(connect(&format!("/r/{}/d/AHU-1", s.name))), "accepted"),
    ("an empty client id is named", |s| s.answer_to(connect("")), "accepted"),
    (
        "an empty client id cannot be kept",
        |s| s.answer_to_raw(b"\x10\x0c\0\x04MQTT\x04\0\0\x3c\0\0"),
        "refused: client identifier rejected",
    ),
    (
        "level 6 is refused with code 1",
        |s| s.answer_to_raw(b"\x10\x0d\0\x04MQTT\x06\x02\0\x3c\0\x01a"),
        "refused: unacceptable protocol version",
    ),
    ("level 5 is refused with code 1", level_5, "type 2, code 1"),
    (
        "another protocol's name is closed",
        |s| s.answer_to_raw(b"\x10\x0d\0\x04HTTP\x04\x02\0\x3c\0\x01a"),
        "closed",
    ),
    (
        "a reserved connect flag is closed",
        |s| s.answer_to_raw(b"\x10\x0d\0\x04MQTT\x04\x03\0\x3c\0\x01a"),
        "closed",
    ),
    (
        "a password without a user name is closed",
        |s| s.answer_to_raw(b"\x10\x10\0\x04MQTT\x04\x42\0\x3c\0\x01a\0\x01p"),
        "closed",
    ),
    ("a first packet other than connect is closed", |s| s.answer_to_raw(b"\xc0\0"), "closed"),
    ("a second connect is closed", second_connect, "closed"),
    ("a right password is taken", |s| s.answer_to(login(&s.name, "alice", "s3cret")), "accepted"),
    (
        "a wrong password is refused",
        |s| s.answer_to(login(&s.name, "alice", "no")),
        "refused: not authorized",
    ),
    (
        "an unknown user is refused",
        |s| s.answer_to(login(&s.name, "eve", "s3cret")),
        "refused: not authorized",
    ),
    ("a missing password is refused", missing_password, "refused: not authorized"),
    ("keep-alive 0 is taken", |s| s.answer_to(Connect { keep_alive: 0, ..connect(&s.name) }), "accepted"),
    ("a silent client is closed and its will published", silence, "w=gone qos1, closed"),
    ("a lost client's will is published", lost, "w=gone qos1"),
    ("a goodbye drops the will", goodbye, "nothing"),
    ("a retained will is kept", retained_will, "w=gone qos1 retain"),
    ("a protocol error publishes the will", error_will, "w=gone qos1"),
    ("take-over closes the older connection", take_over, "closed, then PingResp"),
    ("take-over publishes the older one's will", take_over_will, "w=gone qos1"),
    ("ping is answered", |s| s.joined_answer_to_raw(b""), "PingResp"),
    ("each quality of service is the lesser of both", qualities, "000011012"),
    ("a repeated qos 2 message is taken once", repeated_qos2, "t=x qos0"),
    (
        "an unknown release is completed",
        |s| s.joined_answer_to_raw(b"\x62\x02\0\x09"),
        "PubComp(PacketId(9))",
    ),
    ("an unknown receipt is released", |s| s.joined_answer_to_raw(b"\x50\x02\0\x09"), "PubRel(PacketId(9))"),
    ("an unknown acknowledgement is ignored", |s| s.joined_answer_to_raw(b"\x40\x02\0\x09"), "PingResp"),
    ("a topic with a wildcard is closed", |s| s.joined_answer_to_raw(b"\x30\x05\0\x03a/#"), "closed"),
    ("an empty topic is closed", |s| s.joined_answer_to_raw(b"\x30\x03\0\0x"), "closed"),
    ("a topic beyond ascii is taken", |s| s.joined_answer_to_raw(b"\x30\x07\0\x04\xc3\xa9/xx"), "PingResp"),
    ("a topic with a null is closed", |s| s.joined_answer_to_raw(b"\x30\x05\0\x03a\0b"), "closed"),
    ("a topic that is not utf-8 is closed", |s| s.joined_answer_to_raw(b"\x30\x05\0\x03a\xffb"), "closed"),
    ("qos 3 is closed", |s| s.joined_answer_to_raw(b"\x36\x05\0\x01a\0\x01"), "closed"),
    ("dup with qos 0 is closed", |s| s.joined_answer_to_raw(b"\x38\x03\0\x01a"), "closed"),
    ("identifier 0 is closed", |s| s.joined_answer_to_raw(b"\x32\x05\0\x01a\0\0"), "closed"),
    ("a release without its flags is closed", |s| s.joined_answer_to_raw(b"\x60\x02\0\x01"), "closed"),
    ("a server's packet is closed", |s| s.joined_answer_to_raw(b"\xd0\0"), "closed"),
    ("a packet over the limit is closed", |s| s.joined_answer_to_raw(b"\x30\xff\xff\xff\x7f"), "closed"),
    ("retained messages come on subscribe", retained, "granted AtLeastOnce, t=x qos1 retain"),
    ("retained messages come on every subscribe", retained_again, "granted AtMostOnce, t=x qos0 retain"),
    ("an empty payload clears and is forwarded", cleared, "t= qos0; granted AtMostOnce"),
    ("live messages are not marked retained", live, "t=x qos0"),
    ("retained messages of a tree all come", retained_tree, "a b c"),
    ("wildcards hide topics with a dollar", dollar, "t=x qos0"),
    (
        "the system tree can be subscribed to",
        |s| s.join("a").subscribe("$SYS/#", AtMostOnce),
        "granted AtMostOnce",
    ),
    (
        "a filter with half a wildcard is closed",
        |s| s.joined_answer_to_raw(b"\x82\x07\0\x01\0\x02a+\0"),
        "closed",
    ),
    ("a subscription to nothing is closed", |s| s.joined_answer_to_raw(b"\x82\x02\0\x01"), "closed"),
    (
        "reserved subscription options are closed",
        |s| s.joined_answer_to_raw(b"\x82\x06\0\x01\0\x01a\xfc"),
        "closed",
    ),
    ("unsubscribing ends delivery", unsubscribed, "UnsubAck(PacketId(7)), nothing"),
    ("overlapping filters deliver once", overlapping, "1"),
    ("subscribing again changes the quality", subscribed_again, "t=x qos0"),
    ("a kept session is there again", kept_session, "false true"),
    ("a clean session ends the kept one", clean_session, "true false false"),
    ("a kept session queues qos 1 and 2 but not 0", queued, "b=2 qos1, c=3 qos2"),
    ("what was not acknowledged comes again", redelivered, "t=x qos1 dup, same identifier"),
    ("a release comes again", released_again, "PubRel, same identifier"),
    ("twenty messages are in flight at most", inflight, "20, then 21 in order"),
    ("a forbidden publish is acknowledged and dropped", forbidden_publish, "nothing"),
    ("an allowed publish is delivered", allowed_publish, "t=x qos1"),
    ("a forbidden filter is refused", forbidden_filter, "granted refused"),
    ("a filter that selects no more than allowed is granted", narrower_filter, "granted AtMostOnce"),
    ("a client's own tree is its own", own_tree, "own=x qos0"),
    ("a forbidden will is not published", forbidden_will, "nothing"),
];

/// A CONNECT that is right in MQTT 5, and may get an answer of MQTT 5.
fn level_5(site: &Site) -> Seen {
    let mut client = Client::open(site.address);
    client.send_raw(b"\x10\x0e\0\x04MQTT\x05\x02\0\x3c\0\0\x01a");
    let answer = client.next_raw();
    format!("type {}, code {}", answer[0] >> 4, answer[3])
}

fn second_connect(site: &Site) -> Seen {
    let mut client = site.join("a");
    client.send(&Packet::Connect(connect(&site.topic("a"))));
    client.shown()
}

fn missing_password(site: &Site) -> Seen {
    site.answer_to(Connect { username: Some("alice".into()), ..connect(&site.name) })
}

/// A client with a will, and one that waits for it.
fn mourner_and(site: &Site, keep_alive: u16, retain: bool) -> (Client, Client) {
    let mut mourner = site.join("mourner");
    mourner.subscribe(&site.topic("w"), AtLeastOnce);
    let doomed = with_will(connect(&site.topic("doomed")), &site.topic("w"), retain);
    let (doomed, _) = Client::join(site.address, Connect { keep_alive, ..doomed });
    (mourner, doomed)
}

fn silence(site: &Site) -> Seen {
    let (mut mourner, mut silent) = mourner_and(site, 1, false);
    format!("{}, {}", mourner.shown(), silent.shown())
}

fn lost(site: &Site) -> Seen {
    let (mut mourner, lost) = mourner_and(site, 60, false);
    drop(lost);
    mourner.shown()
}

fn goodbye(site: &Site) -> Seen {
    let (mut mourner, mut leaver) = mourner_and(site, 60, false);
    leaver.send(&Packet::Disconnect);
    assert_eq!(leaver.next(), None);
    mourner.all_shown()
}

fn retained_will(site: &Site) -> Seen {
    let (mut mourner, lost) = mourner_and(site, 60, true);
    drop(lost);
    assert_eq!(mourner.shown(), "w=gone qos1");
    let mut late = site.join("late");
    late.subscribe(&site.topic("w"), AtLeastOnce);
    late.shown()
}

fn error_will(site: &Site) -> Seen {
    let (mut mourner, mut wrong) = mourner_and(site, 60, false);
    wrong.send_raw(b"\xf0\0");
    mourner.shown()
}

fn take_over(site: &Site) -> Seen {
    let mut older = site.join("a");
    let mut newer = site.join("a");
    let end = older.shown();
    newer.send(&Packet::PingReq);
    format!("{end}, then {}", newer.shown())
}

fn take_over_will(site: &Site) -> Seen {
    let (mut mourner, _older) = mourner_and(site, 60, false);
    let _newer = site.join("doomed");
    mourner.shown()
}

fn qualities(site: &Site) -> Seen {
    let mut publisher = site.join("p");
    let mut seen = Seen::new();
    for published in [AtMostOnce, AtLeastOnce, ExactlyOnce] {
        for subscribed in [AtMostOnce, AtLeastOnce, ExactlyOnce] {
            let mut subscriber = site.join("s");
            subscriber.subscribe(&site.topic("t"), subscribed);
            publisher.publish(&site.topic("t"), "x", published, false);
            let taken = subscriber.take();
            assert_eq!(subscriber.all(), [], "it came once");
            seen.push(show(Some(&Packet::Publish(taken))).pop().unwrap());
        }
    }
    seen
}

fn repeated_qos2(site: &Site) -> Seen {
    let (mut publisher, mut subscriber) = (site.join("p"), site.join("s"));
    subscriber.subscribe(&site.topic("t"), AtMostOnce);
    for dup in [false, true] {
        publisher.publish_raw(&site.topic("t"), "x", ExactlyOnce, false, dup, Some(id(5)));
        assert_eq!(publisher.next(), Some(Packet::PubRec(id(5))));
    }
    publisher.send(&Packet::PubRel(id(5)));
    assert_eq!(publisher.next(), Some(Packet::PubComp(id(5))));
    subscriber.all_shown()
}

fn retained(site: &Site) -> Seen {
    site.join("p").publish(&site.topic("t"), "x", AtLeastOnce, true);
    let mut subscriber = site.join("s");
    let granted = subscriber.subscribe(&site.topic("t"), AtLeastOnce);
    format!("{granted}, {}", subscriber.shown())
}

fn retained_again(site: &Site) -> Seen {
    site.join("p").publish(&site.topic("t"), "x", AtLeastOnce, true);
    let mut subscriber = site.join("s");
    subscriber.subscribe(&site.topic("+"), AtMostOnce);
    subscriber.all();
    let granted = subscriber.subscribe(&site.topic("+"), AtMostOnce);
    format!("{granted}, {}", subscriber.shown())
}

fn cleared(site: &Site) -> Seen {
    let (mut publisher, mut early) = (site.join("p"), site.join("early"));
    publisher.publish(&site.topic("t"), "x", AtMostOnce, true);
    early.subscribe(&site.topic("t"), AtMostOnce);
    early.all();
    publisher.publish(&site.topic("t"), "", AtMostOnce, true);
    let forwarded = early.all_shown();
    let mut late = site.join("late");
    let granted = late.subscribe(&site.topic("t"), AtMostOnce);
    assert_eq!(late.all(), []);
    format!("{forwarded}; {granted}")
}

fn live(site: &Site) -> Seen {
    let (mut publisher, mut subscriber) = (site.join("p"), site.join("s"));
    subscriber.subscribe(&site.topic("t"), AtMostOnce);
    publisher.publish(&site.topic("t"), "x", AtMostOnce, true);
    subscriber.all_shown()
}

fn retained_tree(site: &Site) -> Seen {
    let mut publisher = site.join("p");
    for last in ["a", "b", "c"] {
        publisher.publish(&site.topic(&format!("tree/{last}")), last, AtLeastOnce, true);
    }
    let mut subscriber = site.join("s");
    subscriber.subscribe(&site.topic("tree/#"), AtLeastOnce);
    let mut names: Vec<_> = (0..3).map(|_| subscriber.take().payload).collect();
    names.sort();
    names.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect::<Vec<_>>().join(" ")
}

/// A topic that begins with `$` comes to who names its first level, not to who subscribed to everything.
fn dollar(site: &Site) -> Seen {
    let topic = format!("$probe/{}/t", site.name);
    let (mut publisher, mut plain, mut wild) = (site.join("p"), site.join("s"), site.join("w"));
    plain.subscribe(&format!("$probe/{}/+", site.name), AtMostOnce);
    wild.subscribe(&format!("+/{}/+", site.name), AtMostOnce);
    publisher.publish(&topic, "x", AtMostOnce, false);
    assert_eq!(wild.all(), []);
    plain.all_shown()
}

fn unsubscribed(site: &Site) -> Seen {
    let (mut publisher, mut subscriber) = (site.join("p"), site.join("s"));
    subscriber.subscribe(&site.topic("t"), AtMostOnce);
    subscriber.send(&Packet::Unsubscribe { id: id(7), filters: vec![site.topic("t"), site.topic("never")] });
    let answer = subscriber.shown();
    publisher.publish(&site.topic("t"), "x", AtMostOnce, false);
    format!("{answer}, {}", subscriber.all_shown())
}

fn overlapping(site: &Site) -> Seen {
    let (mut publisher, mut subscriber) = (site.join("p"), site.join("s"));
    for filter in ["#", "+", "t"] {
        subscriber.subscribe(&site.topic(filter), AtMostOnce);
    }
    publisher.publish(&site.topic("t"), "x", AtLeastOnce, false);
    subscriber.all().len().to_string()
}

fn subscribed_again(site: &Site) -> Seen {
    let (mut publisher, mut subscriber) = (site.join("p"), site.join("s"));
    subscriber.subscribe(&site.topic("t"), ExactlyOnce);
    subscriber.subscribe(&site.topic("t"), AtMostOnce);
    publisher.publish(&site.topic("t"), "x", ExactlyOnce, false);
    subscriber.all_shown()
}

/// Ends a client's connection in order, so that the broker has noticed.
fn leave(mut client: Client) {
    client.send(&Packet::Disconnect);
    while client.next().is_some() {}
}

fn kept_session(site: &Site) -> Seen {
    let (first, before) = Client::join(site.address, kept(&site.name));
    leave(first);
    let (_second, after) = Client::join(site.address, kept(&site.name));
    format!("{before} {after}")
}

fn clean_session(site: &Site) -> Seen {
    leave(Client::join(site.address, kept(&site.name)).0);
    let (again, first) = Client::join(site.address, kept(&site.name));
    leave(again);
    let (clean, second) = Client::join(site.address, connect(&site.name));
    leave(clean);
    let (_kept, third) = Client::join(site.address, kept(&site.name));
    format!("{first} {second} {third}")
}

/// A kept session with a subscription, its client gone.
fn sleeper(site: &Site) -> Connect {
    let sleeper = kept(&site.topic("sleeper"));
    let (mut client, _) = Client::join(site.address, sleeper.clone());
    client.subscribe(&site.topic("+"), ExactlyOnce);
    leave(client);
    sleeper
}

fn queued(site: &Site) -> Seen {
    let sleeper = sleeper(site);
    let mut publisher = site.join("p");
    publisher.publish(&site.topic("a"), "1", AtMostOnce, false);
    publisher.publish(&site.topic("b"), "2", AtLeastOnce, false);
    publisher.publish(&site.topic("c"), "3", ExactlyOnce, false);
    let (mut awake, _) = Client::join(site.address, sleeper);
    awake.all_shown()
}

fn redelivered(site: &Site) -> Seen {
    let sleeper = sleeper(site);
    site.join("p").publish(&site.topic("t"), "x", AtLeastOnce, false);
    let (mut first, _) = Client::join(site.address, sleeper.clone());
    let before = first.next();
    leave(first);
    let (mut second, _) = Client::join(site.address, sleeper);
    let after = second.next();
    let number = |packet: &Option<Packet>| match packet {
        Some(Packet::Publish(publish)) => publish.id,
        _ => None,
    };
    let same = if number(&before) == number(&after) { "same identifier" } else { "another identifier" };
    format!("{}, {same}", show(after.as_ref()))
}

fn released_again(site: &Site) -> Seen {
    let sleeper = sleeper(site);
    site.join("p").publish(&site.topic("t"), "x", ExactlyOnce, false);
    let (mut first, _) = Client::join(site.address, sleeper.clone());
    let Some(Packet::Publish(publish)) = first.next() else { panic!("not a message") };
    let number = publish.id.unwrap();
    first.send(&Packet::PubRec(number));
    assert_eq!(first.next(), Some(Packet::PubRel(number)));
    leave(first);
    let (mut second, _) = Client::join(site.address, sleeper);
    match second.next() {
        Some(Packet::PubRel(again)) if again == number => "PubRel, same identifier".into(),
        other => show(other.as_ref()),
    }
}

fn inflight(site: &Site) -> Seen {
    let sleeper = sleeper(site);
    let mut publisher = site.join("p");
    for number in 0..21 {
        publisher.publish(&site.topic("t"), &number.to_string(), AtLeastOnce, false);
    }
    let (mut awake, _) = Client::join(site.address, sleeper);
    let mut sent = awake.all();
    let first = sent.len();
    let Some(Packet::Publish(oldest)) = sent.first() else { panic!("nothing was sent") };
    awake.send(&Packet::PubAck(oldest.id.unwrap()));
    sent.extend(awake.next());
    let in_order = sent.iter().enumerate().all(|(number, packet)| {
        matches!(packet, Packet::Publish(publish) if publish.payload == number.to_string().as_bytes())
    });
    format!("{first}, then {} {}", sent.len(), if in_order { "in order" } else { "out of order" })
}

fn alice(site: &Site, who: &str) -> Client {
    Client::join(site.address, login(&format!("{}-{who}", site.name), "alice", "s3cret")).0
}

fn forbidden_publish(site: &Site) -> Seen {
    let (mut publisher, mut subscriber) = (alice(site, "p"), site.join("s"));
    subscriber.subscribe(&site.topic("t"), AtLeastOnce);
    publisher.publish(&site.topic("t"), "x", AtLeastOnce, false);
    publisher.publish(&site.topic("t"), "x", ExactlyOnce, false);
    subscriber.all_shown()
}

fn allowed_publish(site: &Site) -> Seen {
    let topic = format!("alice/{}/t", site.name);
    let (mut publisher, mut subscriber) = (alice(site, "p"), alice(site, "s"));
    subscriber.subscribe(&topic, AtLeastOnce);
    publisher.publish(&topic, "x", AtLeastOnce, false);
    subscriber.all_shown()
}

/// Grants nothing that is not allowed; and whatever was granted, nothing comes.
fn forbidden_filter(site: &Site) -> Seen {
    let mut subscriber = alice(site, "s");
    let granted = subscriber.subscribe(&site.topic("#"), AtMostOnce);
    site.join("p").publish(&site.topic("t"), "x", AtMostOnce, false);
    assert_eq!(subscriber.all(), []);
    granted
}

fn narrower_filter(site: &Site) -> Seen {
    alice(site, "s").subscribe("alice/+/t", AtMostOnce)
}

fn own_tree(site: &Site) -> Seen {
    let (mut own, mut other) = (alice(site, "own"), alice(site, "other"));
    let topic = |last: &str| format!("clients/{}-own/{last}", site.name);
    own.subscribe(&topic("#"), AtLeastOnce);
    other.publish(&topic("other"), "x", AtLeastOnce, false);
    own.publish_raw(&topic("own"), "x", AtMostOnce, false, false, None);
    own.shown()
}

fn forbidden_will(site: &Site) -> Seen {
    let mut mourner = site.join("mourner");
    mourner.subscribe(&site.topic("#"), AtLeastOnce);
    let doomed = with_will(login(&format!("{}-d", site.name), "alice", "s3cret"), &site.topic("w"), false);
    let (older, _) = Client::join(site.address, doomed.clone());
    // The take-over is the end of the older one, and its answer comes after it.
    let (_newer, _) = Client::join(site.address, doomed);
    drop(older);
    mourner.all_shown()
}
