//! MQTT: bytes that may be packets, and a connected device that is sent them in pieces of any size.

use bytes::{Bytes, BytesMut};
use device_link::wire::{self, MAX_REMAINING};
use udmi_proto::Limits;

use crate::bench::Bench;
use crate::choices::Choices;
use crate::settings;

/// The largest packet that is taken, in bytes.
const PACKET: usize = 2048;

/// The first octets choose pieces and pauses; the others are what the broker sends.
pub fn run(input: &[u8]) {
    let mut choices = Choices::new(input);
    let (piece, pause) = (usize::from(choices.octet()), u64::from(choices.octet()) * 40);
    packets(choices.rest(), MAX_REMAINING);
    packets(choices.rest(), PACKET);
    let limits = Limits { packet_bytes: PACKET, ..Limits::default() };
    let mut bench = Bench::connected(settings::device(), limits, false);
    for piece in choices.rest().chunks(piece.max(1)) {
        bench.receive(&Bytes::copy_from_slice(piece));
        bench.advance(pause);
    }
    bench.recover();
}

/// What can be read is written, and read again as the same.
fn packets(bytes: &[u8], limit: usize) {
    let mut buffer = BytesMut::from(bytes);
    loop {
        let missing = wire::missing(&buffer, limit);
        let before = buffer.len();
        match wire::decode(&mut buffer, limit) {
            Ok(Some(packet)) => {
                assert_eq!(missing, 0, "{packet:?} was whole");
                assert!(buffer.len() < before && before - buffer.len() <= limit);
                let mut written = BytesMut::new();
                let done = wire::encode(&packet, &mut written);
                assert!(done.is_ok(), "{packet:?} was read and cannot be written: {done:?}");
                let read = wire::decode(&mut written, MAX_REMAINING);
                assert_eq!(read, Ok(Some(packet)), "written and read, it is another");
                assert!(written.is_empty(), "octets are left over");
            }
            Ok(None) => {
                assert_eq!(buffer.len(), before, "what is incomplete stays");
                return;
            }
            Err(_) => return,
        }
    }
}
