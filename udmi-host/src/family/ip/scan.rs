//! A scan: what is known, then what becomes known by asking.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use super::asking::{AT_ONCE, ask, whom};
use super::{IpFamily, netlink};
use crate::family::{Found, ProviderError, ScanRequest, Stop};

/// The pause after each few that were asked: the kernel drops what is asked faster.
const PAUSE: Duration = Duration::from_millis(100);

/// How long answers to the last of them may take. The kernel asks three times, a second apart.
const AFTERWARDS: Duration = Duration::from_millis(2500);

/// Looks at the tables, asks, and looks at them again until the time is up or nothing more is to be expected.
pub(super) fn scan(
    family: IpFamily,
    is_silent: bool,
    request: &ScanRequest,
    found: &mut dyn FnMut(Found),
    stop: &Stop,
) -> Result<(), ProviderError> {
    // What is not told before the end of the round is never told.
    let end = Instant::now() + Duration::from_secs(request.duration_seconds.into()) * 9 / 10;
    let mut told = BTreeSet::new();
    let mut look = || {
        let tables = netlink::tables()?;
        for device in tables.found(family, request) {
            if stop.is_set() {
                return Err(ProviderError::Stopped);
            }
            if told.insert(device.address.clone()) {
                found(device);
            }
        }
        Ok(tables)
    };
    let tables = look()?;
    if is_silent {
        return Ok(());
    }
    let asked = whom(&tables, family, request);
    for (number, few) in asked.chunks(AT_ONCE).enumerate() {
        if stop.is_set() || Instant::now() >= end {
            break;
        }
        ask(few);
        thread::sleep(PAUSE);
        if number % 5 == 4 {
            look()?;
        }
    }
    let end = end.min(Instant::now() + AFTERWARDS);
    while !asked.is_empty() && !stop.is_set() && Instant::now() < end {
        thread::sleep(PAUSE);
        look()?;
    }
    if stop.is_set() { Err(ProviderError::Stopped) } else { Ok(()) }
}
