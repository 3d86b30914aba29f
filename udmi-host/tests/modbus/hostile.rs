//! Hosts that break the rules: each ends as an error, and never as a value that was not read.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use udmi_host::family::modbus::{ModbusProvider, ModbusSettings};
use udmi_host::family::{FamilyProvider, PointError, ProviderError, Stop, WriteError};
use udmi_proto::Value;

use crate::peer::{Asked, Peer, SHORT, impatient, one, provider, read, register, settings, target};

const REFERENCE: &str = "1/3/0";

/// What a host makes of a request.
type Answering = fn(&Asked) -> Vec<u8>;

/// A host whose first answer on its first connection is made by the closure, and all others are register 7.
fn once(answer: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static) -> Peer {
    Peer::new(move |ix, mut wire| {
        let mut is_first = ix == 0;
        while let Some(request) = wire.request() {
            let bytes = if is_first { answer(&request) } else { request.register(7) };
            is_first = false;
            wire.send(&bytes);
        }
    })
}

/// The first reading fails as the closure wants it, the next one works, on so many connections in all.
fn fails_once(name: &str, peer: &Peer, is_expected: impl Fn(&ProviderError) -> bool, connections: usize) {
    let provider = impatient();
    let error = one(&provider, &peer.target(), REFERENCE).unwrap_err();
    assert!(is_expected(&error), "{name}: {error}");
    assert_eq!(one(&provider, &peer.target(), REFERENCE), Ok(Value::Integer(7)), "{name}");
    assert_eq!(peer.accepted(), connections, "{name}");
}

fn is_garbled(error: &ProviderError) -> bool {
    matches!(error, ProviderError::Garbled(_))
}

fn is_unreachable(error: &ProviderError) -> bool {
    matches!(error, ProviderError::Unreachable(_))
}

