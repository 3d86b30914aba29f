//! `udmi conform` against faulty devices: each fault is told, and nothing else.

use std::path::PathBuf;

use udmi_tests::conformance::fault::Fault;
use udmi_tests::live::broker::{Broker, Kind, Plan as Rights};
use udmi_tests::live::seeded::{Plan, run};

#[test]
fn faults_of_three_devices_are_told_exactly() {
    let broker = Broker::start(Kind::Embedded, &Rights::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let faults = ["serial_number_wrong", "stray_member", "features_unknown"];
    let plan = Plan {
        udmi: PathBuf::from(env!("CARGO_BIN_EXE_udmi")),
        broker: broker.plain_address(),
        broker_log: None,
        faults: faults.map(Fault::named).to_vec(),
        only: Some("valid_serial_no,state_make_model,enumerate_features,enumerate_nothing".to_owned()),
        folder: folder.path(),
    };
    for told in run(&plan).unwrap() {
        assert!(told.differences.is_empty(), "{told:#?}");
        assert_eq!(told.ran, 4, "{told:#?}");
        assert_eq!(told.failures.len(), 1, "{told:#?}");
    }
}
