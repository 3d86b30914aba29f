//! Blobs, redirects and keys as an application meets them, against a broker.

use std::fs;
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::adapter::{
    Begin as _, BlobError, Device, ExitReason, Notice, Redirect, StartError, Waiting as _, udmi_host,
    udmi_proto,
};
use crate::common::{Broker, PATIENCE, PREFIX, config, settings};
use device_link::Algorithm;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use udmi_host::fetch::{FetchPolicy, Proxy};
use udmi_host::key_store::{DeviceKeys, MemoryKeyStore, Wanted};
use udmi_proto::TokenSettings;

const GENERATION: &str = "2026-11-20T05:00:00Z";

#[test]
fn a_blob_is_installed_then_activated_then_the_run_restarts() {
    let (broker, folder) = (Broker::start(), tempfile::tempdir().unwrap());
    let software = folder.path().join("software");
    let installed = software.clone();
    let (told, activated) = channel();
    let device = Device::builder(settings(broker.address))
        .fetch_policy(policy(&folder))
        .on_blob(
            "system",
            hook!(
                [installed] | blob | {
                    assert_eq!(
                        (blob.name.as_str(), blob.generation.as_str(), blob.size),
                        ("system", GENERATION, 16)
                    );
                    fs::rename(&blob.path, &installed)?;
                    Ok(Some("v2".into()))
                }
            ),
        )
        .on_activate(hook!(
            [told] | name,
            version | {
                told.send((name.to_string(), version.map(|version| version.to_string()))).unwrap();
                Ok(())
            }
        ))
        .begin()
        .unwrap();
    broker.configure(&ordering("system", b"{\"version\":\"v2\"}"));
    let state = broker.message("state", |state| blob(state, "system")["phase"] == "final");
    assert_eq!(blob(&state, "system")["status"], Value::Null, "{state}");
    assert_eq!(state["system"]["software"]["system"], "v2");
    assert_eq!(device.ended(PATIENCE), Some(ExitReason::Restart));
    assert_eq!(activated.recv_timeout(PATIENCE).unwrap(), ("system".to_owned(), Some("v2".to_owned())));
    assert_eq!(fs::read(software).unwrap(), b"{\"version\":\"v2\"}");
}

#[test]
fn a_blob_that_is_not_installed_is_told_with_its_reason() {
    let (broker, folder) = (Broker::start(), tempfile::tempdir().unwrap());
    let device = Device::builder(settings(broker.address))
        .fetch_policy(policy(&folder))
        .on_blob("invalid", hook!(|_| Err(BlobError::Invalid("for another model".into()))))
        .on_blob("failed", hook!(|_| Err("flash worn out".into())))
        .on_blob("aborted", hook!(|_| Err(BlobError::Aborted("somebody is at the door".into()))))
        .on_blob("undone", hook!(|_| Err(BlobError::RolledBack("did not start".into()))))
        .on_blob("panicking", hook!(|_| panic!("out of cheese")))
        .begin()
        .unwrap();
    let mut wanted = config(1, None);
    for name in ["invalid", "failed", "aborted", "undone", "panicking"] {
        wanted["blobset"]["blobs"][name] = order(b"content");
    }
    broker.configure(&wanted);
    let state = broker.message("state", |state| {
        state["blobset"]["blobs"]
            .as_object()
            .is_some_and(|blobs| blobs.len() == 5 && blobs.values().all(|blob| blob["phase"] == "final"))
    });
    for (name, category, reason) in [
        ("invalid", "blobset.blob.parse", "another model"),
        ("failed", "blobset.blob.apply", "worn out"),
        ("aborted", "blobset.blob.abort", "at the door"),
        ("undone", "blobset.blob.rollback", "did not start"),
        ("panicking", "blobset.blob.apply", "out of cheese"),
    ] {
        let status = &blob(&state, name)["status"];
        assert_eq!(status["category"], category, "{name}: {status}");
        assert!(status["message"].as_str().unwrap().contains(reason), "{name}: {status}");
    }
    assert_eq!(fs::read_dir(folder.path().join("staging")).unwrap().count(), 0, "nothing stays staged");
    device.stop();
    assert_eq!(device.ended(PATIENCE), Some(ExitReason::Shutdown));
}

