//! What may be told of a device that was found or overheard.

use alloc::format;
use alloc::string::String;

use crate::family::Family;
use crate::port::Found;

/// The most devices that one round tells of, and that are remembered as overheard; the rest is left out, and the
/// family's status says so.
pub(super) const RESULTS: usize = 10_000;
/// Longest address and name of a network, in bytes.
const ADDRESS_BYTES: usize = 256;

/// Whether a result is one: with an address by its family's rules, if UDMI knows the family.
pub(super) fn check(family: &str, found: &Found) -> Result<(), String> {
    let network = found.network.as_deref();
    if found.address.is_empty() {
        return Err("it has no address".into());
    }
    if found.address.len() > ADDRESS_BYTES || network.is_some_and(|network| network.len() > ADDRESS_BYTES) {
        return Err(format!("its address or network is longer than {ADDRESS_BYTES} bytes"));
    }
    match Family::from_name(family) {
        Some(family) => family
            .check_target(Some(&found.address), None, network)
            .map_err(|malformed| format!("{malformed}")),
        None => Ok(()),
    }
}
