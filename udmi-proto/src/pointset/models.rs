//! What the device knows of its points, and learns while it runs.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use device_link::Map;

use super::point::{Order, Point};
use super::{Pointset, is_name, known, start_of};
use crate::port::Notice;
use crate::scope::Scope;
use crate::settings::PointModel;

impl Pointset {
    /// The points the device knows, whether the config asks for them or not.
    pub(crate) fn models(&self) -> impl Iterator<Item = (&String, &PointModel)> {
        self.points.iter().filter_map(|(name, point)| Some((name, point.model.as_ref()?)))
    }

    /// The device has these points and no others.
    pub(crate) fn define_points(&mut self, sc: &mut Scope<'_, '_>, models: Map<String, PointModel>) {
        let lost =
            self.points.iter().filter(|(name, point)| point.model.is_some() && !models.contains_key(*name));
        for name in lost.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            self.remove_point(sc, &name);
        }
        for (name, model) in models {
            self.define_point(sc, name, model);
        }
    }

    /// The device has a further point, or knows more about one.
    pub(crate) fn define_point(&mut self, sc: &mut Scope<'_, '_>, point: String, model: PointModel) {
        if !is_name(&point) {
            let reason = format!("Point {} has a name that UDMI does not allow", start_of(&point));
            return sc.notify(Notice::CommandRefused { reason });
        }
        let chosen = self.block.as_ref().is_some_and(|block| block.device_decides);
        let entry = self.points.entry(point);
        let name = entry.key().clone();
        let known = entry.or_default();
        if known.model.as_ref() == Some(&model) {
            return;
        }
        known.model = Some(model);
        if chosen {
            known.order = Order::Own;
        }
        self.writes.changes.state |= known.is_in_force();
        self.writes.evaluate(sc, &name, known);
        self.settle(sc);
    }

    /// The device has lost a point.
    pub(crate) fn remove_point(&mut self, sc: &mut Scope<'_, '_>, point: &str) {
        let Some(lost) = known(sc, &mut self.points, point) else { return };
        self.writes.changes.state |= lost.is_in_force();
        self.writes.forget(sc, lost);
        let order = core::mem::take(&mut lost.order);
        match order {
            Order::Out | Order::Own => {
                self.points.remove(point);
            }
            Order::Given(order) => {
                *lost = Point::ordered(order);
                self.writes.evaluate(sc, point, lost);
            }
        }
        self.continue_opening(sc);
        self.settle(sc);
    }
}
