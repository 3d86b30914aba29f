//! A broker that comes back with another certificate.

use udmi_proto::{Closed, Down, ExitReason, Notice, Transport};
use udmi_tests::live::broker::{Broker, Kind, Plan};
use udmi_tests::live::certificates::{Pki, SERVER_NAME};
use udmi_tests::live::device::{self, Running};
use udmi_tests::live::gate::Gate;
use udmi_tests::live::numbered::{answers, config};
use udmi_tests::live::watch::Watch;

use crate::on_all;

#[test]
fn our_broker_is_refused_while_its_certificate_is_wrong_and_taken_when_it_is_right() {
    changing(Kind::Embedded);
}

#[test]
fn mosquitto_is_refused_while_its_certificate_is_wrong_and_taken_when_it_is_right() {
    changing(Kind::Mosquitto);
}

fn changing(kind: Kind) {
    if !kind.is_there_or_say("certificates that change") {
        return;
    }
    on_all(|runtime| {
        let right = Pki::new();
        let start =
            |pki: &Pki| Broker::start(kind, &Plan { pki: Some(pki.clone()), ..Plan::default() }).unwrap();
        let broker = start(&right);
        let gate = Gate::open_to(broker.device_address()).unwrap();
        let mut plan = device::Plan::new(SERVER_NAME, gate.address().port(), Transport::Tls);
        plan.tls = Some(right.device());
        let device = Running::start(runtime, plan);
        let mut watch = Watch::new(&broker);
        watch.configure(&config(1, None).to_string());
        watch.state("the config is answered", |state| answers(state, 1));
        let wrong = [
            (Pki::new(), "issuer"),
            (right.clone().with_expired_server(), "expired"),
            (right.clone().with_server_name("elsewhere.test"), "elsewhere.test"),
        ];
        let mut number = 1;
        for (pki, cause) in wrong {
            let other = start(&pki);
            gate.shut();
            gate.aim(other.device_address());
            gate.open();
            let text = device.notice("a refusal", |notice| match notice {
                Notice::Disconnected { why: Down::Closed(Closed::Tls(text)) } => Some(text.clone()),
                _ => None,
            });
            assert!(text.to_lowercase().contains(cause), "{text:?} does not name {cause:?}");
            number += 1;
            watch.configure(&config(number, None).to_string());
            gate.shut();
            gate.aim(broker.device_address());
            gate.open();
            watch.state("the config is answered by the broker that is right", |state| answers(state, number));
        }
        assert_eq!(device.stop(), ExitReason::Shutdown);
    });
}
