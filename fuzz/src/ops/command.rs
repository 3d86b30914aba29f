//! What applications ask.

use udmi_proto::{Category, Command, ExitReason, Found, HookId, Json, Level, PointModel, ProxySettings};

use super::value;
use crate::bench::{Bench, Owed};
use crate::choices::Choices;
use crate::settings::{POINTS, PROXIES};

/// A command, perhaps for a device behind the gateway.
pub(super) fn chosen(bench: &Bench, choices: &mut Choices<'_>) -> Command {
    let command = one(bench, choices);
    match choices.below(4) {
        3 => Command::Proxied { device: choices.one(&PROXIES).into(), command: Box::new(command) },
        _ => command,
    }
}

fn one(bench: &Bench, choices: &mut Choices<'_>) -> Command {
    let point = choices.one(&POINTS).to_owned();
    match choices.below(22) {
        0 | 1 => Command::SetPoint { point, value: value(choices) },
        2 => Command::SetPoints {
            values: [(point, value(choices)), (choices.text(), value(choices))].into_iter().collect(),
        },
        3 => Command::FailPoint { point, message: choices.text() },
        4 => Command::OverridePoint { point, overridden: choices.flag() },
        5 => {
            let writable = choices.flag();
            Command::DefinePoint {
                point: choices.text(),
                model: PointModel { writable, ..PointModel::default() },
            }
        }
        6 => Command::RemovePoint { point },
        7 => Command::SampleNow,
        8 => Command::Log {
            level: Level(choices.number()),
            category: Category::FIXED[choices.below(Category::FIXED.len())].clone(),
            message: choices.text(),
            detail: choices.flag().then(|| choices.text()),
        },
        9 => Command::Ready,
        10 => {
            Command::SetSoftware { module: choices.text(), version: choices.flag().then(|| choices.text()) }
        }
        11 => Command::SetFamilyAddress {
            family: "ipv4".into(),
            address: choices.flag().then(|| choices.text()),
        },
        12 => Command::FailFamily { family: choices.text(), message: choices.text() },
        13 => Command::SetNetwork { network: "line".into(), address: choices.flag().then(|| choices.text()) },
        14 => Command::FailNetwork { network: choices.text(), message: choices.text() },
        15 => Command::SetBlock { name: choices.text(), content: Json::object(&choices.text()).ok() },
        16 => Command::SendEvent {
            folder: choices.text(),
            content: Json::object(&choices.text()).or(Json::object("{}")).expect("an object"),
        },
        17 => Command::AddProxy { device: choices.text(), proxy: Box::new(ProxySettings::default()) },
        18 => Command::RemoveProxy { device: choices.one(&PROXIES).into() },
        19 => match scan(bench) {
            Some(scan) => Command::Found { scan, found: Box::new(found(choices)) },
            None => Command::Overheard { family: "bacnet".into(), found: Box::new(found(choices)) },
        },
        20 => Command::RotateKey,
        _ => Command::Stop {
            reason: choices.one(&[ExitReason::Restart, ExitReason::Terminate, ExitReason::Shutdown]),
        },
    }
}

fn scan(bench: &Bench) -> Option<HookId> {
    bench.owed.iter().find_map(|owed| match owed {
        Owed::Hook(id, udmi_proto::Hook::Scan { .. }) => Some(*id),
        _ => None,
    })
}

fn found(choices: &mut Choices<'_>) -> Found {
    Found {
        address: choices.text(),
        network: choices.flag().then(|| choices.text()),
        families: [("ipv4".to_owned(), choices.text())].into_iter().collect(),
        status: choices.flag().then(|| choices.text()),
        ..Found::default()
    }
}
