//! What waits, what is on its way, and in which order it goes.

use alloc::borrow::ToOwned as _;

use bytes::Bytes;

use super::*;

fn parcel(token: u64, queue: Queue) -> Parcel {
    let publish = Publish {
        topic: Topic::new("t").unwrap(),
        payload: Bytes::from_static(b"123456789"),
        qos: Qos::AtLeastOnce,
        retain: false,
        queue,
    };
    Parcel::new(Token(token), publish)
}

fn outbox(messages: usize, bytes: usize) -> Outbox {
    Outbox::new(&Limits { outbox_messages: messages, outbox_bytes: bytes, inflight: 2, ..Limits::default() })
}

fn tokens(outbox: &mut Outbox) -> Vec<u64> {
    core::iter::from_fn(|| outbox.next_ready()).map(|parcel| parcel.token.0).collect()
}

#[test]
fn over_the_bound_the_oldest_is_lost_by_count_and_by_bytes() {
    for mut outbox in [outbox(2, 1000), outbox(100, 20)] {
        let mut lost = Vec::new();
        for token in 1..=4 {
            outbox.push(parcel(token, Queue::Bounded), &mut |token, receipt| lost.push((token.0, receipt)));
        }
        assert_eq!(lost, [(1, Receipt::Lost(Lost::Full)), (2, Receipt::Lost(Lost::Full))]);
        assert_eq!(tokens(&mut outbox), [3, 4]);
        assert_eq!(outbox.lost_full(), 2);
    }
}

#[test]
fn a_slot_holds_only_its_latest_and_goes_first() {
    let mut outbox = outbox(10, 1000);
    let mut lost = Vec::new();
    let mut note = |token: Token, receipt| lost.push((token.0, receipt));
    outbox.push(parcel(1, Queue::Bounded), &mut note);
    outbox.push(parcel(2, Queue::Latest(Slot(0))), &mut note);
    outbox.push(parcel(3, Queue::Latest(Slot(0))), &mut note);
    assert_eq!(lost, [(2, Receipt::Lost(Lost::Superseded))]);
    assert_eq!(tokens(&mut outbox), [3, 1]);
}

#[test]
fn a_lost_link_keeps_bounded_parcels_in_the_window_and_a_slot_in_its_slot() {
    let mut outbox = outbox(10, 1000);
    let mut lost = Vec::new();
    outbox.sent(PacketId::new(1).unwrap(), parcel(1, Queue::Bounded));
    outbox.sent(PacketId::new(2).unwrap(), parcel(2, Queue::Latest(Slot(7))));
    outbox.sent(PacketId::new(3).unwrap(), parcel(3, Queue::Drop));
    outbox.link_lost(&mut |token, receipt| lost.push((token.0, receipt)));
    assert_eq!(lost, [(3, Receipt::Lost(Lost::Offline))]);
    assert_eq!(outbox.inflight().map(|sent| sent.parcel.token.0).collect::<Vec<_>>(), [1]);
    assert_eq!(tokens(&mut outbox), [2]);
}

#[test]
fn regression_the_window_is_full_by_bytes_as_well_so_that_a_new_link_can_take_all_that_it_repeats() {
    let limits = Limits { inflight: 100, inflight_bytes: 250, ..Limits::default() };
    let mut outbox = Outbox::new(&limits);
    let large = |token| {
        let mut parcel = parcel(token, Queue::Bounded);
        parcel.publish.payload = alloc::vec![b'x'; 100 - parcel.publish.topic.as_str().len()].into();
        parcel
    };
    for token in 1..=5 {
        outbox.push(large(token), &mut |_, _| {});
    }
    let mut id = 0;
    let mut send = |outbox: &mut Outbox| {
        while let Some(parcel) = outbox.next_ready() {
            id += 1;
            outbox.sent(PacketId::new(id).unwrap(), parcel);
        }
    };
    send(&mut outbox);
    assert_eq!(outbox.inflight().count(), 3);
    assert!(!outbox.is_clear());
    outbox.acknowledged(PacketId::new(1).unwrap());
    send(&mut outbox);
    assert_eq!(outbox.inflight().count(), 3);
    outbox.link_lost(&mut |_, _| {});
    send(&mut outbox);
    assert_eq!(outbox.inflight().count(), 3);
    for id in 2..=5 {
        outbox.acknowledged(PacketId::new(id).unwrap());
        send(&mut outbox);
    }
    assert!(outbox.is_quiet() && outbox.is_clear());
}

#[test]
fn topics_move_to_another_prefix_in_every_queue_and_stay_in_bounds() {
    let under = |token, topic: &str, queue| {
        let mut parcel = parcel(token, queue);
        parcel.publish.topic = Topic::new(topic).unwrap();
        parcel
    };
    let mut outbox = outbox(10, 30);
    outbox.sent(PacketId::new(1).unwrap(), under(1, "a/x", Queue::Bounded));
    outbox.push(under(2, "a/y", Queue::Bounded), &mut |_, _| {});
    outbox.push(under(3, "ab/y", Queue::Bounded), &mut |_, _| {});
    outbox.push(under(4, "a/state", Queue::Latest(Slot(0))), &mut |_, _| {});
    let mut lost = Vec::new();
    let rename = |topic: &str| Some(alloc::format!("b/longer/{}", topic.strip_prefix("a/")?));
    outbox.rename_topics(&rename, &mut |token, receipt| lost.push((token.0, receipt)));
    assert_eq!(lost, [(2, Receipt::Lost(Lost::Full))]);
    assert_eq!(outbox.inflight().next().unwrap().parcel.publish.topic.as_str(), "b/longer/x");
    let topics: Vec<_> = core::iter::from_fn(|| outbox.next_ready())
        .map(|parcel| parcel.publish.topic.as_str().to_owned())
        .collect();
    assert_eq!(topics, ["b/longer/state", "ab/y"]);
}

