//! Devices that are sent to and fro between two brokers, and now and then to one that is not there (§5.3).
//!
//! After each kill a device has to show itself at a broker that the cloud's last order allows: where it was, or
//! where it is sent. It has to be where it is sent if it has said so. At last the order must have come to the end
//! that it has without a kill.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::side::{Heard, Shown, Side, State, What, config, routes, time};
use super::subject::Subject;
use super::{Place, Plan, Report, on_all};
use crate::data_url;
use crate::live::PATIENCE;

const BLOB: &str = "_iot_endpoint_config";
const REGISTRIES: [&str; 2] = ["REG", "ALT"];
/// How long a device tries a broker that refuses it, and one that is silent (§5.3: three attempts, 15 s at most).
const REFUSED: Duration = Duration::from_secs(3);
const SILENT: Duration = Duration::from_secs(15);

/// Runs it.
///
/// # Errors
/// A broker or the place of the devices cannot be made.
pub fn run(plan: &Plan) -> io::Result<Report> {
    let place = Place::new(plan)?;
    let (routes, ears) = routes(&place.ids);
    let sides = [Side::start(0, REGISTRIES[0], &routes)?, Side::start(1, REGISTRIES[1], &routes)?];
    // Takes connections and never says a word.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let dead = Dead { refusing: (Ipv4Addr::LOCALHOST, 1).into(), silent: silent.local_addr()? };
    Ok(on_all(plan, &place, ears, |subject, kills, report| {
        let mut traveller = Traveller::at_home(subject, &sides, dead)?;
        traveller.learn(report)?;
        (0..kills).try_for_each(|_| traveller.round(report))
    }))
}

#[derive(Clone, Copy, Debug)]
struct Dead {
    refusing: SocketAddr,
    silent: SocketAddr,
}

#[derive(Debug)]
struct Traveller<'a> {
    subject: Subject<'a>,
    sides: &'a [Side; 2],
    dead: Dead,
    /// Where it is at work.
    here: usize,
    /// Of the last config.
    number: u32,
    /// From an order to its end, and of that from leaving to the end, where nothing is in the way.
    span: Duration,
    crossing: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goal {
    Other,
    Refusing,
    Silent,
}

/// When to kill.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// So long after the order.
    AfterOrder(Duration),
    /// So long after the device has left.
    AfterLeaving(Duration),
}

/// An order under way.
#[derive(Debug)]
struct Order {
    /// Of its config.
    number: u32,
    config: Value,
    /// Where the device is at its end.
    to: usize,
    fails: bool,
    given: Instant,
    /// The other registry has the config as well.
    mirrored: bool,
    left: Option<Instant>,
    /// The process that has told its end.
    ended: Option<String>,
}

impl<'a> Traveller<'a> {
    fn at_home(mut subject: Subject<'a>, sides: &'a [Side; 2], dead: Dead) -> io::Result<Self> {
        let (home, other) = (&sides[0], &sides[1]);
        home.configure(&subject.id, &config(0, None))?;
        other.configure(&subject.id, &config(0, None))?;
        subject.start(home)?;
        loop {
            let heard = subject.hear("a first state")?;
            if matches!(&heard.what, What::State(state) if state.answers(0)) {
                break;
            }
        }
        let (span, crossing) = Default::default();
        Ok(Self { subject, sides, dead, here: 0, number: 0, span, crossing })
    }

    /// A redirect without a kill, to learn how long it takes.
    fn learn(&mut self, report: &mut Report) -> io::Result<()> {
        let mut order = self.give(Goal::Other)?;
        self.until_the_end(&mut order, report)?;
        self.span = order.given.elapsed();
        self.crossing = order.left.map_or(self.span, |left| left.elapsed());
        Ok(())
    }

    fn round(&mut self, report: &mut Report) -> io::Result<()> {
        let goal = match () {
            () if self.subject.random.of_ten(7) => Goal::Other,
            () if self.subject.random.of_ten(7) => Goal::Refusing,
            () => Goal::Silent,
        };
        let moment = self.moment(goal);
        let mut order = self.give(goal)?;
        self.until(moment, &mut order, report)?;
        self.subject.kill(report)?;
        self.mirror(&mut order)?;
        let was_there = order.ended.is_some();
        let started = self.subject.start(&self.sides[0])?;
        let (at, side) = self.until_at_work(&mut order, report)?;
        report.boots.push(at.saturating_duration_since(started));
        report.find(match (side == self.here, order.fails, was_there) {
            (true, false, _) => "where it was",
            (true, true, _) => "where it was, sent to a dead broker",
            (false, _, false) => "where it was sent, not told before",
            (false, _, true) => "where it was sent, told before",
        });
        if was_there && side != order.to {
            report.wrong.push(self.subject.tell("it was where it was sent, and is back"));
        }
        self.until_the_end(&mut order, report)?;
        self.here = order.to;
        Ok(())
    }

