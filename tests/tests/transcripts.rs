//! Scenarios for people to read: commands after a `$`, and what the device answers. A changed snapshot is
//! explained in the commit that changes it; `INSTA_UPDATE=always` writes them anew.

use udmi_proto::{GatewaySettings, ProxySettings, Settings};
use udmi_tests::model::Model;
use udmi_tests::world::{Answer, Setup, World};

/// Characters of a payload that are shown.
const WIDTH: usize = 96;

fn setup() -> Setup {
    let mut setup = Model::air_handler().setup();
    setup.transcript = Some(WIDTH);
    setup.plant.writes = Answer::ByHand;
    setup.restart_ms = Some(1500);
    setup
}

/// A world with a device that has been up for a while, so that a scenario begins with what it is about.
fn running(mut setup: Setup, config: &str) -> World {
    setup.settings.options.commands = false;
    let mut world = World::new(setup);
    world.script(&format!("config {config}\nconnect\nadvance 60s"));
    world
}

/// No metrics, no samples and no entries below errors: nothing happens by itself.
const QUIET: &str = r#"{"system":{"min_loglevel":500,"metrics_rate_sec":0,"operation":{"mode":"active"}}}"#;

macro_rules! snapshot {
    ($text:expr) => {
        let text = $text;
        assert!(text.lines().count() <= 40, "{} lines:\n{text}", text.lines().count());
        let mut settings = insta::Settings::new();
        settings.set_snapshot_path("transcripts");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!(text));
    };
}

