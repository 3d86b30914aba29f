//! How the scenarios of `facade` are put to this adapter: its names, closures, and waiting.

use std::time::Duration;

pub(crate) use udmi_std::*;

/// A closure of the application. What it captures and needs for each call is named in brackets.
macro_rules! hook {
    ($([$($captured:ident),*])? || $body:expr) => {
        move || $body
    };
    ($([$($captured:ident),*])? |$($argument:tt),+| $body:expr) => {
        move |$($argument),+| $body
    };
}

pub(crate) trait Begin {
    fn begin(self) -> Result<Handle, StartError>;
}

impl Begin for Builder {
    fn begin(self) -> Result<Handle, StartError> {
        self.start()
    }
}

pub(crate) trait Waiting {
    /// Why the device has ended, if it does so in time.
    fn ended(&self, patience: Duration) -> Option<ExitReason>;
    /// Whether there is room for requests in time.
    fn has_room(&self, patience: Duration) -> Result<bool, HandleError>;
}

impl Waiting for Handle {
    fn ended(&self, patience: Duration) -> Option<ExitReason> {
        self.wait_for(patience)
    }

    fn has_room(&self, patience: Duration) -> Result<bool, HandleError> {
        self.wait_for_room(patience)
    }
}
