//! What the device knows of a point, kept small: a device may have thousands of points.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::settings::{PointModel, Source, ValueKind};

/// A [`PointModel`] as a device keeps it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Model {
    /// The unit values are reported in. Many points share one.
    units: Option<Arc<str>>,
    reference: Option<Box<str>>,
    kind: Kind,
    pub(crate) writable: bool,
    pub(super) source: Source,
}

/// What values a point takes: mostly any of a type, of which nothing has to be kept.
#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Any,
    Plain(&'static ValueKind),
    Own(Box<ValueKind>),
}

/// The units of points that were made known together, each once.
#[derive(Debug, Default)]
pub(super) struct Units(Vec<Arc<str>>);

impl Units {
    /// How many different ones are looked through for the same; beyond, each point has its own.
    const SHARED: usize = 64;

    fn share(&mut self, units: &str) -> Arc<str> {
        if let Some(known) = self.0.iter().find(|known| ***known == *units) {
            return known.clone();
        }
        let units: Arc<str> = units.into();
        if self.0.len() < Self::SHARED {
            self.0.push(units.clone());
        }
        units
    }
}

impl Model {
    pub(super) fn new(model: PointModel, units: &mut Units) -> Self {
        Self {
            units: model.units.map(|text| units.share(&text)),
            reference: model.reference.map(Into::into),
            kind: model.kind.map_or(Kind::Any, Kind::of),
            writable: model.writable,
            source: model.source,
        }
    }

    pub(crate) fn units(&self) -> Option<&str> {
        self.units.as_deref()
    }

    pub(crate) fn reference(&self) -> Option<&str> {
        self.reference.as_deref()
    }

    pub(crate) fn kind(&self) -> Option<&ValueKind> {
        match &self.kind {
            Kind::Any => None,
            Kind::Plain(kind) => Some(kind),
            Kind::Own(kind) => Some(kind),
        }
    }
}

impl Kind {
    fn of(kind: ValueKind) -> Self {
        match kind {
            ValueKind::Boolean => Self::Plain(&ValueKind::Boolean),
            ValueKind::Text => Self::Plain(&ValueKind::Text),
            ValueKind::Number { minimum: None, maximum: None } => {
                Self::Plain(&ValueKind::Number { minimum: None, maximum: None })
            }
            kind @ (ValueKind::Number { .. } | ValueKind::Enumeration(_)) => Self::Own(Box::new(kind)),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::vec;

    use super::*;

    #[test]
    fn a_model_keeps_all_that_is_known() {
        let number = |minimum, maximum| ValueKind::Number { minimum, maximum };
        let listed = ValueKind::Enumeration(vec!["on".into()]);
        let kinds =
            [ValueKind::Boolean, ValueKind::Text, number(None, None), number(Some(1.0), None), listed];
        for kind in kinds.map(Some).into_iter().chain([None]) {
            let known = PointModel {
                units: Some("Degrees-Celsius".into()),
                reference: Some("AV/1".into()),
                writable: true,
                kind: kind.clone(),
                source: Source::Polled,
            };
            let model = Model::new(known, &mut Units::default());
            assert_eq!(model.kind(), kind.as_ref());
            assert_eq!((model.units(), model.reference()), (Some("Degrees-Celsius"), Some("AV/1")));
            assert!(model.writable && model.source == Source::Polled);
        }
        assert_eq!(Model::new(PointModel::default(), &mut Units::default()).units(), None);
    }

    #[test]
    fn points_share_their_units() {
        let mut units = Units::default();
        let texts: Vec<_> = (0..100).map(|number| format!("unit-{number}")).collect();
        for _ in 0..2 {
            for text in &texts {
                assert_eq!(&*units.share(text), text);
            }
        }
        assert_eq!(units.0.len(), Units::SHARED);
        assert!(Arc::ptr_eq(&units.share("unit-1"), &units.share("unit-1")));
    }
}
