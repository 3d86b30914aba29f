//! Local networks: under which addresses the device is known, and why it has none where it has none.
//!
//! Run it beside a broker (`udmi broker`): `cargo run -p udmi-std --example localnet -- 127.0.0.1:1883`
//! Ask for them: `udmi config --registry ZZ-TRI-FECTA --device AHU-1 --set localnet.families.ipv4={} \
//!  --set localnet.families.bacnet={} --set localnet.families.modbus={} --set localnet.networks.line_1={}`
//!
//! With `udmi watch` you see the families that the config names, each with its address or with what is wrong: here
//! `bacnet` is known in advance, `ipv4` is found out at the start, and the driver of `modbus` has failed.

use std::net::UdpSocket;
use std::time::Duration;

use udmi_std::{Device, Endpoint, Settings};

fn main() -> Result<(), udmi_std::Failure> {
    let broker = std::env::args().nth(1).unwrap_or("127.0.0.1:1883".into());
    let endpoint: Endpoint = broker.parse()?;
    let mut settings = Settings::in_registry("ZZ-TRI-FECTA", "AHU-1", endpoint.clone());
    settings.families.insert("bacnet".into(), "1001".into());
    let device = Device::builder(settings).start()?;
    match own_address(&endpoint) {
        Ok(address) => device.set_family_address("ipv4", Some(&address))?,
        Err(error) => device.fail_family("ipv4", &error.to_string())?,
    }
    device.set_network("line_1", Some("/dev/ttyS0"))?;
    device.fail_family("modbus", "the line is not terminated")?;
    device.wait_connected(Duration::from_secs(5))?;
    device.wait();
    Ok(())
}

/// The address that this host has where the broker is; nothing is sent to find it out.
fn own_address(broker: &Endpoint) -> std::io::Result<String> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.connect((broker.host.as_str(), broker.port))?;
    Ok(socket.local_addr()?.ip().to_string())
}
