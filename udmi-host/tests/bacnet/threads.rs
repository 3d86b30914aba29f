//! From the references of a site model to values, through the threads that a gateway uses.

use std::collections::BTreeMap;
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use udmi_host::family::bacnet::codec::apdu::Apdu;
use udmi_host::family::bacnet::codec::link::Link;
use udmi_host::family::bacnet::codec::network::{Message, Packet, Remote};
use udmi_host::family::bacnet::codec::primitive::Primitive;
use udmi_host::family::bacnet::codec::service::{IAm, WhoIs, unconfirmed};
use udmi_host::family::bacnet::{BacnetProvider, BacnetSettings};
use udmi_host::family::{Answer, Call, FamilyProvider, FieldLimits, FieldThreads, ProviderError};
use udmi_proto::Value;

use super::fake::{Asked, Fake, Reply};
use super::{PATIENCE, device, settings};

#[test]
fn devices_are_read_through_field_threads_while_one_is_dead() {
    let good = Fake::start(1, |_| Reply::Holds(Value::Number(21.5)));
    let dead = Fake::start(2, |_| Reply::Nothing);
    let settings =
        BacnetSettings { timeout: Duration::from_millis(300), ..settings(vec![good.address, dead.address]) };
    let field = FieldThreads::new(
        [Arc::new(BacnetProvider::new(settings)) as Arc<dyn FamilyProvider>],
        FieldLimits { threads: 2, ..FieldLimits::default() },
    )
    .unwrap();
    let (sender, answers) = mpsc::channel();
    let read = |instance| {
        let call = Call::Read { target: device(instance), references: vec!["AV/1".into()] };
        let sender = sender.clone();
        field.start(call, Arc::new(move |answer| drop(sender.send((instance, answer))))).unwrap();
    };
    read(2);
    for _ in 0..3 {
        read(1);
        let answer = Answer::Read(Ok(vec![Ok(Value::Number(21.5))]));
        assert_eq!(answers.recv_timeout(PATIENCE).unwrap(), (1, answer));
    }
    let (instance, answer) = answers.recv_timeout(PATIENCE).unwrap();
    assert_eq!(instance, 2);
    assert!(matches!(answer, Answer::Read(Err(ProviderError::Unreachable(_)))), "{answer:?}");
}

#[test]
fn a_thousand_devices_behind_a_router_are_each_read_as_themselves() {
    const DEVICES: u32 = 1000;
    let router = Router::start(DEVICES);
    let provider = BacnetProvider::new(settings(vec![router.address]));
    let field =
        FieldThreads::new([Arc::new(provider) as Arc<dyn FamilyProvider>], FieldLimits::default()).unwrap();
    let (sender, answers) = mpsc::channel();
    let references: Vec<_> = (1..=10).map(|number| format!("AV/{number}")).collect();
    let start = Instant::now();
    for _ in 0..2 {
        for instance in 1..=DEVICES {
            let call = Call::Read { target: device(instance), references: references.clone() };
            let sender = sender.clone();
            field.start(call, Arc::new(move |answer| drop(sender.send((instance, answer))))).unwrap();
        }
        let answers: BTreeMap<_, _> = (0..DEVICES).map(|_| answers.recv_timeout(PATIENCE).unwrap()).collect();
        for (instance, answer) in answers {
            let values = vec![Ok(Value::Number(instance.into())); 10];
            assert_eq!(answer, Answer::Read(Ok(values)), "device {instance}");
        }
        println!("all read after {:?}, by {} threads", start.elapsed(), field.load().threads);
    }
    assert!(field.load().threads <= FieldLimits::default().threads);
}

/// A router to network 5, where each device's points hold its instance.
struct Router {
    address: SocketAddrV4,
    ended: Arc<AtomicBool>,
    serving: Option<JoinHandle<()>>,
}

impl Router {
    fn start(devices: u32) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let SocketAddr::V4(address) = socket.local_addr().unwrap() else { unreachable!() };
        let ended = Arc::new(AtomicBool::new(false));
        let end = ended.clone();
        let serving = Some(thread::spawn(move || {
            let mut buffer = [0; 1500];
            while !end.load(Ordering::SeqCst) {
                let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
                for (instance, apdu) in Self::answers(&buffer[..length], devices) {
                    let source = Some(Remote { network: 5, address: instance.to_be_bytes().to_vec() });
                    let packet = Packet { source, ..Packet::new(None, false, &apdu) }.encode();
                    socket.send_to(&Link::Unicast(&packet).encode(), from).unwrap();
                }
            }
        }));
        Self { address, ended, serving }
    }

    fn answers(bytes: &[u8], devices: u32) -> Vec<(u32, Vec<u8>)> {
        let packet = Packet::decode(Link::decode(bytes).unwrap().packet().unwrap()).unwrap();
        let Message::Apdu(apdu) = packet.message else { panic!("no APDU") };
        match Apdu::decode(apdu).unwrap() {
            Apdu::Unconfirmed { content, .. } => {
                let (least, greatest) = WhoIs::decode(content).unwrap().range.unwrap_or((1, devices));
                let announce = |device| {
                    let i_am = IAm { device, max_apdu: 480, segmentation: 3, vendor: 999 }.encode();
                    (device, Apdu::Unconfirmed { service: unconfirmed::I_AM, content: &i_am }.encode())
                };
                (least..=greatest.min(devices)).map(announce).collect()
            }
            Apdu::Confirmed { invoke, service, content } => {
                let place = packet.destination.unwrap().address;
                let instance = u32::from_be_bytes(place.try_into().unwrap());
                let (content, destination) = (content.to_vec(), None);
                let asked = Asked { number: 0, invoke, service, content, destination };
                #[allow(clippy::cast_precision_loss)]
                let value = Primitive::Real(instance as f32);
                vec![(instance, asked.holds(&value))]
            }
            other => panic!("{other:?}"),
        }
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        let _ = self.serving.take().map(JoinHandle::join);
    }
}
