//! Scenarios that mostly wait, at the same time.

use std::env;
use std::thread;

/// Runs scenarios, each on a thread of its name. If the variable `SCENARIO` is set, only those run whose name has it.
///
/// # Panics
/// When all have ended, if one has panicked.
pub fn run(scenarios: &[(&str, fn())]) {
    let wanted = env::var("SCENARIO").unwrap_or_default();
    let failed: Vec<_> = thread::scope(|scope| {
        let running: Vec<_> = scenarios
            .iter()
            .filter(|(name, _)| name.contains(&wanted))
            .map(|&(name, scenario)| {
                let thread = thread::Builder::new().name(name.to_owned());
                (name, thread.spawn_scoped(scope, scenario).expect("there is room for a thread"))
            })
            .collect();
        running.into_iter().filter_map(|(name, thread)| thread.join().is_err().then_some(name)).collect()
    });
    assert!(failed.is_empty(), "{failed:?} failed");
}

/// Makes a test of scenarios, which are functions, that run at the same time: with a thread of the test runner for each
/// processor, what waits for the same second would wait one after the other.
#[macro_export]
macro_rules! together {
    ($test:ident: $($scenario:ident),+ $(,)?) => {
        #[test]
        fn $test() {
            $crate::live::together::run(&[$((stringify!($scenario), $scenario as fn())),+]);
        }
    };
}
