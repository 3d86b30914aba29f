//! Periodic scans: rounds at the generation plus whole intervals (§6.4).

use serde_json::json;
use udmi_proto::Outcome;

use crate::support::{Sent, time};
use crate::{at, events, family, found, numbers, order, phases, scan, scanner};

/// When marks of a start were sent, and the generation they name.
fn starts(events: &[Sent]) -> Vec<(u64, String)> {
    let marks = events.iter().filter(|sent| sent.payload["event_no"] == 0);
    marks.map(|sent| (sent.at, sent.payload["generation"].as_str().unwrap().to_owned())).collect()
}

fn expected(starts: &[i64]) -> Vec<(u64, String)> {
    starts.iter().map(|start| (u64::try_from(*start).unwrap(), time(*start))).collect()
}

#[test]
fn rounds_start_at_the_generation_plus_whole_intervals() {
    let mut rig = scanner();
    order(
        &mut rig,
        json!({ "generation": "2026-03-01T09:59:53.700Z", "scan_interval_sec": 20, "scan_duration_sec": 5 }),
    );
    assert_eq!(family(&mut rig), json!({ "generation": time(13_000), "phase": "pending" }));
    rig.advance(60_000);
    let all = events(&mut rig);
    assert_eq!(starts(&all), expected(&[13_000, 33_000, 53_000]));
    assert_eq!(numbers(&all)[..4], [(0, None), (-1, None), (0, None), (-1, None)]);
    assert_eq!(all[1].at, 18_000);
}

#[test]
fn without_a_generation_rounds_are_counted_from_the_start_of_the_run() {
    let mut rig = scanner();
    rig.advance(31_000);
    order(&mut rig, json!({ "scan_interval_sec": 25 }));
    rig.advance(50_000);
    assert_eq!(starts(&events(&mut rig)), expected(&[50_000, 75_000]));
}

#[test]
fn the_first_round_is_never_before_the_generation() {
    let mut rig = scanner();
    order(&mut rig, json!({ "generation": time(100_000), "scan_interval_sec": 20 }));
    rig.advance(130_000);
    assert_eq!(starts(&events(&mut rig)), expected(&[100_000, 120_000]));
}

#[test]
fn a_generation_of_this_very_moment_is_the_first_round() {
    let mut rig = scanner();
    rig.advance(4500);
    order(&mut rig, json!({ "generation": time(5000), "scan_interval_sec": 20 }));
    assert_eq!(starts(&events(&mut rig)), expected(&[5000]));
}

#[test]
fn between_two_rounds_the_state_is_pending_never_stopped() {
    let mut rig = scanner();
    order(&mut rig, json!({ "generation": time(5000), "scan_interval_sec": 20, "scan_duration_sec": 10 }));
    rig.advance(40_000);
    let families = rig.states().into_iter().map(|state| state["discovery"]["families"]["bacnet"].clone());
    let seen: Vec<_> =
        families.map(|family| format!("{} {}", family["phase"], family["generation"])).collect();
    let expected =
        [(5000, "pending"), (5000, "active"), (25_000, "pending"), (25_000, "active"), (45_000, "pending")];
    let expected: Vec<_> =
        expected.into_iter().map(|(round, phase)| format!("\"{phase}\" \"{}\"", time(round))).collect();
    assert_eq!(seen, expected);
}

#[test]
fn a_round_as_long_as_its_interval_gives_way_to_the_next_at_once() {
    let mut rig = scanner();
    order(
        &mut rig,
        json!({ "generation": time(5000), "scan_interval_sec": 20, "scan_duration_sec": 99, "depth": "details" }),
    );
    rig.advance(4500);
    for round in [5000, 25_000, 45_000] {
        let (id, request) = scan(&mut rig);
        assert_eq!((request.generation.as_str(), request.duration_seconds), (time(round).as_str(), 20));
        rig.advance(1000);
        found(&mut rig, id, at("7"));
        rig.advance(19_000);
        assert_eq!(rig.cancelled(), [id]);
    }
    let sent = events(&mut rig);
    let of_one: Vec<_> =
        sent.iter().filter(|sent| sent.payload["generation"] == time(25_000)).cloned().collect();
    assert_eq!(numbers(&of_one), [(0, None), (1, Some("7")), (-2, None)]);
    assert_eq!((of_one[0].at, of_one[2].at), (25_000, 45_000));
    assert!(phases(&mut rig).iter().skip(1).all(|(phase, _)| phase == "active"));
}

