//! What becomes of a device's endpoint, as futures hear it.

use udmi_host::application;
use udmi_proto::Endpoint;

/// What becomes of the device's endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redirect {
    /// The device is about to leave its endpoint for this one.
    Leaving {
        /// Where to.
        to: Endpoint,
        /// The generation of the order, as received.
        generation: String,
    },
    /// That has come to its end.
    Ended {
        /// The endpoint in use from now on.
        endpoint: Endpoint,
        /// The generation of the order, as received.
        generation: String,
        /// Why it failed, if it did.
        failure: Option<String>,
    },
}

impl From<application::Redirect<'_>> for Redirect {
    fn from(redirect: application::Redirect<'_>) -> Self {
        match redirect {
            application::Redirect::Leaving { to, generation } => {
                Self::Leaving { to: to.clone(), generation: generation.into() }
            }
            application::Redirect::Ended { endpoint, generation, failure } => {
                let failure = failure.map(Into::into);
                Self::Ended { endpoint: endpoint.clone(), generation: generation.into(), failure }
            }
        }
    }
}
