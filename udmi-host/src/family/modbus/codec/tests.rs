use super::*;

fn read(table: Table, address: u16, quantity: u16) -> Request {
    Request::Read { table, address, quantity }
}

// The examples of the Modbus application protocol, V1.1b3, section 6.
#[test]
fn requests_are_as_the_protocol_has_them() {
    let cases: [(Request, &[u8]); 8] = [
        (read(Table::Coils, 0x13, 0x13), &[1, 0, 0x13, 0, 0x13]),
        (read(Table::DiscreteInputs, 0xc4, 0x16), &[2, 0, 0xc4, 0, 0x16]),
        (read(Table::HoldingRegisters, 0x6b, 3), &[3, 0, 0x6b, 0, 3]),
        (read(Table::InputRegisters, 8, 1), &[4, 0, 8, 0, 1]),
        (Request::WriteCoil { address: 0xac, on: true }, &[5, 0, 0xac, 0xff, 0]),
        (Request::WriteRegister { address: 1, value: 3 }, &[6, 0, 1, 0, 3]),
        (
            Request::WriteCoils {
                address: 0x13,
                values: [1, 0, 1, 1, 0, 0, 1, 1, 1, 0].map(|bit| bit == 1).to_vec(),
            },
            &[15, 0, 0x13, 0, 10, 2, 0xcd, 1],
        ),
        (
            Request::WriteRegisters { address: 1, values: vec![0x0a, 0x0102] },
            &[16, 0, 1, 0, 2, 4, 0, 0x0a, 1, 2],
        ),
    ];
    for (request, bytes) in cases {
        assert_eq!(request.encode().as_deref(), Some(bytes), "{request:?}");
    }
}

#[test]
fn answers_are_as_the_protocol_has_them() {
    let bits = read(Table::Coils, 0x13, 0x13).answer(&[1, 3, 0xcd, 0x6b, 5]);
    let expected = [1, 0, 1, 1, 0, 0, 1, 1, 1, 1, 0, 1, 0, 1, 1, 0, 1, 0, 1].map(|bit| bit == 1);
    assert_eq!(bits, Ok(Answer::Bits(expected.to_vec())));
    let registers = read(Table::HoldingRegisters, 0x6b, 3).answer(&[3, 6, 2, 0x2b, 0, 0, 0, 0x64]);
    assert_eq!(registers, Ok(Answer::Registers(vec![0x022b, 0, 0x64])));
    let coil = Request::WriteCoil { address: 0xac, on: true };
    assert_eq!(coil.answer(&[5, 0, 0xac, 0xff, 0]), Ok(Answer::Written));
    let coils = Request::WriteCoils { address: 0x13, values: vec![true; 10] };
    assert_eq!(coils.answer(&[15, 0, 0x13, 0, 10]), Ok(Answer::Written));
    let registers = Request::WriteRegisters { address: 1, values: vec![1, 2] };
    assert_eq!(registers.answer(&[16, 0, 1, 0, 2]), Ok(Answer::Written));
    assert_eq!(read(Table::Coils, 0, 1).answer(&[0x81, 2]), Err(AnswerError::Exception(Exception::ADDRESS)));
}

#[test]
fn what_one_request_may_not_ask_for_is_not_encoded() {
    for request in [
        read(Table::Coils, 0, 0),
        read(Table::Coils, 0, READ_BITS + 1),
        read(Table::InputRegisters, 0, READ_REGISTERS + 1),
        read(Table::InputRegisters, 65_535, 2),
        Request::WriteCoils { address: 0, values: vec![] },
        Request::WriteCoils { address: 0, values: vec![false; usize::from(WRITE_BITS) + 1] },
        Request::WriteRegisters { address: 0, values: vec![0; usize::from(WRITE_REGISTERS) + 1] },
        Request::WriteRegisters { address: 65_535, values: vec![0; 2] },
    ] {
        assert_eq!(request.encode(), None, "{request:?}");
    }
    for request in [
        read(Table::Coils, 0, READ_BITS),
        read(Table::InputRegisters, 65_535, 1),
        Request::WriteCoils { address: 0, values: vec![false; usize::from(WRITE_BITS)] },
        Request::WriteRegisters { address: 0, values: vec![0; usize::from(WRITE_REGISTERS)] },
    ] {
        let data = request.encode().unwrap();
        assert!(data.len() <= super::super::frame::UNIT_OF_DATA, "{request:?}");
    }
}

#[test]
fn an_answer_to_something_else_is_none() {
    let cases: [(Request, &[u8], AnswerError); 14] = [
        (read(Table::Coils, 0, 1), &[], AnswerError::Size),
        (read(Table::Coils, 0, 1), &[1], AnswerError::Size),
        (read(Table::Coils, 0, 1), &[1, 0], AnswerError::Size),
        (read(Table::Coils, 0, 1), &[1, 2, 0, 0], AnswerError::Size),
        (read(Table::Coils, 0, 1), &[2, 1, 0], AnswerError::Function(2)),
        (read(Table::Coils, 0, 1), &[0x82, 1], AnswerError::Function(0x82)),
        (read(Table::Coils, 0, 1), &[0x81], AnswerError::Size),
        (read(Table::Coils, 0, 1), &[0x81, 0], AnswerError::Size),
        (read(Table::Coils, 0, 1), &[0x81, 1, 1], AnswerError::Size),
        (read(Table::HoldingRegisters, 0, 2), &[3, 4, 0, 1, 0], AnswerError::Size),
        (read(Table::HoldingRegisters, 0, 2), &[3, 3, 0, 1, 0], AnswerError::Size),
        (Request::WriteCoil { address: 1, on: true }, &[5, 0, 1, 0, 0], AnswerError::Echo),
        (Request::WriteRegister { address: 1, value: 2 }, &[6, 0, 1, 0, 3], AnswerError::Echo),
        (Request::WriteRegisters { address: 1, values: vec![2] }, &[16, 0, 1, 0, 2], AnswerError::Echo),
    ];
    for (request, data, error) in cases {
        assert_eq!(request.answer(data), Err(error), "{request:?} {data:?}");
    }
}
