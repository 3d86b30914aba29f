//! Endpoint documents (`configuration_endpoint`), as an order to connect elsewhere brings them (§5.3).

use udmi_proto::{Closed, Event, Limits};

use crate::bench::{Bench, Owed, hash};
use crate::choices::Choices;
use crate::settings;

/// Minutes that an order and the way back may take.
const MINUTES: u64 = 3;

/// The first octets choose the device and how the new endpoint behaves; the others are the document.
pub fn run(input: &[u8]) {
    let mut choices = Choices::new(input);
    let settings = settings::chosen(&mut choices);
    let behaviour = choices.octet();
    let document = choices.rest();
    // What is written like the password may stand where it is none.
    let records = !document.windows(6).any(|part| part == b"hunter");
    let mut bench = Bench::connected(settings, Limits::default(), records);
    let timestamp = bench.timestamp();
    let url = format!("data:application/json,{}", percent(document));
    let blob = format!(
        r#"{{"phase":"final","url":"{url}","sha256":"{}","generation":"{timestamp}"}}"#,
        hash(document)
    );
    let config = format!(
        r#"{{"timestamp":"{timestamp}","blobset":{{"blobs":{{"_iot_endpoint_config":{blob}}}}},"system":{{"operation":{{}}}}}}"#
    );
    bench.config(config.as_bytes());
    for second in 0..MINUTES * 60 {
        if behaviour & 3 == 3 && second == u64::from(behaviour >> 2) {
            bench.restart();
        }
        // A broker with another way: it refuses, hangs up or is silent; the device goes back.
        let place = bench.owed.iter().position(|owed| matches!(owed, Owed::Open(_)));
        match (behaviour & 3, place.map(|place| bench.owed.remove(place))) {
            (1, Some(Owed::Open(conn))) => bench.handle(Event::Closed { conn, why: Closed::Refused }),
            (2, Some(Owed::Open(conn))) => {
                bench.open(conn);
                bench.disconnect(Closed::Eof);
            }
            (_, Some(Owed::Open(conn))) => bench.open(conn),
            _ => {}
        }
        bench.live(1000);
        if bench.exit.is_some() {
            bench.restart();
        }
    }
    bench.recover();
    bench.finish_recording();
}

fn percent(bytes: &[u8]) -> String {
    bytes.iter().map(|octet| format!("%{octet:02X}")).collect()
}
