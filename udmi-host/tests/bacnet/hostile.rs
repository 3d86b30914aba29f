//! Peers that answer late, twice, wrongly, in pieces or not at all: an error, and never a wrong value.

use std::time::{Duration, Instant};

use udmi_host::family::bacnet::codec::apdu::Apdu;
use udmi_host::family::bacnet::codec::network::Remote;
use udmi_host::family::bacnet::codec::primitive::{ObjectId, ObjectType, Primitive};
use udmi_host::family::bacnet::codec::service::{Failure, WriteProperty, confirmed, content};
use udmi_host::family::bacnet::{BacnetProvider, BacnetSettings};
use udmi_host::family::{FamilyProvider, PointError, ProviderError, Stop, Target, WriteError};
use udmi_proto::Value;
use udmi_proto::model::common::Depth;

use super::fake::{Asked, Fake, Reply};
use super::{device, gateway, scan, scan_for, settings};

fn real(value: f32) -> Primitive {
    Primitive::Real(value)
}

fn read(
    gateway: &BacnetProvider,
    references: &[&str],
) -> Result<Vec<Result<Value, PointError>>, ProviderError> {
    gateway.read(&device(7), references, &Stop::new())
}

/// Does not wait long.
fn hasty(fake: &Fake) -> BacnetProvider {
    BacnetProvider::new(BacnetSettings {
        timeout: Duration::from_millis(300),
        ..settings(vec![fake.address])
    })
}

#[test]
fn a_request_is_sent_again_with_the_same_number() {
    let fake = Fake::start(7, |asked| match asked.number {
        0 | 1 => Reply::Nothing,
        _ => Reply::Holds(Value::Number(1.5)),
    });
    assert_eq!(read(&hasty(&fake), &["AV/1"]), Ok(vec![Ok(Value::Number(1.5))]));
    let asked = fake.asked();
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|each| each.invoke == asked[0].invoke && each.content == asked[0].content));
}

#[test]
fn a_silent_device_is_unreachable_after_three_tries() {
    let fake = Fake::start(7, |_| Reply::Nothing);
    let result = read(&hasty(&fake), &["AV/1", "AV/2"]);
    assert!(matches!(result, Err(ProviderError::Unreachable(_))), "{result:?}");
    assert_eq!(fake.asked().len(), 3);
}

#[test]
fn a_device_nobody_knows_is_unreachable() {
    let fake = Fake::start(8, |_| Reply::Nothing);
    let result = read(&hasty(&fake), &["AV/1"]);
    assert_eq!(result, Err(ProviderError::Unreachable("device 7 cannot be found".into())));
}

#[test]
fn answers_that_come_late_or_twice_are_ignored() {
    let mut before: Option<Vec<u8>> = None;
    let fake = Fake::start(7, move |asked| {
        // What was asked before is answered again, and only then this.
        let answer = asked.holds(&real(asked.number as f32));
        let answers = before.replace(answer.clone()).into_iter().chain([answer.clone(), answer]);
        Reply::Apdus(answers.collect())
    });
    let gateway = gateway(vec![fake.address]);
    for number in 0..300 {
        assert_eq!(read(&gateway, &["AV/1"]), Ok(vec![Ok(Value::Number(number.into()))]));
    }
}

#[test]
fn answers_from_another_address_are_ignored() {
    let fake = Fake::start(7, |asked| Reply::Elsewhere(vec![asked.holds(&real(666.0))]));
    let result = read(&hasty(&fake), &["AV/1"]);
    assert!(matches!(result, Err(ProviderError::Unreachable(_))), "{result:?}");
}

#[test]
fn answers_about_something_else_are_errors() {
    let other = |asked: &Asked| {
        let mut other = asked.clone();
        other.content[4] = 2; // the last octet of the object
        other.holds(&real(666.0))
    };
    let fake = Fake::start(7, move |asked| Reply::Apdus(vec![other(asked)]));
    let gateway = gateway(vec![fake.address]);
    let garbled = Err(PointError::Garbled("an answer to another question".into()));
    assert_eq!(read(&gateway, &["AV/1"]), Ok(vec![garbled]));
    let result = read(&gateway, &["AV/1", "AV/3"]);
    assert!(matches!(result, Err(ProviderError::Garbled(_))), "{result:?}");
}

