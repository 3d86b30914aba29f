//! Discovery: the cloud has the device look for others, here for meters on a line of the vendor's own.
//!
//! Run it beside a broker (`udmi broker`): `cargo run -p udmi-std --example discovery -- 127.0.0.1:1883`
//! Order a scan of five seconds: `udmi config --registry ZZ-TRI-FECTA --device GAT-1 \
//!  --set discovery.families.vendor.generation=$(date -u +%FT%TZ) --set discovery.families.vendor.scan_duration_sec=5`
//!
//! With `udmi watch` you see an event for each meter found, between one that opens the scan and one that closes it, and
//! the phases `active` and `stopped` in the state. When, how often and whether at all is the library's care, and so are
//! the numbers of the events. BACnet, Modbus and IP need no such program: `udmi_host::family` has them.

use std::collections::BTreeMap;
use std::time::Duration;

use udmi_std::udmi_host::family::{
    FamilyProvider, Found, PointError, ProviderError, ScanRequest, Stop, Target, WriteError,
};
use udmi_std::{Device, Settings, Value};

fn main() -> Result<(), udmi_std::Failure> {
    let broker = std::env::args().nth(1).unwrap_or("127.0.0.1:1883".into());
    let settings = Settings::in_registry("ZZ-TRI-FECTA", "GAT-1", broker.parse()?);
    let device = Device::builder(settings).family(Line).start()?;
    device.wait_connected(Duration::from_secs(5))?;
    device.wait();
    Ok(())
}

/// A line with meters at some of its addresses. Each call may block and runs on a thread of its own.
struct Line;

impl Line {
    fn power(address: &str) -> Option<i64> {
        BTreeMap::from([("17", 1200), ("23", 80), ("42", 315)]).get(address).copied()
    }
}

impl FamilyProvider for Line {
    fn family(&self) -> &str {
        "vendor"
    }

    fn scan(
        &self,
        _request: &ScanRequest, // the library leaves out what it does not ask for
        found: &mut dyn FnMut(Found),
        stop: &Stop,
    ) -> Result<(), ProviderError> {
        for address in (1..=99).map(|address| address.to_string()).take_while(|_| !stop.is_set()) {
            if Self::power(&address).is_some() {
                println!("found {address}");
                found(Found { address, ..Found::default() });
            }
        }
        Ok(())
    }

    fn read(
        &self,
        target: &Target,
        references: &[&str],
        _stop: &Stop,
    ) -> Result<Vec<Result<Value, PointError>>, ProviderError> {
        let address = target.addr.as_deref().unwrap_or_default();
        let power = Self::power(address).ok_or(ProviderError::Unreachable(format!("nobody at {address}")))?;
        let read = |reference: &&str| match *reference {
            "power" => Ok(power.into()),
            other => Err(PointError::Reference(format!("a meter has no {other}"))),
        };
        Ok(references.iter().map(read).collect())
    }

    fn write(&self, _: &Target, reference: &str, _: Option<&Value>, _: &Stop) -> Result<(), WriteError> {
        Err(WriteError::Point(PointError::Refused(format!("{reference} cannot be set"))))
    }
}
