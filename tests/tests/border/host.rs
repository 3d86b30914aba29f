//! What befalls the machine a device runs on: its disk, its descriptors, its names.

use std::fs;
use std::net::Ipv4Addr;

use serde_json::Value;
use udmi_tests::live::broker::{Broker, Kind, Plan};
use udmi_tests::live::gate::Gate;
use udmi_tests::live::numbered::{answers, config};
use udmi_tests::live::watch::Watch;

use crate::names::{Answer, Names};
use crate::on_all;
use crate::subject::{Subject, may_mount_or_say};

#[test]
fn a_device_without_descriptors_waits_and_comes_back_when_there_are_some() {
    on_all(|runtime| {
        let broker = Broker::start(Kind::Embedded, &Plan::default()).unwrap();
        let gate = Gate::open_to(broker.plain_address()).unwrap();
        let mut watch = Watch::new(&broker);
        let mut subject = Subject::new(runtime, gate.address());
        subject.order("start");
        watch.configure(&config(1, None).to_string());
        watch.state("the config is answered", |state| answers(state, 1));
        subject.order("exhaust");
        // The connection it has goes on.
        watch.configure(&config(2, None).to_string());
        watch.state("a config is answered without a descriptor to spare", |state| answers(state, 2));
        gate.shut();
        subject.line("disconnected");
        watch.configure(&config(3, None).to_string());
        gate.open();
        for _ in 0..3 {
            let line = subject.line("disconnected");
            assert!(line.contains("Host("), "{line}");
        }
        subject.order("release");
        watch.state("the config is answered that came meanwhile", |state| answers(state, 3));
        subject.order("stop");
    });
}

#[test]
fn a_full_disk_is_told_and_costs_what_was_to_be_stored() {
    unwritable("a full disk", "fill", "empty");
}

#[test]
fn a_state_folder_that_is_read_only_is_told_and_costs_what_was_to_be_stored() {
    unwritable("a read-only state folder", "protect", "unprotect");
}

fn unwritable(test: &str, spoil: &str, mend: &str) {
    if !may_mount_or_say(test) {
        return;
    }
    on_all(|runtime| {
        let broker = Broker::start(Kind::Embedded, &Plan::default()).unwrap();
        let mut watch = Watch::new(&broker);
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("store")).unwrap();
        let disk = "mount -t tmpfs -o size=64k tmpfs store";
        let port = broker.plain_address().port();
        let mut subject = Subject::within(folder, disk, runtime, "127.0.0.1", port);
        let mut number = 0;
        let mut life = |subject: &mut Subject, watch: &mut Watch, is_told: bool| {
            number += 1;
            watch.configure(&config(number, None).to_string());
            subject.order("start");
            if is_told {
                watch.wait("events/system", "a store that fails is told", tells_of_the_store);
            }
            let (state, _) = watch.state("the config is answered", |state| answers(state, number));
            number += 1;
            watch.configure(&config(number, None).to_string());
            watch.state("a later config is answered", |state| answers(state, number));
            subject.order("stop");
            state["system"]["operation"]["restart_count"].as_u64().unwrap()
        };
        let first = life(&mut subject, &mut watch, false);
        subject.order(spoil);
        let counts = [(); 2].map(|()| life(&mut subject, &mut watch, true));
        subject.order(mend);
        let after = [(); 2].map(|()| life(&mut subject, &mut watch, false));
        // What was stored before is whole; what could not be stored was not counted.
        assert_eq!((counts, after), ([first + 1, first + 1], [first + 1, first + 2]));
    });
}

fn tells_of_the_store(event: &Value) -> bool {
    let entries = event["logentries"].as_array().into_iter().flatten();
    entries.into_iter().any(|entry| entry["message"] == "a value could not be stored")
}

#[test]
fn names_that_fail_and_flap_are_asked_again_for_each_attempt() {
    if !may_mount_or_say("names that fail and flap") {
        return;
    }
    on_all(|runtime| {
        let broker = Broker::start(Kind::Embedded, &Plan::default()).unwrap();
        let gate = Gate::open_to(broker.plain_address()).unwrap();
        let names = Names::start(Answer::Failure).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let settings = format!("nameserver {}\noptions timeout:1 attempts:1\n", names.address);
        fs::write(folder.path().join("resolv.conf"), settings).unwrap();
        let mount = "mount --bind resolv.conf /etc/resolv.conf";
        let port = gate.address().port();
        let mut subject = Subject::within(folder, mount, runtime, "broker.border.test", port);
        let mut watch = Watch::new(&broker);
        subject.order("start");
        let mut number = 0;
        for broken in [Answer::Failure, Answer::NoSuchName, Answer::Silence, Answer::Failure] {
            names.answer(broken);
            gate.shut();
            subject.line("Resolve");
            number += 1;
            watch.configure(&config(number, None).to_string());
            gate.open();
            names.answer(Answer::Address(Ipv4Addr::LOCALHOST));
            watch.state("the config is answered", |state| answers(state, number));
        }
        // Another machine, where nobody listens on that port.
        names.answer(Answer::Address(names.address));
        gate.shut();
        subject.line("Refused");
        names.answer(Answer::Address(Ipv4Addr::LOCALHOST));
        gate.open();
        watch.configure(&config(number + 1, None).to_string());
        watch.state("the config is answered", |state| answers(state, number + 1));
        subject.order("stop");
    });
}
