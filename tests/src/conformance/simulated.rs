//! The simulated world as a bench.

use serde_json::{Value, json};
use udmi_proto::{Now, Transport};

use super::bench::Bench;
use crate::world::{Received, World};

/// The password of the device in all registries that know it.
pub(super) const PASSWORD: &str = "c0ffee42";

/// The simulated world, and how much of what has come in it was taken.
#[derive(Debug)]
pub(super) struct Simulated {
    world: World,
    taken: usize,
}

impl Simulated {
    pub(super) fn new(mut world: World) -> Self {
        world.cloud.writes_back = true;
        Self { world, taken: 0 }
    }
}

impl Bench for Simulated {
    fn now(&self) -> Now {
        self.world.now()
    }

    fn wait(&mut self, milliseconds: u64) {
        let taken = self.taken;
        self.world.run_until(milliseconds, |world| world.cloud.received.len() > taken);
    }

    fn take(&mut self) -> Option<Received> {
        let received = self.world.cloud.received.get(self.taken)?.clone();
        self.taken += 1;
        Some(received)
    }

    fn config(&self, prefix: &str) -> Value {
        self.world.cloud.config_of(prefix).cloned().unwrap_or_default()
    }

    fn edit(&mut self, prefix: &str, change: &mut dyn FnMut(&mut Value)) -> Result<(), String> {
        let mut config = self.config(prefix);
        change(&mut config);
        self.world.turned_to(prefix, |world| world.publish_config(&config));
        Ok(())
    }

    fn publish_text(&mut self, prefix: &str, text: &str) -> Result<(), String> {
        self.world.turned_to(prefix, |world| world.publish("config", text, true));
        Ok(())
    }

    fn knows(&self, prefix: &str) -> bool {
        self.world.knows(prefix)
    }

    fn endpoint(&self, prefix: &str) -> Value {
        let endpoint = self.world.endpoint();
        let transport = if endpoint.transport == Transport::Tls { "ssl" } else { "tcp" };
        json!({
            "protocol": "mqtt", "hostname": endpoint.host, "port": endpoint.port, "transport": transport,
            "client_id": prefix, "topic_prefix": prefix,
            "auth_provider": { "basic": { "username": prefix, "password": PASSWORD } }
        })
    }

    fn acknowledged(&mut self, _prefix: &str) -> Option<bool> {
        let watch = &self.world.watch;
        Some(watch.configs_delivered > 0 && watch.configs_delivered == watch.configs_acknowledged)
    }
}
