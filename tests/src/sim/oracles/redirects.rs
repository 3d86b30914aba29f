//! Property 9: a redirect ends at an endpoint that can be reached: the new one, or the one before.

use udmi_proto::Notice;

use super::super::oracle::Oracle;
use crate::property::Property;
use crate::world::World;

/// Knows whether there has been a redirect, and whether one is under way.
#[derive(Debug, Default)]
pub(crate) struct Redirects {
    has_been: bool,
    is_under_way: bool,
}

impl Oracle for Redirects {
    fn property(&self) -> Property {
        Property::RedirectsEnd
    }

    fn look(&mut self, world: &World) -> Result<(), String> {
        let last_birth = world.births().last().map(|birth| birth.notices);
        self.is_under_way &= last_birth.is_none();
        for (number, notice) in world.notices().iter().enumerate() {
            match notice {
                Notice::Redirecting { .. } => {
                    self.has_been = true;
                    self.is_under_way = last_birth.is_none_or(|birth| number >= birth);
                }
                Notice::Redirected { .. } => self.is_under_way = false,
                _ => {}
            }
        }
        Ok(())
    }

    fn settled(&mut self, world: &mut World) -> Result<(), String> {
        if world.device().is_none() || !self.has_been {
            return Ok(());
        }
        let place = world.watch.prefix().to_owned();
        if self.is_under_way {
            return Err(format!("a redirect is still under way after minutes of good weather, at {place}"));
        }
        if !world.is_linked() {
            return Err(format!("not connected after minutes of good weather, last to {place}"));
        }
        if !world.knows(&place) {
            return Err(format!("at {place}, which there is not"));
        }
        Ok(())
    }
}
