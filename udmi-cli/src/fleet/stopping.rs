//! The word to stop, for all threads of a fleet.

use std::sync::atomic::{AtomicBool, Ordering};

use event_listener::Event;

/// Once said, it stays said.
#[derive(Debug, Default)]
pub(super) struct Stopping {
    said: AtomicBool,
    saying: Event,
}

impl Stopping {
    pub(super) fn say(&self) {
        self.said.store(true, Ordering::SeqCst);
        self.saying.notify(usize::MAX);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.said.load(Ordering::SeqCst)
    }

    pub(super) async fn wait(&self) {
        loop {
            let saying = self.saying.listen();
            if self.is_stopping() {
                return;
            }
            saying.await;
        }
    }
}
