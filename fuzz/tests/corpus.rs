//! Every input of the corpora; of the small targets also with every octet cut off, left out and turned around.

use std::fs;
use std::path::Path;

use udmi_fuzz::{TARGETS, Target, target};

/// Targets of which an input takes microseconds.
const SMALL: [&str; 3] = ["bacnet", "modbus", "references"];

fn inputs(name: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap());
    files.map(|file| (file.path().display().to_string(), fs::read(file.path()).unwrap())).collect()
}

fn replay(name: &str) {
    let Target { run, repair, .. } = target(name).unwrap();
    let inputs = inputs(name);
    assert!(!inputs.is_empty());
    for (file, input) in inputs {
        println!("{file}"); // what is shown last has panicked
        run(&input);
        if !SMALL.contains(&name) {
            continue;
        }
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

macro_rules! replayed {
    ($($name:ident),+) => {
        /// The targets that have a test below.
        const REPLAYED: &[&str] = &[$(stringify!($name)),+];
        $(
            #[test]
            fn $name() {
                replay(stringify!($name));
            }
        )+
    };
}
replayed!(bacnet, blob, config, endpoint, modbus, ops, references, trace, wire);

#[test]
fn all_targets_are_replayed() {
    assert_eq!(TARGETS.iter().map(|target| target.name).collect::<Vec<_>>(), REPLAYED);
}