#[test]
fn an_unchanged_order_disturbs_no_round() {
    let mut rig = scanner();
    let wanted = json!({ "generation": time(5000), "scan_interval_sec": 20 });
    order(&mut rig, wanted.clone());
    for _ in 0..30 {
        rig.advance(1700);
        order(&mut rig, wanted.clone());
    }
    let all = events(&mut rig);
    assert_eq!(starts(&all), expected(&[5000, 25_000, 45_000]));
    assert_eq!(
        all.iter().filter(|sent| sent.payload["event_no"] == -1).map(|sent| sent.at).collect::<Vec<_>>(),
        [15_000, 35_000]
    );
}

#[test]
fn a_failed_round_is_followed_by_the_next_on_time() {
    let mut rig = scanner();
    order(&mut rig, json!({ "generation": time(5000), "scan_interval_sec": 20 }));
    rig.advance(4500);
    let (id, _) = scan(&mut rig);
    rig.answer(id, Outcome::Failed { message: "the line is open".into() });
    let told = family(&mut rig);
    assert_eq!((&told["phase"], &told["generation"]), (&json!("pending"), &json!(time(25_000))));
    assert_eq!(told["status"]["level"], 500);
    rig.advance(20_000);
    assert_eq!(scan(&mut rig).1.generation.as_str(), time(25_000));
    assert_eq!(family(&mut rig).get("status"), None);
}

#[test]
fn a_changed_order_cancels_the_round_and_plans_anew() {
    let mut rig = scanner();
    order(&mut rig, json!({ "generation": time(5000), "scan_interval_sec": 20 }));
    rig.advance(5000);
    let (id, _) = scan(&mut rig);
    order(&mut rig, json!({ "generation": time(5000), "scan_interval_sec": 20, "depth": "details" }));
    assert_eq!(rig.cancelled(), [id]);
    assert_eq!(family(&mut rig), json!({ "generation": time(25_000), "phase": "pending" }));
    rig.advance(18_000);
    assert!(scan(&mut rig).1.references);
    assert_eq!(
        numbers(&events(&mut rig)),
        [(0, None), (0, None)],
        "a cancelled round has no mark of its end"
    );
}

#[test]
fn a_round_is_not_begun_twice_within_its_second() {
    let mut rig = scanner();
    rig.advance(4500);
    order(&mut rig, json!({ "generation": time(5000), "scan_interval_sec": 20 }));
    order(&mut rig, json!({ "generation": time(5000), "scan_interval_sec": 20, "depth": "details" }));
    rig.advance(30_000);
    assert_eq!(starts(&events(&mut rig)), expected(&[5000, 25_000]));
}

#[test]
fn a_periodic_scan_can_be_turned_into_one_of_now() {
    let mut rig = scanner();
    order(&mut rig, json!({ "generation": time(600_000), "scan_interval_sec": 600 }));
    rig.advance(10_000);
    order(&mut rig, json!({ "generation": time(10_000) }));
    assert_eq!(scan(&mut rig).1.generation.as_str(), time(10_000));
    rig.advance(700_000);
    assert_eq!(numbers(&events(&mut rig)), [(0, None), (-1, None)]);
}

#[test]
fn the_round_under_way_can_be_made_the_last() {
    let mut rig = scanner();
    order(&mut rig, json!({ "generation": time(5000), "scan_interval_sec": 20 }));
    rig.advance(26_000);
    order(&mut rig, json!({ "generation": time(25_000) }));
    rig.advance(60_000);
    assert_eq!(starts(&events(&mut rig)), expected(&[5000, 25_000]));
    assert_eq!(
        family(&mut rig),
        json!({ "generation": time(25_000), "phase": "stopped", "active_count": 0 })
    );
}
