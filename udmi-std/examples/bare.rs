//! A UDMI device in a loop of one's own, with nothing but `std::net`: no threads, no adapter, only the core.
//!
//! Run it beside a broker (`udmi broker`): `cargo run -p udmi-std --example bare -- 127.0.0.1:1883`
//! Have it publish: `udmi config --registry ZZ-TRI-FECTA --device AHU-1 --set pointset.sample_rate_sec=5`
//!
//! With `udmi watch` you see states and samples, as of any other device; writes succeed and become the value. Rules 1 to
//! 3 of those six that make a driver are the loop, rule 4 is what `perform` returns.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use udmi_proto::{
    Action, Boot, Closed, ConnId, Device, Endpoint, Event, Hook, Map, Now, Outcome, PointModel, Reading,
    Settings, SignError, Source, Udmi, UtcMillis, Value, exit_code,
};

fn main() -> Result<(), udmi_std::Failure> {
    let broker = std::env::args().nth(1).unwrap_or("127.0.0.1:1883".into());
    let mut settings = Settings::in_registry("ZZ-TRI-FECTA", "AHU-1", broker.parse()?);
    let polled = PointModel { source: Source::Polled, ..PointModel::default() };
    settings.points.insert("uptime".into(), polled);
    settings.points.insert("setpoint".into(), PointModel { writable: true, ..PointModel::default() });

    let started = Instant::now();
    let device = Device::new(Boot::new(now(started), u64::from(std::process::id())), Udmi::new(settings)?);
    std::process::exit(Loop { device, started, socket: None }.run().into());
}

struct Loop {
    device: Device,
    started: Instant,
    socket: Option<(ConnId, TcpStream)>,
}

impl Loop {
    fn run(&mut self) -> u8 {
        let mut buffer = [0; 4096];
        let mut events = VecDeque::new();
        loop {
            // Rule 2: do what the device says, in order, until it says nothing more.
            while let Some(action) = self.device.poll() {
                if let Action::Exit(reason) = action {
                    return exit_code(reason);
                }
                events.extend(self.perform(action));
            }
            // Rule 3: sleep until the deadline or the next event.
            let at = now(self.started).at;
            let sleep = self.device.deadline().map_or(Duration::from_secs(10), |deadline| deadline.since(at));
            let event = events.pop_front();
            let event = event.unwrap_or_else(|| self.wait(sleep.max(Duration::from_millis(1)), &mut buffer));
            // Rule 1: hand in what happened, with the time.
            self.device.handle(now(self.started), event);
        }
    }

    fn perform(&mut self, action: Action) -> Option<Event> {
        match action {
            Action::Open { conn, to } => match connect(&to) {
                Ok(socket) => {
                    self.socket = Some((conn, socket));
                    Some(Event::Opened { conn })
                }
                Err(_) => Some(Event::Closed { conn, why: Closed::Refused }),
            },
            Action::Send { conn, bytes } => {
                let (_, socket) = self.socket.as_mut().filter(|(own, _)| *own == conn)?;
                let written = bytes.parts().try_for_each(|part| socket.write_all(part));
                written.is_err().then_some(Event::Closed { conn, why: Closed::Reset })
            }
            Action::Close { conn } => {
                self.socket.take_if(|(own, _)| *own == conn);
                None
            }
            Action::Store { id, .. } => Some(Event::Stored { id, ok: false }), // nothing to keep it in
            Action::InvokeHook { id, hook } => Some(Event::HookDone { id, outcome: self.answer(&hook) }),
            Action::Sign { id, .. } => Some(Event::Signed { id, result: Err(SignError::NoKey) }),
            _ => None, // notices, fetches, and what needs no answer
        }
    }

    fn answer(&self, hook: &Hook) -> Outcome {
        match hook {
            Hook::WritePoint { .. } => Outcome::Done,
            Hook::ReadPoints { .. } => {
                let uptime = Value::number(self.started.elapsed().as_secs_f64()).unwrap_or_default();
                Outcome::Values { values: Map::from([("uptime".into(), Reading::Value(uptime))]) }
            }
            _ => Outcome::Unhandled,
        }
    }

    fn wait(&mut self, sleep: Duration, buffer: &mut [u8]) -> Event {
        let Some((conn, socket)) = &mut self.socket else {
            std::thread::sleep(sleep);
            return Event::Tick;
        };
        let conn = *conn;
        match socket.set_read_timeout(Some(sleep)).and_then(|()| socket.read(buffer)) {
            Ok(0) => Event::Closed { conn, why: Closed::Eof },
            Ok(count) => Event::Received { conn, bytes: buffer[..count].to_vec().into() },
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Event::Tick,
            Err(_) => Event::Closed { conn, why: Closed::Reset },
        }
    }
}

fn connect(to: &Endpoint) -> std::io::Result<TcpStream> {
    let address = (to.host.as_str(), to.port).to_socket_addrs()?.next().ok_or(ErrorKind::NotFound)?;
    let socket = TcpStream::connect_timeout(&address, Duration::from_secs(10))?;
    socket.set_nodelay(true)?;
    socket.set_write_timeout(Some(Duration::from_secs(20)))?;
    Ok(socket)
}

fn now(started: Instant) -> Now {
    let utc = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Now {
        at: udmi_proto::Instant(started.elapsed().as_millis() as u64),
        utc: UtcMillis(utc.as_millis() as i64),
    }
}