fn gated(token: u64, gate: u32) -> Parcel {
    parcel(token, Queue::Gated(Gate(gate)))
}

#[test]
fn a_closed_gate_holds_its_own_back_and_an_open_one_lets_them_out_in_order() {
    let mut outbox = outbox(10, 1000);
    for parcel in [gated(1, 7), parcel(2, Queue::Bounded), gated(3, 8), gated(4, 7)] {
        outbox.push(parcel, &mut |_, _| {});
    }
    assert_eq!(tokens(&mut outbox), [2]);
    assert!(outbox.is_quiet() && outbox.depth() == 3);
    outbox.open_gate(Gate(7));
    outbox.push(gated(5, 7), &mut |_, _| {});
    outbox.close_gate(Gate(7));
    assert!(outbox.next_ready().is_none());
    outbox.open_gate(Gate(7));
    assert_eq!(tokens(&mut outbox), [1, 4, 5]);
    let mut lost = Vec::new();
    outbox.discard(Gate(8), &mut |token, receipt| lost.push((token.0, receipt)));
    assert_eq!(lost, [(3, Receipt::Lost(Lost::Superseded))]);
    assert_eq!((outbox.depth(), outbox.waiting_bytes), (0, 0));
}

#[test]
fn a_lost_link_closes_the_gates_and_takes_back_what_was_not_acknowledged() {
    let mut outbox = outbox(10, 1000);
    outbox.open_gate(Gate(7));
    outbox.sent(PacketId::new(1).unwrap(), gated(1, 7));
    outbox.sent(PacketId::new(2).unwrap(), gated(2, 7));
    outbox.push(gated(3, 7), &mut |_, _| {});
    outbox.link_lost(&mut |_, _| {});
    assert_eq!(outbox.inflight().count(), 0);
    assert!(outbox.next_ready().is_none());
    outbox.open_gate(Gate(7));
    let again: Vec<_> = core::iter::from_fn(|| outbox.next_ready()).collect();
    let again: Vec<_> = again.iter().map(|parcel| (parcel.token.0, parcel.again)).collect();
    assert_eq!(again, [(1, true), (2, true), (3, false)]);
}

#[test]
fn regression_what_was_withdrawn_while_it_was_unacknowledged_is_not_sent_again() {
    let mut outbox = outbox(10, 1000);
    outbox.open_gate(Gate(7));
    outbox.sent(PacketId::new(1).unwrap(), gated(1, 7));
    outbox.sent(PacketId::new(2).unwrap(), parcel(2, Queue::Latest(Slot(7))));
    outbox.retract(Slot(7), &mut |_, _| {});
    outbox.discard(Gate(7), &mut |_, _| {});
    let mut lost = Vec::new();
    outbox.link_lost(&mut |token, receipt| lost.push((token.0, receipt)));
    lost.sort_by_key(|(token, _)| *token);
    assert_eq!(lost, [1, 2].map(|token| (token, Receipt::Lost(Lost::Offline))));
    assert_eq!((outbox.depth(), outbox.waiting_bytes), (0, 0));
}

#[test]
fn the_oldest_of_all_is_lost_whatever_gate_it_is_behind() {
    let mut outbox = outbox(3, 1000);
    let mut lost = Vec::new();
    for parcel in [gated(1, 7), parcel(2, Queue::Bounded), gated(3, 8), gated(4, 7), gated(5, 8), gated(6, 7)]
    {
        outbox.push(parcel, &mut |token, _| lost.push(token.0));
    }
    assert_eq!(lost, [1, 2, 3]);
    assert_eq!(outbox.gated.values().map(VecDeque::len).sum::<usize>(), 3);
}

#[test]
fn a_full_window_holds_the_rest_back() {
    let mut outbox = outbox(10, 1000);
    outbox.sent(PacketId::new(1).unwrap(), parcel(1, Queue::Bounded));
    outbox.sent(PacketId::new(2).unwrap(), parcel(2, Queue::Bounded));
    outbox.push(parcel(3, Queue::Bounded), &mut |_, _| {});
    assert!(outbox.next_ready().is_none());
    assert_eq!(outbox.acknowledged(PacketId::new(2).unwrap()), Some(Token(2)));
    assert_eq!(tokens(&mut outbox), [3]);
}

#[test]
fn no_window_takes_every_packet_identifier() {
    for (asked, given) in [(0, 1), (100, 100), (usize::MAX, 32_767)] {
        assert_eq!(Outbox::new(&Limits { inflight: asked, ..Limits::default() }).window, given);
    }
}
