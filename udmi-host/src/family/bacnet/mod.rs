//! BACnet/IP.
