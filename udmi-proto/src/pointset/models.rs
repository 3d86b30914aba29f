//! What the device knows of its points, and learns while it runs.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use device_link::Map;

use super::model::{Model, Units};
use super::point::Order;
use super::{Pointset, is_name, known, start_of};
use crate::port::Notice;
use crate::scope::Scope;
use crate::settings::PointModel;

impl Pointset {
    /// The points the device knows, whether the config asks for them or not.
    pub(crate) fn models(&self) -> impl Iterator<Item = (&str, &Model)> {
        self.points.iter().filter_map(|(name, point)| Some((name, point.model()?)))
    }

    /// The device has these points and no others.
    pub(crate) fn define_points(&mut self, sc: &mut Scope<'_, '_>, models: Map<String, PointModel>) {
        let lost =
            self.points.iter().filter(|(name, point)| point.model().is_some() && !models.contains_key(*name));
        for name in lost.map(|(name, _)| String::from(name)).collect::<Vec<_>>() {
            self.remove_point(sc, &name);
        }
        let mut units = Units::default();
        for (name, model) in models {
            self.define(sc, &name, Model::new(model, &mut units));
        }
    }

    /// The device has a further point, or knows more about one.
    pub(crate) fn define_point(&mut self, sc: &mut Scope<'_, '_>, point: &str, model: PointModel) {
        self.define(sc, point, Model::new(model, &mut Units::default()));
    }

    fn define(&mut self, sc: &mut Scope<'_, '_>, name: &str, model: Model) {
        if !is_name(name) {
            let reason = format!("Point {} has a name that UDMI does not allow", start_of(name));
            return sc.notify(Notice::CommandRefused { reason });
        }
        let chosen = self.block.as_ref().is_some_and(|block| block.device_decides);
        let Some(known) = self.points.get_or_insert(name) else { return };
        if known.model() == Some(&model) {
            return;
        }
        known.set_model(Some(model));
        if chosen {
            known.order = Order::Own;
        }
        self.writes.changes.state |= known.is_in_force();
        self.writes.evaluate(sc, name, known);
        self.settle(sc);
    }

    /// The device has lost a point.
    pub(crate) fn remove_point(&mut self, sc: &mut Scope<'_, '_>, point: &str) {
        let Some(lost) = known(sc, &mut self.points, point) else { return };
        self.writes.changes.state |= lost.is_in_force();
        self.writes.forget(sc, lost);
        match lost.order {
            Order::Out | Order::Own => self.points.remove(point),
            Order::Plain | Order::Given(_) => {
                lost.forget();
                self.writes.evaluate(sc, point, lost);
            }
        }
        self.continue_opening(sc);
        self.settle(sc);
    }
}
