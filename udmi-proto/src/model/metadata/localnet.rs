//! The localnet and gateway blocks of the metadata.

use alloc::collections::BTreeMap;
use alloc::string::String;

use crate::model::common::TABLE_KEY;

document! {
    /// Where a device is in one family of addresses; also how a gateway reaches a proxied device.
    pub struct LocalnetFamily in "model_localnet_family" {
        /// The address, in the family's form.
        addr: Option<String>,
        /// The number of the unit behind that address, for Modbus.
        unitid: Option<String>,
        /// The network the address is in.
        network: Option<String>,
        /// Further parameters of the family, such as those of a serial line.
        adjunct: Option<BTreeMap<String, String>> [keys = TABLE_KEY],
        /// A device that stands in for this one.
        shadow_id: Option<String>,
        /// The device this one is a part of.
        parent_id: Option<String>,
        /// Whether points are named by the vendor's references.
        vendor_ref: Option<bool>,
        /// The name of the family.
        family: Option<String>,
    }
}
