//! Panics that are results: caught with where they came from, and not printed.

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use crate::property::{self, Property};

thread_local! {
    static IS_QUIET: Cell<bool> = const { Cell::new(false) };
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Does something, and tells a panic as the property that is violated by it and what was said.
pub(super) fn catch<R>(act: impl FnOnce() -> R) -> Result<R, (Property, String)> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if IS_QUIET.get() {
                let text = info.to_string();
                PANIC.with_borrow_mut(|panic| *panic = text);
            } else {
                usual(info);
            }
        }));
    });
    IS_QUIET.set(true);
    let done = panic::catch_unwind(AssertUnwindSafe(act));
    IS_QUIET.set(false);
    done.map_err(|_| (property::take_violated(), PANIC.take()))
}