#[test]
fn what_is_no_answer_ends_the_connection() {
    let cases: [(&str, Answering); 12] = [
        ("another protocol", |_| b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
        ("only ones", |_| vec![0xff; 300]),
        ("too long", |_| vec![0, 1, 0, 0, 0xff, 0xff, 1, 3]),
        ("too short", |_| vec![0, 1, 0, 0, 0, 1, 1]),
        ("a foreign transaction", |asked| Asked { transaction: 0x4711, ..asked.clone() }.register(9)),
        ("the next transaction", |asked| {
            Asked { transaction: asked.transaction + 1, ..asked.clone() }.register(9)
        }),
        ("another unit", |asked| Asked { unit: 2, ..asked.clone() }.register(9)),
        ("another function", |asked| asked.answer(&[4, 2, 0, 9])),
        ("two registers", |asked| asked.answer(&[3, 4, 0, 9, 0, 9])),
        ("an odd size", |asked| asked.answer(&[3, 1, 9])),
        ("a wrong count", |asked| asked.answer(&[3, 4, 0, 9])),
        ("an exception without a code", |asked| asked.answer(&[0x83])),
    ];
    for (name, answer) in cases {
        fails_once(name, &once(answer), is_garbled, 2);
    }
}

#[test]
fn half_an_answer_is_none_and_ends_the_connection() {
    for size in [1, 5, 7, 9, 10] {
        let peer = once(move |asked| asked.register(9).into_iter().take(size).collect());
        fails_once(&format!("{size} bytes"), &peer, is_unreachable, 2);
    }
}

#[test]
fn silence_is_no_answer_and_keeps_the_connection() {
    fails_once("silence", &once(|_| Vec::new()), is_unreachable, 1);
}

#[test]
fn a_late_answer_is_passed_over() {
    let peer = Peer::new(|_, mut wire| {
        let late = wire.request().unwrap();
        let second = wire.request().unwrap();
        wire.send(&late.register(9));
        wire.send(&second.register(7));
        wire.until_closed();
    });
    fails_once("late", &peer, is_unreachable, 1);
}

#[test]
fn a_double_answer_is_passed_over() {
    let peer = Peer::new(|_, mut wire| {
        let mut value = 0;
        while let Some(request) = wire.request() {
            value += 1;
            wire.send(&[request.register(value), request.register(9)].concat());
        }
    });
    let provider = provider();
    for value in 1..200 {
        assert_eq!(one(&provider, &peer.target(), REFERENCE), Ok(Value::Integer(value)));
    }
    assert_eq!(peer.accepted(), 1);
}

#[test]
fn an_answer_in_advance_is_never_taken() {
    let (sent, is_sent) = mpsc::channel();
    let sent = std::sync::Mutex::new(sent);
    let peer = Peer::new(move |ix, mut wire| {
        let first = wire.request().unwrap();
        let next = Asked { transaction: first.transaction + 1, ..first.clone() };
        if ix == 0 {
            wire.send(&[first.register(7), next.register(9)].concat());
            sent.lock().unwrap().send(()).unwrap();
        } else {
            wire.send(&first.register(8));
        }
        wire.until_closed();
    });
    let provider = provider();
    assert_eq!(one(&provider, &peer.target(), REFERENCE), Ok(Value::Integer(7)));
    is_sent.recv().unwrap();
    assert_eq!(one(&provider, &peer.target(), REFERENCE), Ok(Value::Integer(8)));
    assert_eq!(peer.accepted(), 2);
}

#[test]
fn old_answers_without_end_are_not_listened_to() {
    let peer = Peer::new(|_, mut wire| {
        let old = wire.request().unwrap();
        wire.send(&old.register(7));
        if wire.request().is_some() {
            while wire.send(&old.register(9)) {}
        }
    });
    let provider = provider();
    assert_eq!(one(&provider, &peer.target(), REFERENCE), Ok(Value::Integer(7)));
    let error = one(&provider, &peer.target(), REFERENCE).unwrap_err();
    assert!(is_garbled(&error), "{error}");
}

#[test]
fn an_answer_byte_by_byte_is_read_and_one_too_slow_is_not() {
    let peer = Peer::new(|_, mut wire| {
        while let Some(request) = wire.request() {
            for byte in request.register(7) {
                wire.send(&[byte]);
            }
        }
    });
    assert_eq!(one(&provider(), &peer.target(), REFERENCE), Ok(Value::Integer(7)));

    // Each byte comes well within the time-out, all of them do not.
    let slow = Peer::new(|_, mut wire| {
        if let Some(request) = wire.request() {
            for byte in request.register(7) {
                thread::sleep(SHORT / 8);
                wire.send(&[byte]);
            }
        }
    });
    let error = one(&impatient(), &slow.target(), REFERENCE).unwrap_err();
    assert!(is_unreachable(&error), "{error}");
}

#[test]
fn each_exception_is_told_as_what_it_is() {
    for (code, expected) in [
        (1, PointError::Refused("exception 1 (illegal function)".into())),
        (2, PointError::Reference("exception 2 (illegal data address)".into())),
        (3, PointError::Refused("exception 3 (illegal data value)".into())),
        (4, PointError::Refused("exception 4 (server device failure)".into())),
        (6, PointError::Refused("exception 6 (server device busy)".into())),
        (200, PointError::Refused("exception 200".into())),
    ] {
        let peer = Peer::answering(move |_, _, _| vec![0x83, code]);
        assert_eq!(read(&provider(), &peer.target(), &[REFERENCE]), Ok(vec![Err(expected)]));
    }
    for code in [10, 11] {
        let peer = Peer::answering(move |_, _, _| vec![0x83, code]);
        let error = read(&provider(), &peer.target(), &[REFERENCE]).unwrap_err();
        assert!(is_unreachable(&error), "{error}");
    }
}

#[test]
fn a_silent_unit_costs_one_time_out_and_others_are_read() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let peer = Peer::answering(move |_, unit, _| match unit {
        2 => {
            counter.fetch_add(1, Ordering::SeqCst);
            Vec::new()
        }
        _ => register(7),
    });
    let values = read(&impatient(), &peer.target(), &["2/3/0", "2/3/10", "2/3/20", "1/3/0"]).unwrap();
    assert_eq!(values.iter().filter(|value| value.is_err()).count(), 3);
    assert_eq!(values[3], Ok(Value::Integer(7)));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[test]
fn a_connection_that_the_host_ended_is_made_anew() {
    let peer = Peer::new(|_, mut wire| {
        let request = wire.request().unwrap();
        wire.send(&request.register(7));
    });
    let provider = provider();
    for connections in 1..4 {
        assert_eq!(one(&provider, &peer.target(), REFERENCE), Ok(Value::Integer(7)));
        assert_eq!(peer.accepted(), connections);
    }
}

#[test]
fn a_writing_that_was_sent_is_not_sent_again() {
    let peer = Peer::new(|ix, mut wire| {
        let request = wire.request().unwrap();
        if ix == 0 {
            wire.send(&request.register(7));
            wire.request(); // is received, and not answered
        }
    });
    let provider = provider();
    assert_eq!(one(&provider, &peer.target(), REFERENCE), Ok(Value::Integer(7)));
    let written = provider.write(&peer.target(), REFERENCE, Some(&Value::Integer(1)), &Stop::new());
    assert!(matches!(written, Err(WriteError::Provider(ProviderError::Unreachable(_)))), "{written:?}");
    assert_eq!(peer.accepted(), 1);
}

#[test]
fn a_writing_is_done_only_if_its_echo_says_so() {
    let peer = Peer::answering(|number, _, data| match number {
        0 => data.to_vec(),
        _ => vec![6, 0, 0, 0, 9],
    });
    let provider = provider();
    let write = || provider.write(&peer.target(), REFERENCE, Some(&Value::Integer(1)), &Stop::new());
    assert_eq!(write(), Ok(()));
    assert!(matches!(write(), Err(WriteError::Provider(ProviderError::Garbled(_)))));
}

#[test]
fn a_stopped_call_ends_at_once() {
    let patient = ModbusSettings { answer_timeout: Duration::from_secs(60), ..settings() };
    let provider = Arc::new(ModbusProvider::new(patient));
    let (asked, is_asked) = mpsc::channel();
    let asked = std::sync::Mutex::new(asked);
    let peer = Peer::new(move |_, mut wire| {
        if wire.request().is_some() {
            asked.lock().unwrap().send(()).unwrap();
        }
        wire.until_closed();
    });
    let stop = Stop::new();
    let call = |stop: &Stop| {
        let (provider, target, stop) = (Arc::clone(&provider), peer.target(), stop.clone());
        thread::spawn(move || provider.read(&target, &[REFERENCE], &stop))
    };
    let first = call(&stop);
    is_asked.recv().unwrap();
    let second = call(&stop); // waits for the first
    let begun = Instant::now();
    stop.set();
    assert_eq!(first.join().unwrap(), Err(ProviderError::Stopped));
    assert_eq!(second.join().unwrap(), Err(ProviderError::Stopped));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[test]
fn a_host_that_cannot_be_reached_is_left_alone_for_a_while() {
    let address = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let provider = ModbusProvider::new(ModbusSettings { pause: Duration::from_secs(3600), ..settings() });
    let error = one(&provider, &target(&address.to_string()), REFERENCE).unwrap_err();
    assert!(is_unreachable(&error), "{error}");
    // Somebody listens there now, but it is not time yet.
    let Ok(listener) = std::net::TcpListener::bind(address) else { return };
    listener.set_nonblocking(true).unwrap();
    assert_eq!(one(&provider, &target(&address.to_string()), REFERENCE), Err(error));
    assert!(listener.accept().is_err());
}

#[test]
fn a_target_that_says_too_little_is_refused() {
    let provider = provider();
    let mut unit_only = target("12");
    assert!(matches!(read(&provider, &unit_only, &["3/0"]), Err(ProviderError::Target(_))));
    unit_only.addr = None;
    assert!(matches!(read(&provider, &unit_only, &["3/0"]), Err(ProviderError::Target(_))));
    let mut serial = target("modbus_rtu_1");
    serial.adjunct.insert("protocol".into(), "rtu".into());
    assert!(matches!(read(&provider, &serial, &[REFERENCE]), Err(ProviderError::Target(_))));
    let malformed = read(&provider, &target("localhost:99999"), &[REFERENCE]);
    assert!(matches!(malformed, Err(ProviderError::Target(_))), "{malformed:?}");
}
