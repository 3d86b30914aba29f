//! A connection that must not come about does not, and the device says why.

use udmi_proto::{Closed, Down, Notice, Transport};
use udmi_std::udmi_host::tls::TlsSettings;
use udmi_tests::live::broker::{Broker, Kind, Plan};
use udmi_tests::live::certificates::{Pki, SERVER_NAME};
use udmi_tests::live::device::{self, Running, Runtime};

#[test]
fn our_broker_behind_tls_refuses_and_is_refused_for_the_cause_that_is_named() {
    refusals(Kind::Embedded);
}

#[test]
fn mosquitto_over_tls_refuses_and_is_refused_for_the_cause_that_is_named() {
    refusals(Kind::Mosquitto);
}

fn refusals(kind: Kind) {
    if !kind.is_there_or_say("refused TLS connections") {
        return;
    }
    let (pki, stranger) = (Pki::new(), Pki::new());
    let broker = Broker::start(kind, &Plan { accounts: true, pki: Some(pki.clone()), ..Plan::default() });
    let broker = broker.unwrap();
    for runtime in Runtime::ALL {
        let refusal = |host: &str, tls: TlsSettings| {
            let port = broker.device_address().port();
            let plan = device::Plan::new(host, port, Transport::Tls);
            let device = Running::start(runtime, device::Plan { tls: Some(tls), ..plan });
            let why = device.notice("a refusal", |notice| match notice {
                Notice::Disconnected { why } => Some(why.clone()),
                Notice::Connected { .. } => panic!("it has connected"),
                _ => None,
            });
            let _ = device.stop();
            why
        };
        let wrong_authority = TlsSettings { trust: stranger.nobody().trust, ..pki.device() };
        let cases = [
            (refusal(SERVER_NAME, wrong_authority), "issuer"),
            (refusal("127.0.0.1", pki.device()), "127.0.0.1"),
            (refusal(SERVER_NAME, pki.nobody()), "client certificate"),
            (
                refusal(SERVER_NAME, TlsSettings { trust: pki.nobody().trust, ..stranger.device() }),
                "certificate",
            ),
        ];
        for (why, cause) in cases {
            let Down::Closed(Closed::Tls(text)) = &why else {
                panic!("{kind:?}, {runtime:?}: {why:?}, not {cause}")
            };
            println!("{kind:?}, {runtime:?}: {text}");
            assert!(text.contains(cause), "{text:?} does not name {cause:?}");
        }
    }
}