#[test]
fn garbage_is_an_error_at_once() {
    let garbage: Vec<Vec<u8>> = vec![
        vec![],
        vec![0x0C],
        vec![0xFF; 400],
        vec![0x3E; 100],
        vec![0x0C, 0, 0x80, 0, 1, 0x19, 0x55, 0x3E, 0x44, 0x42, 0x90, 0x3F],
        vec![0x0C, 0, 0x80, 0, 1, 0x19, 0x55, 0x3E, 0x44, 0x42, 0x90, 0, 0, 0x3F, 0x00],
        vec![0x0C, 0, 0x80, 0, 1, 0x19, 0x55, 0x3E, 0x44, 0x42, 0x90, 0, 0],
    ];
    let count = garbage.len();
    let fake = Fake::start(7, move |asked| {
        let content = &garbage[asked.number % garbage.len()];
        let (invoke, service) = (asked.invoke, asked.service);
        Reply::Apdus(vec![Apdu::ComplexAck { invoke, service, content }.encode()])
    });
    let gateway = gateway(vec![fake.address]);
    let start = Instant::now();
    for _ in 0..count {
        let result = read(&gateway, &["AV/1"]).unwrap();
        assert!(matches!(result[..], [Err(PointError::Garbled(_))]), "{result:?}");
    }
    for _ in 0..count {
        let result = read(&gateway, &["AV/1", "AV/2"]);
        assert!(matches!(result, Err(ProviderError::Garbled(_))), "{result:?}");
    }
    assert_eq!(fake.asked().len(), 2 * count);
    assert!(start.elapsed() < Duration::from_secs(10), "none is waited for");
}

