//! Requests on one connection, and the answers to them, without the connection: bytes out, bytes in.

use std::fmt;

use super::codec::{Answer, AnswerError, Exception, Request};
use super::frame::Frame;

/// Requests whose late answers are known as such.
const REMEMBERED: u16 = 64;

/// Late and double answers that are passed over between one request and the next.
const PASSED_OVER: usize = 64;

/// One request at a time, and what is received for it.
///
/// An answer is taken by its transaction and must fit in unit, function and size. Late and double answers to the
/// requests before are passed over; after anything else the connection is of no more use.
///
/// ```
/// use udmi_host::family::modbus::codec::{Answer, Request, Table};
/// use udmi_host::family::modbus::exchange::Exchange;
///
/// let mut exchange = Exchange::default();
/// let request = Request::Read { table: Table::HoldingRegisters, address: 7, quantity: 1 };
/// assert_eq!(exchange.ask(1, request), Some(vec![0, 1, 0, 0, 0, 6, 1, 3, 0, 7, 0, 1]));
/// exchange.receive(&[0, 1, 0, 0, 0, 5, 1, 3, 2, 0]);
/// assert_eq!(exchange.answer(), Ok(None));
/// exchange.receive(&[215]);
/// assert_eq!(exchange.answer(), Ok(Some(Answer::Registers(vec![215]))));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Exchange {
    /// That of the last request.
    transaction: u16,
    /// Requests made, up to [`REMEMBERED`].
    made: u16,
    /// The unit that is asked, and what.
    asked: Option<(u8, Request)>,
    passed_over: usize,
    /// Bytes that make no whole frame yet, or were not looked at.
    received: Vec<u8>,
}

impl Exchange {
    /// Begins a request, and ends the waiting for the one before. Answers what is to be sent; nothing if no request
    /// can ask for this.
    pub fn ask(&mut self, unit: u8, request: Request) -> Option<Vec<u8>> {
        let data = request.encode()?;
        let transaction = self.transaction.wrapping_add(1);
        let bytes = Frame { transaction, unit, data: &data }.to_bytes()?;
        self.transaction = transaction;
        self.made = (self.made + 1).min(REMEMBERED);
        self.asked = Some((unit, request));
        self.passed_over = 0;
        Some(bytes)
    }

    /// Ends the waiting for an answer.
    pub fn give_up(&mut self) {
        self.asked = None;
    }

    /// Takes bytes that were received. They are kept until [`Exchange::answer`] looks at them.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.received.extend(bytes);
    }

    /// Whether all that was received and looked at was whole frames. Where it was not, a request would be answered
    /// by the rest of an old answer and the beginning of its own.
    #[must_use]
    pub fn is_between_frames(&self) -> bool {
        self.received.is_empty()
    }

    /// Looks for the answer in what was received; there is none yet, or nothing is waited for.
    ///
    /// # Errors
    /// The unit says no, or what was received is of no use.
    pub fn answer(&mut self) -> Result<Option<Answer>, Fault> {
        loop {
            let read = Frame::read(&self.received).map_err(|error| Fault::Garbled(error.to_string()))?;
            let Some((frame, size)) = read else { return Ok(None) };
            let age = self.transaction.wrapping_sub(frame.transaction);
            let answer = match &self.asked {
                Some((unit, request)) if age == 0 => Some(fitting(*unit, request, &frame)),
                Some(_) | None if age < self.made && self.passed_over < PASSED_OVER => None,
                Some(_) | None => Some(Err(Fault::Garbled("an answer to no request of ours".into()))),
            };
            self.received.drain(..size.min(self.received.len()));
            match answer {
                Some(answer) => {
                    self.asked = None;
                    return answer.map(Some);
                }
                None => self.passed_over += 1,
            }
        }
    }
}

/// The answer in a frame of the right transaction.
fn fitting(unit: u8, request: &Request, frame: &Frame<'_>) -> Result<Answer, Fault> {
    if frame.unit != unit {
        return Err(Fault::Garbled(format!("unit {} answers for unit {unit}", frame.unit)));
    }
    request.answer(frame.data).map_err(|error| match error {
        AnswerError::Exception(exception) => Fault::Refused(exception),
        AnswerError::Size | AnswerError::Function(_) | AnswerError::Echo => Fault::Garbled(error.to_string()),
    })
}

/// Why there is no answer, and will be none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The unit, or a gateway in its place, says no.
    Refused(Exception),
    /// What was received is no answer. The connection is of no more use.
    Garbled(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(exception) => exception.fmt(f),
            Self::Garbled(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Fault {}