#[test]
fn blobs_need_a_folder_to_be_fetched_to() {
    let broker = Broker::start();
    let error =
        Device::builder(settings(broker.address)).on_blob("system", hook!(|_| Ok(None))).begin().unwrap_err();
    assert!(matches!(error, StartError::NoStaging), "{error}");
}

#[test]
fn keys_are_rotated_and_the_device_connects_with_the_new_one() {
    let broker = Broker::start();
    broker.configure(&config(1, None));
    let mut settings = settings(broker.address);
    settings.token = Some(TokenSettings {
        algorithm: Algorithm::Es256,
        audience: "bos".into(),
        username: "unused".into(),
        lifetime_seconds: 3600,
    });
    let keys = DeviceKeys::ensure(MemoryKeyStore::new(), "AHU-1", Wanted::default()).unwrap().0;
    let (told, heard) = channel();
    let told_too = told.clone();
    let device = Device::builder(settings)
        .keys(keys.clone())
        .on_key_rotated(hook!(
            [told] | public_key,
            backup | {
                told.send((public_key.to_string(), backup.to_string())).unwrap();
            }
        ))
        .on_notice(hook!(
            [told_too] | notice | {
                if let Notice::Connected { .. } = notice {
                    told_too.send(Default::default()).unwrap();
                }
            }
        ))
        .begin()
        .unwrap();
    let connected = (String::new(), String::new());
    assert_eq!(heard.recv_timeout(PATIENCE).unwrap(), connected);
    let first = keys.public_key().to_pem();
    device.rotate_key().unwrap();
    let (public_key, backup) = heard.recv_timeout(PATIENCE).unwrap();
    assert_eq!(public_key, keys.public_key().to_pem());
    assert_ne!(public_key, first);
    assert_eq!(keys.backups().unwrap(), [backup]);
    assert_eq!(heard.recv_timeout(PATIENCE).unwrap(), connected);
    device.stop();
    assert!(device.ended(PATIENCE).is_some());
}

#[test]
fn a_device_follows_its_config_to_another_broker_and_tells() {
    let (home, away) = (Broker::start(), Broker::start());
    let document = json!({
        "protocol": "mqtt", "hostname": "127.0.0.1", "port": away.address.port(), "transport": "tcp",
        "client_id": PREFIX, "topic_prefix": PREFIX,
    });
    let ordered = ordering("_iot_endpoint_config", document.to_string().as_bytes());
    away.configure(&ordered);
    let (told, heard) = channel();
    let device = Device::builder(settings(home.address))
        .on_redirect(hook!(
            [told] | redirect | {
                told.send(match redirect {
                    Redirect::Leaving { to, .. } => (to.port, None),
                    Redirect::Ended { endpoint, failure, .. } => {
                        (endpoint.port, Some(failure.map(|failure| failure.to_string())))
                    }
                })
                .unwrap();
            }
        ))
        .begin()
        .unwrap();
    home.configure(&ordered);
    let port = away.address.port();
    assert_eq!(heard.recv_timeout(PATIENCE).unwrap(), (port, None));
    assert_eq!(heard.recv_timeout(PATIENCE).unwrap(), (port, Some(None)));
    away.message("state", |state| blob(state, "_iot_endpoint_config")["phase"] == "final");
    device.stop();
    assert!(device.ended(PATIENCE).is_some());
}

fn policy(folder: &tempfile::TempDir) -> FetchPolicy {
    let pause = Duration::from_millis(1);
    FetchPolicy { proxy: Proxy::None, pause, ..FetchPolicy::new(folder.path().join("staging")) }
}

/// A config that orders one blob.
fn ordering(name: &str, content: &[u8]) -> Value {
    let mut wanted = config(1, None);
    wanted["blobset"]["blobs"][name] = order(content);
    wanted
}

fn order(content: &[u8]) -> Value {
    let sha256: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
    let url = format!("data:application/json;base64,{}", base64(content));
    json!({ "url": url, "sha256": sha256, "phase": "final", "generation": GENERATION })
}

fn blob<'a>(state: &'a Value, name: &str) -> &'a Value {
    &state["blobset"]["blobs"][name]
}

fn base64(content: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in content.chunks(3) {
        let bits =
            group.iter().fold(0, |bits, byte| bits << 8 | usize::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = DIGITS[bits >> (6 * (3 - place)) & 63];
            text.push(if place <= group.len() { char::from(digit) } else { '=' });
        }
    }
    text
}
