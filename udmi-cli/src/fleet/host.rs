//! What the machine allows and what the process takes of it.

use std::fs;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

use crate::output::Failure;

/// Descriptors for all but the devices: standard streams, the reactor, the store of names, files that are read.
const OTHER_DESCRIPTORS: u64 = 64;
/// Ports that Linux uses unless told otherwise, for want of better knowledge.
const USUAL_PORTS: u64 = 28_232;

/// Raises the limit of open files to what so many connections need.
///
/// # Errors
/// The limit that cannot be raised, and what is needed.
pub(super) fn allow_descriptors(connections: u64) -> Result<(), Failure> {
    let needed = connections.saturating_add(OTHER_DESCRIPTORS);
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    if let Some(maximum) = maximum.filter(|maximum| *maximum < needed) {
        return Err(too_few(connections, needed, maximum));
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum })
        .map_err(|error| too_few(connections, needed, current.unwrap_or_default()).hint(error))
}

fn too_few(connections: u64, needed: u64, allowed: u64) -> Failure {
    let problem =
        format!("{connections} devices need {needed} open files, and the limit (RLIMIT_NOFILE) is {allowed}");
    Failure::new(problem).hint(format!(
        "raise it: `ulimit -Hn {needed}` as root, LimitNOFILE= in a systemd unit; or run fewer devices: --shard"
    ))
}

/// What to say if so many connections to each address of a broker are more than the host has ports for.
pub(super) fn short_of_ports(connections: u64) -> Option<String> {
    let ports = ports();
    (connections > ports).then(|| {
        format!(
            "beware: {connections} connections to one address of a broker from one address of this host need as \
             many ports, and net.ipv4.ip_local_port_range has {ports}"
        )
    })
}

fn ports() -> u64 {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut bounds = range.split_whitespace().filter_map(|bound| bound.parse::<u64>().ok());
    match (bounds.next(), bounds.next()) {
        (Some(first), Some(last)) => (last + 1).saturating_sub(first),
        _ => USUAL_PORTS,
    }
}

/// The processor time that the process has taken.
pub(super) fn processor_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}

/// Bytes of the process in memory; none where the host does not tell.
pub(super) fn resident_bytes() -> Option<u64> {
    let pages: u64 = fs::read_to_string("/proc/self/statm").ok()?.split(' ').nth(1)?.parse().ok()?;
    Some(pages * u64::try_from(rustix::param::page_size()).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_cannot_be_raised_is_named_with_what_is_needed() {
        let Some(maximum) = getrlimit(Resource::Nofile).maximum else { return };
        let failure = allow_descriptors(maximum + 1).unwrap_err().to_string();
        assert!(
            failure.contains("RLIMIT_NOFILE") && failure.contains(&(maximum + 65).to_string()),
            "{failure}"
        );
        allow_descriptors(1).unwrap();
    }

    #[test]
    fn the_process_takes_time_and_memory() {
        assert!(resident_bytes().is_none_or(|bytes| bytes > 1 << 20));
        assert!(processor_time() > Duration::ZERO);
        assert_eq!(short_of_ports(1), None);
        assert!(short_of_ports(100_000).unwrap().contains("ip_local_port_range"));
    }
}
