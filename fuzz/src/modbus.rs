//! Modbus/TCP: whatever a host sends, and whatever registers hold.

use udmi_host::family::modbus::codec::{Answer, Request, Table};
use udmi_host::family::modbus::exchange::Exchange;
use udmi_host::family::modbus::frame::Frame;
use udmi_host::family::modbus::point::Point;
use udmi_proto::Value;

/// References of all types, orders and functions.
const REFERENCES: [&str; 16] = [
    "1/1/0",
    "1/2/7",
    "1/3/0?type=INT16",
    "1/3/0?type=UINT16&border=LSB&scale=0.1",
    "1/3/0?type=INT32&worder=LWF",
    "1/3/0?type=UINT32&scale=-0.001&offset=273.15",
    "1/3/0?type=INT64&scale=1000000000000000000000",
    "1/4/0?type=UINT64&border=LSB&worder=LWF",
    "1/4/0?type=UINT64&scale=0.0000000000000000000000000001",
    "1/4/0?type=FLOAT32&scale=3.6",
    "1/16/0?type=FLOAT64&worder=LWF",
    "1/3/0?type=BOOLEAN",
    "1/3/0/8?type=ASCII",
    "1/5/0",
    "1/6/0?type=INT16&scale=0.5",
    "1/15/0",
];

/// The first bytes choose what is asked; the others are what the host sends, in pieces.
pub fn run(data: &[u8]) {
    let Some(([choice, quantity, pieces], sent)) = data.split_first_chunk() else { return };
    let reference = REFERENCES[usize::from(*choice) % REFERENCES.len()];
    let point = Point::parse(reference, None).expect("the references are well formed");
    answers(&point, usize::from(*pieces), sent);
    answers(&point, usize::from(*pieces), &shaped(&point.reading(), point.unit(), sent));
    requests(*choice, *quantity, sent);
    if let Ok(text) = std::str::from_utf8(sent) {
        let _ = Point::parse(text, (*choice % 2 == 0).then_some(*quantity));
    }
}

/// Makes the header of the first frame fit.
#[allow(clippy::ptr_arg)] // as all targets have it
pub fn repair(data: &mut Vec<u8>) {
    let Some(frame) = data.get_mut(3..) else { return };
    let length = u16::try_from(frame.len().saturating_sub(6)).unwrap_or(u16::MAX);
    let Some(header) = frame.first_chunk_mut::<6>() else { return };
    let [_, _, _, _, high, low] = *header;
    let length = u16::from_be_bytes([high, low]).min(length);
    let [high, low] = length.to_be_bytes();
    *header = [0, 1, 0, 0, high, low];
}

/// A host that sends these bytes in answer to three readings.
fn answers(point: &Point, piece: usize, sent: &[u8]) {
    let mut exchange = Exchange::default();
    let mut pieces = sent.chunks(piece.max(1));
    for transaction in 1..=3_u16 {
        exchange.ask(point.unit(), point.reading()).expect("the reading is encoded");
        let answer = loop {
            match exchange.answer() {
                Ok(Some(answer)) => break Some(answer),
                Ok(None) => {}
                Err(_) => return,
            }
            match pieces.next() {
                Some(piece) => exchange.receive(piece),
                None => break None,
            }
        };
        let Some(answer) = answer else { return };
        assert!(is_in(sent, transaction, point, &answer), "{answer:?} was not sent");
        let Ok(value) = point.value(&answer) else { continue };
        if let Value::Number(number) = value {
            assert!(number.is_finite());
        }
        // What is read can be written where it can be written, unless rounding is in the way.
        let _ = point.writing(&value);
    }
}

/// Answers that are nearly right, made of the bytes: each byte in front says what is wrong with one.
fn shaped(request: &Request, unit: u8, mut bytes: &[u8]) -> Vec<u8> {
    let Request::Read { table, quantity, .. } = request else { return Vec::new() };
    let size = if table.is_bits() { quantity.div_ceil(8) } else { quantity * 2 };
    let size = u8::try_from(size).expect("the points are small");
    let mut sent = Vec::new();
    let mut transaction = 1;
    while let Some((&faults, rest)) = bytes.split_first() {
        let is = |fault: u8| faults & 0x1f == fault;
        let take = usize::from(size) + usize::from(is(1));
        let (values, rest) = rest.split_at(take.min(rest.len()));
        bytes = rest;
        let function = table.function() | if is(2) { 0x80 } else { 0 } | if is(3) { 8 } else { 0 };
        let data = match is(2) {
            true => [&[function], values.get(..1).unwrap_or_default()].concat(),
            false => [&[function, size + u8::from(is(4))], values].concat(),
        };
        let transaction_told = if is(5) { transaction + 1 } else { transaction };
        let frame = Frame { transaction: transaction_told, unit: unit + u8::from(is(6)), data: &data };
        let mut frame = frame.to_bytes().expect("the frame is small");
        if is(7) {
            frame.pop();
        }
        sent.extend(&frame);
        if is(8) {
            sent.extend(&frame);
        }
        transaction += 1;
    }
    sent
}

/// Whether a whole frame with that answer lies anywhere in the bytes.
fn is_in(sent: &[u8], transaction: u16, point: &Point, answer: &Answer) -> bool {
    let Request::Read { table, .. } = point.reading() else { return false };
    let frame = |values: &[u8]| {
        let count = u8::try_from(values.len()).expect("the points are small");
        let data = [&[table.function(), count], values].concat();
        Frame { transaction, unit: point.unit(), data: &data }.to_bytes().expect("the frame is small")
    };
    match answer {
        Answer::Registers(registers) => {
            let values: Vec<u8> = registers.iter().flat_map(|register| register.to_be_bytes()).collect();
            let frame = frame(&values);
            sent.windows(frame.len()).any(|window| window == frame)
        }
        // The points of bits have one each, and the rest of its byte says nothing.
        Answer::Bits(bits) => {
            let frame = frame(&[0]);
            sent.windows(frame.len()).any(|window| match (window.split_last(), frame.split_last()) {
                (Some((byte, window)), Some((_, frame))) => window == frame && bits == &[byte & 1 == 1],
                _ => false,
            })
        }
        Answer::Written => false,
    }
}

/// Requests of any size, each with these bytes as its answer.
fn requests(choice: u8, quantity: u8, data: &[u8]) {
    let table = [Table::Coils, Table::DiscreteInputs, Table::HoldingRegisters, Table::InputRegisters];
    let address = u16::from_be_bytes([choice, quantity]);
    let registers: Vec<u16> = data.iter().map(|byte| u16::from(*byte)).collect();
    let quantity = u16::from(quantity) * 8;
    for request in [
        Request::Read { table: table[usize::from(choice) % table.len()], address, quantity },
        Request::WriteCoil { address, on: choice % 2 == 1 },
        Request::WriteRegister { address, value: quantity },
        Request::WriteCoils { address, values: registers.iter().map(|value| value % 2 == 1).collect() },
        Request::WriteRegisters { address, values: registers },
    ] {
        let encoded = request.encode();
        assert!(encoded.is_none_or(|encoded| encoded.len() <= 253));
        match request.answer(data) {
            Ok(Answer::Bits(bits)) => assert_eq!(bits.len(), usize::from(quantity)),
            Ok(Answer::Registers(registers)) => assert_eq!(registers.len(), usize::from(quantity)),
            Ok(Answer::Written) | Err(_) => {}
        }
    }
}
