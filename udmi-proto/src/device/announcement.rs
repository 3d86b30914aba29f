//! Whether the cloud knows of a change: from the change to the acknowledgement of a state that shows it.

use device_link::{Lost, Receipt, Token};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Announcement {
    /// No state shows it yet.
    #[default]
    Owed,
    /// This state shows it, and each later one.
    Sent(Token),
    /// A state that shows it is acknowledged.
    Known,
}

impl Announcement {
    /// A state was published.
    pub(crate) fn on_state(&mut self, token: Token) {
        if *self == Self::Owed {
            *self = Self::Sent(token);
        }
    }

    /// States are suppressed: nobody waits for one.
    pub(crate) fn skip(&mut self) {
        *self = Self::Known;
    }

    /// What became of a state.
    pub(crate) fn on_receipt(&mut self, token: Token, receipt: Receipt) {
        let Self::Sent(first) = *self else { return };
        match receipt {
            // A state that is too large never arrives: waiting for it would be for ever.
            Receipt::Acked | Receipt::Sent | Receipt::Lost(Lost::TooLarge) if token >= first => {
                *self = Self::Known;
            }
            Receipt::Acked | Receipt::Sent | Receipt::Lost(_) => {} // a later one follows
        }
    }

    /// The link is gone, and what waited with it: the state that opens the next connection shows it.
    pub(crate) fn on_down(&mut self) {
        if matches!(self, Self::Sent(_)) {
            *self = Self::Owed;
        }
    }

    pub(crate) fn is_known(self) -> bool {
        self == Self::Known
    }
}
