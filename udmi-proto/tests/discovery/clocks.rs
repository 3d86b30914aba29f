//! A periodic scan keeps to its generation plus whole intervals of the wall clock, to the second, whatever the clocks do.

use serde_json::json;
use udmi_proto::model::common::Timestamp;
use udmi_proto::{Event, UtcMillis};

use crate::support::{BIRTH, Rig, settings, time};
use crate::{at, events, family, found, numbers, order, scan, scanner};

const HOUR: i64 = 3_600_000;

/// A scan every ten minutes of ten seconds, two rounds of which were made; 10:20:30 now.
fn periodic() -> Rig {
    let mut rig = scanner();
    order(&mut rig, json!({ "generation": time(600_000), "scan_interval_sec": 600 }));
    rig.advance(1_229_500);
    assert_eq!(rounds(&mut rig), [600, 1200]);
    rig.forget();
    rig
}

/// The generations of the rounds begun since the last look, in seconds since the birth of the rig; each begun within
/// its second by the wall clock.
fn rounds(rig: &mut Rig) -> Vec<i64> {
    let all = events(rig);
    let marks = all.iter().filter(|sent| sent.payload["event_no"] == 0);
    marks
        .map(|sent| {
            let millis = |member: &str| {
                let text = sent.payload[member].as_str().expect("a timestamp").to_owned();
                Timestamp::from(text).millis().expect("a date")
            };
            let late = millis("timestamp") - millis("generation");
            assert!((0..1000).contains(&late), "begun {late} ms after its generation");
            (millis("generation") - BIRTH) / 1000
        })
        .collect()
}

/// The wall clock steps, and nobody looks until something else happens.
fn step(rig: &mut Rig, millis: i64) {
    rig.now.utc.0 += millis;
    rig.handle(Event::Tick);
}

#[test]
fn a_step_forward_of_an_hour_makes_nothing_up_and_keeps_the_schedule() {
    let mut rig = periodic();
    step(&mut rig, HOUR);
    assert_eq!(rounds(&mut rig), [] as [i64; 0], "six rounds were stepped over");
    assert_eq!(family(&mut rig)["generation"], time(5_400_000));
    rig.advance(1_200_000);
    assert_eq!(rounds(&mut rig), [5400, 6000]);
}

#[test]
fn a_step_backward_of_an_hour_waits_for_the_round_that_was_announced() {
    let mut rig = periodic();
    step(&mut rig, -HOUR);
    rig.advance(3_600_000);
    assert_eq!(rounds(&mut rig), [] as [i64; 0]);
    rig.advance(1_200_000);
    assert_eq!(rounds(&mut rig), [1800, 2400], "no generation twice");
}

#[test]
fn small_corrections_move_the_next_round_with_the_clock() {
    for correction in [-2500, -700, 700, 2500] {
        let mut rig = periodic();
        step(&mut rig, correction);
        rig.advance(1_200_000);
        assert_eq!(rounds(&mut rig), [1800, 2400], "{correction}");
    }
}

#[test]
fn a_step_within_a_round_neither_cuts_nor_stretches_it() {
    for (steps, passes, next) in [(HOUR, 1_800_000, [6000, 6600]), (-HOUR, 5_400_000, [2400, 3000])] {
        let mut rig = periodic();
        rig.advance(572_000);
        let (id, _) = scan(&mut rig);
        step(&mut rig, steps);
        rig.advance(5000);
        found(&mut rig, id, at("7"));
        assert!(rig.cancelled().is_empty());
        rig.advance(3000);
        assert_eq!(rig.cancelled(), [id]);
        let all = events(&mut rig);
        assert_eq!(numbers(&all), [(0, None), (1, Some("7")), (-2, None)]);
        assert_eq!(all[2].at - all[0].at, 10_000);
        rig.advance(passes);
        assert_eq!(rounds(&mut rig)[..2], next, "{steps}");
    }
}

#[test]
fn a_suspension_of_ten_minutes_drops_what_it_swallowed() {
    let mut rig = periodic();
    // From 10:20:30 to 10:30:30, past the round of 10:30:00.
    rig.stall(600_000);
    assert_eq!(rounds(&mut rig), [] as [i64; 0]);
    rig.advance(1_200_000);
    assert_eq!(rounds(&mut rig), [2400, 3000]);
}

#[test]
fn a_suspension_that_the_monotonic_clock_does_not_see_is_the_same() {
    let mut rig = periodic();
    step(&mut rig, 600_000);
    rig.advance(1_200_000);
    assert_eq!(rounds(&mut rig), [2400, 3000]);
}

#[test]
fn a_suspension_within_a_round_ends_it_once_awake() {
    let mut rig = periodic();
    rig.advance(572_000);
    let (id, _) = scan(&mut rig);
    rig.stall(600_000);
    assert_eq!(rig.cancelled(), [id]);
    assert_eq!(numbers(&events(&mut rig)), [(0, None), (-1, None)]);
    found(&mut rig, id, at("7"));
    assert!(events(&mut rig).is_empty());
    rig.advance(1_200_000);
    assert_eq!(rounds(&mut rig), [3000, 3600]);
}

#[test]
fn a_wake_up_within_the_second_still_begins_the_round() {
    let mut rig = periodic();
    rig.stall(570_999);
    assert_eq!(rounds(&mut rig), [1800]);
    let mut rig = periodic();
    rig.stall(571_000);
    assert_eq!(rounds(&mut rig), [] as [i64; 0]);
}

#[test]
fn rounds_do_not_drift() {
    let mut rig = scanner();
    order(
        &mut rig,
        json!({ "generation": "2020-02-29T23:59:59Z", "scan_interval_sec": 86_399, "scan_duration_sec": 1 }),
    );
    let base = Timestamp::from("2020-02-29T23:59:59Z".to_owned()).millis().unwrap();
    let mut seen = 0;
    for _ in 0..8 {
        rig.advance(86_400_000);
        rig.hooks();
        for round in rounds(&mut rig) {
            assert_eq!((BIRTH + round * 1000 - base).rem_euclid(86_399_000), 0);
            seen += 1;
        }
        rig.forget();
    }
    assert_eq!(seen, 8);
}

#[test]
fn a_single_scan_that_was_stepped_over_is_made_late() {
    let mut rig = scanner();
    order(&mut rig, json!({ "generation": time(600_000) }));
    step(&mut rig, HOUR);
    assert_eq!(scan(&mut rig).1.generation.as_str(), time(600_000));
    rig.advance(60_000);
    assert_eq!(numbers(&events(&mut rig)), [(0, None), (-1, None)]);
}

#[test]
fn a_single_scan_waits_for_the_wall_clock() {
    let mut rig = scanner();
    order(&mut rig, json!({ "generation": time(600_000) }));
    step(&mut rig, -HOUR);
    rig.advance(4_190_000);
    assert!(rig.hooks().is_empty());
    rig.advance(10_000);
    scan(&mut rig);
}

#[test]
fn a_clock_that_was_years_ahead_does_not_keep_rounds_waiting_for_years() {
    let mut settings = settings();
    settings.scans = vec!["bacnet".into()];
    let mut rig = Rig::at(UtcMillis(BIRTH), settings);
    rig.connect();
    rig.advance(500);
    step(&mut rig, 20 * 365 * 24 * HOUR);
    order(&mut rig, json!({ "generation": time(0), "scan_interval_sec": 600 }));
    rig.advance(1_200_000);
    assert_eq!(rounds(&mut rig).len(), 2);
    step(&mut rig, -20 * 365 * 24 * HOUR);
    rig.advance(1_200_000);
    assert_eq!(rounds(&mut rig), [1800, 2400]);
}
