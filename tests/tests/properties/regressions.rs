//! Counterexamples that were found, each a test of its own.

use udmi_proto::Value;
use udmi_tests::sim::{Plan, Way, replays, run};

use super::always::played;
use super::operations::{Op, settle, setup};

#[test]
fn regression_a_run_with_a_reading_that_is_no_number_replays() {
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let setup = setup(0);
        let settings = setup.settings.clone();
        let mut world = played(setup, &[Op::Pass(0), Op::SetPoint(0, Value::Number(number))]);
        settle(&mut world);
        assert_eq!(replays(&world, &settings), Ok(()));
    }
}

/// Both states were held back since the broker had not acknowledged enough, and left when it had.
#[test]
fn regression_a_state_that_waited_for_its_turn_keeps_its_distance_from_the_next() {
    let device = r#"{"shape":"device","seed":3,"ops":[{"blobs":{"failed":3520}},{"pass":19276},"unheard",{"config":{
        "blocks":["discovery","update","download"],"etag":null,"expiry":null,"increment":0.0,"level":200,"limit":15,
        "metrics":600,"mode":"active","points":[[4,null,false]],"rate":10,"seconds_back":3600}},{"pass":15718},
        "drop",{"pass":774586}]}"#;
    let gateway = r#"{"shape":"gateway","seed":31,"ops":[{"pass":8642},"refuse",{"break_down":805},{"to":[1,{"config":{
        "blocks":["localnet","blobset","unheard_of"],"etag":null,"expiry":-5,"increment":0.5,"level":500,"limit":null,
        "metrics":10,"mode":null,"points":[[4,null,false],[4,null,false],[0,null,false]],"rate":2,"seconds_back":0}}]},
        {"pass":791114}]}"#;
    for plan in [device, gateway] {
        let plan: Plan = serde_json::from_str(plan).unwrap();
        let done = run(&plan, &Way::default());
        assert!(done.is_ok(), "{}", done.unwrap_err());
    }
}

/// A closure of the application may hang: once it returns, nothing of its hook is left.
#[test]
fn regression_a_write_that_is_answered_after_minutes_leaves_nothing_behind() {
    let plan = r#"{"shape":"gateway","seed":13,"ops":[{"to":[0,{"writes":"never"}]},{"pass":16935},{"to":[0,{"config":{
        "blocks":["gateway","blobset","update","unheard_of"],"etag":null,"expiry":null,"increment":0.0,"level":100,
        "limit":1,"metrics":600,"mode":"active","points":[[0,null,false],[0,61,false]],"rate":10,"seconds_back":0}}]},
        {"pass":79}]}"#;
    let done = run(&serde_json::from_str(plan).unwrap(), &Way::default());
    assert!(done.is_ok(), "{}", done.unwrap_err());
}

/// The oracle took it for a repetition.
#[test]
fn regression_an_order_that_was_withdrawn_and_comes_again_is_another_one() {
    let plan = r#"{"shape":"device","seed":216,"ops":[{"config":{"blocks":["localnet","gateway","update","unheard_of"],
        "etag":"","expiry":3,"increment":null,"level":500,"limit":0,"metrics":10,"mode":null,"points":[[2,null,false],
        [0,61,false],[1,60,false],[1,61,false]],"rate":60,"seconds_back":0}},{"pass":17452},{"config":{"blocks":[
        "discovery","gateway","blobset"],"etag":"0123","expiry":null,"increment":0.5,"level":200,"limit":0,"metrics":10,
        "mode":"restart","points":null,"rate":60,"seconds_back":0}},{"config":{"blocks":["localnet","update"],
        "etag":"0123","expiry":null,"increment":0.0,"level":300,"limit":15,"metrics":600,"mode":null,"points":[
        [0,null,false],[1,null,false],[3,60,false],[1,15,false]],"rate":60,"seconds_back":0}}]}"#;
    let done = run(&serde_json::from_str(plan).unwrap(), &Way::default());
    assert!(done.is_ok(), "{}", done.unwrap_err());
}
