//! The devices of a gateway follow it to another registry, and so does what waits for them (§1.4).

use udmi_proto::{Command, GatewaySettings, ProxySettings, Settings};

use super::support::pushed;
use super::*;

fn gateway() -> Rig {
    let mut proxy = ProxySettings::default();
    proxy.points.insert("level".into(), pushed());
    let proxies = [("AHU-22".to_owned(), proxy)].into();
    let gateway = GatewaySettings { proxies, ..GatewaySettings::default() };
    let mut rig = Rig::new(Settings { gateway: Some(gateway), ..settings() });
    rig.connect();
    rig.config(json!({ "gateway": { "proxy_ids": ["AHU-22"] } }));
    rig.config_of("AHU-22", json!({ "pointset": { "sample_rate_sec": 5, "points": { "level": {} } } }));
    let command = Box::new(Command::SetPoint { point: "level".into(), value: 7.into() });
    rig.command(Command::Proxied { device: "AHU-22".into(), command });
    rig.advance(3000);
    forget(&mut rig);
    rig
}

fn with_proxy(mut config: Json) -> Json {
    config["gateway"] = json!({ "proxy_ids": ["AHU-22"] });
    config
}

#[test]
fn devices_are_attached_where_the_gateway_is_at_home_and_their_events_come_along() {
    let mut rig = gateway();
    rig.config(with_proxy(with_blob(blob(&order::alternate(), G1))));
    rig.advance(5100);
    assert_eq!(hosts(&rig), ["alternate"]);
    rig.sent();
    rig.advance(4000);
    rig.prefix = ALTERNATE.into();
    rig.connect();
    assert_eq!(rig.sent_on("AHU-22/attach").len(), 0, "not before the gateway has its config");
    rig.config(with_proxy(with_blob(blob(&order::alternate(), G1))));
    assert_eq!(rig.sent_on("AHU-22/attach").len(), 1);
    assert!(rig.subscriptions.contains("/r/ALT/d/AHU-22/config"), "{:?}", rig.subscriptions);
    assert!(!rig.subscriptions.iter().any(|filter| filter.starts_with("/r/REG/")));
    assert_eq!(rig.sent_on("AHU-22/events/pointset").len(), 1, "measured on the way");
}

#[test]
fn devices_come_back_with_a_gateway_whose_order_has_failed() {
    let mut rig = gateway();
    rig.config(with_proxy(with_blob(blob(&order::alternate(), G1))));
    rig.advance(5100);
    rig.sent();
    fail(&mut rig, with_proxy(json!({})));
    assert_eq!(rig.sent_on("AHU-22/attach").len(), 1);
    assert!(rig.subscriptions.contains("/r/REG/d/AHU-22/config"), "{:?}", rig.subscriptions);
    rig.config_of("AHU-22", json!({}));
    assert_eq!(rig.sent_on("AHU-22/state").len(), 1);
}
