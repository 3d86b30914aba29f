//! The drivers know nothing of UDMI: another dialect runs on them as they are.

use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use udmi_proto::{Endpoint, ExitReason, Transport};
use udmi_std::bare::Bare;
use udmi_std::driver::Driver;
use udmi_tests::live::PATIENCE;
use udmi_tests::live::broker::{Broker, Kind, Plan};
use udmi_tests::live::cloud::Cloud;
use udmi_tests::toy::{Command, Notice, Question, Setup, Toy};

#[test]
fn a_dialect_of_nobodys_runs_on_the_driver_with_threads() {
    for kind in [Kind::Embedded, Kind::Mosquitto].into_iter().filter(|kind| kind.is_there_or_say("toy")) {
        let broker = Broker::start(kind, &Plan::default()).unwrap();
        let mut peer = peer(&broker);
        let (driver, notices) = driver(&broker);
        let link = driver.start().unwrap();
        assert_eq!(next(&notices), Notice::Online);
        link.send(Command::Ask("how warm".into())).unwrap();
        answer(&mut peer);
        assert_eq!(next(&notices), Notice::Answer { number: 1, text: "warm enough".into() });
        ask(&mut peer);
        link.send_last(Command::Leave(ExitReason::Terminate)).unwrap();
        assert_eq!(link.wait_for(PATIENCE), Some(ExitReason::Terminate));
    }
}

#[test]
fn a_dialect_of_nobodys_runs_on_the_bare_driver() {
    for kind in [Kind::Embedded, Kind::Mosquitto].into_iter().filter(|kind| kind.is_there_or_say("toy")) {
        let broker = Broker::start(kind, &Plan::default()).unwrap();
        let mut peer = peer(&broker);
        let (driver, notices) = driver(&broker);
        let (done, finished) = channel();
        let cloud = thread::spawn(move || {
            answer(&mut peer);
            ask(&mut peer);
            done.send(()).unwrap();
        });
        let mut device = Bare::start(driver).unwrap();
        device.command(Command::Ask("how warm".into()));
        let deadline = Instant::now() + PATIENCE;
        while finished.try_recv().is_err() {
            assert!(Instant::now() < deadline, "the peer is not satisfied");
            assert_eq!(device.turn(Duration::from_millis(10)), None);
        }
        cloud.join().unwrap();
        assert_eq!(next(&notices), Notice::Online);
        assert_eq!(next(&notices), Notice::Answer { number: 1, text: "warm enough".into() });
        device.command(Command::Leave(ExitReason::Terminate));
        let ended =
            std::iter::repeat_with(|| device.turn(Duration::from_millis(10))).find_map(|reason| reason);
        assert_eq!(ended, Some(ExitReason::Terminate));
    }
}

fn peer(broker: &Broker) -> Cloud {
    Cloud::connect(broker.plain_address(), "peer", None, &["api/+", "told/+"]).unwrap()
}

/// Waits for the toy's question and answers it.
fn answer(peer: &mut Cloud) {
    let question = peer.next(PATIENCE).unwrap();
    assert_eq!((question.topic.as_str(), &question.payload[..]), ("api/0001", &b"how warm"[..]));
    peer.publish("reply/0001", "warm enough", false).unwrap();
}

/// Asks the toy's application.
fn ask(peer: &mut Cloud) {
    peer.publish("ask/0007", "who", false).unwrap();
    let told = peer.next(PATIENCE).unwrap();
    assert_eq!((told.topic.as_str(), &told.payload[..]), ("told/0007", &b"who? a toy"[..]));
}

fn driver(broker: &Broker) -> (Driver<Toy>, Receiver<Notice>) {
    let address = broker.device_address();
    let endpoint =
        Endpoint { host: address.ip().to_string(), port: address.port(), transport: Transport::Tcp };
    let setup = Setup { endpoint, name: "toy".into(), password: None, patience: 60_000 };
    let (notice, notices) = channel();
    let hear = move |heard| drop(notice.send(heard));
    let answer = |question: Question| format!("{}? a toy", question.text);
    (Driver::new(Toy::new(setup), (answer, hear)), notices)
}

fn next(notices: &Receiver<Notice>) -> Notice {
    notices.recv_timeout(PATIENCE).unwrap()
}
