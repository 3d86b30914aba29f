//! `udmi conform` against `udmi device`, each a process of its own.

mod bench;

use std::process::Output;

use bench::place::Place;
use bench::{Bench, ndjson, stderr, stdout};

fn conform(bench: &Bench, place: &Place, arguments: &[&str]) -> Output {
    let site = place.site();
    let start = ["--site", site.to_str().unwrap(), "--device"];
    bench.udmi("conform", &[&start[..], arguments].concat()).output().unwrap()
}

#[test]
fn a_device_passes_quick_sequences_of_each_lane_and_comes_back_from_a_restart() {
    let (bench, place) = (Bench::start(), Place::new());
    let _device = place.device(&bench, &["--restart", "exec"]);
    let names = "valid_serial_no,state_make_model,config_logging,writeback_failure,system_mode_restart";
    let output = conform(&bench, &place, &["AHU-1", "--only", names]);
    let lines = stdout(&output);
    for wanted in [
        "RESULT pass system.mode system_mode_restart PREVIEW 10/10 Sequence complete",
        "RESULT pass system config_logging STABLE 10/10 Sequence complete",
        "SCHEMA pass system valid_serial_no STABLE state_update Schema validation passed",
        "RESULT pass system valid_serial_no STABLE 10/10 Sequence complete",
        "RESULT pass system state_make_model STABLE 10/10 Sequence complete",
        "RESULT pass writeback writeback_failure ALPHA 10/10 Sequence complete",
    ] {
        assert!(lines.lines().any(|line| line == wanted), "{wanted} is not in\n{lines}{}", stderr(&output));
    }
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_device_with_another_serial_number_fails_and_the_step_says_what_was_seen() {
    let (bench, place) = (Bench::start(), Place::new());
    let _device = place.device(&bench, &["--serial", "wrong"]);
    let output = conform(&bench, &place, &["AHU-1", "--only", "valid_serial_no", "--json"]);
    let outcome = &ndjson(&output)[0];
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_eq!(outcome["verdict"]["result"], "fail");
    let step = outcome["steps"].as_array().unwrap().last().unwrap();
    assert_eq!(step["number"], 2);
    let message = step["verdict"]["message"].as_str().unwrap();
    assert!(message.contains("/system/serial_no is \"wrong\", expected \"SN-0001\""), "{message}");
}

#[test]
fn a_gateway_and_a_device_behind_it_are_tested_in_turn() {
    let (bench, place) = (Bench::start(), Place::new());
    let _gateway = place.device_of(&bench, "GAT-1", &[]);
    let names = "gateway_proxy_state,bad_target_address,valid_serial_no";
    let output = conform(&bench, &place, &["GAT-1", "--device", "EM-1", "--only", names]);
    let lines = stdout(&output);
    for wanted in [
        "GAT-1 RESULT pass gateway gateway_proxy_state PREVIEW 10/10 Sequence complete",
        "GAT-1 RESULT skip gateway bad_target_address PREVIEW 0/0 Not for a device that is a gateway",
        "GAT-1 RESULT pass system valid_serial_no STABLE 10/10 Sequence complete",
        "EM-1 RESULT skip gateway gateway_proxy_state PREVIEW 0/0 Not for a device that is proxied",
        "EM-1 RESULT pass gateway bad_target_address PREVIEW 10/10 Sequence complete",
        "EM-1 RESULT pass system valid_serial_no STABLE 10/10 Sequence complete",
    ] {
        assert!(lines.lines().any(|line| line == wanted), "{wanted} is not in\n{lines}{}", stderr(&output));
    }
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn what_cannot_be_tested_is_a_wrong_command_line() {
    let (bench, place) = (Bench::start(), Place::new());
    for (arguments, problem) in [
        (&["AHU-1", "--only", "no_such"][..], "there is no sequence no_such"),
        (&["XYZ-1"], "there is no device XYZ-1"),
        (&["AHU-1", "--stage", "late"], "expected alpha, preview, beta or stable"),
    ] {
        let output = conform(&bench, &place, arguments);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains(problem), "{}", stderr(&output));
    }
}