#[test]
fn first_start() {
    let mut setup = setup();
    setup.settings.options.commands = false;
    let mut world = World::new(setup);
    world.cloud.writes_back = true;
    let system =
        r#"{"min_loglevel":200,"metrics_rate_sec":0,"operation":{"last_start":"1970-01-01T00:01:13Z"}}"#;
    let config = format!(r#"{{"system":{system},"localnet":{{"families":{{"ipv4":{{}}}}}}}}"#);
    let script = format!("config {config}\nconnect\nadvance 3s\nshow /system/operation\nshow /localnet");
    snapshot!(world.script(&script));
}

/// §1.10: the gateway's own config, the attachment, the device's config, its state.
#[test]
fn gateway_attaches_a_device_and_acts_for_it() {
    const QUIET_DEVICE: &str = r#""system":{"min_loglevel":500,"metrics_rate_sec":0}"#;
    let gateway = "/r/REG/d/GAT-1";
    let mut settings = Settings::new("GAT-1", setup().settings.endpoint, gateway, gateway);
    settings.options.commands = false;
    let proxies = [("AHU-22".to_owned(), ProxySettings::default())].into();
    settings.gateway = Some(GatewaySettings { proxies, ..GatewaySettings::default() });
    let mut setup = Setup { transcript: Some(WIDTH), ..Setup::new(settings) };
    setup.bound = vec!["AHU-22".into()];
    let mut world = World::new(setup);
    world.script(&format!(
        r#"
        at /r/REG/d/AHU-22
        config {{{QUIET_DEVICE},"gateway":{{"target":{{"addr":"7"}}}}}}
        at {gateway}
        config {{{QUIET_DEVICE}}}
        connect
        advance 5s
        "#
    ));
    snapshot!(world.script(
        r#"
        config {"gateway":{"proxy_ids":["AHU-22"]}}
        advance 200ms
        at /r/REG/d/AHU-22
        show /gateway
        "#
    ));
}

#[test]
fn broken_config_and_recovery() {
    let mut world = running(setup(), r#"{"system":{"min_loglevel":100,"metrics_rate_sec":0}}"#);
    snapshot!(world.script(
        r#"
        raw { broken on purpose
        advance 3s
        show /system/status
        show /system/last_config
        config {}
        advance 3s
        show /system/status
        show /system/last_config
        "#
    ));
}

const RESTART: &str = r#"
    show /system/operation
    config {"system":{"operation":{"mode":"restart"}}}
    until exit
    show /system/operation
    "#;

#[test]
fn restart_is_told_before_it_happens() {
    let mut world = running(setup(), QUIET);
    snapshot!(world.script(RESTART));
}

#[test]
fn restarted_device_stays_initial_though_the_config_says_restart() {
    let mut world = running(setup(), QUIET);
    world.cloud.writes_back = true;
    world.script(RESTART);
    snapshot!(world.script("until state\nadvance 3s\nshow /system/operation"));
}

#[test]
fn burst_of_configs_is_answered_by_two_states() {
    let mut world = running(setup(), QUIET);
    snapshot!(world.script(
        r#"
        config {"system":{"min_loglevel":500}}
        config {"localnet":{"families":{"ipv4":{}}}}
        config {"blobset":{"blobs":{}}}
        config {"discovery":{"families":{}}}
        config {"gateway":{}}
        config {"localnet":{"families":{"ether":{}}}}
        advance 5s
        show /localnet
        "#
    ));
}

#[test]
fn a_scan_is_pending_active_and_stopped() {
    let mut world = running(setup(), QUIET);
    world.plant.scans = Answer::Never;
    world.plant.around.get_mut("bacnet").expect("a family there is").truncate(1);
    snapshot!(world.script(
        r#"
        config {"discovery":{"families":{"bacnet":{"generation":"2026-03-01T10:01:05Z","scan_duration_sec":3}}}}
        advance 6s
        show /discovery
        advance 6s
        show /discovery
        "#
    ));
}

#[test]
fn write_back_from_updating_to_applied() {
    let mut world = running(setup(), QUIET);
    snapshot!(world.script(
        r#"
        config {"pointset":{"points":{"duct_pressure_setpoint":{"set_value":60}}}}
        advance 3s
        show /pointset/points
        hook 5 ok
        advance 3s
        show /pointset/points
        "#
    ));
}

#[test]
fn superseded_write_is_not_reported() {
    let mut world = running(setup(), QUIET);
    snapshot!(world.script(
        r#"
        config {"pointset":{"points":{"duct_pressure_setpoint":{"set_value":60}}}}
        advance 3s
        config {"pointset":{"points":{"duct_pressure_setpoint":{"set_value":61}}}}
        advance 3s
        show /pointset/points
        "#
    ));
}

#[test]
fn state_is_held_back_until_the_first_config_after_a_reconnect() {
    let mut world = running(setup(), QUIET);
    snapshot!(world.script(
        r#"
        refuse
        drop
        advance 1s
        do {"SetSoftware":{"module":"shell","version":"2"}}
        advance 4s
        calm
        until state
        advance 2s
        show /system/software
        "#
    ));
}

#[test]
fn refused_subscription_of_commands_changes_nothing() {
    let mut setup = setup();
    setup.refused = vec!["commands/#".into()];
    let mut world = World::new(setup);
    snapshot!(world.script(&format!("config {QUIET}\nconnect\nadvance 3s\nshow /system/operation/mode")));
}

#[test]
fn unanswered_connect_is_given_up() {
    let mut world = World::new(setup());
    snapshot!(world.script(&format!("config {QUIET}\nunheard\nconnect\nadvance 9s\ncalm\nadvance 5s")));
}

#[test]
fn outbox_over_its_bound_keeps_the_newest_events() {
    let mut setup = setup();
    setup.limits.outbox_messages = 2;
    let mut world = running(setup, QUIET);
    snapshot!(world.script(
        r#"
        refuse
        drop
        advance 100
        do {"SendEvent":{"folder":"own","content":"{\"number\":1}"}}
        do {"SendEvent":{"folder":"own","content":"{\"number\":2}"}}
        do {"SendEvent":{"folder":"own","content":"{\"number\":3}"}}
        calm
        advance 5s
        "#
    ));
}

#[test]
fn minimum_level_old_for_receive_and_new_for_apply() {
    let mut world = running(setup(), r#"{"system":{"min_loglevel":100,"metrics_rate_sec":0}}"#);
    snapshot!(world.script(
        r#"
        config {"system":{"min_loglevel":500}}
        advance 4s
        config {"system":{"min_loglevel":100}}
        advance 4s
        "#
    ));
}

#[test]
fn shutdown_tells_the_last_state_and_log_before_it_leaves() {
    let mut world = running(setup(), r#"{"system":{"metrics_rate_sec":0,"operation":{"mode":"active"}}}"#);
    snapshot!(world.script(
        r#"
        do {"Log":{"level":300,"category":"device.test","message":"almost done","detail":null}}
        do {"Stop":{"reason":"Shutdown"}}
        until exit
        show /system/operation/mode
        "#
    ));
}