#[test]
fn no_wrong_bit_beside_the_value_makes_a_wrong_value() {
    // Tag and value of the number stand before the closing tag.
    const VALUE: std::ops::Range<usize> = 12..16;
    let fake = Fake::start(7, |asked| {
        let mut answer = asked.holds(&real(21.5));
        assert_eq!(answer[VALUE], 21.5f32.to_be_bytes());
        let bit = asked.number.saturating_sub(1) % (answer.len() * 8);
        if asked.number > 0 && !VALUE.contains(&(bit / 8)) {
            answer[bit / 8] ^= 1 << (bit % 8);
        }
        Reply::Apdus(vec![answer])
    });
    let timeout = Duration::from_millis(30);
    let gateway = BacnetProvider::new(BacnetSettings { timeout, tries: 1, ..settings(vec![fake.address]) });
    let right = Ok(vec![Ok(Value::Number(21.5))]);
    while read(&gateway, &["AV/1"]) != right {} // on a loaded machine it may take another try
    while fake.asked().len() < 18 * 8 {
        match read(&gateway, &["AV/1"]) {
            Ok(values) => assert!(values[0].is_err() || Ok(values.clone()) == right, "{values:?}"),
            Err(ProviderError::Unreachable(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn an_answer_to_another_service_is_an_error() {
    let fake = Fake::start(7, |asked| {
        let ack = Apdu::SimpleAck { invoke: asked.invoke, service: confirmed::WRITE_PROPERTY };
        Reply::Apdus(vec![ack.encode()])
    });
    let result = read(&gateway(vec![fake.address]), &["AV/1"]).unwrap();
    assert!(matches!(result[..], [Err(PointError::Garbled(_))]), "{result:?}");
}

#[test]
fn a_device_without_read_property_multiple_is_asked_one_by_one_from_then_on() {
    let fake = Fake::start(7, |asked| match asked.service {
        confirmed::READ_PROPERTY => Reply::Holds(Value::Number(2.5)),
        _ => Reply::Apdus(vec![Apdu::Reject { invoke: asked.invoke, reason: 9 }.encode()]),
    });
    let gateway = gateway(vec![fake.address]);
    for _ in 0..2 {
        assert_eq!(
            read(&gateway, &["AV/1", "AV/2"]),
            Ok(vec![Ok(Value::Number(2.5)), Ok(Value::Number(2.5))])
        );
    }
    let services: Vec<_> = fake.asked().iter().map(|asked| asked.service).collect();
    assert_eq!(services, [14, 12, 12, 12, 12]);
}

#[test]
fn what_does_not_fit_is_asked_for_in_smaller_pieces() {
    let fake = Fake::start(7, |asked| match asked.properties().len() {
        1..=3 => Reply::Holds(Value::Number(3.5)),
        // One says it in words, another one just begins with the first piece.
        count if count % 2 == 0 => {
            Reply::Apdus(vec![Apdu::Abort { invoke: asked.invoke, reason: 4, by_server: true }.encode()])
        }
        _ => Reply::Apdus(vec![vec![0x3C, asked.invoke, 0, 1, asked.service, 0x0C]]),
    });
    let references: Vec<_> = (1..=22).map(|number| format!("AV/{number}")).collect();
    let references: Vec<_> = references.iter().map(String::as_str).collect();
    let result = read(&gateway(vec![fake.address]), &references);
    assert_eq!(result, Ok(vec![Ok(Value::Number(3.5)); 22]));
    let counts: Vec<_> = fake.asked().iter().map(|asked| asked.properties().len()).take(4).collect();
    assert_eq!(counts, [22, 11, 5, 2]);
    let pieces = fake.aborted();
    assert_eq!(pieces, [4, 4], "answers in pieces are aborted");
}

#[test]
fn requests_are_as_long_as_the_device_takes() {
    let fake = Fake::start_behind(7, None, 50, |asked| {
        assert!(asked.content.len() + 4 <= 50);
        match asked.service {
            confirmed::WRITE_PROPERTY => Reply::Done,
            _ => Reply::Holds(Value::Number(1.0)),
        }
    });
    let gateway = gateway(vec![fake.address]);
    assert_eq!(read(&gateway, &["AV/1", "AV/2"]), Ok(vec![Ok(Value::Number(1.0)); 2]));
    let long = Value::Text("x".repeat(60));
    let result = gateway.write(&device(7), "CSV/1", Some(&long), &Stop::new());
    assert!(matches!(result, Err(WriteError::Invalid(_))), "{result:?}");
    assert_eq!(gateway.write(&device(7), "CSV/1", Some(&"short".into()), &Stop::new()), Ok(()));
}

#[test]
fn one_broken_value_leaves_the_others_alone() {
    let fake = Fake::start(7, |asked| {
        let answers = asked.answers(|property| match property.object.instance {
            1 => Ok(content(&[real(1.5)])),
            2 => Ok(vec![0x44, 0x7F, 0xC0, 0, 0]), // not a number
            3 => Ok(vec![0x43, 0x7F, 0xC0, 0]),    // a number of three octets
            4 => Ok(Vec::new()),
            5 => Err(Failure { class: 2, code: 32 }),
            _ => Ok(content(&[Primitive::Null])),
        });
        Reply::Apdus(vec![answers])
    });
    let result =
        read(&gateway(vec![fake.address]), &["AV/1", "AV/2", "AV/3", "AV/4", "AV/5", "AV/6"]).unwrap();
    assert_eq!(result[0], Ok(Value::Number(1.5)));
    assert!(matches!(result[1], Err(PointError::Unusable(_))));
    assert!(matches!(result[2], Err(PointError::Garbled(_))));
    assert!(matches!(result[3], Err(PointError::Unusable(_))));
    assert_eq!(result[4], Err(PointError::Refused("unknown property".into())));
    assert!(matches!(result[5], Err(PointError::Unusable(_))));
}

#[test]
fn a_device_behind_a_router_is_reached_through_it() {
    let place = Remote { network: 5, address: vec![9] };
    let fake = Fake::start_behind(7, Some(place.clone()), 480, |_| Reply::Holds(Value::Number(4.5)));
    let gateway = gateway(vec![fake.address]);
    let found = scan(&gateway, &scan_for(Depth::Entries, 30, &["7"])).unwrap();
    assert_eq!((found[0].network.as_deref(), found[0].families.len()), (Some("5"), 0));
    let target = Target { network: Some("5".into()), ..device(7) };
    assert_eq!(gateway.read(&target, &["AV/1"], &Stop::new()), Ok(vec![Ok(Value::Number(4.5))]));
    assert_eq!(fake.asked()[0].destination, Some(place));
    let elsewhere = Target { network: Some("6".into()), ..device(7) };
    let result = hasty(&fake).read(&elsewhere, &["AV/1"], &Stop::new());
    assert!(matches!(result, Err(ProviderError::Unreachable(_))), "{result:?}");
}

#[test]
fn a_write_has_type_and_priority_and_a_release_is_null() {
    let fake = Fake::start(7, |_| Reply::Done);
    let gateway = BacnetProvider::new(BacnetSettings { priority: 9, ..settings(vec![fake.address]) });
    gateway.write(&device(7), "BV/3", Some(&true.into()), &Stop::new()).unwrap();
    gateway.write(&device(7), "BV/3", None, &Stop::new()).unwrap();
    let asked = fake.asked();
    let written: Vec<_> = asked.iter().map(|asked| WriteProperty::decode(&asked.content).unwrap()).collect();
    assert_eq!(written[0].property.object, ObjectId { kind: ObjectType(5), instance: 3 });
    let contents: Vec<_> = written.iter().map(|write| (write.content, write.priority)).collect();
    assert_eq!(contents, [(&[0x91, 1][..], Some(9)), (&[0x00][..], Some(9))]);
}

#[test]
fn refusals_of_a_value_and_of_a_point_are_told_apart() {
    let fake = Fake::start(7, |asked| {
        let code = [37, 9, 40][asked.number];
        let (invoke, service) = (asked.invoke, asked.service);
        let content = Failure { class: 2, code }.encode();
        Reply::Apdus(vec![Apdu::Error { invoke, service, content: &content }.encode()])
    });
    let gateway = gateway(vec![fake.address]);
    let write = || gateway.write(&device(7), "AV/1", Some(&1.into()), &Stop::new());
    assert_eq!(write(), Err(WriteError::Invalid("value out of range".into())));
    assert_eq!(write(), Err(WriteError::Invalid("invalid data type".into())));
    assert_eq!(write(), Err(WriteError::Point(PointError::Refused("write access denied".into()))));
}

#[test]
fn the_type_of_other_properties_is_learned_before_they_are_written() {
    let fake = Fake::start(7, |asked| match asked.service {
        confirmed::WRITE_PROPERTY => Reply::Done,
        _ => Reply::Apdus(vec![asked.holds(&Primitive::Boolean(false))]),
    });
    let gateway = gateway(vec![fake.address]);
    let write = |value: Value| gateway.write(&device(7), "AV/1#out_of_service", Some(&value), &Stop::new());
    assert_eq!(write(true.into()), Ok(()));
    assert!(matches!(write(1.into()), Err(WriteError::Invalid(_))));
    let asked = fake.asked();
    assert_eq!(WriteProperty::decode(&asked[1].content).unwrap().content, [0x11]);
}

#[test]
fn a_scan_tells_of_a_device_it_cannot_read_in_time() {
    let fake = Fake::start(7, |_| Reply::Nothing);
    let found = scan(&gateway(vec![fake.address]), &scan_for(Depth::Refs, 2, &[])).unwrap();
    assert_eq!(found[0].address, "7");
    assert_eq!(found[0].status.as_deref(), Some("unreachable: not done in time"));
}

#[test]
fn a_scan_is_stopped_soon() {
    let fake = Fake::start(7, |_| Reply::Nothing);
    let gateway = gateway(vec![fake.address]);
    let stop = Stop::new();
    std::thread::scope(|scope| {
        let scanning = scope.spawn(|| {
            let result = gateway.scan(&scan_for(Depth::Refs, 60, &[]), &mut |_| {}, &stop);
            (result, Instant::now())
        });
        while fake.asked().is_empty() {
            std::thread::yield_now();
        }
        let stopped = Instant::now();
        stop.set();
        let (result, ended) = scanning.join().unwrap();
        assert_eq!(result, Err(ProviderError::Stopped));
        assert!(ended.saturating_duration_since(stopped) < Duration::from_millis(200));
    });
}

#[test]
fn two_devices_with_one_instance_are_found_once() {
    let fakes = [Fake::start(7, |_| Reply::Nothing), Fake::start(7, |_| Reply::Nothing)];
    let gateway = gateway(fakes.iter().map(|fake| fake.address).collect());
    assert_eq!(scan(&gateway, &scan_for(Depth::Entries, 1, &[])).unwrap().len(), 1);
}

#[test]
fn unusable_targets_are_refused_without_a_packet() {
    let gateway = gateway(Vec::new());
    for address in [None, Some("addr-0a1b"), Some("0"), Some("4194304")] {
        let target = Target { addr: address.map(Into::into), ..device(7) };
        let result = gateway.read(&target, &["AV/1"], &Stop::new());
        assert!(matches!(result, Err(ProviderError::Target(_))), "{result:?}");
    }
}
