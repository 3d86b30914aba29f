//! Ethernet, IPv4 and IPv6 addresses and domain names.

use alloc::string::ToString as _;
use core::net::{Ipv4Addr, Ipv6Addr};

use super::number::decimal;
use super::{Malformed, Part};

/// Longest domain name, and longest label of one (RFC 1035 §2.3.4).
const DOMAIN: usize = 253;
const LABEL: usize = 63;

pub(super) fn check_ether(address: &str) -> Result<(), Malformed> {
    let is_byte = |byte: &str| byte.len() == 2 && byte.bytes().all(is_lower_hex);
    if address.split(':').count() == 6 && address.split(':').all(is_byte) {
        return Ok(());
    }
    Err(Malformed::new(Part::Address, "six bytes in lower-case hexadecimal, joined by colons"))
}

fn is_lower_hex(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
}

pub(super) fn check_ipv4(part: Part, address: &str) -> Result<(), Malformed> {
    match address.parse::<Ipv4Addr>() {
        Ok(_) => Ok(()),
        Err(_) => Err(Malformed::new(part, "an IPv4 address such as 192.0.2.1")),
    }
}

pub(super) fn check_ipv4_network(network: &str) -> Result<(), Malformed> {
    let expected = Malformed::new(Part::Network, "an IPv4 network such as 192.0.2.0/24");
    let (address, prefix) = network.split_once('/').ok_or(expected)?;
    check_ipv4(Part::Network, address).map_err(|_| expected)?;
    decimal(prefix, 0, 32).map(drop).ok_or(expected)
}

/// Of the many ways to write one address only the canonical one compares equal to the device's own.
pub(super) fn check_ipv6(part: Part, address: &str) -> Result<(), Malformed> {
    match address.parse::<Ipv6Addr>() {
        Ok(read) if read.to_string() == address => Ok(()),
        Ok(_) | Err(_) => {
            Err(Malformed::new(part, "an IPv6 address in its canonical lower-case form such as 2001:db8::1"))
        }
    }
}

pub(super) fn check_ipv6_network(network: &str) -> Result<(), Malformed> {
    let expected = Malformed::new(Part::Network, "an IPv6 network such as 2001:db8::/32");
    let (address, prefix) = network.split_once('/').ok_or(expected)?;
    check_ipv6(Part::Network, address).map_err(|_| expected)?;
    decimal(prefix, 0, 128).map(drop).ok_or(expected)
}

/// A fully qualified name: two labels at least, the last of letters or encoded ones. The dot of the root may end it.
pub(super) fn check_domain(name: &str) -> Result<(), Malformed> {
    let expected = Malformed::new(Part::Address, "a domain name in lower case such as ahu.example.com");
    let labels = name.strip_suffix('.').unwrap_or(name);
    let (_, last) = labels.rsplit_once('.').ok_or(expected)?;
    let is_top = last.len() >= 2 && last.starts_with(|first: char| first.is_ascii_lowercase());
    if labels.len() <= DOMAIN && is_top && labels.split('.').all(is_label) { Ok(()) } else { Err(expected) }
}

fn is_label(label: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=LABEL).contains(&label.len())
        && label.bytes().all(|byte| is_letter(byte) || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}
