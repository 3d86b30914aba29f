//! Each of the seeded faults against the whole suite: exactly that fault is told, and nothing else.

use udmi_tests::conformance::fault::{Fault, failures};
use udmi_tests::conformance::{Scenario, run_with, setup};
use udmi_tests::model::Model;

/// How a device with a fault fares in all sequences, as far as that is not what the fault is about.
fn differences(fault: &Fault) -> Vec<String> {
    let model = Model::air_handler();
    let mut failed = Vec::new();
    for name in Scenario::names() {
        let outcome = run_with(&Scenario::load(name, &model), &model, setup(&model), |world| {
            let mut device = fault.clone().device();
            if device.acknowledges_nothing() {
                world.watch.configs_delivered += 1;
            }
            world.cloud.alter(move |message| device.send(message));
        });
        failed.extend(failures(&outcome));
    }
    fault.differs(&failed)
}

macro_rules! faults {
    ($($name:ident),+ $(,)?) => {
        $(
            #[test]
            fn $name() {
                let differences = differences(&Fault::named(stringify!($name)));
                assert!(differences.is_empty(), "{differences:#?}");
            }
        )+

        #[test]
        fn there_are_twenty_faults_and_each_is_seeded() {
            let names: Vec<_> = Fault::all().into_iter().map(|fault| fault.name).collect();
            assert_eq!(names, [$(stringify!($name)),+]);
            assert_eq!(names.len(), 20);
        }
    };
}

faults![
    config_not_acknowledged,
    last_config_missing,
    status_category_wrong,
    status_missing,
    log_missing,
    log_level_wrong,
    log_level_ignored,
    numbers_as_texts,
    point_too_many,
    point_missing,
    etag_too_long,
    sampling_too_slow,
    states_too_many,
    write_never_done,
    serial_number_wrong,
    stray_member,
    restart_not_counted,
    endpoint_error_untold,
    enumeration_doubled,
    features_unknown,
];
