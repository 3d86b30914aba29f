//! A name server of the test's own.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::{io, process, thread};

/// What it answers to every question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Address(Ipv4Addr),
    NoSuchName,
    Failure,
    Silence,
}

/// A server of names on port 53 of a loopback address of its own, which takes root. Ends with the process.
pub(crate) struct Names {
    pub(crate) address: Ipv4Addr,
    answer: Arc<Mutex<Answer>>,
}

impl Names {
    pub(crate) fn start(answer: Answer) -> io::Result<Self> {
        static STARTED: AtomicU8 = AtomicU8::new(1);
        let [.., high, low] = process::id().to_be_bytes();
        let address = Ipv4Addr::new(127, 100 + STARTED.fetch_add(1, Ordering::Relaxed), high, low);
        let socket = UdpSocket::bind((address, 53))?;
        let answer = Arc::new(Mutex::new(answer));
        let shared = answer.clone();
        thread::spawn(move || {
            let mut question = [0; 512];
            while let Ok((count, asker)) = socket.recv_from(&mut question) {
                let now = *shared.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(reply) = reply(&question[..count], now) {
                    let _ = socket.send_to(&reply, asker); // who asked may have given up
                }
            }
        });
        Ok(Self { address, answer })
    }

    pub(crate) fn answer(&self, answer: Answer) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = answer;
    }
}

/// RFC 1035, section 4: the header, the question again, and at most one address.
fn reply(question: &[u8], answer: Answer) -> Option<Vec<u8>> {
    let end = 12 + question.get(12..)?.iter().position(|&byte| byte == 0)? + 5;
    let asked = question.get(12..end)?;
    let is_for_ipv4 = asked.get(asked.len() - 4..asked.len() - 2)? == [0, 1];
    let (code, address) = match answer {
        Answer::Silence => return None,
        Answer::Failure => (2, None),
        Answer::NoSuchName => (3, None),
        Answer::Address(address) => (0, Some(address).filter(|_| is_for_ipv4)),
    };
    let mut reply = question.get(..2)?.to_vec();
    reply.extend([0x81, 0x80 | code, 0, 1, 0, u8::from(address.is_some()), 0, 0, 0, 0]);
    reply.extend(asked);
    if let Some(address) = address {
        reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
        reply.extend(address.octets());
    }
    Some(reply)
}
