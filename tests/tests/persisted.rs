//! What former versions kept across restarts is taken over by this one. See `persisted/README.md`.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use udmi_proto::{
    Action, Boot, Device, GatewaySettings, Instant, Key, Limits, Notice, Now, ProxyMode, ProxySettings,
    Settings, Stored, Udmi, UtcMillis,
};
use udmi_tests::model::Model;

/// Everything that is kept, and the version that is written now.
const KEPT: [(&str, u32); 7] = [
    ("attempts", 1),
    ("blobset", 1),
    ("endpoint", 1),
    ("outbox", 1),
    ("proxies", 1),
    ("rotation", 2),
    ("system", 1),
];

/// Key, version and content of each file.
fn golden() -> Vec<(String, u32, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("persisted");
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    let read = |path: PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let (key, version) = name.rsplit_once('-').expect("<key>-<version>.json");
        (key.to_owned(), version.parse().unwrap(), fs::read(path).unwrap())
    };
    files.map(read).collect()
}

/// What a device does first that finds this in its store.
fn first_actions(key: &str, value: &[u8]) -> Vec<Action> {
    let stored = Stored { key: Key::new(key).unwrap(), value: value.to_vec().into() };
    let now = Now { at: Instant(0), utc: UtcMillis(1_772_400_000_000) };
    let limits = Limits { outbox_kept_bytes: 1000, ..Limits::default() };
    let boot = Boot { stored: vec![stored], limits, ..Boot::new(now, 7) };
    let gateway = GatewaySettings {
        proxies: [("AHU-22".to_owned(), ProxySettings::default())].into(),
        mode: ProxyMode::Implicit,
        ..GatewaySettings::default()
    };
    let settings = Settings { gateway: Some(gateway), ..Model::air_handler().settings };
    let mut device = Device::new(boot, Udmi::new(settings).unwrap());
    std::iter::from_fn(|| device.poll()).collect()
}

/// The keys whose values were set aside. The link has no notices of its own.
fn unreadable(actions: &[Action]) -> Vec<String> {
    let key = |action: &Action| match action {
        Action::Notify(Notice::StoredUnreadable { key, .. }) => Some(key.clone()),
        Action::Store { key, .. } if key.as_str() == "outbox_unreadable" => Some("outbox".into()),
        _ => None,
    };
    actions.iter().filter_map(key).collect()
}

#[test]
fn what_any_version_has_kept_is_taken_over() {
    for (key, version, value) in golden() {
        let actions = first_actions(&key, &value);
        assert_eq!(unreadable(&actions), [""; 0], "{key}-{version}");
    }
}

#[test]
fn what_is_kept_has_a_file_of_its_version() {
    let files: BTreeSet<_> = golden().into_iter().map(|(key, version, _)| (key, version)).collect();
    for (key, version) in KEPT {
        for version in 1..=version {
            assert!(files.contains(&(key.to_owned(), version)), "{key}-{version}.json is missing");
        }
        let later = format!("{{\"version\":{}}}", version + 1);
        assert_eq!(
            unreadable(&first_actions(key, later.as_bytes())),
            [key],
            "a later version is not guessed at"
        );
    }
    let kept: BTreeSet<_> = KEPT.iter().map(|(key, _)| (*key).to_owned()).collect();
    assert!(files.iter().all(|(key, _)| kept.contains(key)), "nobody reads one of {files:?}");
}

#[test]
fn a_count_and_an_endpoint_go_on_where_they_were() {
    for (key, _, value) in golden() {
        let actions = first_actions(&key, &value);
        if key == "system" {
            let counted = |action: &Action| {
                matches!(action, Action::Store { value: Some(value), .. }
                if String::from_utf8_lossy(value).contains("\"restart_count\":42"))
            };
            assert!(actions.iter().any(counted), "{actions:?}");
        }
        if key == "proxies" {
            let counted = |action: &Action| match action {
                Action::Notify(Notice::Proxied { notice, .. }) => {
                    matches!(&**notice, Notice::Logged(entry) if entry.message.ends_with("restart count 43"))
                }
                _ => false,
            };
            assert!(actions.iter().any(counted), "{actions:?}");
        }
        let to = actions
            .iter()
            .find_map(|action| if let Action::Open { to, .. } = action { Some(to) } else { None });
        let moved = to.is_some_and(|to| to.host == "elsewhere.example");
        assert_eq!(moved, key == "endpoint");
    }
}