    /// Half of them from the whole of the way, half of them from its last part, which is much shorter.
    fn moment(&mut self, goal: Goal) -> Moment {
        let more = match goal {
            Goal::Other => Duration::ZERO,
            Goal::Refusing => REFUSED,
            Goal::Silent => SILENT,
        };
        let random = &mut self.subject.random;
        if random.of_ten(5) {
            Moment::AfterOrder(random.up_to((self.span + more).mul_f64(1.1)))
        } else {
            Moment::AfterLeaving(random.up_to((self.crossing + more).mul_f64(1.5)))
        }
    }

    fn give(&mut self, goal: Goal) -> io::Result<Order> {
        self.number += 1;
        let other = 1 - self.here;
        let (address, to) = match goal {
            Goal::Other => (self.sides[other].address(), other),
            Goal::Refusing => (self.dead.refusing, self.here),
            Goal::Silent => (self.dead.silent, self.here),
        };
        let endpoint = json!({
            "protocol": "mqtt",
            "transport": "tcp",
            "hostname": address.ip().to_string(),
            "port": address.port(),
            "client_id": self.sides[other].client(&self.subject.id),
        });
        let content = endpoint.to_string();
        let blob = json!({
            "phase": "final",
            "url": data_url::encode(content.as_bytes()),
            "sha256": data_url::sha256(content.as_bytes()),
            "generation": time(self.number),
        });
        let order = Order {
            number: self.number,
            config: config(self.number, Some((BLOB, &blob))),
            to,
            fails: goal != Goal::Other,
            given: Instant::now(),
            mirrored: false,
            left: None,
            ended: None,
        };
        self.sides[self.here].configure(&self.subject.id, &order.config)?;
        Ok(order)
    }

    /// As the cloud does it: once the device has answered, the other registry gets the config as well.
    fn mirror(&self, order: &mut Order) -> io::Result<()> {
        if !std::mem::replace(&mut order.mirrored, true) {
            self.sides[1 - self.here].configure(&self.subject.id, &order.config)?;
        }
        Ok(())
    }

    /// Listens until the moment has come.
    fn until(&self, moment: Moment, order: &mut Order, report: &mut Report) -> io::Result<()> {
        loop {
            let deadline = match (moment, order.left) {
                (Moment::AfterOrder(later), _) => order.given + later,
                (Moment::AfterLeaving(later), Some(left)) => left + later,
                (Moment::AfterLeaving(_), None) => order.given + PATIENCE,
            };
            match self.subject.hear_until(deadline) {
                Some(heard) => self.take(&heard, order, report)?,
                None => return Ok(()),
            }
        }
    }

    /// Listens until this process answers the config. Tells when and where.
    fn until_at_work(&mut self, order: &mut Order, report: &mut Report) -> io::Result<(Instant, usize)> {
        loop {
            let heard = self.subject.hear("a state that answers the config")?;
            self.take(&heard, order, report)?;
            if let What::State(state) = &heard.what
                && state.run() == self.subject.run()
                && state.answers(order.number)
            {
                return Ok((heard.at, heard.side));
            }
        }
    }

    /// Listens until this process has told the end of the order.
    fn until_the_end(&mut self, order: &mut Order, report: &mut Report) -> io::Result<()> {
        let run = self.subject.run();
        while order.ended.as_ref() != Some(&run) {
            let heard = self.subject.hear("the end of the order")?;
            self.take(&heard, order, report)?;
        }
        self.here = order.to;
        Ok(())
    }

    fn take(&self, heard: &Heard, order: &mut Order, report: &mut Report) -> io::Result<()> {
        match &heard.what {
            What::Left if heard.side == self.here => {
                order.left.get_or_insert(heard.at);
            }
            What::Left | What::Logged(_) => {}
            What::State(state) => {
                if state.answers(order.number) {
                    self.mirror(order)?;
                }
                if let Err(wrong) = look(state, heard.side, self.here, order) {
                    report.wrong.push(self.subject.tell(&wrong));
                }
            }
        }
        Ok(())
    }
}

/// Looks whether a state is one that the order allows.
fn look(state: &State, side: usize, here: usize, order: &mut Order) -> Result<(), String> {
    if side != here && side != order.to {
        return Err(format!("a state at {}, where nobody has sent it", REGISTRIES[side]));
    }
    let Some(Shown { is_final: true, generation, failure }) = state.blob(BLOB) else { return Ok(()) };
    if generation != time(order.number) {
        return Ok(());
    }
    order.ended = Some(state.run().to_owned());
    match failure {
        Some(failure) if !order.fails => Err(format!("the redirect has failed: {failure}")),
        None if order.fails => Err("a redirect to a dead broker is told as done".to_owned()),
        Some(_) | None if side != order.to => Err(format!("the end is told at {}", REGISTRIES[side])),
        Some(_) | None => Ok(()),
    }
}
