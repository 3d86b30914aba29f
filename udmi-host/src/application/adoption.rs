//! What applies to every device a gateway acts for.

use udmi_proto::ProxySettings;

use crate::family::Polling;

/// What applies to every proxied device, whenever it becomes known.
#[derive(Debug, Default)]
pub struct Adoption {
    /// Which of its points are asked for.
    pub polling: Polling,
    /// Config blocks that the application takes care of.
    pub blocks: Vec<String>,
}

impl Adoption {
    /// Applies it to what is known of a device.
    pub fn apply(&self, proxy: &mut ProxySettings) {
        self.polling.apply_to_proxy(proxy);
        for block in &self.blocks {
            if !proxy.custom_blocks.contains(block) {
                proxy.custom_blocks.push(block.clone());
            }
        }
    }
}
