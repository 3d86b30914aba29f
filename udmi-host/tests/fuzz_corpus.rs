//! Every input of the fuzz targets' corpora, with every octet of it cut off, left out and turned around.
#![cfg(any(feature = "bacnet", feature = "modbus"))]

use std::fs;
use std::path::Path;

#[cfg(feature = "bacnet")]
#[allow(unreachable_pub)] // it is public in its own crate
#[path = "../../fuzz/src/bacnet.rs"]
mod bacnet;
#[cfg(feature = "modbus")]
#[allow(unreachable_pub)]
#[path = "../../fuzz/src/modbus.rs"]
mod modbus;

#[cfg(feature = "bacnet")]
#[test]
fn no_packet_of_the_bacnet_corpus_panics() {
    replay("bacnet", bacnet::run, bacnet::repair);
}

#[cfg(feature = "modbus")]
#[test]
fn no_answer_of_the_modbus_corpus_panics() {
    replay("modbus", modbus::run, modbus::repair);
}

fn replay(name: &str, run: fn(&[u8]), repair: fn(&mut Vec<u8>)) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
    let files: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(!files.is_empty());
    for file in files {
        let input = fs::read(file).unwrap();
        run(&input);
        for at in 0..input.len() {
            run(&input[..at]);
            let mut changed = input.clone();
            changed.remove(at);
            repair(&mut changed);
            run(&changed);
            for bit in 0..8 {
                let mut changed = input.clone();
                changed[at] ^= 1 << bit;
                run(&changed);
            }
        }
    }
}
